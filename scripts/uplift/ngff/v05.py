"""OME-Zarr 0.5: everything below ``ome``, which holds the one version."""

from collections.abc import Iterator, Mapping

from uplift.ngff.display_rules import DISPLAY_RULES
from uplift.ngff.draft import Draft, Edit
from uplift.ngff.image_rules import IMAGE_RULES
from uplift.ngff.json_kinds import shown
from uplift.ngff.json_paths import ABSENT, PathFinder, value_at
from uplift.ngff.paths import PATH_RULES
from uplift.ngff.plate_rules import PLATE_RULES
from uplift.ngff.registry import Check, Rules, Spot
from uplift.ngff.version import Target, Version

_NAME = "0.5"
_RULES = Rules[Check]()
rule = _RULES.rule
_VERSIONED = ("plate", "well", "image-label")


def finish(draft: Draft, declared: str | None) -> None:
    """Put the version where 0.5 has it.

    A plate has to have one, a well and a label image may (0.5, sections of these).

    Parameters
    ----------
    declared
        Version that the source has; None for metadata that are below ``ome`` already.
    """
    words = draft.words
    for keys in PathFinder().matches(words, "multiscales/*/version"):
        draft.apply(Edit(keys, ABSENT, "now ome.version"))
    for key in _VERSIONED:
        value = words.get(key)
        if isinstance(value, Mapping) and (
            "version" in value or key == "plate" or declared is not None
        ):
            _set_version(draft, (key, "version"))
    omero = words.get("omero")
    if (
        isinstance(omero, Mapping)
        and declared is not None
        and str(omero.get("version")) == declared
    ):
        draft.apply(Edit(("omero", "version"), ABSENT, "now ome.version"))
    _set_version(draft, ("version",))


def _set_version(draft: Draft, keys: tuple[str, ...]) -> None:
    if value_at(draft.words, keys) != _NAME:
        draft.apply(Edit(keys, _NAME))


@rule(
    "ome.version",
    "version?",
    asks="the metadata say the version",
    refuse="readers go by it",
)
def version_is_given(spot: Spot) -> Iterator[str]:
    """Section OME-Zarr metadata; migrate writes it, so a source cannot break it."""
    if str(spot.value).partition("-")[0] != _NAME:
        yield f"ome.version is {shown(spot.value)}, expected {_NAME!r}"


@rule(
    "dialect.version",
    "version",
    asks="the version is its number alone",
    keep="readers other than its own that compare the text letter by letter refuse it",
)
def version_is_plain(spot: Spot) -> Iterator[str]:
    """Section OME-Zarr metadata; ``spatialdata: true`` asks for such a text."""
    if isinstance(spot.value, str) and spot.value.startswith(f"{_NAME}-"):
        yield f"ome.version is {spot.value!r}, not {_NAME!r}"


VERSION = Version(
    _NAME,
    target=Target((*_RULES, *PATH_RULES, *IMAGE_RULES, *DISPLAY_RULES, *PLATE_RULES), finish),
)

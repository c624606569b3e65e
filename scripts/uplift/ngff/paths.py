"""Paths in metadata, and the rule of every version that one leads to something inside its group."""

import re
from collections.abc import Iterator

from uplift.errors import SourceError
from uplift.ngff.registry import Check, Rules, Spot

PATH_RULES = Rules[Check]()
_ADVICE = (
    "a path in OME-Zarr metadata leads to something inside its group; write it without a leading "
    "slash, '.', '..' or an address"
)


_LISTS_OF_GROUPS = ("labels", "series", "well", "plate")
"""Where a path decides no pixel: all groups are converted, whatever lists them."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]")
"""How a URL begins, or a path on a drive of Windows."""


def plain_path(value: str, group: str) -> str | None:
    """Write a path plainly; None where it is not one to something inside the group at `group`.

    A backslash, which programs on Windows write, is the slash that zarr-python reads it as.
    """
    if _ADDRESS.match(value) or "\0" in value:
        return None
    value = value.replace("\\", "/")
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if value.startswith("/"):
        above = group.split("/") if group else []
        if parts[: len(above)] != above:
            return None
        parts = parts[len(above) :]
    return "/".join(parts) if parts and ".." not in parts else None


def is_plain(value: str) -> bool:
    """Whether a path is written plainly and leads to something inside its group."""
    return not value.startswith("/") and plain_path(value, "") == value


def names_itself(value: str) -> bool:
    """Whether a path leads nowhere from its group: ``.``, ``./``, an empty text, slashes alone."""
    return not value.replace("\\", "/").replace("/.", "/").removeprefix(".").strip("/")


def checked_path(value: str, where: str) -> str:
    """Return a plain path as it is.

    Raises
    ------
    SourceError
        It is empty, absolute, or has ``.``, ``..`` or empty segments.
    """
    if not is_plain(value):
        raise SourceError(f"{where} is {value!r}: {_ADVICE}")
    return value


@PATH_RULES.rule(
    "path.outside",
    "multiscales/*/datasets/*/path",
    "plate/wells/*/path",
    "well/images/*/path",
    "labels/*",
    "series/*",
    asks="a path leads to something inside its group",
    refuse="what it means is not clear, and what it leads to may not be in the dataset",
)
def path_inside(spot: Spot) -> Iterator[str]:
    """Section multiscales metadata, and those of plates, wells and labels."""
    if not isinstance(spot.value, str) or is_plain(spot.value):
        return
    if spot.keys[0] in _LISTS_OF_GROUPS and names_itself(spot.value):
        return
    yield f"{spot.name} is {spot.value!r}: {_ADVICE}"


@PATH_RULES.rule(
    "dialect.path.self",
    "labels/*",
    "series/*",
    "plate/wells/*/path",
    "well/images/*/path",
    asks="what is listed lies below the group that lists it (series: below the collection)",
    keep="readers open that group in the place of an image, or nothing; images that are there open "
    "one by one",
)
def path_of_itself(spot: Spot) -> Iterator[str]:
    """Section bioformats2raw.layout, and those of labels, plates and wells."""
    if isinstance(spot.value, str) and names_itself(spot.value):
        yield f"{spot.name} is {spot.value!r}, which names no image of its own"

"""Bring the attributes of one group to another version of OME-Zarr: attributes to attributes.

What OME-Zarr defines moves below ``ome`` (0.5, section OME-Zarr metadata), all other keys stay next
to it. Then the source's faults that have one reading are repaired, the version's own edits are
made, and what still breaks a rule is said. Each edit is listed with the old and the new words, so
that ``migration.json`` can undo it.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from uplift.errors import SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.changes import Change
from uplift.models.findings import Finding, warning
from uplift.models.json_text import without_bare_nan
from uplift.ngff import detect
from uplift.ngff.alike import Alike, alike, holds_for_all, with_names
from uplift.ngff.draft import Draft, Edit, copied
from uplift.ngff.json_kinds import shown
from uplift.ngff.json_paths import ABSENT, Keys, text_of, value_at
from uplift.ngff.registry import Facts, Repairs, Spot, apply_repairs
from uplift.ngff.repairs_arrays import GEOMETRY
from uplift.ngff.repairs_words import ROUNDS, WORDING
from uplift.ngff.spatialdata import version_edits
from uplift.ngff.versions import TARGETS, VERSIONS, check_metadata

REPAIRED = "source.repaired"


@dataclass(frozen=True)
class Migrated:
    """Attributes of the output group, how they came about, and what to say about them."""

    attributes: dict[str, Any]
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


def migrate_attributes(
    attributes: Mapping[str, Any],
    target: str,
    facts: Facts,
    *,
    zarr_format: int = 2,
    spatialdata: bool = False,
) -> Migrated:
    """Migrate one group's attributes. Migrating what was migrated (``zarr_format=3``) is identity.

    Parameters
    ----------
    target
        Version to bring the metadata to; one of ``TARGETS``.
    facts
        Path of the group and what is known of its arrays; `version` is found here.
    zarr_format
        Of the group's documents.
    spatialdata
        Whether to write the version texts of the spatialdata library.

    Returns
    -------
    Migrated
        The new attributes, what was changed, and what is wrong with the old ones.

    Raises
    ------
    SourceError
        An attribute ``ome`` is in the way; one line.
    UnsupportedError
        A version that is not known.
    """
    if target not in TARGETS:
        raise UnsupportedError(f"target version {target!r}: known are {', '.join(TARGETS)}")
    if spatialdata:  # its versions depend on paths
        return _migrated(attributes, target, facts, zarr_format, spatialdata=True)
    same, names = alike(attributes, facts.path)
    shapes = None if facts.shapes is None else tuple(facts.shapes.items())
    known = shapes, tuple(facts.dimensions.items()), facts.occupied
    made = _migrated_alike(same, target, *known, zarr_format)
    if made is not None:
        return replace(made, attributes=with_names(copied(made.attributes), names))
    return _migrated(attributes, target, facts, zarr_format)


@lru_cache(maxsize=1024)
def _migrated_alike(
    same: Alike,
    target: str,
    shapes: tuple[tuple[str, Shape], ...] | None,
    dimensions: tuple[tuple[str, tuple[str, ...]], ...],
    occupied: frozenset[str],
    zarr_format: int,
) -> Migrated | None:
    """Migrate groups that are alike at once; None where each has to be migrated by itself."""
    known = None if shapes is None else dict(shapes)
    facts = Facts(same.path, None, known, dict(dimensions), occupied)
    try:
        made = _migrated(same.attributes, target, facts, zarr_format)
    except (SourceError, UnsupportedError):
        return None  # the message names the group
    changes = [change.to_json() for change in made.changes]
    right = not made.findings and holds_for_all(same, made.attributes, changes)
    return made if right else None


def _migrated(
    attributes: Mapping[str, Any],
    target: str,
    facts: Facts,
    zarr_format: int,
    *,
    spatialdata: bool = False,
) -> Migrated:
    path, ome = facts.path, detect.ome_of(attributes)
    in_place = ome is not attributes
    keys = detect.ome_keys_of(path, attributes)
    _refuse_collision(attributes, path, keys, zarr_format)
    if not keys and not in_place:
        return keep_attributes(attributes, path, spatialdata=spatialdata)
    facts = replace(facts, version=detect.ome_version(attributes, path))
    draft = _in_place(attributes) if in_place else _moved(attributes, keys, target)
    findings = list(_version_findings(attributes, facts))
    if in_place and zarr_format == 2:
        text = (
            'metadata below "ome", as OME-Zarr 0.5 keeps them in Zarr v3, in Zarr v2; read as 0.5'
        )
        findings.append(warning(REPAIRED, path, text))
    made = (apply_repairs(draft, WORDING, facts, ROUNDS), apply_repairs(draft, GEOMETRY, facts))
    for one, edit, old in itertools.chain(*made):
        if facts.version not in one.right_in:
            findings.append(_repaired(edit, old, path))
    TARGETS[target].finish(draft, None if in_place else _declared(attributes, facts))
    _version_for_spatialdata(draft, path, asked=spatialdata)
    findings += _write_nonfinite(draft, path)
    findings += check_metadata(draft.words, target, path)
    return Migrated(draft.attributes, tuple(draft.changes), tuple(findings))


def keep_attributes(
    attributes: Mapping[str, Any], path: str, *, spatialdata: bool = False
) -> Migrated:
    """Keep the attributes of an array, or of a group that OME-Zarr has no word for.

    Parameters
    ----------
    attributes
        Of the node, as they are in the source.
    path
        Of the node, from the root of the dataset.
    spatialdata
        Whether to write the versions that SpatialData reads.

    Returns
    -------
    Migrated
        The same attributes, with all that was changed in them.
    """
    draft = Draft.of(attributes, ())
    for key in attributes:
        draft.keep(key)
    _version_for_spatialdata(draft, path, asked=spatialdata)
    findings = tuple(_write_nonfinite(draft, path))
    return Migrated(draft.attributes, tuple(draft.changes), findings)


def _moved(attributes: Mapping[str, Any], keys: tuple[str, ...], target: str) -> Draft:
    """0.1 to 0.4: OME-Zarr keys go below ``ome``, the rest stays."""
    words = {"version": target}
    draft = Draft.of({"ome": words, **attributes}, ("ome",))
    draft.changes.append(Change(key="ome", action="added", place="/ome", new=words))
    for key in keys:
        draft.move(key)
    for key in attributes:
        if key not in keys:
            draft.keep(key)
    return draft


def _in_place(attributes: Mapping[str, Any]) -> Draft:
    """0.5: everything stays where it is."""
    draft = Draft.of(attributes, ("ome",))
    for key in attributes:
        draft.keep(key)
    return draft


def _declared(attributes: Mapping[str, Any], facts: Facts) -> str:
    return detect.declared_version(attributes) or facts.version or ""


def _version_for_spatialdata(draft: Draft, path: str, *, asked: bool) -> None:
    for edit in list(version_edits(path, draft.attributes)) if asked else ():
        draft.apply(edit, inside=False)


def _version_findings(attributes: Mapping[str, Any], facts: Facts) -> Iterator[Finding]:
    declared = detect.declared_version(attributes)
    if declared is None:
        return
    if declared.partition("-")[0] != facts.version:
        read = f"read as {facts.version}" if facts.version else "read for what they are"
        text = f"the version {declared!r} is not one of OME-Zarr's; the metadata are {read}"
        yield warning(REPAIRED, facts.path, text)
    if facts.version is None or VERSIONS[facts.version].says_scales:
        return
    entries = detect.ome_of(attributes).get("multiscales")
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        axes = entry.get("axes") if isinstance(entry, Mapping) else None
        if isinstance(axes, list) and any(isinstance(axis, Mapping) for axis in axes):
            text = (
                f"multiscales[{number}] declares OME-Zarr {declared} and describes its axes as 0.4 "
                "does; read as 0.4"
            )
            yield warning("source.version", facts.path, text)


REPAIRS = Repairs((*WORDING, *GEOMETRY))
"""Every kind of fault that is repaired; the last one anywhere, once all else is as it should be."""


@REPAIRS.repair(
    "number.nonfinite",
    wrong="bare `NaN` and `Infinity` anywhere, which are not JSON and hide the node from readers",
    right="the texts `NaN`, `Infinity`, `-Infinity`",
)
def nonfinite(spot: Spot) -> Iterator[Edit]:
    """Write what is not JSON as texts."""
    for keys, value in _nonfinite_in(spot.value, spot.keys):
        yield Edit(keys, without_bare_nan(value), "a text, since it is not JSON")


def _nonfinite_in(value: Any, keys: Keys) -> Iterator[tuple[Keys, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list, float)):
                yield from _nonfinite_in(item, (*keys, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list, float)):
                yield from _nonfinite_in(item, (*keys, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield keys, value


def _write_nonfinite(draft: Draft, path: str) -> Iterator[Finding]:
    for edit in list(nonfinite(Spot(draft.attributes, ()))):
        old = value_at(draft.attributes, edit.keys)
        draft.apply(edit, repair="number.nonfinite", inside=False)
        yield _repaired(_below(edit, draft.ome), old, path)


def _below(edit: Edit, ome: Keys) -> Edit:
    """The edit with its keys from the OME-Zarr metadata, where it is in them."""
    inside = bool(ome) and edit.keys[: len(ome)] == ome
    return replace(edit, keys=edit.keys[len(ome) :]) if inside else edit


def _repaired(edit: Edit, old: Any, path: str) -> Finding:
    before = "was missing" if old is ABSENT else f"{shown(old)}"
    after = "dropped" if edit.new is ABSENT else f"now {shown(edit.new)}"
    how = f" ({edit.how})" if edit.how else ""
    return warning(REPAIRED, path, f"{text_of(edit.keys)}: {before}, {after}{how}")


def _refuse_collision(
    attributes: Mapping[str, Any], path: str, keys: tuple[str, ...], zarr_format: int
) -> None:
    """Refuse an attribute ``ome`` where 0.5 puts its own."""
    if "ome" not in attributes:
        return
    if detect.ome_below(attributes) is None:
        if zarr_format == 2 or keys:
            raise SourceError(
                f'{path or "root"}: there is an attribute "ome" already, where OME-Zarr 0.5 keeps '
                "its metadata; rename it in the source"
            )
    elif zarr_format == 2 and any(key in attributes for key in detect.OME_KEYS):
        raise SourceError(
            f'{path or "root"}: metadata of OME-Zarr below the attribute "ome" and next to it; '
            "remove those that are out of date from the source"
        )

"""Proof that a migrated group still says everything that its source said.

Written against the format alone and without a look at how the migration goes about it: with the
edits below undone, the union of the output's attributes beside ``ome`` and inside it has to be the
source's attributes (OME-Zarr 0.5, section OME-Zarr metadata).

Edits that are no loss: ``ome.version`` in place of ``multiscales[].version``; a new version of
plate, well and image-label; ``omero.version`` gone when it was the OME-Zarr version; axis names
spelled as objects; axes, scales and well indices that were missing; numbers that became texts in
paths of levels, labels and series, and in names of rows and columns; texts that became numbers in
an omero window, a scale, a translation, ``bioformats2raw.layout`` and a plate's counts; an identity
that became the scale 1; nulls and empty lists gone where the key may be absent; NaN and
infinities, which are no JSON, spelled as texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from uplift.models.inventory import GroupRole

_ANYWHERE = ("multiscales", "omero", "image-label", "plate", "well", "bioformats2raw.layout")
_BY_ROLE: dict[str, GroupRole] = {"labels": "labels", "series": "OME"}

_VERSION = re.compile(r"(plate|well|image-label)\.version")
_OLD_VERSION = re.compile(r"multiscales\[\d+\]\.version")
_TRANSFORMS = r"multiscales\[\d+\](\.datasets\[\d+\])?\.coordinateTransformations"
_EMPTY_LIST = re.compile(rf"{_TRANSFORMS}|image-label\.(colors|properties)")
_NULL = re.compile(
    rf"{_TRANSFORMS}|image-label\.(colors|properties|source|source\.image)"
    r"|plate\.(name|field_count|acquisitions|acquisitions\[\d+\]\.[a-z]+)"
    r"|well\.images\[\d+\]\.acquisition"
)
_AXIS = re.compile(r"multiscales\[\d+\]\.axes\[\d+\]")
_TEXT = re.compile(
    r"multiscales\[\d+\]\.datasets\[\d+\]\.path|plate\.(rows|columns)\[\d+\]\.name"
    r"|(labels|series)\[\d+\]"
)
_NUMBER = re.compile(
    r"omero\.channels\[\d+\]\.window\.(start|end|min|max)|bioformats2raw\.layout"
    r"|plate\.field_count|plate\.wells\[\d+\]\.(rowIndex|columnIndex)"
    r"|multiscales\[\d+\]\.datasets\[\d+\]\.coordinateTransformations\[\d+\]"
    r"\.(scale|translation)\[\d+\]"
)
_FIRST = re.compile(rf"{_TRANSFORMS}\[0\]")
_ADDED = re.compile(
    r"(plate|well|image-label)\.version"
    r"|plate\.wells\[\d+\]\.(rowIndex|columnIndex)"
    r"|multiscales\[\d+\]\.(axes|datasets\[\d+\]\.coordinateTransformations)"
)


def lost_attributes(
    source: Mapping[str, Any], output: Mapping[str, Any], roles: tuple[GroupRole, ...]
) -> list[str]:
    """List what of a group's attributes is missing, different or invented in the output.

    Parameters
    ----------
    source
        ``.zattrs``, or the ``attributes`` of ``zarr.json``.
    output
        ``attributes`` of the output's ``zarr.json``.
    roles
        Roles of the group: ``labels`` and ``series`` belong to OME-Zarr by them.
    """
    old_ome, old_rest = _split(source, roles)
    if not old_ome:
        return list(_differences(source, output, ""))
    new_ome = output.get("ome")
    if not isinstance(new_ome, Mapping):
        return ["ome: missing in the output"]
    new_rest = {key: value for key, value in output.items() if key != "ome"}
    undone = {key: value for key, value in new_ome.items() if key != "version"}
    versions = _versions(old_ome)
    expected = {key: value for key, value in old_ome.items() if key != "version"}
    omero = expected.get("omero")
    if isinstance(omero, Mapping) and str(omero.get("version")) in versions:
        new_omero = undone.get("omero")
        if isinstance(new_omero, Mapping) and "version" not in new_omero:
            expected["omero"] = {key: omero[key] for key in omero if key != "version"}
    lost = list(_differences(expected, undone, "", versions=True))
    if new_ome.get("version") is None:
        lost.append("ome.version: missing in the output")
    return lost + list(_differences(old_rest, new_rest, ""))


def lost_array_attributes(source: Mapping[str, Any], output: Mapping[str, Any]) -> list[str]:
    """List what of an array's attributes is missing, different or invented in the output."""
    return list(_differences(source, output, ""))


def _split(
    source: Mapping[str, Any], roles: tuple[GroupRole, ...]
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """OME metadata of the source, and the rest of its attributes."""
    ome = source.get("ome")
    if isinstance(ome, Mapping) and {"version", *_ANYWHERE, *_BY_ROLE} & set(ome):
        return ome, {key: value for key, value in source.items() if key != "ome"}
    keys = [
        key for key in source if key in _ANYWHERE or (key in _BY_ROLE and _BY_ROLE[key] in roles)
    ]
    return (
        {key: source[key] for key in keys},
        {key: value for key, value in source.items() if key not in keys},
    )


def _versions(ome: Mapping[str, Any]) -> set[str]:
    """OME-Zarr versions that the source declares; all of them when it declares none."""
    multiscales = ome.get("multiscales")
    entries = list(multiscales) if isinstance(multiscales, list) else []
    entries += [ome.get(key) for key in ("plate", "well", "image-label")]
    found = {str(e["version"]) for e in entries if isinstance(e, Mapping) and "version" in e}
    return found or {"0.1", "0.2", "0.3", "0.4"}


def _differences(old: Any, new: Any, where: str, *, versions: bool = False) -> Iterator[str]:
    if versions and _is_edit(old, new, where):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _differing_keys(old, new, where, versions=versions)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(old)} entries in the source, {len(new)} in the output"
            return
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _differences(a, b, f"{where}[{number}]", versions=versions)
    elif not _same(old, new):
        yield f"{where}: {_shown(old)} in the source, {_shown(new)} in the output"


def _differing_keys(
    old: Mapping[str, Any], new: Mapping[str, Any], where: str, *, versions: bool
) -> Iterator[str]:
    for key, value in old.items():
        place = f"{where}.{key}" if where else key
        if key in new:
            yield from _differences(value, new[key], place, versions=versions)
        elif not (versions and _may_go(value, place)):
            yield f"{place}: missing in the output"
    for key in new:
        place = f"{where}.{key}" if where else key
        if key not in old and not (versions and _ADDED.fullmatch(place)):
            yield f"{place}: in the output, not in the source"


def _may_go(old: Any, where: str) -> bool:
    """Whether a key may be absent: a version that moved, or one that said nothing."""
    return bool(_OLD_VERSION.fullmatch(where) or _says_nothing(old, where))


def _says_nothing(old: Any, where: str) -> bool:
    empty = old == [] and _EMPTY_LIST.fullmatch(where)
    return bool(empty or (old is None and _NULL.fullmatch(where)))


def _is_edit(old: Any, new: Any, where: str) -> bool:
    """Whether a change is one of those that the migration is for."""
    if _VERSION.fullmatch(where):
        return isinstance(new, str)
    if _AXIS.fullmatch(where) and isinstance(old, str):
        return isinstance(new, Mapping) and new.get("name") == old and set(new) <= {"name", "type"}
    if _says_nothing(old, where) and _ADDED.fullmatch(where):
        return isinstance(new, list)
    if _FIRST.fullmatch(where) and old == {"type": "identity"} and isinstance(new, Mapping):
        scale = new.get("scale")
        ones = isinstance(scale, list) and all(value == 1 for value in scale)
        return ones and new == {"type": "scale", "scale": scale}
    if _TEXT.fullmatch(where) and isinstance(old, int):
        return _same(str(old), new)
    if _NUMBER.fullmatch(where) and isinstance(old, str) and isinstance(new, (int, float)):
        try:
            return float(old) == new
        except ValueError:
            return False
    return False


def _same(old: Any, new: Any) -> bool:
    """Whether two JSON scalars are the same: ``1``, ``1.0`` and ``true`` are three values."""
    if isinstance(old, float) and not math.isfinite(old):
        text = "NaN" if math.isnan(old) else "Infinity" if old > 0 else "-Infinity"
        return bool(new == text) or repr(old) == repr(new)
    return type(old) is type(new) and bool(old == new)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

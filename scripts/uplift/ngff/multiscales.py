"""Migrate one entry of ``multiscales``: versions, axes, scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uplift.errors import SourceError
from uplift.grid import Shape
from uplift.ngff import axes, detect, repairs
from uplift.ngff.migration_state import BEFORE_04, Migration


def migrate_multiscale(entry: Any, number: int, state: Migration) -> Any:
    """Migrate the entry with this number; what is no object stays as it is.

    Raises
    ------
    SourceError
        Two axes are named alike, or the levels do not say what is missing.
    """
    if not isinstance(entry, Mapping):
        return entry
    where = f"multiscales[{number}]"
    if "version" in entry:
        state.note(f"{where}.version", "dropped", f"{entry['version']!r}; now ome.version")
    new = {key: value for key, value in entry.items() if key != "version"}
    datasets = new.get("datasets")
    if isinstance(datasets, list):
        new["datasets"] = [
            _level(level, f"{where}.datasets[{i}]", state) for i, level in enumerate(datasets)
        ]
    new = _with_axes(new, where, state)
    names = detect.axis_names(new.get("axes"))
    axes.refuse_duplicates(names, f"{state.where}: {where}.axes")
    new = _spell_identities(new, len(names), where, state)
    before = state.version in BEFORE_04
    if before or (state.version == "0.4" and not state.in_place and repairs.says_no_scale(new)):
        return _with_scales(new, where, state)
    return new


def _spell_identities(
    entry: dict[str, Any], ndim: int, where: str, state: Migration
) -> dict[str, Any]:
    new, repaired = repairs.repair_identity(entry, ndim)
    found = [f"{where}.{key}" for key in repaired]
    levels = []
    for i, level in enumerate(detect.items_of(entry.get("datasets"))):
        spelled, repaired = repairs.repair_identity(level, ndim)
        found += [f"{where}.datasets[{i}].{key}" for key in repaired]
        levels.append(spelled)
    for key in found:
        state.repaired(key, "identity, which 0.5 forbids, became the scale 1 of each axis")
    return {**new, "datasets": levels} if levels else new


def _level(level: Any, where: str, state: Migration) -> Any:
    new, repaired = repairs.repair_path(level)
    if repaired:
        state.repaired(
            f"{where}.path", f"the number {level['path']} became the text {new['path']!r}"
        )
    new, repaired = repairs.repair_transforms(new)
    for key in repaired:
        state.repaired(f"{where}.{key}", "texts became numbers")
    return new


def _with_axes(entry: dict[str, Any], where: str, state: Migration) -> dict[str, Any]:
    """Spell axes as objects (0.3 has names), or add the five that 0.1 and 0.2 imply."""
    old = entry.get("axes")
    if isinstance(old, list) and old and all(isinstance(axis, str) for axis in old):
        spelled = [axes.axis_from_name(name) for name in old]
        if state.version in BEFORE_04:
            state.note(f"{where}.axes", "changed", "axis names became objects with their types")
        else:
            state.repaired(f"{where}.axes", "axis names became objects with their types")
        return {**entry, "axes": spelled}
    if "axes" in entry or state.version not in BEFORE_04:
        if detect.axis_names(old) and state.version in BEFORE_04:
            state.warn(
                "source.version",
                f"{where} declares OME-Zarr {state.declared or state.version} and describes its "
                "axes as 0.4 does; read as 0.4",
            )
        return entry
    shapes = _shapes(entry, where, state)
    if any(len(shape) != len(axes.FIVE_AXES) for shape in shapes):
        found = sorted({len(shape) for shape in shapes})
        raise SourceError(
            f"{state.where}: {where} has no axes, which in OME-Zarr {state.version} means t, c, z, "
            f"y, x, and its arrays have {found} dimensions; add axes to the metadata"
        )
    state.note(f"{where}.axes", "added", "t, c, z, y, x: what OME-Zarr 0.1 and 0.2 imply")
    return {**entry, "axes": [axes.axis_from_name(name) for name in axes.FIVE_AXES]}


def _with_scales(entry: dict[str, Any], where: str, state: Migration) -> dict[str, Any]:
    """Add the scale of each level relative to level 0, which versions before 0.4 had no word for.

    OME-Zarr 0.5, section multiscales metadata: "If scaling information is not available […] the
    scale value MUST express the scaling factor between the current resolution and the first".
    """
    datasets = entry.get("datasets")
    if not isinstance(datasets, list) or not all(isinstance(level, Mapping) for level in datasets):
        return entry
    if all("coordinateTransformations" in level for level in datasets):
        return entry
    shapes = _shapes(entry, where, state)
    if len({len(shape) for shape in shapes}) != 1:
        raise SourceError(
            f"{state.where}: the levels of {where} differ in their number of dimensions: "
            f"{[list(shape) for shape in shapes]}; correct the metadata"
        )
    levels = []
    for i, (old, scale) in enumerate(zip(datasets, axes.relative_scales(shapes), strict=True)):
        level = old
        if "coordinateTransformations" not in old:
            key = f"{where}.datasets[{i}].coordinateTransformations"
            text = f"scale {scale}, from the shapes of the levels"
            state.note(key, "added", text)
            if state.version not in BEFORE_04:
                state.warn("source.repaired", f"{key}: was missing; {text}, as 0.5 asks for")
            transform = {"type": "scale", "scale": scale}
            level = {**old, "coordinateTransformations": [transform]}
        levels.append(level)
    return {**entry, "datasets": levels}


def _shapes(entry: Mapping[str, Any], where: str, state: Migration) -> list[Shape]:
    """Shapes of the levels, all of which have to be there."""
    shapes = []
    for level in detect.items_of(entry.get("datasets")):
        path = level.get("path") if isinstance(level, Mapping) else None
        key = path.removesuffix("/") if isinstance(path, str) else ""
        if key not in state.arrays:
            raise SourceError(f"{state.where}: {where} lists the level {path!r}, which is no array")
        shapes.append(state.arrays[key])
    if not shapes:
        raise SourceError(f"{state.where}: {where} has no datasets; add the paths of its levels")
    return shapes

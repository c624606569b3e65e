"""Bring the attributes of one group to OME-Zarr 0.5: a function from attributes to attributes.

What OME-Zarr defines moves below ``ome`` (0.5, section OME-Zarr metadata), all else stays beside
it. Only what a version edit, a missing index or a wrong JSON type makes necessary is changed, each
change is listed, and a change that the source should not have needed is a finding too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from uplift.errors import SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.models.inventory import GroupRole
from uplift.models.migration import Change
from uplift.ngff import axes, detect, repairs, rules

TARGET_VERSIONS = ("0.5",)

_BEFORE_04 = ("0.1", "0.2", "0.3")


@dataclass(frozen=True)
class Migrated:
    """Attributes of the output group, how they came about, and what to say about them."""

    attributes: dict[str, Any]
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


@dataclass
class _Migration:
    """One migration under way."""

    path: str
    version: str | None
    declared: str | None
    """Version of the source as it is written there."""
    target: str
    arrays: Mapping[str, Shape]
    in_place: bool
    """The source has an ``ome`` object already."""
    changes: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Path of the group, for messages."""
        return self.path or "root"

    def note(self, key: str, action: Any, detail: str | None = None) -> None:
        """Note what becomes of a key."""
        self.changes.append(Change(key=key, action=action, detail=detail))

    def repaired(self, key: str, detail: str) -> None:
        """Note a change that the source should not have needed."""
        self.note(key, "changed", detail)
        self.warn("source.repaired", f"{key}: {detail}")

    def warn(self, code: str, message: str) -> None:
        """Note something that the source should not have said so."""
        finding = Finding(code=code, severity="warning", path=self.path, message=message)
        self.findings.append(finding)


def migrate_attributes(
    attributes: Mapping[str, Any],
    path: str,
    roles: tuple[GroupRole, ...],
    target_version: str,
    arrays: Mapping[str, Shape],
    *,
    zarr_format: int = 2,
) -> Migrated:
    """Migrate one group's attributes. Migrating what was migrated (``zarr_format=3``) is identity.

    Parameters
    ----------
    path
        Path of the group, for messages.
    target_version
        Version to bring the metadata to; one of `TARGET_VERSIONS`.
    arrays
        Shape of each level, by its path relative to the group.

    Raises
    ------
    SourceError
        The metadata cannot be migrated without guessing; one line.
    UnsupportedError
        A version that is not known.
    """
    if target_version not in TARGET_VERSIONS:
        raise UnsupportedError(
            f"target version {target_version!r}: known are {', '.join(TARGET_VERSIONS)}"
        )
    ome = detect.ome_of(attributes)
    in_place = ome is not attributes and zarr_format != 2
    keys = detect.ome_keys_of(path, attributes)
    _refuse_collision(attributes, path, keys, zarr_format)
    if not keys and not in_place:
        kept = keep_attributes(attributes, path)
        missing = rules.check_metadata({}, roles, path=path)
        missing = tuple(one.model_copy(update={"severity": "warning"}) for one in missing)
        return replace(kept, findings=(*kept.findings, *missing))
    state = _Migration(
        path=path,
        version=_known_version(attributes, path),
        declared=detect.declared_version(attributes),
        target=target_version,
        arrays=arrays,
        in_place=in_place,
    )
    new = _in_place(attributes, ome, state) if in_place else _moved(attributes, keys, state)
    new = _spell_nonfinite(new, "", state)
    state.findings += rules.check_metadata(new["ome"], roles, path=path)
    return Migrated(new, tuple(state.changes), tuple(state.findings))


def keep_attributes(attributes: Mapping[str, Any], path: str) -> Migrated:
    """Keep the attributes of an array, or of a group that OME-Zarr has no word for."""
    state = _Migration(path, None, None, "", {}, in_place=True)
    for key in attributes:
        state.note(key, "kept")
    new = _spell_nonfinite(dict(attributes), "", state)
    return Migrated(new, tuple(state.changes), tuple(state.findings))


def _spell_nonfinite(value: Any, where: str, state: _Migration) -> Any:
    """Spell NaN and infinities as texts: bare, they are no JSON and hide the node from readers."""
    if isinstance(value, Mapping):
        return {
            key: _spell_nonfinite(item, f"{where}.{key}" if where else key, state)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_spell_nonfinite(item, f"{where}[{i}]", state) for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        text = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        state.repaired(where, f"{text}, which is no JSON, became the text {text!r}")
        return text
    return value


def _moved(
    attributes: Mapping[str, Any], keys: tuple[str, ...], state: _Migration
) -> dict[str, Any]:
    """0.1 to 0.4: OME keys go below ``ome``, the rest stays."""
    ome: dict[str, Any] = {"version": state.target}
    for key in keys:
        state.note(key, "moved")
        ome[key] = _migrate_value(key, attributes[key], state)
    rest = {key: value for key, value in attributes.items() if key not in keys}
    for key in rest:
        state.note(key, "kept")
    return {"ome": ome, **rest}


def _in_place(
    attributes: Mapping[str, Any], ome: Mapping[str, Any], state: _Migration
) -> dict[str, Any]:
    """0.5: everything stays where it is."""
    new: dict[str, Any] = {}
    if "version" not in ome:
        state.note("ome.version", "added", state.target)
        new["version"] = state.target
    for key, value in ome.items():
        if key == "version" and value != state.target:
            state.note("ome.version", "changed", f"{value!r} → {state.target!r}")
            new[key] = state.target
        else:
            new[key] = _migrate_value(key, value, state)
    for key in attributes:
        state.note(key, "kept")
    return {key: new if key == "ome" else value for key, value in attributes.items()}


def _migrate_value(key: str, value: Any, state: _Migration) -> Any:
    value, dropped = repairs.drop_empty(key, value)
    for place in dropped:
        state.repaired(place, "dropped: empty, which 0.5 forbids")
    if key == "multiscales" and isinstance(value, list):
        return [_multiscale(entry, i, state) for i, entry in enumerate(value)]
    if key == "omero" and isinstance(value, Mapping):
        return _omero(value, state)
    if key == "plate" and isinstance(value, Mapping):
        return _with_version(key, _plate(value, state), state)
    if key == "bioformats2raw.layout":
        new, repaired = repairs.repair_layout(value)
        if repaired:
            state.repaired(key, "the text '3' became the number 3")
        return new
    if key in ("labels", "series"):
        new, repaired = repairs.repair_names_of_groups(value)
        for place in repaired:
            state.repaired(f"{key}{place}", "the number became a text")
        return new
    if key in ("well", "image-label") and isinstance(value, Mapping):
        return _with_version(key, value, state)
    return value


def _with_version(key: str, value: Mapping[str, Any], state: _Migration) -> dict[str, Any]:
    """Set the version that 0.5 asks of a plate, and lets wells and label images have."""
    old, new = value.get("version"), state.target
    if "version" in value:
        if old != new:
            state.note(f"{key}.version", "changed", f"{old!r} → {new!r}")
        return {k: new if k == "version" else v for k, v in value.items()}
    if state.in_place and key != "plate":
        return dict(value)
    state.note(f"{key}.version", "added", new)
    return {**value, "version": new}


def _multiscale(entry: Any, number: int, state: _Migration) -> Any:
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
    before = state.version in _BEFORE_04
    if before or (state.version == "0.4" and not state.in_place and repairs.says_no_scale(new)):
        return _with_scales(new, where, state)
    return new


def _spell_identities(
    entry: dict[str, Any], ndim: int, where: str, state: _Migration
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


def _level(level: Any, where: str, state: _Migration) -> Any:
    new, repaired = repairs.repair_path(level)
    if repaired:
        state.repaired(
            f"{where}.path", f"the number {level['path']} became the text {new['path']!r}"
        )
    new, repaired = repairs.repair_transforms(new)
    for key in repaired:
        state.repaired(f"{where}.{key}", "texts became numbers")
    return new


def _with_axes(entry: dict[str, Any], where: str, state: _Migration) -> dict[str, Any]:
    """Spell axes as objects (0.3 has names), or add the five that 0.1 and 0.2 imply."""
    old = entry.get("axes")
    if isinstance(old, list) and old and all(isinstance(axis, str) for axis in old):
        spelled = [axes.axis_from_name(name) for name in old]
        if state.version in _BEFORE_04:
            state.note(f"{where}.axes", "changed", "axis names became objects with their types")
        else:
            state.repaired(f"{where}.axes", "axis names became objects with their types")
        return {**entry, "axes": spelled}
    if "axes" in entry or state.version not in _BEFORE_04:
        if detect.axis_names(old) and state.version in _BEFORE_04:
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


def _with_scales(entry: dict[str, Any], where: str, state: _Migration) -> dict[str, Any]:
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
            if state.version not in _BEFORE_04:
                state.warn("source.repaired", f"{key}: was missing; {text}, as 0.5 asks for")
            transform = {"type": "scale", "scale": scale}
            level = {**old, "coordinateTransformations": [transform]}
        levels.append(level)
    return {**entry, "datasets": levels}


def _shapes(entry: Mapping[str, Any], where: str, state: _Migration) -> list[Shape]:
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


def _plate(plate: Mapping[str, Any], state: _Migration) -> dict[str, Any]:
    new, repaired = repairs.repair_plate_numbers(plate)
    for key in repaired:
        state.repaired(f"plate.{key}", "the text became a number")
    for side in ("rows", "columns"):
        if side in plate:
            new[side], repaired = repairs.repair_names(plate[side])
            for key in repaired:
                state.repaired(f"plate.{side}{key}", "the number became a text")
    return {**new, **_wells(new, state)}


def _wells(plate: Mapping[str, Any], state: _Migration) -> dict[str, Any]:
    """Wells with the indices that 0.4 introduced, read off their paths where they are missing."""
    wells = plate.get("wells")
    if not isinstance(wells, list):
        return {}
    rows, columns = (_positions(plate.get(key)) for key in ("rows", "columns"))
    new = []
    for number, well in enumerate(wells):
        path = well.get("path") if isinstance(well, Mapping) else None
        row, _, column = path.partition("/") if isinstance(path, str) else ("", "", "")
        found = {"rowIndex": rows.get(row), "columnIndex": columns.get(column)}
        added = {
            key: index for key, index in found.items() if index is not None and key not in well
        }
        for key, index in added.items():
            where = f"plate.wells[{number}].{key}"
            if state.version in _BEFORE_04:
                state.note(where, "added", str(index))
            else:
                state.repaired(where, f"was missing; {index}, as its path {path!r} says")
        new.append({**well, **added} if added else well)
    return {"wells": new}


def _positions(entries: Any) -> dict[str, int]:
    """Index of each name; a wrong entry keeps its place, of equal names the first counts."""
    found: dict[str, int] = {}
    for index, entry in enumerate(detect.items_of(entries)):
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
            found.setdefault(entry["name"], index)
    return found


def _omero(omero: Mapping[str, Any], state: _Migration) -> dict[str, Any]:
    new = dict(omero)
    old = omero.get("version")
    if old is not None and not state.in_place and str(old) == (state.declared or state.version):
        state.note("omero.version", "dropped", f"{new.pop('version')!r}; now ome.version")
    if isinstance(omero.get("channels"), list):
        new["channels"] = [
            _channel(channel, f"omero.channels[{i}].window", state)
            for i, channel in enumerate(omero["channels"])
        ]
    return new


def _channel(channel: Any, where: str, state: _Migration) -> Any:
    new, repaired = repairs.repair_window(channel)
    if repaired:
        state.repaired(where, f"texts became numbers: {', '.join(repaired)}")
    return new


def _known_version(attributes: Mapping[str, Any], path: str) -> str | None:
    version = detect.ome_version(attributes)
    if version is None or version in detect.KNOWN_VERSIONS:
        return version
    raise UnsupportedError(
        f"{path or 'root'}: OME-Zarr version {version!r} is not known (known: "
        f"{', '.join(detect.KNOWN_VERSIONS)}); correct it or use a newer ngff-uplift"
    )


def _refuse_collision(
    attributes: Mapping[str, Any], path: str, keys: tuple[str, ...], zarr_format: int
) -> None:
    """Refuse an attribute ``ome`` where 0.5 puts its own."""
    if "ome" not in attributes:
        return
    taken = zarr_format == 2 or (bool(keys) and detect.ome_of(attributes) is attributes)
    if taken:
        raise SourceError(
            f'{path or "root"}: there is an attribute "ome" already, where OME-Zarr 0.5 keeps its '
            "metadata; rename it in the source"
        )

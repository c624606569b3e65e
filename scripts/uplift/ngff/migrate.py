"""Bring the attributes of one group to OME-Zarr 0.5: a function from attributes to attributes.

What OME-Zarr defines moves below ``ome`` (0.5, section OME-Zarr metadata), all else stays beside
it. Only what a version edit, a missing index or a wrong JSON type makes necessary is changed, each
change is listed, and a change that the source should not have needed is a finding too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from uplift.errors import SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.models.inventory import GroupRole
from uplift.models.migration import Change
from uplift.ngff import detect, repairs, rules
from uplift.ngff.migration_state import Migration
from uplift.ngff.multiscales import migrate_multiscale
from uplift.ngff.plates import migrate_plate

TARGET_VERSIONS = ("0.5",)


@dataclass(frozen=True)
class Migrated:
    """Attributes of the output group, how they came about, and what to say about them."""

    attributes: dict[str, Any]
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


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
    state = Migration(
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
    state = Migration(path, None, None, "", {}, in_place=True)
    for key in attributes:
        state.note(key, "kept")
    new = _spell_nonfinite(dict(attributes), "", state)
    return Migrated(new, tuple(state.changes), tuple(state.findings))


def _spell_nonfinite(value: Any, where: str, state: Migration) -> Any:
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
    attributes: Mapping[str, Any], keys: tuple[str, ...], state: Migration
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
    attributes: Mapping[str, Any], ome: Mapping[str, Any], state: Migration
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


def _migrate_value(key: str, value: Any, state: Migration) -> Any:
    value, dropped = repairs.drop_empty(key, value)
    for place in dropped:
        state.repaired(place, "dropped: empty, which 0.5 forbids")
    if key == "multiscales" and isinstance(value, list):
        return [migrate_multiscale(entry, i, state) for i, entry in enumerate(value)]
    if key == "omero" and isinstance(value, Mapping):
        return _omero(value, state)
    if key == "plate" and isinstance(value, Mapping):
        return _with_version(key, migrate_plate(value, state), state)
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


def _with_version(key: str, value: Mapping[str, Any], state: Migration) -> dict[str, Any]:
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


def _omero(omero: Mapping[str, Any], state: Migration) -> dict[str, Any]:
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


def _channel(channel: Any, where: str, state: Migration) -> Any:
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

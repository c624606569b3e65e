"""Migrate a plate: names, numbers, and where its wells are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uplift.ngff import detect, repairs
from uplift.ngff.migration_state import BEFORE_04, Migration


def migrate_plate(plate: Mapping[str, Any], state: Migration) -> dict[str, Any]:
    """Migrate the ``plate`` of a group, its version aside."""
    new, repaired = repairs.repair_plate_numbers(plate)
    for key in repaired:
        state.repaired(f"plate.{key}", "the text became a number")
    for side in ("rows", "columns"):
        if side in plate:
            new[side], repaired = repairs.repair_names(plate[side])
            for key in repaired:
                state.repaired(f"plate.{side}{key}", "the number became a text")
    return {**new, **_wells(new, state)}


def _wells(plate: Mapping[str, Any], state: Migration) -> dict[str, Any]:
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
            if state.version in BEFORE_04:
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

"""Rules of OME-Zarr 0.5 for high-content screening: plates and wells."""

from __future__ import annotations

import re
from typing import Any

from uplift.ngff.check import Check, is_integer, shown

_NAME = re.compile(r"[A-Za-z0-9]+")


def check_plate(value: Any, check: Check) -> None:
    """Section plate metadata."""
    if not isinstance(value, dict):
        check.error("plate", f"plate is {shown(value)}, expected an object")
        return
    if not isinstance(value.get("name", ""), str):
        check.error("plate", f"plate.name is {shown(value['name'])}, expected a text")
    if "name" not in value:
        check.should("plate.should", "plate should have a name")
    _check_count(value, "field_count", "plate", check, least=1)
    rows, columns = (_check_names(value.get(key), f"plate.{key}", check) for key in _SIDES)
    for where, well in check.objects(value.get("wells"), "plate.wells", "plate.wells"):
        _check_well(well, where, rows, columns, check)
    if "acquisitions" in value:
        _check_acquisitions(value["acquisitions"], check)


_SIDES = ("rows", "columns")


def _check_names(entries: Any, where: str, check: Check) -> list[Any]:
    """Names of rows or columns, in their order."""
    names = []
    for place, entry in check.objects(entries, where, where):
        name = entry.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            check.error(where, f"{place}.name is {shown(name)}, expected letters and digits")
        names.append(name)
    return names


def _check_well(
    well: dict[str, Any], where: str, rows: list[Any], columns: list[Any], check: Check
) -> None:
    code, path = "plate.wells", well.get("path")
    parts = path.split("/") if isinstance(path, str) else []
    if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
        check.error(code, f"{where}.path is {shown(path)}, expected row/column")
        return
    sides = (("rowIndex", rows, parts[0]), ("columnIndex", columns, parts[1]))
    for key, names, part in sides:
        index = well.get(key)
        if part not in names:
            side = key.removesuffix("Index")
            check.error(code, f"{where}.path {path!r} has {part!r} where a {side} should be")
        elif not is_integer(index) or not 0 <= index < len(names):  # type: ignore[operator]
            check.error(
                code, f"{where}.{key} is {shown(index)}, expected an index below {len(names)}"
            )
        elif names[int(index)] != part:  # type: ignore[arg-type]
            check.dialect("plate", f"{where}.{key} is {index}, its path {path!r} says otherwise")


def _check_acquisitions(entries: Any, check: Check) -> None:
    code = "plate.acquisitions"
    if not isinstance(entries, list):
        check.error(code, f"plate.acquisitions is {shown(entries)}, expected a list")
        return
    seen = []
    for number, entry in enumerate(entries):
        where = f"{code}[{number}]"
        if isinstance(entry, dict):
            _check_acquisition(entry, where, check)
            seen.append(entry.get("id"))
        else:
            check.error(code, f"{where} is {shown(entry)}, expected an object")
    if any(seen.count(value) > 1 for value in seen):
        check.error(code, f"plate.acquisitions: an id occurs twice: {shown(seen)}")


def _check_acquisition(entry: dict[str, Any], where: str, check: Check) -> None:
    code = "plate.acquisitions"
    if "id" not in entry:
        check.error(code, f"{where}.id is missing")
    for key, least in (("id", 0), ("maximumfieldcount", 1), ("starttime", 0), ("endtime", 0)):
        _check_count(entry, key, where, check, least=least)
    for key in ("name", "description"):
        if not isinstance(entry.get(key, ""), str):
            check.error(code, f"{where}.{key} is {shown(entry[key])}, expected a text")
    missing = [key for key in ("name", "maximumfieldcount") if key not in entry]
    if missing:
        check.should(f"{code}.should", f"{where} should have {', '.join(missing)}")


def _check_count(entry: dict[str, Any], key: str, where: str, check: Check, *, least: int) -> None:
    value = entry.get(key, least)
    if not is_integer(value) or value < least:
        check.error(
            where.partition("[")[0],
            f"{where}.{key} is {shown(value)}, expected an integer of at least {least}",
        )


def check_well(value: Any, check: Check) -> None:
    """Section well metadata."""
    images = value.get("images") if isinstance(value, dict) else None
    for where, image in check.objects(images, "well", "well.images"):
        path = image.get("path")
        if not isinstance(path, str) or not path:
            check.error("well", f"{where}.path is {shown(path)}, expected a text")
        elif not _NAME.fullmatch(path):
            check.dialect("well", f"{where}.path {path!r} is not made of letters and digits")
        acquisition = image.get("acquisition", 0)
        if not is_integer(acquisition):
            found = shown(acquisition)
            check.error("well", f"{where}.acquisition is {found}, expected an integer")

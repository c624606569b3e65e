"""Values of the wrong JSON type, where one reading is possible: as what they should be.

Each function returns the value with what it could mend, and says where, as keys below the value.
A value that is right, or that nobody can read, comes back as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_LIMITS = ("start", "end", "min", "max")
_NUMBERS = ("scale", "translation")
_TRANSFORMS = "coordinateTransformations"

_EMPTY: dict[str, tuple[tuple[tuple[str, ...], bool], ...]] = {
    "multiscales": (
        (("*", _TRANSFORMS), True),
        (("*", "datasets", "*", _TRANSFORMS), True),
    ),
    "image-label": (
        (("colors",), True),
        (("properties",), True),
        (("source",), False),
        (("source", "image"), False),
    ),
    "plate": (
        (("name",), False),
        (("field_count",), False),
        (("acquisitions",), False),
        *(
            (("acquisitions", "*", key), False)
            for key in ("name", "description", "maximumfieldcount", "starttime", "endtime")
        ),
    ),
    "well": ((("images", "*", "acquisition"), False),),
}
"""Where a null says nothing, and whether an empty list does; ``*`` is every item of a list."""

Repaired = tuple[Any, list[str]]


def drop_empty(key: str, value: Any) -> Repaired:
    """Leave out what OME-Zarr lets be absent, and does not let be null or an empty list."""
    dropped: list[str] = []
    for path, lists in _EMPTY.get(key, ()):
        value, found = _without(value, path, lists=lists)
        dropped += [f"{key}{place}" for place in found]
    return value, dropped


def repair_names_of_groups(value: Any) -> Repaired:
    """Spell the paths in ``labels`` or ``series`` given as numbers."""
    if not isinstance(value, list) or not any(_is_integer(item) for item in value):
        return value, []
    found = [f"[{number}]" for number, item in enumerate(value) if _is_integer(item)]
    return [str(item) if _is_integer(item) else item for item in value], found


def repair_plate_numbers(plate: Mapping[str, Any]) -> Repaired:
    """Read the number of fields and the indices of wells given as texts."""
    new, found = dict(plate), []
    if (count := _count(plate.get("field_count"))) is not None:
        new["field_count"] = count
        found.append("field_count")
    wells = plate.get("wells")
    if isinstance(wells, list):
        new["wells"] = list(wells)
        for number, well in enumerate(wells):
            read = {
                key: index
                for key in ("rowIndex", "columnIndex")
                if isinstance(well, Mapping) and (index := _count(well.get(key))) is not None
            }
            if read:
                new["wells"][number] = {**well, **read}
                found += [f"wells[{number}].{key}" for key in read]
    return new, found


def repair_layout(value: Any) -> Repaired:
    """Read ``bioformats2raw.layout`` given as a text."""
    return (3, [""]) if value == "3" else (value, [])


def repair_path(level: Any) -> Repaired:
    """Spell the path of a level given as a number."""
    value = level.get("path") if isinstance(level, Mapping) else None
    return ({**level, "path": str(value)}, ["path"]) if _is_integer(value) else (level, [])


def repair_names(entries: Any) -> Repaired:
    """Spell names of rows or columns given as numbers."""
    if not isinstance(entries, list):
        return entries, []
    new, repaired = [], []
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if _is_integer(name):
            repaired.append(f"[{number}].name")
        new.append({**entry, "name": str(name)} if _is_integer(name) else entry)
    return new, repaired


def repair_window(channel: Any) -> Repaired:
    """Read the limits of a rendering window given as texts."""
    window = channel.get("window") if isinstance(channel, Mapping) else None
    if not isinstance(window, Mapping):
        return channel, []
    numbers = {
        key: number
        for key in _LIMITS
        if isinstance(window.get(key), str) and (number := _number(window[key])) is not None
    }
    return ({**channel, "window": {**window, **numbers}} if numbers else channel), list(numbers)


def repair_transforms(level: Any) -> Repaired:
    """Read scales and translations given as texts."""
    transforms = level.get(_TRANSFORMS) if isinstance(level, Mapping) else None
    if not isinstance(transforms, list):
        return level, []
    new, repaired = list(transforms), []
    for number, transform in enumerate(transforms):
        for key in _NUMBERS:
            values = transform.get(key) if isinstance(transform, Mapping) else None
            read = _numbers(values) if isinstance(values, list) else None
            if read is not None:
                new[number] = {**new[number], key: read}
                repaired.append(f"{_TRANSFORMS}[{number}].{key}")
    return ({**level, _TRANSFORMS: new} if repaired else level), repaired


def repair_identity(holder: Any, ndim: int) -> Repaired:
    """Spell an identity that stands alone as the scale that it is."""
    transforms = holder.get(_TRANSFORMS) if isinstance(holder, Mapping) else None
    if transforms != [{"type": "identity"}] or not ndim:
        return holder, []
    return {**holder, _TRANSFORMS: [{"type": "scale", "scale": [1.0] * ndim}]}, [_TRANSFORMS]


def says_no_scale(multiscale: Mapping[str, Any]) -> bool:
    """Whether no level has transformations, not even wrong ones."""
    levels = multiscale.get("datasets")
    listed = levels if isinstance(levels, list) else []
    known = [level for level in listed if isinstance(level, Mapping)]
    return bool(known) and not any(_TRANSFORMS in level for level in known)


def _without(value: Any, path: tuple[str, ...], *, lists: bool) -> Repaired:
    """Leave out the keys at `path` that hold null, or an empty list."""
    first, rest = path[0], path[1:]
    if first == "*":
        if not isinstance(value, list):
            return value, []
        items = [_without(item, rest, lists=lists) for item in value]
        found = [f"[{i}]{place}" for i, (_, places) in enumerate(items) for place in places]
        return ([item for item, _ in items] if found else value), found
    if not isinstance(value, Mapping) or first not in value:
        return value, []
    held = value[first]
    if not rest:
        gone = held is None or (lists and held == [])
        return (
            ({k: v for k, v in value.items() if k != first}, [f".{first}"]) if gone else (value, [])
        )
    new, found = _without(held, rest, lists=lists)
    return ({**value, first: new} if found else value), [f".{first}{place}" for place in found]


def _count(value: Any) -> int | None:
    """Read a text of digits."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else None


def _numbers(values: list[Any]) -> list[Any] | None:
    """All values as numbers; None when nothing is to be read, or something cannot be."""
    read = [_number(value) if isinstance(value, str) else value for value in values]
    return read if read != values and None not in read else None


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

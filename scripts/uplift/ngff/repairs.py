"""Values of the wrong JSON type, where one reading is possible: as what they should be.

Each function returns the value with what it could mend, and says where, as keys below the value.
A value that is right, or that nobody can read, comes back as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_LIMITS = ("start", "end", "min", "max")
_NUMBERS = ("scale", "translation")
_TRANSFORMS = "coordinateTransformations"

Repaired = tuple[Any, list[str]]


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

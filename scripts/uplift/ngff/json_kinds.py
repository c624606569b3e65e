"""Kinds of JSON values, and how a message shows one."""

import math
from collections.abc import Mapping
from typing import Any

from uplift.models.json_text import cut, without_bare_nan
from uplift.ngff.json_paths import ABSENT

_MOST = 2**1023


def items_of(value: Any) -> list[Any]:
    """Return a list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def fields_of(value: Any) -> Mapping[str, Any]:
    """Return an object as it is, anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects_in(value: Any) -> list[Mapping[str, Any]]:
    """Objects of a list; what is not one is left out."""
    return [item for item in items_of(value) if isinstance(item, Mapping)]


def names_in(value: Any) -> list[Any]:
    """Name of each item of a list; None where it has none."""
    return [fields_of(item).get("name") for item in items_of(value)]


def paths_in(value: Any) -> list[str]:
    """Paths that the objects of a list name; what names none is left out."""
    paths = (item.get("path") for item in objects_in(value))
    return [path for path in paths if isinstance(path, str)]


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; an integer that no float holds is none to any reader."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < _MOST
    return isinstance(value, float)


def is_integer_type(value: Any) -> bool:
    """Whether a JSON value is written as an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer; ``1.0`` is one."""
    return is_number(value) and (isinstance(value, int) or float(value).is_integer())


def numbers_of(value: Any) -> list[float] | None:
    """Return a list of numbers as it is, anything else as None."""
    if isinstance(value, list) and all(is_number(item) for item in value):
        return value
    return None


def shown(value: Any) -> str:
    """Write a value for a message."""
    if value is None or value is ABSENT:
        return "null" if value is None else "missing"
    if isinstance(value, float) and not math.isfinite(value):
        return str(without_bare_nan(value))
    return cut(repr(dict(value) if isinstance(value, Mapping) else value), 60)

"""Places in a JSON value: patterns that find them, texts and JSON Pointers that name them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Literal

Keys = tuple[str | int, ...]


class _Absent(enum.Enum):
    ABSENT = "absent"


Absent = Literal[_Absent.ABSENT]
ABSENT: Final = _Absent.ABSENT
"""Stands for a value that is not there; ``null`` is one that is."""


def matches(value: Any, pattern: str) -> list[Keys]:
    """Places in a value that a pattern such as ``plate/wells/*/path`` means; ``*`` is every item.

    A last key with ``?`` also means the place where an object does not have it.
    """
    found: list[tuple[Keys, Any]] = [((), value)]
    for name, optional in _parsed(pattern):
        below: list[tuple[Keys, Any]] = []
        for keys, here in found:
            if name == "*":
                if isinstance(here, list):
                    below += [((*keys, number), item) for number, item in enumerate(here)]
            elif isinstance(here, dict) and (optional or name in here):
                below.append(((*keys, name), here.get(name, ABSENT)))
        if not below:
            return []
        found = below
    return [keys for keys, _ in found]


@cache
def _parsed(pattern: str) -> tuple[tuple[str, bool], ...]:
    """Name and optionality of each segment: a plate asks for each pattern a thousand times."""
    return tuple((one.removesuffix("?"), one.endswith("?")) for one in pattern.split("/"))


def value_at(value: Any, keys: Keys) -> Any:
    """Value at a place; :data:`ABSENT` where there is none."""
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return value


def text_of(keys: Iterable[str | int]) -> str:
    """Write a place for a message: ``plate.wells[0].path``."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def pointer_of(keys: Iterable[str | int]) -> str:
    """JSON Pointer of a place."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def keys_of(pointer: str, value: Any) -> Keys:
    """Keys that a JSON Pointer means in a value; the last one need not be there."""
    keys: list[str | int] = []
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        key: str | int = int(name) if isinstance(value_at(value, tuple(keys)), list) else name
        keys.append(key)
    return tuple(keys)

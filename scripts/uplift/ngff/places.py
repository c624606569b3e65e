"""Places in a JSON value: patterns that find them, texts and JSON Pointers that name them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
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
    found: list[Keys] = [()]
    for segment in pattern.split("/"):
        name, optional = segment.removesuffix("?"), segment.endswith("?")
        found = [
            (*keys, key)
            for keys in found
            for key in _children(value_at(value, keys), name, optional=optional)
        ]
    return found


def value_at(value: Any, keys: Keys) -> Any:
    """Value at a place; :data:`ABSENT` where there is none."""
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return value


def text_of(keys: Iterable[str | int]) -> str:
    """Spell a place for a message: ``plate.wells[0].path``."""
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


def _children(value: Any, name: str, *, optional: bool) -> Iterator[str | int]:
    if name == "*":
        yield from range(len(value)) if isinstance(value, list) else ()
    elif isinstance(value, Mapping) and (optional or name in value):
        yield name

"""Paths in a JSON value: patterns that find them, texts and JSON Pointers that write them."""

import enum
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

Keys = tuple[str | int, ...]


class _Absent(enum.Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""A value that is absent; ``null`` is a value."""


class PathFinder:
    """Finds paths in one value, which must not change: most patterns begin like another one."""

    def __init__(self) -> None:
        self._found: dict[tuple[tuple[str, bool], ...], list[tuple[Keys, Any]]] = {}

    def matches(self, value: Any, pattern: str) -> list[Keys]:
        """Paths that match a pattern such as ``plate/wells/*/path``; ``*`` is every item.

        A last key with ``?`` matches also where an object does not have it.
        """
        return [keys for keys, _ in self._found_at(value, _parsed(pattern))]

    def _found_at(self, value: Any, names: tuple[tuple[str, bool], ...]) -> list[tuple[Keys, Any]]:
        if not names:
            return [((), value)]
        found = self._found.get(names)
        if found is None:
            above = self._found_at(value, names[:-1])
            found = self._found[names] = _below(above, *names[-1]) if above else []
        return found


def _below(above: list[tuple[Keys, Any]], name: str, optional: bool) -> list[tuple[Keys, Any]]:
    if name == "*":
        return [
            ((*keys, number), item)
            for keys, here in above
            if isinstance(here, list)
            for number, item in enumerate(here)
        ]
    return [
        ((*keys, name), here.get(name, ABSENT))
        for keys, here in above
        if isinstance(here, dict) and (optional or name in here)
    ]


@cache
def _parsed(pattern: str) -> tuple[tuple[str, bool], ...]:
    """Name and optionality of each segment: a plate asks for each pattern a thousand times."""
    return tuple((one.removesuffix("?"), one.endswith("?")) for one in pattern.split("/"))


def value_at(value: Any, keys: Keys) -> Any:
    """Value at a path; :data:`ABSENT` where there is none."""
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return value


def text_of(keys: Iterable[str | int]) -> str:
    """Write a path for a message: ``plate.wells[0].path``."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def pointer_of(keys: Iterable[str | int]) -> str:
    """JSON Pointer of a path."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def keys_of(pointer: str, value: Any) -> Keys:
    """Keys that a JSON Pointer means in a value; the last one need not be there."""
    keys: list[str | int] = []
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        key: str | int = int(name) if isinstance(value_at(value, tuple(keys)), list) else name
        keys.append(key)
    return tuple(keys)

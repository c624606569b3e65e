"""Faults of a group's own words that have one reading. None needs the arrays; none invents a value.

They also run where a source is read (:func:`uplift.ngff.reading.as_read`), so that inspect follows
``./0`` and ``["a"]`` as migrate writes them. The repairs of keys in ``repairs_keys`` and of kinds
of values in ``repairs_kinds`` are registered first.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from uplift.ngff.axes import AXIS_TYPES
from uplift.ngff.draft import Edit
from uplift.ngff.image_rules import kinds_are_sound
from uplift.ngff.json_kinds import fields_of, is_integer_type, items_of, names_in, objects_in
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.paths import plain_path
from uplift.ngff.registry import Spot
from uplift.ngff.repairs_keys import ENTRY, LEVEL, TRANSFORMS, WORDING, repair
from uplift.ngff.repairs_kinds import BEFORE_04, TYPES

__all__ = ["ROUNDS", "WORDING"]
ROUNDS = 4
"""What stands in a list of one may have a key in another spelling, and the other way round."""


@repair(
    "path.spelling",
    f"{LEVEL}/path",
    "plate/wells/*/path",
    "well/images/*/path",
    "labels/*",
    "series/*",
    wrong="a path with `./`, a slash at its end, two slashes, backslashes for slashes, or written "
    "from the root of the dataset to something inside the group",
    right="the path from the group",
)
def path_spelling(spot: Spot) -> Iterator[Edit]:
    """Write ``./0/`` as ``0``."""
    if isinstance(spot.value, str):
        holder = spot.facts.path.rpartition("/")[0] if spot.keys[0] == "series" else spot.facts.path
        new = plain_path(spot.value, holder)
        if new is not None and new != spot.value and not _leads_away(spot, new):
            yield spot.becomes(new, "the same path")


def _leads_away(spot: Spot, new: str) -> bool:
    """Whether a path from a root may be one of a computer (``/data/cells.zarr/0``).

    A group below the root is named in a path from the dataset's root; the root itself is not.
    """
    value, inside = spot.value.replace("\\", "/"), new.count("/")
    if spot.facts.path or not value.startswith("/") or not inside:
        return False
    if spot.keys[0] == "plate":
        return inside > 1
    known = spot.facts.shapes
    return known is not None and spot.keys[0] == "multiscales" and new not in known


@repair(
    "item.repeated",
    "multiscales",
    f"{ENTRY}/datasets",
    "plate/rows",
    "plate/columns",
    "plate/wells",
    "plate/acquisitions",
    "well/images",
    "labels",
    "image-label/colors",
    "image-label/properties",
    wrong="an item that repeats an earlier one exactly",
    right="the first alone; indices of wells follow",
)
def repeated(spot: Spot) -> Iterator[Edit]:
    """Drop exact repetitions, the last first; not of series, whose order METADATA.ome.xml has."""
    items = items_of(spot.value)
    first: dict[str, int] = {}
    texts = [json.dumps(item, sort_keys=True) for item in items]
    for index, text in enumerate(texts):
        first.setdefault(text, index)
    if len(first) == len(items):
        return
    kept = sorted(first.values())
    positions = [kept.index(first[text]) for text in texts]
    for index in reversed(range(len(items))):
        if index not in kept:
            yield Edit((*spot.keys, index), ABSENT, "repeats an earlier one")
    side = {"rows": "rowIndex", "columns": "columnIndex"}.get(str(spot.keys[-1]))
    wells = items_of(spot.holder().get("wells")) if side else []
    for number, well in enumerate(wells):
        old: Any = fields_of(well).get(str(side))
        if is_integer_type(old) and 0 <= old < len(positions) and positions[old] != old:
            yield Edit(
                ("plate", "wells", number, str(side)), positions[old], "as the list is shorter"
            )


@repair(
    "type.case",
    f"{ENTRY}/axes/*/type",
    *(f"{above}/*/type" for above in TRANSFORMS),
    wrong="the type of an axis or of a transformation in capitals",
    right="the same in small letters",
)
def type_case(spot: Spot) -> Iterator[Edit]:
    """Write ``"Space"`` as ``"space"``."""
    if isinstance(spot.value, str) and spot.value.lower() in TYPES - {spot.value}:
        yield spot.becomes(spot.value.lower(), "in small letters")


@repair(
    "transform.type",
    *(f"{place}/*/type?" for place in TRANSFORMS),
    wrong="a transformation with a scale or a translation, and no type",
    right="the type that it has the numbers of",
)
def transform_type(spot: Spot) -> Iterator[Edit]:
    """Write ``{"scale": […]}`` as a transformation of type scale."""
    kinds = [kind for kind in ("scale", "translation") if kind in fields_of(spot.holder())]
    if spot.value in (ABSENT, None) and len(kinds) == 1:
        yield spot.becomes(kinds[0], f"as it has a {kinds[0]}")


@repair(
    "axis.type",
    f"{ENTRY}/axes",
    wrong="axes named t, c, z, y, x (or in capitals) without types",
    right="the type that each name has",
)
def axis_types(spot: Spot) -> Iterator[Edit]:
    """Give axes the types of their names, where the types as they are do not make an image."""
    if kinds_are_sound([axis.get("type") for axis in objects_in(spot.value)]):
        return
    for index, axis in enumerate(map(fields_of, items_of(spot.value))):
        name = axis.get("name")
        kind = AXIS_TYPES.get(name.lower()) if isinstance(name, str) else None
        if kind is not None and axis.get("type") is None:
            yield Edit((*spot.keys, index, "type"), kind, f"as the axis is named {name!r}")


@repair(
    "plate.sides",
    "plate/rows?",
    "plate/columns?",
    wrong="a plate without rows or columns whose wells have paths such as `A/1`",
    right="the names in the wells' paths, in the order of the wells' indices, else of the alphabet",
)
def sides(spot: Spot) -> Iterator[Edit]:
    """Read the names of rows or columns off the wells' paths."""
    if spot.value not in (ABSENT, None, []):
        return
    position, key = (0, "rowIndex") if spot.keys[-1] == "rows" else (1, "columnIndex")
    wells = objects_in(spot.holder().get("wells"))
    parts = [str(well.get("path")).split("/") for well in wells]
    if not parts or not all(len(part) == 2 and all(part) for part in parts):
        return
    names = [part[position] for part in parts]
    indices = {name: well.get(key) for name, well in zip(names, wells, strict=True)}
    known: list[Any] = [index for index in indices.values() if is_integer_type(index)]
    if len(known) == len(indices) and sorted(known) == list(range(len(indices))):
        order = sorted(indices, key=lambda name: int(indices[name] or 0))
    else:
        order = sorted(indices, key=_natural)
    yield spot.becomes([{"name": name} for name in order], "as the wells' paths say")


@repair(
    "well.index",
    "plate/wells/*/rowIndex?",
    "plate/wells/*/columnIndex?",
    wrong="wells without rowIndex or columnIndex, which 0.4 introduced",
    right="the index of the name in the well's path",
    right_in=BEFORE_04,
)
def well_index(spot: Spot) -> Iterator[Edit]:
    """Read a missing index off the well's path."""
    path = spot.holder().get("path")
    if spot.value is not ABSENT or not isinstance(path, str):
        return
    row, _, column = path.partition("/")
    side, name = ("rows", row) if spot.keys[-1] == "rowIndex" else ("columns", column)
    named = names_in(spot.words["plate"].get(side))
    if name in named:
        yield spot.becomes(named.index(name), f"as the path {path!r} says")


def _natural(name: str) -> tuple[Any, ...]:
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part)
                 for part in re.split(r"(\d+)", name) if part)  # fmt: skip

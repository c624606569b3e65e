"""Faults of a group's own words that have one reading. None needs the arrays; none invents a value.

They also run where a source is read (:func:`uplift.ngff.reading.as_read`), so that inspect follows
``./0`` and ``["a"]`` as migrate writes them.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from uplift.ngff.axes import AXIS_TYPES, axis_from_name
from uplift.ngff.draft import Edit
from uplift.ngff.image_rules import kinds_are_sound
from uplift.ngff.json_kinds import fields_of, is_integer_type, items_of, names_in, objects_in
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.paths import plain_path
from uplift.ngff.registry import Repairs, Spot

WORDING = Repairs()
"""In this order: what a value is comes before what it says."""
repair = WORDING.repair

_BEFORE_04 = ("0.1", "0.2", "0.3")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_ENTRY = "multiscales/*"
_LEVEL = f"{_ENTRY}/datasets/*"
_TRANSFORMS = (f"{_ENTRY}/coordinateTransformations", f"{_LEVEL}/coordinateTransformations")
_TYPES = frozenset({*AXIS_TYPES.values(), "scale", "translation", "identity"})
_ITEM_KEYS: dict[str, frozenset[str]] = {
    "multiscales": frozenset({"datasets", "axes"}),
    "coordinateTransformations": frozenset({"type", "scale", "translation"}),
    "channels": frozenset({"color", "window", "label", "active"}),
    "acquisitions": frozenset({"id"}),
    **dict.fromkeys(("datasets", "wells", "images"), frozenset({"path"})),
    **dict.fromkeys(("rows", "columns"), frozenset({"name"})),
    **dict.fromkeys(("colors", "properties"), frozenset({"label-value"})),
}
"""By what an object is seen to be one item of a list, and not several items by their names."""
_OBJECTS = ("plate", "well", "omero", "image-label", "source", "window")


@repair(
    "item.listed",
    "plate",
    "well",
    "omero",
    "image-label",
    "image-label/source",
    "omero/channels/*/window",
    *(f"{_ENTRY}/{key}" for key in ("name", "type")),
    *(f"{_ENTRY}/axes/*/{key}" for key in ("name", "type", "unit")),
    f"{_LEVEL}/path",
    *(f"{place}/*/type" for place in _TRANSFORMS),
    *(f"omero/channels/*/{key}" for key in ("label", "color", "active")),
    *(f"omero/channels/*/window/{key}" for key in ("start", "end", "min", "max")),
    "image-label/source/image",
    "image-label/colors/*/label-value",
    "image-label/properties/*/label-value",
    *(f"plate/{key}" for key in ("name", "field_count", "rows/*/name", "columns/*/name")),
    *(f"plate/wells/*/{key}" for key in ("path", "rowIndex", "columnIndex")),
    *(f"plate/acquisitions/*/{key}" for key in ("id", "name", "maximumfieldcount")),
    *(f"well/images/*/{key}" for key in ("path", "acquisition")),
    "bioformats2raw.layout",
    wrong="a list of one where that one belongs, as programs in R write a text or a number",
    right="that one",
)
def listed(spot: Spot) -> Iterator[Edit]:
    """Take what stands alone out of its list."""
    value = spot.value
    if isinstance(value, list) and len(value) == 1 and _fits_alone(value[0], spot.keys[-1]):
        yield spot.becomes(value[0], "the one in the list")


def _fits_alone(item: Any, key: str | int) -> bool:
    return isinstance(item, dict if key in _OBJECTS else (str, int, float))


@repair(
    "list.single",
    "multiscales",
    f"{_ENTRY}/datasets",
    *_TRANSFORMS,
    "omero/channels",
    "plate/rows",
    "plate/columns",
    "plate/wells",
    "plate/acquisitions",
    "well/images",
    "image-label/colors",
    "image-label/properties",
    "labels",
    "series",
    wrong="one item (an object with its keys, or the text of a path) where a list of them belongs",
    right="the list of that one",
)
def single(spot: Spot) -> Iterator[Edit]:
    """Put what stands alone into a list."""
    value, keys = spot.value, _ITEM_KEYS.get(str(spot.keys[-1]))
    text = isinstance(value, str) and value != ""
    if text if keys is None else not keys.isdisjoint(fields_of(value)):
        yield spot.becomes([value], "a list of one")


@repair(
    "item.text",
    f"{_LEVEL}",
    "plate/rows/*",
    "plate/columns/*",
    "plate/wells/*",
    "well/images/*",
    wrong="a path or name alone, where an object that holds it belongs",
    right="that object",
)
def item_of_text(spot: Spot) -> Iterator[Edit]:
    """Write ``"A"`` as ``{"name": "A"}`` and ``"0"`` as ``{"path": "0"}``."""
    if isinstance(spot.value, str) or is_integer_type(spot.value):
        key = "name" if spot.keys[-2] in ("rows", "columns") else "path"
        yield spot.becomes({key: str(spot.value)}, f"an object with its {key}")


@repair(
    "item.object",
    "labels/*",
    "series/*",
    wrong="an object with a path, where the path alone belongs",
    right="the path",
)
def text_of_item(spot: Spot) -> Iterator[Edit]:
    """Write ``{"path": "a"}`` as ``"a"``."""
    path = fields_of(spot.value).get("path")
    if isinstance(path, str):
        yield spot.becomes(path, "its path")


@repair(
    "axes.letters",
    f"{_ENTRY}/axes",
    wrong="all axes in one text (`tczyx`)",
    right="the list of its letters",
)
def axes_of_letters(spot: Spot) -> Iterator[Edit]:
    """Write ``"zyx"`` as ``["z", "y", "x"]``."""
    if isinstance(spot.value, str) and spot.value and set(spot.value.lower()) <= set(AXIS_TYPES):
        yield spot.becomes(list(spot.value), "a list of its letters")


@repair(
    "axis.text",
    f"{_ENTRY}/axes/*",
    wrong="the name of an axis alone, which only 0.3 has",
    right="an object with the name, and the type where 0.3 defines one",
    right_in=_BEFORE_04,
)
def axis_of_text(spot: Spot) -> Iterator[Edit]:
    """Write ``"x"`` as ``{"name": "x", "type": "space"}``."""
    if isinstance(spot.value, str):
        yield spot.becomes(axis_from_name(spot.value), "an object with its type")


@repair(
    "empty.dropped",
    f"{_ENTRY}/name",
    f"{_ENTRY}/type",
    f"{_ENTRY}/metadata",
    f"{_ENTRY}/axes",
    f"{_ENTRY}/axes/*/type",
    f"{_ENTRY}/axes/*/unit",
    *_TRANSFORMS,
    "omero",
    "series",
    "plate",
    "well",
    "image-label",
    "bioformats2raw.layout",
    "image-label/colors",
    "image-label/properties",
    "image-label/source",
    "image-label/source/image",
    "plate/name",
    "plate/field_count",
    "plate/acquisitions",
    "plate/acquisitions/*/name",
    "plate/acquisitions/*/description",
    "plate/acquisitions/*/maximumfieldcount",
    "plate/acquisitions/*/starttime",
    "plate/acquisitions/*/endtime",
    "plate/wells/*/rowIndex",
    "plate/wells/*/columnIndex",
    "well/images/*/acquisition",
    wrong="`null` (or an empty list of transformations, colors or properties) where the format "
    "lets a key be absent and not empty",
    right="no such key",
)
def empty(spot: Spot) -> Iterator[Edit]:
    """Leave out what says nothing."""
    may_be_empty = spot.keys[-1] in ("coordinateTransformations", "colors", "properties")
    if spot.value is None or (may_be_empty and spot.value == []):
        yield spot.becomes(ABSENT, "says nothing, and 0.5 lets it be absent only")


@repair(
    "labels.null",
    "labels",
    wrong="`null` or an empty text for the list of labels",
    right="an empty list",
)
def labels_null(spot: Spot) -> Iterator[Edit]:
    """Write no labels as a list without any."""
    if spot.value in (None, ""):
        yield spot.becomes([], "a list without any")


@repair(
    "text.number",
    f"{_ENTRY}/name",
    f"{_ENTRY}/axes/*/name",
    f"{_LEVEL}/path",
    "plate/wells/*/path",
    "well/images/*/path",
    "labels/*",
    "series/*",
    "plate/rows/*/name",
    "plate/columns/*/name",
    "plate/name",
    "plate/acquisitions/*/name",
    "plate/acquisitions/*/description",
    wrong="a number for a path or a name",
    right="the text of its digits",
)
def text_of_number(spot: Spot) -> Iterator[Edit]:
    """Write the path 0 as ``"0"``."""
    if is_integer_type(spot.value):
        yield spot.becomes(str(spot.value), "a text")


@repair(
    "number.text",
    "omero/channels/*/window/start",
    "omero/channels/*/window/end",
    "omero/channels/*/window/min",
    "omero/channels/*/window/max",
    "image-label/colors/*/label-value",
    "image-label/properties/*/label-value",
    "plate/field_count",
    "plate/wells/*/rowIndex",
    "plate/wells/*/columnIndex",
    "plate/acquisitions/*/id",
    "plate/acquisitions/*/maximumfieldcount",
    "plate/acquisitions/*/starttime",
    "plate/acquisitions/*/endtime",
    "well/images/*/acquisition",
    "bioformats2raw.layout",
    *(f"{above}/*/{key}" for above in _TRANSFORMS for key in ("scale", "translation")),
    "image-label/colors/*/rgba",
    wrong="a text that states a number (acquisition ids of bioformats2raw 0.3 and 0.4)",
    right="the number",
)
def number_of_text(spot: Spot) -> Iterator[Edit]:
    """Read ``"7"`` as 7, alone or in a list."""
    value, key = spot.value, spot.keys[-1]
    whole = spot.keys[0] in ("plate", "well", "bioformats2raw.layout") or key == "label-value"
    if isinstance(value, list):
        read = [_number(item, whole=False) if isinstance(item, str) else item for item in value]
        new = [old if item is None and isinstance(old, str) else item
               for item, old in zip(read, value, strict=True)]  # fmt: skip
        if new != value:
            yield spot.becomes(new, "numbers")
    elif isinstance(value, str) and (number := _number(value, whole=whole)) is not None:
        yield spot.becomes(number, "a number")


@repair(
    "path.spelling",
    f"{_LEVEL}/path",
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
    f"{_ENTRY}/datasets",
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
    f"{_ENTRY}/axes/*/type",
    *(f"{above}/*/type" for above in _TRANSFORMS),
    wrong="the type of an axis or of a transformation in capitals",
    right="the same in small letters",
)
def type_case(spot: Spot) -> Iterator[Edit]:
    """Write ``"Space"`` as ``"space"``."""
    if isinstance(spot.value, str) and spot.value.lower() in _TYPES - {spot.value}:
        yield spot.becomes(spot.value.lower(), "in small letters")


@repair(
    "transform.type",
    *(f"{place}/*/type?" for place in _TRANSFORMS),
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
    f"{_ENTRY}/axes",
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
    right_in=_BEFORE_04,
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


def _number(text: str, *, whole: bool) -> int | float | None:
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    if whole or not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _natural(name: str) -> tuple[Any, ...]:
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part)
                 for part in re.split(r"(\d+)", name) if part)  # fmt: skip

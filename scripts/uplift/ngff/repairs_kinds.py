"""Values of another JSON kind than a key has, where there is one reading: a list of one, a text.

``repairs_keys`` has the repairs before these, ``repairs_words`` those of what a value says.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from uplift.ngff.axes import AXIS_TYPES, axis_from_name
from uplift.ngff.draft import Edit
from uplift.ngff.json_kinds import fields_of, is_integer_type, items_of
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.registry import Spot
from uplift.ngff.repairs_keys import ENTRY, LEVEL, TRANSFORMS, repair

BEFORE_04 = ("0.1", "0.2", "0.3")
TYPES = frozenset({*AXIS_TYPES.values(), "scale", "translation", "identity"})
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
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
    *(f"{ENTRY}/{key}" for key in ("name", "type")),
    *(f"{ENTRY}/axes/*/{key}" for key in ("name", "type", "unit")),
    f"{LEVEL}/path",
    *(f"{place}/*/type" for place in TRANSFORMS),
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
    f"{ENTRY}/axes/*",
    *(f"{place}/*/{key}/*" for place in TRANSFORMS for key in ("scale", "translation")),
    "labels/*",
    "series/*",
    wrong="a list of one where that one belongs, as programs in R write a text or a number",
    right="that one",
)
def listed(spot: Spot) -> Iterator[Edit]:
    """Take a single item out of its list."""
    value = spot.value
    if isinstance(value, list) and len(value) == 1 and _fits_alone(value[0], spot.keys[-1]):
        yield spot.becomes(value[0], "the one in the list")


def _fits_alone(item: Any, key: str | int) -> bool:
    return isinstance(item, dict if key in _OBJECTS else (str, int, float))


@repair(
    "list.single",
    "multiscales",
    f"{ENTRY}/datasets",
    *TRANSFORMS,
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
    """Put a single item into a list."""
    value, keys = spot.value, _ITEM_KEYS.get(str(spot.keys[-1]))
    text = isinstance(value, str) and value != ""
    if text if keys is None else not keys.isdisjoint(fields_of(value)):
        yield spot.becomes([value], "a list of one")


@repair(
    "item.text",
    f"{LEVEL}",
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
    f"{ENTRY}/axes",
    wrong="all axes in one text (`tczyx`)",
    right="the list of its letters",
)
def axes_of_letters(spot: Spot) -> Iterator[Edit]:
    """Write ``"zyx"`` as ``["z", "y", "x"]``."""
    if isinstance(spot.value, str) and spot.value and set(spot.value.lower()) <= set(AXIS_TYPES):
        yield spot.becomes(list(spot.value), "a list of its letters")


@repair(
    "axis.text",
    f"{ENTRY}/axes/*",
    wrong="the name of an axis alone, which only 0.3 has",
    right="an object with the name, and the type where 0.3 defines one",
    right_in=BEFORE_04,
)
def axis_of_text(spot: Spot) -> Iterator[Edit]:
    """Write ``"x"`` as ``{"name": "x", "type": "space"}``."""
    if isinstance(spot.value, str):
        yield spot.becomes(axis_from_name(spot.value), "an object with its type")


@repair(
    "empty.dropped",
    f"{ENTRY}/name",
    f"{ENTRY}/type",
    f"{ENTRY}/metadata",
    f"{ENTRY}/axes",
    f"{ENTRY}/axes/*/type",
    f"{ENTRY}/axes/*/unit",
    *TRANSFORMS,
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
    "item.empty",
    "labels",
    wrong="`null` or an empty text among the labels",
    right="the others",
)
def empty_items(spot: Spot) -> Iterator[Edit]:
    """Drop items that name no label image, the last first; not of series, which has an order."""
    for index, item in reversed(list(enumerate(items_of(spot.value)))):
        if item in (None, ""):
            yield Edit((*spot.keys, index), ABSENT, "names nothing")


@repair(
    "text.number",
    f"{ENTRY}/name",
    f"{ENTRY}/axes/*/name",
    f"{LEVEL}/path",
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
    *(f"{above}/*/{key}" for above in TRANSFORMS for key in ("scale", "translation")),
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


def _number(text: str, *, whole: bool) -> int | float | None:
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    if whole or not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if math.isfinite(value) else None

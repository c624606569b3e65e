"""Rules of OME-Zarr 0.5 for collections: plates, wells, labels, bioformats2raw."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from uplift.ngff.image_rules import not_objects
from uplift.ngff.json_kinds import is_integer, items_of, names_in, shown
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.registry import Check, Rules, Spot

PLATE_RULES = Rules[Check]()
rule = PLATE_RULES.rule

_NAME = re.compile(r"[A-Za-z0-9]+")
_NOT_A_PLATE = "readers do not open the plate; its images open one by one"
_NOT_A_WELL = (
    "ome-zarr-py and napari-ome-zarr do not open the plate where this is its first well, ngio "
    "leaves it out; its images open one by one"
)
_NOT_FOR_NGIO = "validators and ngio reject the plate; ome-zarr-py and napari-ome-zarr open it"
_TIMES = (("id", 0), ("maximumfieldcount", 1), ("starttime", 0), ("endtime", 0))


@rule("dialect.plate.object", "plate", asks="plate is an object", keep=_NOT_A_PLATE)
def plate_object(spot: Spot) -> Iterator[str]:
    """Section plate metadata."""
    if not isinstance(spot.value, Mapping):
        yield f"plate is {shown(spot.value)}, expected an object"
    elif not isinstance(spot.value.get("name", ""), str):
        yield f"plate.name is {shown(spot.value['name'])}, expected a text"


rule(
    "dialect.plate.list",
    "plate/rows?",
    "plate/columns?",
    "plate/wells?",
    asks="rows, columns and wells are lists of objects, at least one",
    keep=_NOT_A_PLATE,
)(not_objects)


@rule(
    "dialect.plate.name",
    "plate/rows",
    "plate/columns",
    asks="names of rows and columns are letters and digits",
    keep=_NOT_FOR_NGIO,
)
def side_names(spot: Spot) -> Iterator[str]:
    """Section plate metadata."""
    for index, entry in enumerate(items_of(spot.value)):
        name = entry.get("name", ABSENT) if isinstance(entry, Mapping) else "x"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"{spot.name}[{index}].name is {shown(name)}, expected letters and digits"


@rule(
    "dialect.plate.well",
    "plate/wells/*/path?",
    asks="a well's path is row/column, both of which the plate lists",
    keep=f"{_NOT_FOR_NGIO} and go by the path",
)
def well_path(spot: Spot) -> Iterator[str]:
    """Section plate metadata."""
    parts = spot.value.split("/") if isinstance(spot.value, str) else []
    if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
        yield f"{spot.name} is {shown(spot.value)}, expected row/column of letters and digits"
        return
    for side, part in zip(("row", "column"), parts, strict=True):
        if part not in _side_names(spot, f"{side}s"):
            yield f"{spot.name} {spot.value!r} has {part!r} where a {side} should be"


@rule(
    "dialect.plate.index",
    "plate/wells/*/rowIndex?",
    "plate/wells/*/columnIndex?",
    asks="rowIndex and columnIndex are the positions of the path's row and column in their lists",
    keep="readers that go by the index place the well elsewhere; ome-zarr-py goes by the path",
)
def well_index(spot: Spot) -> Iterator[str]:
    """Section plate metadata."""
    side, path = str(spot.keys[-1]).removesuffix("Index"), spot.holder().get("path")
    names, index = _side_names(spot, f"{side}s"), spot.value
    parts = path.split("/") if isinstance(path, str) else []
    part = parts[("row", "column").index(side)] if len(parts) == 2 else None
    if not is_integer(index) or not 0 <= index < len(names):
        yield f"{spot.name} is {shown(index)}, expected an index below {len(names)}"
    elif part in names and names[int(index)] != part:
        yield f"{spot.name} is {index}, its path {path!r} says otherwise"


@rule(
    "dialect.plate.count",
    "plate/field_count",
    asks="field_count is an integer of at least 1",
    keep=_NOT_FOR_NGIO,
)
def field_count(spot: Spot) -> Iterator[str]:
    """Section plate metadata."""
    yield from _count(spot.value, spot.name, 1)


@rule(
    "dialect.plate.acquisition",
    "plate/acquisitions",
    asks="acquisitions are objects with ids of their own; counts and times are integers",
    keep=_NOT_FOR_NGIO,
)
def acquisitions(spot: Spot) -> Iterator[str]:
    """Section plate metadata."""
    if not isinstance(spot.value, list):
        yield f"{spot.name} is {shown(spot.value)}, expected a list"
    seen: list[Any] = []
    for index, entry in enumerate(items_of(spot.value)):
        where = f"{spot.name}[{index}]"
        if not isinstance(entry, Mapping):
            yield f"{where} is {shown(entry)}, expected an object"
            continue
        if "id" not in entry:
            yield f"{where}.id is missing"
        elif entry["id"] in seen:
            yield f"{spot.name}: an id occurs twice: {shown(entry['id'])}"
        seen += [entry["id"]] if "id" in entry else []
        for key, least in _TIMES:
            if key in entry:
                yield from _count(entry[key], f"{where}.{key}", least)
        for key in ("name", "description"):
            if not isinstance(entry.get(key, ""), str):
                yield f"{where}.{key} is {shown(entry[key])}, expected a text"


rule(
    "dialect.well.list",
    "well/images?",
    asks="a well lists its images, at least one",
    keep=_NOT_A_WELL,
)(not_objects)


@rule("dialect.well.object", "well", asks="well is an object", keep=_NOT_A_WELL)
def well_object(spot: Spot) -> Iterator[str]:
    """Section well metadata."""
    if not isinstance(spot.value, Mapping):
        yield f"well is {shown(spot.value)}, expected an object"


@rule(
    "dialect.well.path",
    "well/images/*/path?",
    asks="a field's path is letters and digits",
    keep="validators reject it; ome-zarr-py opens it",
)
def field_path(spot: Spot) -> Iterator[str]:
    """Section well metadata."""
    if not isinstance(spot.value, str):
        yield f"{spot.name} is {shown(spot.value)}, expected a text"
    elif not _NAME.fullmatch(spot.value):
        yield f"{spot.name} {spot.value!r} is not made of letters and digits"


@rule(
    "dialect.well.acquisition",
    "well/images/*/acquisition",
    asks="a field's acquisition is an integer",
    keep="readers that choose by acquisition (ngio, Fractal) do not find the field",
)
def field_acquisition(spot: Spot) -> Iterator[str]:
    """Section well metadata."""
    if not is_integer(spot.value):
        yield f"{spot.name} is {shown(spot.value)}, expected an integer"


def _paths(spot: Spot) -> Iterator[str]:
    if not isinstance(spot.value, list) or not all(isinstance(item, str) for item in spot.value):
        yield f"{spot.name} is {shown(spot.value)}, expected a list of paths"


rule(
    "dialect.labels.list",
    "labels",
    asks="labels is a list of paths",
    keep="readers do not find the label images from their image; they open one by one",
)(_paths)


@rule(
    "dialect.labels.empty",
    "labels",
    asks="labels names at least one label image",
    keep="readers show no labels; label images that are there open one by one",
)
def labels_empty(spot: Spot) -> Iterator[str]:
    """Section labels metadata."""
    if spot.value == []:
        yield "the list of labels is empty"


@rule(
    "dialect.bioformats2raw.layout",
    "bioformats2raw.layout",
    asks="bioformats2raw.layout is 3",
    keep="readers open the images one by one, not as a collection",
)
def layout(spot: Spot) -> Iterator[str]:
    """Section bioformats2raw.layout."""
    if spot.value is True or spot.value != 3:
        yield f"bioformats2raw.layout is {shown(spot.value)}, expected 3"


rule(
    "dialect.series.list",
    "series",
    asks="series is a list of paths",
    keep="readers open the images one by one, not as a collection",
)(_paths)


@rule(
    "dialect.series.twice",
    "series",
    asks="a series names each image once",
    keep="readers that open all series show that image twice; its position counts, since the "
    "order is that of METADATA.ome.xml",
    must=False,
)
def series_twice(spot: Spot) -> Iterator[str]:
    """Section bioformats2raw.layout."""
    counts = Counter(name for name in items_of(spot.value) if isinstance(name, str))
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        yield f"series lists {shown(twice)} more than once"


def _count(value: Any, where: str, least: int) -> Iterator[str]:
    if not is_integer(value) or value < least:
        yield f"{where} is {shown(value)}, expected an integer of at least {least}"


def _side_names(spot: Spot, side: str) -> list[Any]:
    return names_in(spot.words["plate"].get(side))

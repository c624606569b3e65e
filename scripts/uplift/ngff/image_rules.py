"""Rules of OME-Zarr 0.5 for images: multiscales, axes, levels, transformations."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uplift.ngff.axes import is_known_unit
from uplift.ngff.json_kinds import fields_of, items_of, numbers_of, objects_in, shown
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.registry import Check, Rules, Spot

IMAGE_RULES = Rules[Check]()
rule = IMAGE_RULES.rule

_RANK = {"time": 0, "space": 2}
_TEXTS: tuple[tuple[str, type], ...] = (("name", str), ("type", str), ("metadata", dict))
_ENTRY = "multiscales/*"
_TRANSFORMS = (
    f"{_ENTRY}/coordinateTransformations",
    f"{_ENTRY}/datasets/*/coordinateTransformations?",
)

NOT_AN_IMAGE = "readers of OME-Zarr do not open the image; its arrays open as plain Zarr"
WRONG_POSITION = (
    "validators and ngio reject it; readers take the numbers as they stand (ome-zarr-py) or draw "
    "the image without scale (napari-ome-zarr)"
)


def kinds_are_sound(kinds: Sequence[Any]) -> bool:
    """Whether axes of these types make an image: 2 or 3 of space, a time, a channel or other."""
    space, time = kinds.count("space"), kinds.count("time")
    return space in (2, 3) and time <= 1 and len(kinds) - space - time <= 1


def is_foreign(transform: Any) -> bool:
    """Whether it maps between named coordinate systems, as SpatialData writes."""
    return isinstance(transform, Mapping) and "input" in transform and "output" in transform


def not_objects(spot: Spot) -> Iterator[str]:
    """Say what is wrong with a list that has to hold objects, at least one and each once."""
    value = spot.value
    if not isinstance(value, list) or not value:
        yield f"{spot.name} is {shown(value)}, expected a list with at least one object"
        return
    wrong = [index for index, item in enumerate(value) if not isinstance(item, Mapping)]
    if wrong:
        yield f"{spot.name}[{wrong[0]}] is {shown(value[wrong[0]])}, expected an object"
    if len({json.dumps(item, sort_keys=True) for item in value}) != len(value):
        yield f"{spot.name} lists the same object twice"


rule(
    "dialect.multiscales.list",
    "multiscales",
    asks="multiscales is a list of objects, at least one",
    keep=NOT_AN_IMAGE,
)(not_objects)


@rule(
    "dialect.multiscales.texts",
    _ENTRY,
    asks="name and type are texts, metadata is an object",
    keep="validators reject it; napari-ome-zarr does not open an image whose name is not a text",
)
def multiscales_texts(spot: Spot) -> Iterator[str]:
    """Section multiscales metadata."""
    entry = fields_of(spot.value)
    odd = [key for key, kind in _TEXTS if key in entry and not isinstance(entry[key], kind)]
    if odd:
        found = ", ".join(f"{key} {shown(entry[key])}" for key in odd)
        yield f"{spot.name}: {found}: expected texts, metadata an object"


@rule(
    "dialect.axes.list",
    f"{_ENTRY}/axes?",
    asks="axes is a list of 2 to 5 objects with names",
    keep="readers that need such axes do not open the image; its arrays open as plain Zarr",
)
def axes_list(spot: Spot) -> Iterator[str]:
    """Section axes metadata."""
    axes = spot.value
    if axes is ABSENT or not isinstance(axes, list) or not 2 <= len(axes) <= 5:
        yield f"{spot.name} is {shown(axes)}, expected a list of 2 to 5 axes"
    elif not _named(axes):
        yield f"{spot.name}: every axis is an object with a name: {shown(axes)}"


@rule(
    "dialect.axes.names",
    f"{_ENTRY}/axes",
    asks="each axis has a name of its own",
    keep=f"{NOT_AN_IMAGE}; its dimensions get no names, since tensorstore opens no array with two "
    "alike",
)
def axes_names(spot: Spot) -> Iterator[str]:
    """Section axes metadata."""
    names = [axis["name"] for axis in spot.value] if _named(spot.value) else []
    if len(set(names)) != len(names):
        yield f"{spot.name}: a name occurs twice: {names}"


@rule(
    "dialect.axes.types",
    f"{_ENTRY}/axes",
    asks="two or three axes of type space, at most one time, at most one channel or other",
    keep="validators reject the image, and readers that need axes of these types refuse it "
    "(ome-zarr-py in 0.4, not in 0.5)",
)
def axes_types(spot: Spot) -> Iterator[str]:
    """Section axes metadata."""
    kinds = [axis.get("type") for axis in spot.value] if _named(spot.value) else ["space"] * 2
    if not all(kind is None or isinstance(kind, str) for kind in kinds):
        yield f"{spot.name}: a type is not a text: {shown(kinds)}"
    elif not kinds_are_sound(kinds):
        yield (
            f"{spot.name}: types are {kinds}; expected 2 or 3 of type space, at most one time, at "
            "most one channel or other"
        )


@rule(
    "dialect.axes.order",
    f"{_ENTRY}/axes",
    asks="the order is time, channel or other, space",
    keep="validators reject the image, and readers that go by the order of axes mix them up; "
    "ngio does not open it, ome-zarr-py in 0.5 and not in 0.4",
)
def axes_order(spot: Spot) -> Iterator[str]:
    """Section axes metadata."""
    kinds = [axis.get("type") for axis in spot.value] if _named(spot.value) else []
    ranks = [_RANK.get(kind, 1) if isinstance(kind, str) else 1 for kind in kinds]
    if ranks != sorted(ranks):
        yield f"{spot.name}: types are {kinds}; the order is time, channel, space"


@rule(
    "dialect.unit",
    f"{_ENTRY}/axes/*",
    asks="the unit of an axis of space or time is one that 0.5 lists",
    keep="readers show another size or none",
    must=False,
)
def axis_unit(spot: Spot) -> Iterator[str]:
    """Section axes metadata."""
    axis = fields_of(spot.value)
    if isinstance(axis.get("unit"), str) and not is_known_unit(axis):
        found, name = shown(axis["unit"]), shown(axis.get("name"))
        yield f"{spot.name}: {name} has the unit {found}, unknown to 0.5"


@rule(
    "dialect.unit.text",
    f"{_ENTRY}/axes/*/unit",
    asks="a unit is a text",
    keep="validators reject the image; readers show another size or none",
)
def unit_is_text(spot: Spot) -> Iterator[str]:
    """Section axes metadata; libraries that write every optional field leave ``null``."""
    if not isinstance(spot.value, (str, type(None))):
        yield f"{spot.name} is {shown(spot.value)}, expected a text"


rule(
    "dialect.datasets.list",
    f"{_ENTRY}/datasets?",
    asks="datasets is a list of objects, at least one",
    keep=NOT_AN_IMAGE,
)(not_objects)


@rule(
    "dialect.datasets.path",
    f"{_ENTRY}/datasets/*/path?",
    asks="each level has a path",
    keep=NOT_AN_IMAGE,
)
def dataset_path(spot: Spot) -> Iterator[str]:
    """Section multiscales metadata."""
    if not isinstance(spot.value, str):
        yield f"{spot.name} is {shown(spot.value)}, expected a text"


@rule(
    "dialect.datasets.order",
    f"{_ENTRY}/datasets",
    asks="levels go from high to low resolution",
    keep="ngio does not open the image; viewers take the first level, which is not the finest",
)
def datasets_order(spot: Spot) -> Iterator[str]:
    """No scale is finer than the one before it; a negative scale is as fine as a positive one."""
    known = [[abs(value) for value in scale] for scale in _scales_of(spot.value) if scale]
    for number, (finer, coarser) in enumerate(itertools.pairwise(known), start=1):
        if finer != coarser and all(b <= a for a, b in zip(finer, coarser, strict=False)):
            yield (
                f"{spot.name}[{number}] has a finer scale {coarser} than the level before it "
                f"{finer}; levels go from high to low resolution"
            )


@rule(
    "dialect.transforms.kinds",
    *_TRANSFORMS,
    asks="a level has one scale, then at most one translation",
    keep=WRONG_POSITION,
)
def transform_kinds(spot: Spot) -> Iterator[str]:
    """Section multiscales metadata."""
    if isinstance(spot.value, list) and any(map(is_foreign, spot.value)):
        return
    if not _are_of_the_right_kinds(spot.value):
        found = shown(_types_of(spot.value) or spot.value)
        yield f"{spot.name}: {found}, expected one scale, then at most one translation"


@rule(
    "dialect.transforms.values",
    *_TRANSFORMS,
    asks="a scale or translation has one number for each axis",
    keep=WRONG_POSITION,
)
def transform_values(spot: Spot) -> Iterator[str]:
    """Section multiscales metadata."""
    axes = spot.words["multiscales"][spot.keys[1]].get("axes")
    for number, item in enumerate(map(fields_of, items_of(spot.value))):
        kind = item.get("type")
        if kind not in ("scale", "translation"):
            continue
        where, values = f"{spot.name}[{number}].{kind}", numbers_of(item.get(kind))
        if values is None or len(values) < 2:
            yield f"{where} is {shown(item.get(kind, ABSENT))}, expected a list of numbers"
        elif isinstance(axes, list) and len(values) != len(axes):
            yield f"{where} has {len(values)} values {shown(values)} for {len(axes)} axes"


@rule(
    "dialect.transforms.systems",
    *_TRANSFORMS,
    asks="transformations are not between named systems (SpatialData)",
    keep="readers other than SpatialData pass over them",
)
def foreign_transforms(spot: Spot) -> Iterator[str]:
    """Section multiscales metadata."""
    if isinstance(spot.value, list) and any(map(is_foreign, spot.value)):
        kinds = [item.get("type") for item in objects_in(spot.value)]
        yield f"{spot.name} are {kinds} between named systems; 0.5 knows scale, translation"


@rule(
    "dialect.transforms.negative",
    _ENTRY,
    asks="no scale is negative",
    keep="readers show the axis turned round, or not",
    must=False,
)
def negative_scale(spot: Spot) -> Iterator[str]:
    """A negative scale turns its axis round."""
    scales = _scales_of(fields_of(spot.value).get("datasets"))
    if any(value < 0 for scale in scales for value in scale):
        yield f"{spot.name}: a negative scale, which turns its axis round"


def _named(axes: Any) -> bool:
    return isinstance(axes, list) and all(
        isinstance(axis, Mapping) and isinstance(axis.get("name"), str) for axis in axes
    )


def _scales_of(datasets: Any) -> list[list[float]]:
    """Scales of the levels; empty for one whose transformations are not of the right kinds."""
    scales = []
    for level in objects_in(datasets):
        items = items_of(level.get("coordinateTransformations"))
        sound = _are_of_the_right_kinds(items)
        scales.append((numbers_of(items[0].get("scale")) if sound else None) or [])
    return scales


def _are_of_the_right_kinds(transforms: Any) -> bool:
    kinds = [one.get("type") for one in objects_in(transforms)]
    same = len(kinds) == len(items_of(transforms))  # a text "scale" is not a transformation
    return same and kinds in (["scale"], ["scale", "translation"])


def _types_of(transforms: Any) -> list[Any]:
    """Type of each transformation; what is not an object stands for itself."""
    return [one.get("type") if isinstance(one, Mapping) else one for one in items_of(transforms)]

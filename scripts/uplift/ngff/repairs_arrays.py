"""Repairs of a multiscale that need its arrays: axes, levels and scales that are missing."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from uplift.grid import Shape
from uplift.ngff.axes import FIVE_AXES, axis_from_name, relative_scales, repeated
from uplift.ngff.draft import Edit
from uplift.ngff.json_kinds import fields_of, is_number, items_of
from uplift.ngff.json_paths import ABSENT, Keys
from uplift.ngff.paths import is_plain
from uplift.ngff.registry import Repairs, Spot

GEOMETRY = Repairs()
"""In this order: scales need the axes, and units are compared with the scales as they were."""
repair = GEOMETRY.repair

_BEFORE_04 = ("0.1", "0.2", "0.3")
_TRANSFORMS = "coordinateTransformations"


@repair(
    "level.absent",
    "multiscales/*/datasets",
    wrong="levels that are listed and not there, behind a first one that is",
    right="the levels that are there",
)
def absent_levels(spot: Spot) -> Iterator[Edit]:
    """Drop levels that were never written, the last first; something else there is refused.

    Where the first is absent, so are the pixels of full resolution: without its words nothing would
    say so, and the next level would pass for the finest.
    """
    paths = [_path_of(level) for level in items_of(spot.value)]
    if spot.facts.shapes is None or not paths or paths[0] not in spot.facts.shapes:
        return
    for index, path in reversed(list(enumerate(paths))):
        here = path is None or path in spot.facts.shapes or path in spot.facts.occupied
        if not here and is_plain(str(path)):
            yield Edit((*spot.keys, index), ABSENT, "no such array, and nothing else there")


@repair(
    "axes.implied",
    "multiscales/*/axes?",
    wrong="no axes for arrays of five dimensions",
    right="t, c, z, y, x: what OME-Zarr 0.1 and 0.2 imply; no units",
    right_in=_BEFORE_04,
)
def implied_axes(spot: Spot) -> Iterator[Edit]:
    """Add the five axes of the first versions."""
    shapes = _shapes(spot)
    five = bool(shapes) and {len(shape) for shape in shapes} == {len(FIVE_AXES)}
    if spot.value is ABSENT and five:
        axes = [axis_from_name(name) for name in FIVE_AXES]
        yield spot.becomes(axes, "t, c, z, y, x: what OME-Zarr 0.1 and 0.2 imply")


@repair(
    "axes.named",
    "multiscales/*/axes?",
    wrong="no axes for arrays of other than five dimensions, which name them themselves "
    "(`_ARRAY_DIMENSIONS`, or `axes` of a level's own)",
    right="these names with their types, and a level's own units",
)
def named_axes(spot: Spot) -> Iterator[Edit]:
    """Take the axes that the levels name themselves."""
    axes = _own_axes(spot) if spot.value is ABSENT else None
    if axes is not None:
        yield spot.becomes(axes, "as the levels name their dimensions")


@repair(
    "scale.identity",
    "multiscales/*/coordinateTransformations",
    "multiscales/*/datasets/*/coordinateTransformations",
    wrong="`identity`, which 0.5 forbids, alone or next to a scale or a translation",
    right="the scale 1 of each axis; next to a scale nothing, since it changes nothing",
)
def identity(spot: Spot) -> Iterator[Edit]:
    """Write an identity as the scale that it is, where there is no other."""
    given = items_of(spot.value)
    rest = [one for one in given if one != {"type": "identity"}]
    kinds = [fields_of(one).get("type") for one in rest]
    ndim = len(items_of(spot.words["multiscales"][spot.keys[1]].get("axes")))
    if len(rest) == len(given) or any(kind not in ("scale", "translation") for kind in kinds):
        return
    if "scale" in kinds:
        yield spot.becomes(rest, "an identity changes nothing")
    elif ndim:
        yield spot.becomes(
            [{"type": "scale", "scale": [1.0] * ndim}, *rest], "the scale that it is"
        )


@repair(
    "scale.own",
    "multiscales/*/datasets/*",
    wrong="a level that has its scale in a `transform` of its own (COSEM)",
    right="`coordinateTransformations` with the same numbers; `transform` stays",
)
def own_transform(spot: Spot) -> Iterator[Edit]:
    """Say a level's own transform as the format does."""
    own = fields_of(fields_of(spot.value).get("transform"))
    if not own or _TRANSFORMS in spot.value:
        return
    ndim = len(items_of(spot.words["multiscales"][spot.keys[1]].get("axes")))
    given = [("scale", own.get("scale")), ("translation", own.get("translate"))]
    transforms = [
        {"type": kind, kind: values}
        for kind, values in given
        if isinstance(values, list) and len(values) == ndim and all(map(is_number, values))
    ]
    if transforms and transforms[0]["type"] == "scale":
        yield Edit((*spot.keys, _TRANSFORMS), transforms, "as the level's own transform says")


@repair(
    "unit.unmeasured",
    "multiscales/*/axes/*/unit",
    wrong="a unit for an axis whose scale no level gives",
    right="no unit: 0.5 writes an unknown scale as 1, which nobody measured",
)
def unmeasured_units(spot: Spot) -> Iterator[Edit]:
    """Drop the unit of an axis whose scale is unknown; has to run before the scales are added."""
    entry, axis = spot.words["multiscales"][spot.keys[1]], int(spot.keys[3])
    levels = items_of(entry.get("datasets"))
    ndim = len(items_of(entry.get("axes")))
    known = [_given_scale(level, ndim) for level in levels]
    shapes = _shapes(Spot(spot.words, spot.keys[:2], spot.facts))
    if not shapes or {len(shape) for shape in shapes} != {ndim} or None in known:
        return
    common = _given_scale(entry, ndim)
    unknown = all(scale[axis] is None for scale in known if scale)
    if unknown and (common is None or common[axis] is None):
        yield spot.becomes(ABSENT, "no level gives a scale along this axis")


@repair(
    "scale.missing",
    "multiscales/*",
    wrong="levels without a scale, or with `null` or NaN in it",
    right="level 0's scale times the ratio of the shapes (integers where half a voxel allows); "
    "the ratio alone where no level has one",
    right_in=_BEFORE_04,
)
def scales(spot: Spot) -> Iterator[Edit]:
    """Complete the scales of the levels from those that are there and the shapes.

    OME-Zarr 0.5, section multiscales metadata: "If scaling information is not available […] the
    scale value MUST express the scaling factor between the current resolution and the first".
    """
    levels = items_of(fields_of(spot.value).get("datasets"))
    shapes = _shapes(spot)
    ndim = len(items_of(spot.value.get("axes"))) if levels else 0
    if not shapes or {len(shape) for shape in shapes} != {ndim}:
        return
    known = [_given_scale(level, ndim) for level in levels]
    if any(scale is None for scale in known) or all(None not in scale for scale in known if scale):
        return
    ratios = relative_scales(shapes)
    columns = [_completed(axis, known, ratios) for axis in range(ndim)]
    if not all(math.isfinite(value) for column in columns for value in column):
        return
    for index, level in enumerate(levels):
        if None in (known[index] or ()):
            scale = [column[index] for column in columns]
            yield _with_scale((*spot.keys, "datasets", index), level, scale)


def _completed(
    axis: int, known: list[list[float | None] | None], ratios: list[list[float]]
) -> list[float]:
    """Scale of each level along one axis, from the first that is known."""
    given = [scale[axis] if scale else None for scale in known]
    steps = [ratio[axis] for ratio in ratios]
    bases = [one / step for one, step in zip(given, steps, strict=True) if one is not None and step]
    base = bases[0] if bases else 1.0
    return [base * step if one is None else one for one, step in zip(given, steps, strict=True)]


def _with_scale(keys: Keys, level: Mapping[str, Any], scale: list[float]) -> Edit:
    how, old = "from the shapes of the levels", level.get(_TRANSFORMS)
    if not isinstance(old, list):
        return Edit((*keys, _TRANSFORMS), [{"type": "scale", "scale": scale}], how)
    for number, one in enumerate(old):
        if one.get("type") == "scale":
            return Edit((*keys, _TRANSFORMS, number, "scale"), scale, how)
    return Edit((*keys, _TRANSFORMS), [{"type": "scale", "scale": scale}, *old], how)


def _given_scale(holder: Any, ndim: int) -> list[float | None] | None:
    """Scale that a level or multiscale gives, None along axes that it leaves out.

    None as a whole: it says something else, which is not to be touched.
    """
    transforms = holder.get(_TRANSFORMS, []) if isinstance(holder, Mapping) else None
    if not isinstance(transforms, list) or not all(isinstance(t, Mapping) for t in transforms):
        return None
    kinds = [one.get("type") for one in transforms]
    if kinds in ([], ["translation"]):
        return [None] * ndim
    if kinds.count("scale") != 1:
        return None
    transform = transforms[kinds.index("scale")]
    scale = transform.get("scale")
    if scale is None:
        return None if "path" in transform else [None] * ndim  # of an array with the numbers
    if not isinstance(scale, list) or len(scale) != ndim:
        return None
    if not all(value is None or is_number(value) for value in scale):
        return None
    return [None if value is None or math.isnan(value) else value for value in scale]


def _own_axes(spot: Spot) -> list[dict[str, str]] | None:
    """Axes of a multiscale as its levels name them; None where they do not, or not alike."""
    found: list[list[dict[str, str]]] = []
    shapes = _shapes(spot)
    for level, shape in zip(_levels(spot) if shapes else [], shapes, strict=True):
        own = fields_of(level.get("transform"))
        names = spot.facts.dimensions.get(str(_path_of(level)))
        listed = names or level.get("axes") or own.get("axes")
        if not isinstance(listed, (list, tuple)) or len(listed) != len(shape):
            return None
        if not all(isinstance(name, str) for name in listed) or repeated(listed):
            return None
        axes = [axis_from_name(name) for name in listed]
        units = own.get("units")
        if isinstance(units, list) and len(units) == len(axes):
            pairs = zip(axes, units, strict=True)
            axes = [{**axis, "unit": u} if isinstance(u, str) else axis for axis, u in pairs]
        found.append(axes)
    return found[0] if found and all(axes == found[0] for axes in found) else None


def _shapes(spot: Spot) -> list[Shape]:
    """Shapes of the levels that the multiscale around a path lists; empty unless all are there."""
    known = spot.facts.shapes or {}
    paths = [_path_of(level) for level in _levels(spot)]
    shapes = [known[path] for path in paths if path is not None and path in known]
    return shapes if len(shapes) == len(paths) else []


def _levels(spot: Spot) -> list[Any]:
    return items_of(fields_of(spot.words["multiscales"][spot.keys[1]]).get("datasets"))


def _path_of(level: Any) -> str | None:
    path = fields_of(level).get("path")
    return path if isinstance(path, str) else None

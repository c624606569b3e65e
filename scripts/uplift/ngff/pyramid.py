"""Scales of a pyramid against the shapes of its levels: what no rule asks and users should know."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from uplift.grid import Shape
from uplift.models.findings import Finding, warning
from uplift.ngff.detect import axis_names
from uplift.ngff.json_kinds import fields_of, items_of, numbers_of, objects_in

LARGE_LEVEL = 4096
"""Elements along y or x above which an image of one level is slow to display."""


def check_scales(
    multiscale: Mapping[str, Any], shapes: Mapping[str, Shape], *, path: str = ""
) -> tuple[Finding, ...]:
    """Compare the scales of one ``multiscales`` entry with the shapes of its levels.

    Everything found is a warning: the source said so, and what is right is not known.

    Parameters
    ----------
    shapes
        Shape of each level, by its path relative to the group.

    Returns
    -------
    tuple[Finding, ...]
        Warnings.
    """
    levels = []
    for level in map(fields_of, items_of(multiscale.get("datasets"))):
        shape = shapes.get(str(level.get("path")).removesuffix("/"))
        scale = _scale_of(level)
        if shape is None or scale is None or len(scale) != len(shape):
            return ()  # the rules of the metadata and the inventory have it
        levels.append((str(level["path"]), shape, scale))
    found: list[Finding] = []
    names = axis_names(multiscale.get("axes"))
    for finer, coarser in itertools.pairwise(levels):
        found += _contradictions(finer, coarser, names, path)
    if len(levels) == 1 and any(
        name in ("y", "x") and size > LARGE_LEVEL
        for name, size in zip(names, levels[0][1], strict=False)
    ):
        text = f"level {levels[0][0]!r} is {list(levels[0][1])} and has no smaller one after it"
        found.append(warning("pyramid.single-level", path, f"{text}; viewers will be slow"))
    return tuple(found)


_Level = tuple[str, Shape, list[float]]


def _contradictions(
    finer: _Level, coarser: _Level, names: tuple[str, ...], path: str
) -> list[Finding]:
    (name0, shape0, scale0), (name1, shape1, scale1) = finer, coarser
    found = []
    if any(m > n for n, m in zip(shape0, shape1, strict=True)):
        text = f"level {name1!r} {list(shape1)} is larger than level {name0!r} {list(shape0)}"
        found.append(warning("pyramid.order", path, text))
    wrong = [
        f"{names[axis] if axis < len(names) else axis}: scale times {b / a:.4g}, shape {n} → {m}"
        for axis, (a, b, n, m) in enumerate(zip(scale0, scale1, shape0, shape1, strict=True))
        if not _agrees(a, b, n, m)
    ]
    if wrong:
        text = f"from level {name0!r} to {name1!r} the scale contradicts the shape: "
        found.append(warning("pyramid.scale", path, text + "; ".join(wrong)))
    return found


def _agrees(finer: float, coarser: float, size: int, smaller: int) -> bool:
    """Whether a level of `smaller` elements, rounded up or down, can have the coarser scale."""
    if not finer or not size or not smaller or not math.isfinite(coarser / finer):
        return True
    factor = coarser / finer
    if factor <= 0:
        return False
    return abs(size / factor - smaller) < 1 + 1e-6 * smaller or abs(size - smaller * factor) < 1


def _scale_of(level: Mapping[str, Any]) -> list[float] | None:
    for transform in objects_in(level.get("coordinateTransformations")):
        if transform.get("type") == "scale":
            return numbers_of(transform.get("scale"))
    return None

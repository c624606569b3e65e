"""Rules of OME-Zarr 0.5 for the metadata of one group, and for scales against shapes.

Codes are stable. ``dialect.*`` marks what established writers do against a MUST of 0.5: other
validators reject it, and it is a warning here, because the source had it and nothing may be lost.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.models.inventory import GroupRole
from uplift.ngff.check import Check, numbers_of, shown
from uplift.ngff.detect import axis_names, items_of
from uplift.ngff.image_rules import check_image_label, check_multiscales, check_omero
from uplift.ngff.plate_rules import check_plate, check_well

VERSION = "0.5"

LARGE_LEVEL = 4096
"""Elements along y or x above which an image of one level is slow to look at."""

_KEYS: dict[GroupRole, str] = {
    "image": "multiscales",
    "plate": "plate",
    "well": "well",
    "field": "multiscales",
    "labels": "labels",
    "bioformats2raw": "bioformats2raw.layout",
    "OME": "series",
}


def check_metadata(
    ome: Mapping[str, Any], roles: tuple[GroupRole, ...], *, path: str = "", strict: bool = False
) -> tuple[Finding, ...]:
    """Check the ``ome`` object of one group.

    Parameters
    ----------
    ome
        Value of the attribute ``ome``; empty where there is none.
    roles
        Roles of the group: each asks for its key.
    strict
        Report what SHOULD be there as well.
    """
    check = Check(path, strict=strict)
    for role in roles:
        key = _KEYS.get(role)
        if key is not None and key not in ome:
            _missing(role, key, check)
    if ome and ome.get("version") != VERSION:
        found = shown(ome.get("version"))
        check.error("ome.version", f"ome.version is {found}, expected {VERSION!r}")
    for key, rule in _RULES.items():
        if key in ome:
            rule(ome[key], check)
    return tuple(check.findings)


def check_scales(
    multiscale: Mapping[str, Any], shapes: Mapping[str, Shape], *, path: str = ""
) -> tuple[Finding, ...]:
    """Compare the scales of one ``multiscales`` entry with the shapes of its levels.

    Everything found is a warning: the source said so, and what is right is not known.

    Parameters
    ----------
    shapes
        Shape of each level, by its path relative to the group.
    """
    levels = []
    for level in items_of(multiscale.get("datasets")):
        known = isinstance(level, Mapping)
        shape = shapes.get(str(level.get("path")).removesuffix("/")) if known else None
        scale = _scale_of(level) if known else None
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
        text = f"level {levels[0][0]!r} is {list(levels[0][1])} and has no smaller one beside it"
        found.append(_warning("pyramid.single-level", path, f"{text}; viewers will be slow"))
    return tuple(found)


_Level = tuple[str, Shape, list[float]]


def _contradictions(
    finer: _Level, coarser: _Level, names: tuple[str, ...], path: str
) -> list[Finding]:
    (name0, shape0, scale0), (name1, shape1, scale1) = finer, coarser
    found = []
    if any(m > n for n, m in zip(shape0, shape1, strict=True)):
        text = f"level {name1!r} {list(shape1)} is larger than level {name0!r} {list(shape0)}"
        found.append(_warning("pyramid.order", path, text))
    wrong = [
        f"{names[axis] if axis < len(names) else axis}: scale times {b / a:.4g}, shape {n} → {m}"
        for axis, (a, b, n, m) in enumerate(zip(scale0, scale1, shape0, shape1, strict=True))
        if not _agrees(a, b, n, m)
    ]
    if wrong:
        text = f"from level {name0!r} to {name1!r} the scale contradicts the shape: "
        found.append(_warning("pyramid.scale", path, text + "; ".join(wrong)))
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
    for transform in items_of(level.get("coordinateTransformations")):
        if isinstance(transform, Mapping) and transform.get("type") == "scale":
            return numbers_of(transform.get("scale"))
    return None


def _missing(role: GroupRole, key: str, check: Check) -> None:
    if role == "labels":
        check.dialect("labels", "a labels group without a list of its labels")
    elif role == "field":
        check.dialect("well", "a field that its well lists, without multiscales")
    elif role == "OME":
        check.should("series.should", "an OME group without series: images are 0, 1, 2, …")
    else:
        check.error("ome.missing", f"{role} without {key}")


def _check_labels(value: Any, check: Check) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        check.error("labels", f"labels is {shown(value)}, expected a list of paths")
    elif not value:
        check.dialect("labels", "the list of labels is empty")


def _check_layout(value: Any, check: Check) -> None:
    if value != 3:
        check.error("bioformats2raw", f"bioformats2raw.layout is {shown(value)}, expected 3")


def _check_series(value: Any, check: Check) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        check.error("series", f"series is {shown(value)}, expected a list of paths")


def _warning(code: str, path: str, message: str) -> Finding:
    return Finding(code=code, severity="warning", path=path, message=message)


_RULES: dict[str, Callable[[Any, Check], None]] = {
    "multiscales": check_multiscales,
    "omero": check_omero,
    "image-label": check_image_label,
    "plate": check_plate,
    "well": check_well,
    "labels": _check_labels,
    "bioformats2raw.layout": _check_layout,
    "series": _check_series,
}

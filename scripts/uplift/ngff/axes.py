"""Axes, dimension names, and what versions before 0.4 do not say about them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from uplift.grid import Shape

AXIS_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}

_PREFIXES = [
    *("yocto", "zepto", "atto", "femto", "pico", "nano", "micro", "milli", "centi", "deci"),
    *("hecto", "kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta"),
]

UNITS = {
    "space": {f"{prefix}meter" for prefix in _PREFIXES}
    | {"meter", "angstrom", "foot", "inch", "mile", "parsec", "yard"},
    "time": {f"{prefix}second" for prefix in _PREFIXES} | {"second", "minute", "hour", "day"},
}
"""Units that an axis of each type SHOULD have (OME-Zarr 0.5, section axes metadata)."""

FIVE_AXES = ("t", "c", "z", "y", "x")
"""Axes of every image of OME-Zarr 0.1 and 0.2, in that order."""


def is_known_unit(axis: Mapping[str, Any]) -> bool:
    """Whether an axis of type space or time has a unit that 0.5 lists; any other may have any."""
    known = UNITS.get(str(axis.get("type")))
    return known is None or axis.get("unit") is None or str(axis["unit"]) in known


def axis_from_name(name: str) -> dict[str, str]:
    """Write a 0.3 axis as 0.4 and 0.5 do: no unit; no type where 0.3 did not define the name."""
    kind = AXIS_TYPES.get(name.lower())
    return {"name": name, "type": kind} if kind else {"name": name}


def relative_scales(shapes: Sequence[Shape]) -> list[list[float]]:
    """Scale of each level relative to level 0 (OME-Zarr 0.5: what to write for an unknown scale).

    Going from one level to the next, a factor is the ratio of the shapes, taken as the nearest
    integer where that explains the smaller shape to half a voxel: 271 → 135 is a factor of 2.

    Parameters
    ----------
    shapes
        Shape of each level, full resolution first, all of length ndim.
    """
    scales = [[1.0] * len(shapes[0])]
    for larger, smaller in itertools.pairwise(shapes):
        steps = [_factor(n, m) for n, m in zip(larger, smaller, strict=True)]
        scales.append([a * b for a, b in zip(scales[-1], steps, strict=True)])
    return scales


def level_names(shape: Shape, names: Sequence[str]) -> tuple[str, ...] | None:
    """Dimension names of a level: the axis names of the multiscale that lists it.

    None where they are not as many as the array's dimensions, or a name occurs twice: tensorstore
    opens no such array.
    """
    return tuple(names) if len(names) == len(shape) and not repeated(names) else None


def array_names(attributes: Mapping[str, Any], shape: Shape) -> tuple[str, ...] | None:
    """Dimension names of a Zarr v2 array outside any multiscale: its ``_ARRAY_DIMENSIONS``.

    Returns None where there are none, or none that fit the shape.
    """
    names = attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list) or len(names) != len(shape):
        return None
    if not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def repeated(names: Sequence[str | None]) -> bool:
    """Whether a name occurs twice."""
    known = [name for name in names if name is not None]
    return len(set(known)) != len(known)


def _factor(larger: int, smaller: int) -> float:
    if not larger or not smaller:
        return 1.0
    ratio = larger / smaller
    nearest = math.floor(ratio + 0.5)
    if nearest and abs(larger / nearest - smaller) <= 0.5:
        return float(nearest)
    return ratio

"""Rules of OME-Zarr 0.5 for images: multiscales, axes, transformations, omero, image-label."""

from __future__ import annotations

import itertools
import re
from typing import Any

from uplift.ngff.axes import is_known_unit
from uplift.ngff.check import Check, is_integer, is_number, numbers_of, shown
from uplift.ngff.detect import axis_names, items_of

_COLOR = re.compile(r"[0-9A-Fa-f]{6}")
_RANK = {"time": 0, "space": 2}
TEXTS: tuple[tuple[str, type], ...] = (("name", str), ("type", str), ("metadata", dict))
"""What a multiscale says about itself, and how."""

NONFINITE = ("NaN", "Infinity", "-Infinity")
"""What numbers that are no JSON are spelled as."""

_WINDOW = ("start", "end", "min", "max")


def check_multiscales(value: Any, check: Check) -> None:
    """Section multiscales metadata."""
    for where, entry in check.objects(value, "multiscales", "multiscales"):
        ndim = _check_axes(entry.get("axes"), where, check)
        _check_datasets(entry.get("datasets"), ndim, where, check)
        if "coordinateTransformations" in entry:
            _check_common(entry["coordinateTransformations"], ndim, where, check)
        odd = [key for key, kind in TEXTS if key in entry and not isinstance(entry[key], kind)]
        if odd:
            values = {key: "null" if entry[key] is None else shown(entry[key]) for key in odd}
            found = ", ".join(f"{key} {value}" for key, value in values.items())
            check.dialect("multiscales", f"{where}: {found}: expected texts, metadata an object")
        if "version" in entry:
            check.error("ome.version", f"{where}.version: 0.5 has one version only, ome.version")
        missing = [key for key in ("name", "type", "metadata") if key not in entry]
        if missing:
            check.should("multiscales.should", f"{where} should have {', '.join(missing)}")


def _check_axes(axes: Any, where: str, check: Check) -> int | None:
    """Section axes metadata; returns the number of axes."""
    code, where = "multiscales.axes", f"{where}.axes"
    if not isinstance(axes, list) or not 2 <= len(axes) <= 5:
        check.error(code, f"{where} is {shown(axes)}, expected a list of 2 to 5 axes")
        return len(axes) if isinstance(axes, list) else None
    if not all(isinstance(axis, dict) and isinstance(axis.get("name"), str) for axis in axes):
        check.error(code, f"{where}: every axis is an object with a name: {shown(axes)}")
        return len(axes)
    names = axis_names(axes)
    if len(set(names)) != len(names):
        check.error(code, f"{where}: a name occurs twice: {list(names)}")
    kinds = [axis.get("type") for axis in axes]
    if not all(kind is None or isinstance(kind, str) for kind in kinds):
        check.error(code, f"{where}: a type is no text: {kinds}")
        return len(axes)
    space, time = kinds.count("space"), kinds.count("time")
    if space not in (2, 3) or time > 1 or len(kinds) - space - time > 1:
        check.error(
            code,
            f"{where}: types are {kinds}; expected 2 or 3 of type space, at most one time, at most "
            "one channel or other",
        )
    for axis in axes:
        if "unit" in axis and not is_known_unit(axis):
            found = shown(axis["unit"])
            check.dialect("unit", f"{where}: {axis['name']} has the unit {found}, unknown to 0.5")
    ranks = [_RANK.get(kind or "", 1) for kind in kinds]
    if ranks != sorted(ranks):
        check.error(code, f"{where}: types are {kinds}; the order is time, channel, space")
    return len(axes)


def _check_datasets(datasets: Any, ndim: int | None, where: str, check: Check) -> None:
    scales = []
    for place, level in check.objects(datasets, "multiscales.datasets", f"{where}.datasets"):
        if not isinstance(level.get("path"), str):
            found = shown(level.get("path"))
            check.error("multiscales.datasets", f"{place}.path is {found}, expected a text")
        transforms = level.get("coordinateTransformations")
        if _check_transforms(transforms, ndim, f"{place}.coordinateTransformations", check):
            scales.append(numbers_of(items_of(transforms)[0].get("scale")))
    _check_order(scales, where, check)


def _check_order(scales: list[list[float] | None], where: str, check: Check) -> None:
    """Levels go from high to low resolution: no scale is finer than the one before it.

    A negative scale turns its axis round, and is as fine as the positive one.
    """
    if any(value < 0 for scale in scales for value in scale or ()):
        check.dialect("transforms", f"{where}: a negative scale, which turns its axis round")
    known = [[abs(value) for value in scale] for scale in scales if scale]
    for number, (finer, coarser) in enumerate(itertools.pairwise(known), start=1):
        if finer != coarser and all(b <= a for a, b in zip(finer, coarser, strict=False)):
            check.error(
                "multiscales.order",
                f"{where}.datasets[{number}] has a finer scale {coarser} than the level before it "
                f"{finer}; levels go from high to low resolution",
            )


def _check_common(transforms: Any, ndim: int | None, where: str, check: Check) -> None:
    """Transformations of all levels; those between named systems are not yet part of 0.5."""
    where = f"{where}.coordinateTransformations"
    if isinstance(transforms, list) and any(is_foreign(item) for item in transforms):
        kinds = [item.get("type") for item in transforms if isinstance(item, dict)]
        check.dialect(
            "transforms", f"{where} are {kinds} between named systems; 0.5 knows scale, translation"
        )
        return
    _check_transforms(transforms, ndim, where, check)


def _check_transforms(transforms: Any, ndim: int | None, where: str, check: Check) -> bool:
    """Section coordinateTransformations metadata; returns whether the kinds are right."""
    code = "multiscales.transforms"
    kinds = [
        _check_transform(item, ndim, spot, check)
        for spot, item in check.objects(transforms, code, where)
    ]
    if kinds in (["scale"], ["scale", "translation"]):
        return len(kinds) == len(transforms)
    if kinds:
        check.error(code, f"{where} are {kinds}; expected one scale, then at most one translation")
    return False


def is_foreign(transform: Any) -> bool:
    """Whether it maps between named coordinate systems, as SpatialData writes."""
    return isinstance(transform, dict) and "input" in transform and "output" in transform


def _check_transform(item: dict[str, Any], ndim: int | None, where: str, check: Check) -> str:
    """Check one scale or translation; returns its type."""
    kind = str(item.get("type"))
    if kind not in ("scale", "translation"):
        return kind
    values = numbers_of(item.get(kind))
    if values is None or len(values) < 2:
        check.error(
            "multiscales.transforms",
            f"{where}.{kind} is {shown(item.get(kind))}, expected a list of numbers",
        )
    elif ndim is not None and len(values) != ndim:
        check.error(
            "multiscales.transforms",
            f"{where}.{kind} has {len(values)} values {shown(values)} for {ndim} axes",
        )
    return kind


def check_omero(value: Any, check: Check) -> None:
    """Section omero metadata."""
    if not value:
        check.dialect("omero", "omero is empty, without a list of channels")
        return
    channels = value.get("channels") if isinstance(value, dict) else None
    if not isinstance(channels, list):
        check.error("omero", f"omero.channels is {shown(channels)}, expected a list of channels")
        return
    for number, channel in enumerate(channels):
        where = f"omero.channels[{number}]"
        if isinstance(channel, dict):
            _check_channel(channel, where, check)
        else:
            check.error("omero", f"{where} is {shown(channel)}, expected an object")


def is_color(text: str) -> bool:
    """Whether a text is six hexadecimal digits."""
    return bool(_COLOR.fullmatch(text))


def _check_channel(channel: dict[str, Any], where: str, check: Check) -> None:
    color, window = channel.get("color"), channel.get("window")
    odd = []
    if color is not None and not isinstance(color, str):
        check.error("omero", f"{where}.color is {shown(color)}, expected six hexadecimal digits")
    elif color is None or not is_color(color):
        odd.append(f"color {shown(color)}")
    if window is not None and not isinstance(window, dict):
        check.error("omero", f"{where}.window is {shown(window)}, expected an object")
    else:
        limits = {key: (window or {}).get(key) for key in _WINDOW}
        texts = {key: v for key, v in limits.items() if v is not None and not is_number(v)}
        wrong = {key: v for key, v in texts.items() if not (isinstance(v, str) and v in NONFINITE)}
        odd += [f"window.{key} {v}" for key, v in texts.items() if key not in wrong]
        if wrong:
            check.error("omero", f"{where}.window: {shown(wrong)} should be numbers")
        missing = [key for key, limit in limits.items() if limit is None]
        if missing:
            odd.append(f"window without {', '.join(missing)}" if window else "window missing")
    odd += [
        f"{key} {shown(channel[key])}"
        for key, kind in (("label", str), ("family", str), ("active", bool))
        if key in channel and not isinstance(channel[key], kind)
    ]
    if odd:
        check.dialect("omero", f"{where}: {'; '.join(odd)}")


def check_image_label(value: Any, check: Check) -> None:
    """Section labels metadata, image-label."""
    code = "image-label"
    if not isinstance(value, dict):
        check.error(code, f"image-label is {shown(value)}, expected an object")
        return
    if "colors" not in value:
        check.should(f"{code}.should", "image-label should have colors")
    for key in ("colors", "properties"):
        if key in value:
            _check_label_values(key, value[key], check)
    source = value.get("source", {})
    if not isinstance(source, dict) or not isinstance(source.get("image", ""), str):
        check.error(code, f"image-label.source is {shown(source)}, expected an image's path")


def _check_label_values(key: str, entries: Any, check: Check) -> None:
    seen: set[Any] = set()
    for where, entry in check.objects(entries, "image-label", f"image-label.{key}"):
        label, rgba = entry.get("label-value"), entry.get("rgba")
        if not is_number(label) or (key == "properties" and not is_integer(label)):
            found = shown(label)
            check.error("image-label", f"{where}.label-value is {found}, expected an integer")
            continue
        if label in seen:
            check.dialect("image-label", f"{where}: the label {label} is described twice")
        seen.add(label)
        if key == "colors" and "rgba" in entry and rgba is None:
            check.dialect("image-label", f"{where}: the label {label} has null as its color")
        elif key == "colors" and "rgba" in entry and not _is_rgba(rgba):
            check.error(
                "image-label", f"{where}.rgba is {shown(rgba)}, expected four integers 0 to 255"
            )


def _is_rgba(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(is_integer(item) and 0 <= item <= 255 for item in value)
    )

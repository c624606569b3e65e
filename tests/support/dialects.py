"""Metadata as it would be without what the rules call a dialect: for validators that know none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uplift.ngff.axes import is_known_unit
from uplift.ngff.detect import items_of
from uplift.ngff.image_rules import NONFINITE, TEXTS, is_color, is_foreign

_WINDOW = {"start": 0, "end": 1, "min": 0, "max": 1}


def without_dialect(ome: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the ``ome`` object of a group and take out what the rules report as ``dialect.*``."""
    new = dict(ome)
    if isinstance(ome.get("multiscales"), list):
        new["multiscales"] = [_multiscale(entry) for entry in ome["multiscales"]]
    if isinstance(ome.get("omero"), Mapping):
        new["omero"] = _omero(ome["omero"])
    if "omero" in ome and not ome["omero"]:
        del new["omero"]
    return new


def _multiscale(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    odd = [key for key, kind in TEXTS if key in entry and not isinstance(entry[key], kind)]
    new = {key: value for key, value in entry.items() if key not in odd}
    if isinstance(entry.get("axes"), list):
        new["axes"] = [_axis(axis) for axis in entry["axes"]]
    if any(is_foreign(item) for item in items_of(entry.get("coordinateTransformations"))):
        del new["coordinateTransformations"]
    return new


def _axis(axis: Any) -> Any:
    if not isinstance(axis, Mapping) or is_known_unit(axis):
        return axis
    return {key: value for key, value in axis.items() if key != "unit"}


def _omero(omero: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(omero.get("channels"), list):
        return dict(omero)
    channels = [_channel(one) if isinstance(one, Mapping) else one for one in omero["channels"]]
    return {**omero, "channels": channels}


def _channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(channel)
    for key, kind in (("label", str), ("family", str), ("active", bool)):
        if key in new and not isinstance(new[key], kind):
            del new[key]
    color, window = new.get("color"), new.get("window")
    if color is None or (isinstance(color, str) and not is_color(color)):
        new["color"] = "FFFFFF"
    if window is None or isinstance(window, Mapping):
        given = {key: value for key, value in (window or {}).items() if _is_given(value)}
        new["window"] = {**_WINDOW, **given}
    return new


def _is_given(limit: Any) -> bool:
    return limit is not None and not (isinstance(limit, str) and limit in NONFINITE)

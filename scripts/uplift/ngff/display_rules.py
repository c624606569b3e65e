"""Rules of OME-Zarr 0.5 for how an image is displayed: omero, image-label."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from uplift.ngff.image_rules import not_objects
from uplift.ngff.json_kinds import fields_of, is_integer, is_number, items_of, objects_in, shown
from uplift.ngff.json_paths import ABSENT
from uplift.ngff.registry import Check, Rules, Spot

DISPLAY_RULES = Rules[Check]()
rule = DISPLAY_RULES.rule

_COLOR = re.compile(r"[0-9A-Fa-f]{6}")
_LABELS = ("image-label/colors", "image-label/properties")
_COLORED_OTHERWISE = (
    "viewers show these labels in colors of their own; validators and ngio reject the label image"
)
_WINDOW = ("start", "end", "min", "max")


@rule(
    "dialect.omero.channels",
    "omero",
    asks="omero has a list of channels",
    keep="napari-ome-zarr and ngio do not open the image; validators reject it",
)
def omero_channels(spot: Spot) -> Iterator[str]:
    """Section omero metadata."""
    channels = fields_of(spot.value).get("channels", ABSENT)
    if not spot.value:
        yield "omero is empty, without a list of channels"
    elif not isinstance(channels, list):
        yield f"omero.channels is {shown(channels)}, expected a list of channels"


@rule(
    "dialect.omero.channel",
    "omero/channels/*",
    asks="a channel is an object with a color of six hexadecimal digits and a window of four "
    "numbers; label and family are texts, active is true or false",
    keep="ngio and napari-ome-zarr do not open the image, other viewers choose a color or window; "
    "validators reject it",
)
def omero_channel(spot: Spot) -> Iterator[str]:
    """Section omero metadata."""
    channel = spot.value
    if not isinstance(channel, Mapping):
        yield f"{spot.name} is {shown(channel)}, expected an object"
        return
    color, window = channel.get("color", ABSENT), channel.get("window", ABSENT)
    odd = []
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        odd.append(f"color {shown(color)} is not of six hexadecimal digits")
    if not isinstance(window, Mapping):
        odd.append(f"window {shown(window)} is not an object")
    else:
        limits = {key: window.get(key, ABSENT) for key in _WINDOW}
        odd += [f"window.{key} {shown(limit)} is not a number" for key, limit in limits.items()
                if limit is not ABSENT and not is_number(limit)]  # fmt: skip
        missing = [key for key, limit in limits.items() if limit is ABSENT]
        odd += [f"window without {', '.join(missing)}"] if missing else []
    odd += [
        f"{key} {shown(channel[key])} is not {'a text' if kind is str else 'true or false'}"
        for key, kind in (("label", str), ("family", str), ("active", bool))
        if key in channel and not isinstance(channel[key], kind)
    ]
    if odd:
        yield f"{spot.name}: {'; '.join(odd)}"


@rule(
    "dialect.image-label.object",
    "image-label",
    asks="image-label is an object; its source is an object whose image is a path",
    keep="readers show the labels without their colors and source; validators reject them",
)
def image_label(spot: Spot) -> Iterator[str]:
    """Section labels metadata."""
    if not isinstance(spot.value, Mapping):
        yield f"image-label is {shown(spot.value)}, expected an object"
        return
    source = spot.value.get("source", {})
    if not isinstance(source, Mapping) or not isinstance(source.get("image", ""), str):
        yield f"image-label.source is {shown(source)}, expected an image's path"


rule(
    "dialect.image-label.list",
    *_LABELS,
    asks="colors and properties are lists of objects, at least one",
    keep=_COLORED_OTHERWISE,
)(not_objects)


@rule(
    "dialect.image-label.value",
    *_LABELS,
    asks="a label-value is a number, of properties an integer",
    keep=_COLORED_OTHERWISE,
)
def label_values(spot: Spot) -> Iterator[str]:
    """Section labels metadata."""
    for index, entry in enumerate(items_of(spot.value)):
        label = entry.get("label-value", ABSENT) if isinstance(entry, Mapping) else 0
        if not is_number(label) or (spot.keys[-1] == "properties" and not is_integer(label)):
            yield f"{spot.name}[{index}].label-value is {shown(label)}, expected an integer"


@rule(
    "dialect.image-label.twice",
    *_LABELS,
    asks="a label is described once",
    keep="viewers show these labels in colors of their own; validators reject the label image",
)
def labels_once(spot: Spot) -> Iterator[str]:
    """Section labels metadata."""
    values: list[Any] = [one.get("label-value") for one in objects_in(spot.value)]
    labels = Counter(value for value in values if is_number(value))
    for label in sorted(label for label, count in labels.items() if count > 1):
        yield f"{spot.name}: the label {label} is described twice"


@rule(
    "dialect.image-label.color",
    "image-label/colors",
    asks="rgba is four integers from 0 to 255",
    keep=_COLORED_OTHERWISE,
)
def label_colors(spot: Spot) -> Iterator[str]:
    """Section labels metadata."""
    for index, entry in enumerate(items_of(spot.value)):
        rgba = entry.get("rgba", ABSENT) if isinstance(entry, Mapping) else ABSENT
        if rgba is not ABSENT and not _is_rgba(rgba):
            yield f"{spot.name}[{index}].rgba is {shown(rgba)}, expected four integers 0 to 255"


def _is_rgba(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(is_integer(item) and 0 <= item <= 255 for item in value)
    )

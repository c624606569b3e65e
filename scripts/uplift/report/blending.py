"""Colors of pixels: channels are added up in their colors, each label has one of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PALETTE = ("FFFFFF",), ("FF00FF", "00FF00"), ("0000FF", "00FF00", "FF0000")
_MANY = ("0000FF", "00FF00", "FF0000", "00FFFF", "FF00FF", "FFFF00")

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Channel:
    """How one channel is shown.

    Attributes
    ----------
    color
        Six hexadecimal digits.
    window
        Values shown black and in full color.
    described
        Whether the window is the metadata's; else it follows from the values.
    """

    label: str | None
    color: str
    window: tuple[float, float]
    described: bool
    active: bool = True


def channels_of(
    planes: NDArray[Any] | Sequence[NDArray[Any]], described: Sequence[Any]
) -> list[Channel]:
    """Decide on colors and windows.

    Parameters
    ----------
    planes
        Values of each channel, any shape; of several images of a plate joined.
    described
        Entries of ``omero.channels`` (OME-Zarr 0.5, section omero); where one lacks a window the
        values between the 1st and the 99.8th percentile are shown.
    """
    count = len(planes)
    palette = _PALETTE[count - 1] if count <= len(_PALETTE) else _MANY
    entries = [c if isinstance(c, Mapping) else {} for c in described[:count]]
    entries += [{}] * (count - len(entries))
    return [
        _channel(plane, entry, palette[at % len(palette)])
        for at, (plane, entry) in enumerate(zip(planes, entries, strict=True))
    ]


def blend(planes: NDArray[Any] | Sequence[NDArray[Any]], channels: Sequence[Channel]) -> Picture:
    """Add up channels in their colors.

    Parameters
    ----------
    planes
        One of shape (y, x) for each channel.
    channels
        How each is shown; of the same length.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
    """
    picture = np.zeros((*planes[0].shape, 3), np.float32)
    for plane, channel in zip(planes, channels, strict=True):
        if not channel.active:
            continue
        low, high = channel.window
        shown = np.nan_to_num(plane.astype(np.float32))
        shown -= np.float32(low)
        shown *= np.float32(1 / (high - low))
        np.clip(shown, 0, 1, out=shown)
        for at, part in enumerate(bytes.fromhex(channel.color)):
            if part:
                picture[..., at] += shown * np.float32(part)
    return np.minimum(picture, 255, out=picture).astype(np.uint8)


def paint_labels(values: NDArray[Any], colors: Mapping[int, Sequence[int]]) -> Picture:
    """Give each label a color, and the background none.

    Parameters
    ----------
    values
        Shape (y, x).
    colors
        Label value to RGBA, from the ``image-label`` metadata; other labels get one by their value.

    Returns
    -------
    ndarray of uint8, shape (y, x, 4)
    """
    mixed = values.astype(np.int64) * 2654435761 % 2**32  # golden ratio: neighbors differ
    hue = (mixed >> 8) % 1536
    ramp = np.abs((hue[..., np.newaxis] + np.array([0, 1024, 512])) % 1536 - 768) - 256
    picture = np.empty((*values.shape, 4), np.uint8)
    picture[..., :3] = np.clip(ramp, 0, 255)
    picture[..., 3] = np.where(values == 0, 0, 255)
    for value, rgba in colors.items():
        picture[values == value] = (*rgba[:3], 255)
    return picture


def _channel(plane: NDArray[Any], entry: Mapping[str, Any], color: str) -> Channel:
    window = _window(entry.get("window"))
    described = window is not None
    if window is None:
        finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        low, high = np.percentile(finite, (1, 99.8)) if finite.size else (0, 1)
        window = (float(low), float(high) if high > low else float(low) + 1)
    label = entry.get("label")
    return Channel(
        label=label if isinstance(label, str) and label else None,
        color=_color(entry.get("color"), color),
        window=window,
        described=described,
        active=entry.get("active", True) is not False,
    )


def _window(value: Any) -> tuple[float, float] | None:
    """Start and end of a window of the metadata; None when these are not two ordered numbers."""
    pair = [value.get(key) for key in ("start", "end")] if isinstance(value, Mapping) else []
    numbers = [float(n) for n in pair if isinstance(n, int | float) and abs(n) < float("inf")]
    return (numbers[0], numbers[1]) if len(numbers) == 2 and numbers[0] < numbers[1] else None


def _color(value: Any, default: str) -> str:
    try:
        triple = bytes.fromhex(str(value)[:6])
    except ValueError:
        return default
    return triple.hex().upper() if len(triple) == 3 else default

"""Thumbnails of published images, read back from the output."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uplift.arrays.readers import Reader, ReaderError, open_reader
from uplift.errors import UpliftError
from uplift.ngff.detect import multiscales_of
from uplift.report.facts import Facts
from uplift.storage import open_store
from uplift.storage.protocol import Store, join

log = logging.getLogger(__name__)

SIZE = 384
"""Pixels of the longer side of a preview."""
_MOST_PIXELS = 16 * 2**20
"""A plane with more pixels is shown by a piece of its centre."""
_MOST_CHANNELS = 6
_PALETTE = ("FFFFFF",), ("FF00FF", "00FF00"), ("0000FF", "00FF00", "FF0000")
_MANY = ("0000FF", "00FF00", "FF0000", "00FFFF", "FF00FF", "FFFF00")

Picture = NDArray[np.uint8]


def update_previews(facts: Iterable[Facts], settings: Mapping[str, Any] | None) -> None:
    """Draw ``preview.png`` of each dataset that was published since its last preview."""
    for one in facts:
        published, file = one.folder / "published.json", one.folder / "preview.png"
        if one.outcome.published is None or one.source is None:
            file.unlink(missing_ok=True)
        elif not file.exists() or file.stat().st_mtime < published.stat().st_mtime:
            try:
                write_preview(open_store(one.sample.output, settings), one.source.images, file)
            except UpliftError as error:
                log.warning("no preview of %s: %s", one.sample.dataset, error)


def write_preview(store: Store, images: Sequence[str], file: Path) -> bool:
    """Draw the images (paths of their groups) side by side; False when none can be drawn."""
    columns = math.ceil(math.sqrt(len(images)))
    tile = SIZE // max(1, columns)
    pictures = [picture for path in images if (picture := _draw(store, path, tile)) is not None]
    if not pictures:
        return False
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * tile, rows * tile))
    for at, picture in enumerate(pictures):
        image = Image.fromarray(picture)
        image.thumbnail((tile, tile))
        corner = (at % columns * tile, at // columns * tile)
        sheet.paste(image, corner)
    used = sheet.getbbox() if len(pictures) == 1 else None
    (sheet.crop((0, 0, *used[2:])) if used else sheet).save(file)
    return True


def _draw(store: Store, path: str, tile: int) -> Picture | None:
    try:
        return picture_of(store, path, tile)
    except (UpliftError, ReaderError, ValueError) as error:
        log.warning("no preview of %s/%s: %s", store.url, path, error)
        return None


def picture_of(store: Store, path: str, size: int) -> Picture | None:
    """Draw the middle plane of an image in the colors that its ``omero`` metadata give.

    Parameters
    ----------
    path
        Path of the image's group in an OME-Zarr 0.5 dataset.
    size
        Wanted pixels of the longer side; the smallest level that has them is read.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3), or None
        None when the pixels are no numbers or there is no y and x axis.
    """
    document = store.get(join(path, "zarr.json"))
    attributes = {} if document is None else json.loads(document).get("attributes", {})
    multiscales = multiscales_of(attributes, path)
    if not multiscales or not {"y", "x"} <= set(multiscales[0].axes):
        return None
    axes = multiscales[0].axes
    reader = _level(store, path, multiscales[0].levels, axes, size)
    if reader is None or len(axes) != len(reader.shape) or 0 in reader.shape:
        return None
    planes = _planes(reader, axes)
    if planes is None:
        return None
    omero = attributes.get("ome", {}).get("omero", {})
    channels = omero.get("channels", []) if isinstance(omero, dict) else []
    return blend(planes, channels)


def _level(
    store: Store, path: str, levels: Sequence[str], axes: Sequence[str], size: int
) -> Reader | None:
    """Open the smallest level whose plane still has `size` pixels along a side."""
    sides = [axes.index("y"), axes.index("x")]
    chosen = None
    for level in levels:
        reader = open_reader(store, join(path, level))
        if chosen is None or max(reader.shape[side] for side in sides) >= size:
            chosen = reader
    return chosen


def _planes(reader: Reader, axes: Sequence[str]) -> NDArray[np.float64] | None:
    """Read the middle plane, as values of shape (c, y, x)."""
    region, kept = [], []
    for name, length in zip(axes, reader.shape, strict=True):
        if name == "c":
            region.append(slice(0, min(length, _MOST_CHANNELS)))
            kept.append("c")
        elif name in ("y", "x"):
            side = math.isqrt(_MOST_PIXELS)
            first = max(0, (length - side) // 2)
            region.append(slice(first, min(length, first + side)))
            kept.append(name)
        else:
            middle = 0 if name == "t" else length // 2
            region.append(slice(middle, middle + 1))
    values = reader.read(tuple(region))
    if values.dtype.kind not in "buif":
        return None
    values = values.reshape([n for n, name in zip(values.shape, axes, strict=True) if name in kept])
    order = sorted(range(len(kept)), key=lambda at: "cyx".index(kept[at]))
    planes = np.nan_to_num(values.transpose(order).astype(np.float64))
    return planes if "c" in kept else planes[np.newaxis]


def blend(planes: NDArray[np.float64], channels: Sequence[Any]) -> Picture:
    """Add up channels in their colors.

    Parameters
    ----------
    planes
        Values, shape (c, y, x).
    channels
        Entries of ``omero.channels`` (OME-Zarr 0.5, section omero); where one lacks a window the
        values between the 1st and the 99.8th percentile are shown.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
    """
    count = len(planes)
    palette = (_PALETTE[count - 1] if count <= len(_PALETTE) else _MANY)[:count]
    described = [c if isinstance(c, Mapping) else {} for c in channels[:count]]
    described += [{}] * (count - len(described))
    picture = np.zeros((*planes.shape[1:], 3))
    for plane, channel, default in zip(planes, described, palette, strict=True):
        if channel.get("active", True) is False:
            continue
        low, high = _window(plane, channel.get("window"))
        shown = np.clip((plane - low) / (high - low), 0, 1)
        picture += shown[..., np.newaxis] * _color(channel.get("color"), default)
    return (255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _window(plane: NDArray[np.float64], window: Any) -> tuple[float, float]:
    given = window if isinstance(window, Mapping) else {}
    low, high = given.get("start"), given.get("end")
    if not (isinstance(low, int | float) and isinstance(high, int | float) and low < high):
        low, high = np.percentile(plane, (1, 99.8))
    return float(low), float(high) if high > low else float(low) + 1


def _color(value: Any, default: str) -> NDArray[np.float64]:
    try:
        triple = bytes.fromhex(str(value)[:6])
    except ValueError:
        triple = b""
    triple = triple if len(triple) == 3 else bytes.fromhex(default)
    return np.frombuffer(triple, np.uint8) / 255.0

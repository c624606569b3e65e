"""The map of a plate: the first field of every well at its position."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from uplift.arrays.readers.protocol import ReaderError
from uplift.errors import UpliftError
from uplift.report.blending import blend, channels_of
from uplift.report.documents import Documents
from uplift.report.pictures import SIZE, Described, channel_entries, first_field, level_of, reduced
from uplift.report.planes import LARGEST_CHUNK, READS_AT_ONCE, Level, read_plane
from uplift.running.parallel import in_order
from uplift.storage.protocol import Store

log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")

MOST_WELLS = 1536
"""Of a plate map: the largest plates in use."""
_NAMES = 24
"""Pixels that the names of rows and columns of a plate take."""


def draw_plate(documents: Documents, plate: Mapping[str, Any]) -> tuple[Described, Any]:
    """Draw the first field of every well at its position, with one window for each channel."""
    rows, columns = (
        [
            str(entry.get("name", at) if isinstance(entry, Mapping) else entry)
            for at, entry in enumerate(plate.get(key, []))
        ]
        for key in ("rows", "columns")
    )
    tile = max(16, SIZE // max(1, len(columns)))
    wells = [well for well in plate.get("wells", []) if _has_position(well)][:MOST_WELLS]
    store = documents.store
    found = _map_wells(lambda well: _field(documents, well, tile), wells, store, READS_AT_ONCE)
    levels = [level for level, _ in found if level is not None]
    if not levels:
        return Described(), None
    largest = max(level.chunk_bytes for level in levels)
    # together they hold no more than one chunk of the largest size would
    most = min(READS_AT_ONCE, max(1, LARGEST_CHUNK // largest))
    planes = _map_wells(lambda one: _well(documents, one[0], tile), found, store, most)
    shown = [plane for plane in planes if plane is not None]
    if not shown:
        return Described(), None
    count = min(len(plane) for plane in shown)
    joined = [np.concatenate([plane[c].ravel() for plane in shown]) for c in range(count)]
    channels = channels_of(joined, _common([channel_entries(ome) for _, ome in found]))
    sheet = Image.new(
        "RGB", (_NAMES + len(columns) * tile, _NAMES + len(rows) * tile), (24, 26, 30)
    )
    for well, plane in zip(wells, planes, strict=True):
        if plane is not None:
            picture = reduced(blend(plane[:count], channels), tile - 1)
            corner = (well["columnIndex"] * tile, well["rowIndex"] * tile)
            sheet.paste(picture, (_NAMES + corner[0], _NAMES + corner[1]))
    _name_axes(sheet, rows, columns, tile)
    return Described("plate", channels=channels, rows=rows, columns=columns), sheet


def _has_position(well: Any) -> bool:
    return isinstance(well, Mapping) and all(
        isinstance(well.get(key), int) for key in ("columnIndex", "rowIndex")
    )


def _map_wells(
    function: Callable[[A], B], wells: Iterable[A], store: Store, at_once: int
) -> list[B]:
    """Apply a function to each well, in threads where each read is a round trip."""
    with ThreadPoolExecutor(at_once) if store.reads_ahead else contextlib.nullcontext() as pool:
        return list(in_order(pool, function, wells, 2 * at_once))


def _field(
    documents: Documents, well: Mapping[str, Any], tile: int
) -> tuple[Level | None, Mapping[str, Any]]:
    try:
        return level_of(documents, first_field(documents, well), tile)
    except (UpliftError, ValueError, KeyError, TypeError, IndexError) as error:
        log.info("no preview of well %s/%s: %s", documents.store.url, well.get("path"), error)
        return None, {}


def _well(documents: Documents, level: Level | None, tile: int) -> Any:
    if level is None:
        return None
    try:
        return read_plane(documents, level, tile).values
    except (UpliftError, ReaderError) as error:
        log.info("no preview of %s/%s: %s", documents.store.url, level.path, error)
        return None


def _common(entries: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """What all wells say about a channel; windows that differ are left out."""
    first: list[Any] = [dict(c) if isinstance(c, Mapping) else {} for c in entries[0]]
    for at, channel in enumerate(first):
        windows = [other[at].get("window") if at < len(other) else None for other in entries]
        if any(window != windows[0] for window in windows):
            channel.pop("window", None)
    return first


def _name_axes(sheet: Any, rows: Sequence[str], columns: Sequence[str], tile: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    each = math.ceil(16 / tile)  # names need some 16 pixels
    for at, name in enumerate(columns):
        if at % each == 0:
            middle = _NAMES + at * tile + tile // 2
            draw.text((middle, _NAMES // 2), name[:6], (200, 204, 210), font, "mm")
    for at, name in enumerate(rows):
        if at % each == 0:
            middle = _NAMES + at * tile + tile // 2
            draw.text((_NAMES // 2, middle), name[:3], (200, 204, 210), font, "mm")

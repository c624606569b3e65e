"""One plane of an image at the size of a picture, in bounded memory whatever the image.

The smallest level that has enough pixels is read chunk by chunk, every n-th row and column kept.
"""

import contextlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.arrays.readers import begin_reader
from uplift.arrays.readers.protocol import Reader
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.report.documents import Documents
from uplift.running.parallel import in_order
from uplift.storage.protocol import join

LARGEST_CHUNK = 24 * 2**20
"""Bytes of a decoded chunk. A decoder holds two or three copies of one; a level with larger chunks
is passed over, which keeps the whole process below 200 MB."""
BLOCK = 8 * 2**20
"""Decoded bytes that are asked for at once (one chunk when that is larger)."""
DECODED = 256 * 2**20
"""Decoded bytes of one picture, which bounds its time: of a larger plane the centre is shown."""
MOST_CHANNELS = 6
_DRAWN = ("c", "y", "x")

_NUMBERS = {"bool": 1, "float16": 2, "float32": 4, "float64": 8}
_NUMBERS |= {f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}

READS_AT_ONCE = 16
"""Small reads from a bucket are mostly waiting."""

Values = NDArray[Any]
Block = tuple[range, range, range]
"""Channels, rows and columns that are read together."""


@dataclass(frozen=True)
class Level:
    """One array of a multiscale.

    Attributes
    ----------
    path
        From the root of the dataset.
    axes, shape, chunks
        Names, elements along each axis, and elements of the unit that is decoded by itself; length
        ndim.
    chunk_bytes
        Decoded bytes of one such unit.
    """

    path: str
    axes: Sequence[str]
    shape: Sequence[int]
    chunks: Sequence[int]
    chunk_bytes: int

    @property
    def item_bytes(self) -> int:
        """Bytes of an element."""
        return self.chunk_bytes // math.prod(self.chunks)

    def side(self) -> int:
        """Pixels of the longer side of a plane."""
        return max(self.length("y"), self.length("x"))

    def length(self, axis: str) -> int:
        """Elements along an axis, 1 where there is no such axis."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def chunk(self, axis: str) -> int:
        """Elements of a chunk along an axis."""
        return self.chunks[self.axes.index(axis)] if axis in self.axes else 1


@dataclass(frozen=True)
class Plane:
    """What was read.

    Attributes
    ----------
    values
        Shape (c, y, x), the data type of the array; uint8 for bool.
    position
        Index along each axis that is no longer there, such as ``{"z": 12, "t": 0}``.
    part
        First and last row and first and last column that is shown, as fractions of the plane.
    """

    values: Values
    level: Level
    position: Mapping[str, int]
    part: tuple[float, float, float, float]


def choose_level(
    documents: Documents, group: str, names: Sequence[str], axes: Sequence[str], size: int
) -> Level | None:
    """Find the smallest level whose plane has `size` pixels along a side.

    Parameters
    ----------
    documents
        Of the dataset.
    group, names
        Path of the image's group, and paths of its levels below it, full resolution first.
    axes
        Names of the axes, length ndim.
    size
        Wanted pixels of the longer side.

    Returns
    -------
    Level or None
        None when no level can be drawn: there are no numbers, or the chunks are too large.
    """
    chosen = None
    paths = [join(group, name) for name in names]
    documents.ask(paths)
    for path in paths:
        level = _level(path, documents.text(path), axes)
        if level is None or (chosen is not None and level.side() < size):
            continue
        if level.chunk_bytes <= LARGEST_CHUNK:
            chosen = level
    return chosen


def _level(path: str, text: bytes | None, axes: Sequence[str]) -> Level | None:
    document = {} if text is None else json.loads(text)
    shape, name = document.get("shape"), document.get("data_type")
    if not isinstance(name, str) or name not in _NUMBERS or not shape or len(shape) != len(axes):
        return None
    chunks = document["chunk_grid"]["configuration"]["chunk_shape"]
    for codec in document["codecs"]:
        if codec["name"] == "sharding_indexed":
            chunks = codec["configuration"]["chunk_shape"]
    if 0 in shape:
        return None
    return Level(path, axes, shape, chunks, math.prod(chunks) * _NUMBERS[name])


def read_plane(documents: Documents, level: Level, size: int) -> Plane:
    """Read the middle plane (the first time point) of a level.

    Parameters
    ----------
    documents
        Of the dataset.
    size
        Wanted pixels of the longer side; up to four times as many are kept, for a good reduction.

    Returns
    -------
    Plane
        Channels by rows by columns, and what was read.

    Raises
    ------
    ReaderError
        The array cannot be read.
    """
    store = documents.store
    reader: Reader
    if store.reads_ahead:  # the document was read to choose the level
        reader = ZarrReader(store, level.path, documents.text(level.path))
    else:
        reader = begin_reader(store, level.path, whole=True)()
    rows, columns = _shown_part(level)
    step = max(1, max(len(rows), len(columns)) // (2 * size))
    channels = min(level.length("c"), MOST_CHANNELS)
    position = {a: 0 if a == "t" else level.length(a) // 2 for a in level.axes if a not in _DRAWN}
    shape = (channels, -(-len(rows) // step), -(-len(columns) // step))
    values: Values | None = None

    def read(block: Block) -> Values:
        at = dict(zip(_DRAWN, block, strict=True))
        at |= {a: range(n, n + 1) for a, n in position.items()}
        return reader.read(tuple(slice(at[a].start, at[a].stop) for a in level.axes))

    # of a bucket smaller ones side by side, which together hold no more than one
    most = BLOCK
    if store.reads_ahead:
        most = min(BLOCK, channels * len(rows) * len(columns) * level.item_bytes) // READS_AT_ONCE
    blocks = list(_blocks(level, channels, rows, columns, most))
    at_once = min(READS_AT_ONCE, BLOCK // max(most, level.chunk_bytes)) if store.reads_ahead else 1
    pool = ThreadPoolExecutor(at_once) if at_once > 1 else None
    with pool or contextlib.nullcontext():
        all_read = in_order(pool, read, blocks, at_once)
        for (c, y, x), found in zip(blocks, all_read, strict=True):
            block = _as_cyx(found, level.axes)[
                :, -(y.start - rows.start) % step :: step, -(x.start - columns.start) % step :: step
            ]
            if values is None:
                values = np.zeros(shape, block.dtype if block.dtype != bool else np.uint8)
            top, left = -(-(y.start - rows.start) // step), -(-(x.start - columns.start) // step)
            height, width = block.shape[1:]
            values[c.start : c.stop, top : top + height, left : left + width] = block
    assert values is not None  # noqa: S101 - no axis is empty
    height, width = level.length("y"), level.length("x")
    part = (rows.start / height, rows.stop / height, columns.start / width, columns.stop / width)
    return Plane(values, level, position, part)


def _as_cyx(values: Values, axes: Sequence[str]) -> Values:
    """Leave out the axes of length 1 that no picture has, and put the others in order."""
    kept = [axis for axis in axes if axis in _DRAWN]
    values = values.reshape([n for n, a in zip(values.shape, axes, strict=True) if a in _DRAWN])
    values = values.transpose(sorted(range(len(kept)), key=lambda at: _DRAWN.index(kept[at])))
    return values if "c" in kept else values[np.newaxis]


def _shown_part(level: Level) -> tuple[range, range]:
    """Rows and columns that are read: whole chunks around the centre, at most `DECODED` bytes."""
    height, width = level.length("y"), level.length("x")
    tall, wide = level.chunk("y"), level.chunk("x")
    deep = -(-min(level.length("c"), MOST_CHANNELS) // level.chunk("c"))
    high, broad = -(-height // tall), -(-width // wide)
    share = math.sqrt(DECODED / (high * broad * deep * level.chunk_bytes))
    if share >= 1:
        return range(height), range(width)

    def middle(count: int, chunk: int, length: int) -> range:
        kept = max(1, int(count * share))
        first = (count - kept) // 2
        return range(first * chunk, min(length, (first + kept) * chunk))

    return middle(high, tall, height), middle(broad, wide, width)


def _blocks(level: Level, channels: int, rows: range, columns: range, most: int) -> Iterator[Block]:
    """Cut into runs of whole chunks of at most `most` bytes."""
    many = max(1, most // level.chunk_bytes)
    wide = min(many, -(-len(columns) // level.chunk("x")))
    tall = max(1, many // wide)
    yield from itertools.product(
        _pieces(range(channels), level.chunk("c")),
        _pieces(rows, tall * level.chunk("y")),
        _pieces(columns, wide * level.chunk("x")),
    )


def _pieces(whole: range, length: int) -> list[range]:
    starts = range(whole.start, whole.stop, length)
    return [range(start, min(whole.stop, start + length)) for start in starts]

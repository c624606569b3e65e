"""Small arrays from end to end, by the job that converted them, while they are in the page cache.

Other people's readers read both sides whole. What differs or is refused is left to the check of the
whole dataset (:mod:`uplift.validate.pixels.regions`), which knows more and says what is wrong.
"""

import contextlib
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from uplift.arrays.readers import begin_planned, begin_reader
from uplift.arrays.readers.protocol import Reader, ReaderError
from uplift.arrays.readers.with_tensorstore import ReusedBuffer, TensorstoreReader
from uplift.models.batch import BatchItem
from uplift.storage.protocol import Store, has_round_trips
from uplift.validate.pixels.compare import same_bits
from uplift.validate.pixels.small import is_for_zarr_python
from uplift.zarr_metadata.data_types import numpy_dtype

_AHEAD = 1
"""Arrays that are being read while one is compared: tensorstore's threads are never idle then. With
more, memory leaves the cores' caches."""
_AHEAD_BYTES = 16 * 2**20
"""Where reads are round trips, as many as have so many decoded bytes: small ones of a group all."""

_Reading = Callable[[], NDArray[Any]]


def same_values(
    items: Sequence[BatchItem | None], source: Store, output: Store
) -> Iterator[NDArray[Any] | None]:
    """Read small arrays whole, on both sides.

    The output is read by the document that is planned for it; the one that will be written is
    compared with the plan. One of sixteen arrays is read by zarr-python, which takes milliseconds
    to open one; the others by tensorstore's driver for Zarr v3. All are opened together.

    Parameters
    ----------
    items
        Each all stored objects of an array that is small; None: nothing is read.
    source, output
        Both sides.

    Yields
    ------
    NDArray[Any] or None
        For each item the values of the output, in the array's shape, where those of the source are
        the same, bit for bit; None where that is not known. Valid until the next one is asked for;
        where reads are round trips, for as long as it is referenced.
    """
    opening = [None if item is None else _opening(item, source, output) for item in items]
    ahead, buffers = _AHEAD, _used_again(_AHEAD + 1)
    if has_round_trips(source, output):
        largest = max((_nbytes(item) for item in items if item is not None), default=1)
        ahead = max(_AHEAD, _AHEAD_BYTES // largest)
        buffers = iter(lambda: (ReusedBuffer(), ReusedBuffer()), None)
    reading: deque[tuple[_Reading, _Reading] | None] = deque()
    for pair in opening:
        if len(reading) > ahead:
            yield _compared(reading.popleft())
        reading.append(None if pair is None else _reading(pair, next(buffers)))
    while reading:
        yield _compared(reading.popleft())


def _nbytes(item: BatchItem) -> int:
    return max(1, math.prod(item.source.shape) * numpy_dtype(item.source).itemsize)


def _used_again(count: int) -> Iterator[tuple[ReusedBuffer, ReusedBuffer]]:
    return itertools.cycle([(ReusedBuffer(), ReusedBuffer()) for _ in range(count)])


def _opening(
    item: BatchItem, source: Store, output: Store
) -> tuple[Callable[[], Reader], Callable[[], Reader]]:
    by_zarr = is_for_zarr_python(item.path)
    before = begin_reader(source, item.path, item.source.zarr_format, whole=True)
    after = begin_planned(output, item.path, item.target, zarr_python=by_zarr, whole=True)
    return before, after


def _reading(
    pair: tuple[Callable[[], Reader], Callable[[], Reader]],
    buffers: tuple[ReusedBuffer, ReusedBuffer],
) -> tuple[_Reading, _Reading] | None:
    try:
        readers = [wait() for wait in pair]
    except ReaderError:
        return None
    before, after = (
        reader.begin_whole(buffer)
        if isinstance(reader, TensorstoreReader)
        else reader.begin(tuple(slice(0, n) for n in reader.shape))
        for reader, buffer in zip(readers, buffers, strict=True)
    )
    return before, after


def _compared(reading: tuple[_Reading, _Reading] | None) -> NDArray[Any] | None:
    if reading is None:
        return None
    values = []
    for wait in reading:  # for both in any case: nothing is read into memory that is used again
        with contextlib.suppress(ReaderError):
            values.append(wait())
    return values[1] if len(values) == len(reading) and same_bits(*values) else None

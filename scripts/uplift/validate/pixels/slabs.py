"""SHA-256 of a whole array, made from slabs that lie one after the other in C order."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.grid import Shape, ceil_div

Box = tuple[tuple[int, int], ...]
"""Half-open ranges of elements along each axis."""

SLAB_BYTES = 32 * 2**20
"""Slabs are made of as many rows of chunks as fit into this."""
MOST_SLAB_BYTES = 512 * 2**20
"""An array whose rows of chunks are larger gets no digest of its own."""


def slabs_of(shape: Shape, steps: Shape, itemsize: int) -> list[Box] | None:
    """Cut an array into boxes whose bytes follow each other in C order.

    Boxes begin and end at multiples of `steps` (elements along each axis), so that no step lies in
    two of them. None when they would be too large.
    """
    axis = 0
    row = _row_bytes(shape, steps, itemsize, axis)
    while row > SLAB_BYTES and axis < len(shape) - 1 and min(steps[axis], shape[axis]) <= 1:
        axis += 1
        row = _row_bytes(shape, steps, itemsize, axis)
    if row > MOST_SLAB_BYTES:
        return None
    if not shape:
        return [()]
    rows = max(1, SLAB_BYTES // max(1, row)) * steps[axis]
    outer = itertools.product(*(range(n) for n in shape[:axis]))
    inner = tuple((0, n) for n in shape[axis + 1 :])
    return [
        (*((i, i + 1) for i in before), (first, min(first + rows, shape[axis])), *inner)
        for before in outer
        for first in range(0, shape[axis], rows)
    ]


def _row_bytes(shape: Shape, steps: Shape, itemsize: int, axis: int) -> int:
    """Bytes of one step along `axis` with all of the axes after it."""
    if axis >= len(shape):
        return itemsize
    return min(steps[axis], shape[axis]) * math.prod(shape[axis + 1 :]) * itemsize


def boxes_in(box: Box, steps: Shape) -> Iterator[Box]:
    """Cut a box at all multiples of `steps`, in C order."""
    ranges = [range(low // step, ceil_div(high, step)) for (low, high), step in _with(box, steps)]
    for index in itertools.product(*ranges):
        yield tuple(
            (max(low, i * step), min(high, (i + 1) * step))
            for i, ((low, high), step) in zip(index, _with(box, steps), strict=True)
        )


def _with(box: Box, steps: Shape) -> list[tuple[tuple[int, int], int]]:
    return list(zip(box, steps, strict=True))


def relative(box: Box, origin: Box) -> tuple[slice, ...]:
    """Slices of `box` in an array that begins where `origin` does."""
    return tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(box, origin, strict=True))


def common(one: Box, other: Box) -> Box:
    """Elements in both boxes."""
    return tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))


class ArrayHash:
    """Hashes slabs in order, behind the other threads' work; keeps few of them in memory.

    With `threaded` false it hashes at once: a thread of its own does not pay for small arrays.
    """

    def __init__(self, dtype: np.dtype[Any], *, threaded: bool = True) -> None:
        self._dtype = dtype.newbyteorder("<")
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1) if threaded else None
        self._hashing: tuple[Future[None], NDArray[Any]] | None = None
        self._spare: NDArray[Any] | None = None

    def buffer(self, box: Box, fill: Any) -> NDArray[Any]:
        """Room for one slab, filled with `fill` unless that is None."""
        shape = tuple(b - a for a, b in box)
        if self._spare is not None and self._spare.shape == shape:
            values, self._spare = self._spare, None
        else:
            values = np.empty(shape, dtype=self._dtype)
        if fill is not None:
            values[...] = fill
        return values

    def feed(self, values: NDArray[Any]) -> None:
        """Hash a complete slab (its buffer is not the caller's any more)."""
        if self._pool is None:
            self._update(values)
            return
        self._wait()
        self._hashing = (self._pool.submit(self._update, values), values)

    def hexdigest(self) -> str:
        """Wait for the last slab and close."""
        self._wait()
        self.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Stop the hashing thread."""
        if self._pool is not None:
            self._pool.shutdown()

    def _update(self, values: NDArray[Any]) -> None:
        self._digest.update(values.reshape(-1).view(np.uint8).data)

    def _wait(self) -> None:
        if self._hashing is not None:
            future, self._spare = self._hashing
            future.result()
            self._hashing = None

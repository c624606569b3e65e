"""SHA-256 of a whole array, as people compute it by hand: by another reader, slab by slab."""

import hashlib
import itertools
import math

import numpy as np

from uplift import grid
from uplift.arrays.digests import canonical_bytes
from uplift.arrays.readers.protocol import Reader
from uplift.grid import Region, Shape

SLAB_BYTES = 32 * 2**20
"""A slab has as many rows of chunks as fit into this."""
MOST_SLAB_BYTES = 512 * 2**20
"""An array whose rows of chunks are larger gets no digest of its own."""


def slabs_of(shape: Shape, steps: Shape, itemsize: int) -> list[Region] | None:
    """Cut an array into regions whose bytes follow each other in C order.

    They begin and end at multiples of `steps` (elements along each axis), so that no step lies in
    two of them. None when they would be too large.

    Parameters
    ----------
    shape
        Elements of the array along each axis.
    steps
        Elements along each axis at whose multiples a region may begin.
    itemsize
        Bytes of an element.

    Returns
    -------
    list[Region] | None
        Regions in C order, or None.
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


def array_sha256(reader: Reader, steps: Shape) -> str | None:
    """Digest of all elements of an array, little-endian, in C order.

    Parameters
    ----------
    reader
        Reads the array.
    steps
        Elements along each axis that are best read together.

    Returns
    -------
    str or None
        None when a row of such steps does not fit into memory.
    """
    digest = hashlib.sha256()
    first = np.asarray(reader.read(tuple(slice(0, 0) for _ in reader.shape)))
    slabs = slabs_of(reader.shape, steps, max(1, first.dtype.itemsize))
    if slabs is None:
        return None
    for region in slabs:
        values = np.asarray(reader.read(grid.slices_of(region)))
        digest.update(canonical_bytes(values))
    return digest.hexdigest()

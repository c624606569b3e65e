"""Integer arithmetic on chunk grids: no I/O, no arrays, only tuples of length ndim."""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

Shape = tuple[int, ...]
Index = tuple[int, ...]
Region = tuple[tuple[int, int], ...]
"""Half-open ranges along each axis, of elements or of chunks."""

_remembered = functools.lru_cache(maxsize=1024)
"""Thousands of small arrays have few shapes, and each is asked for many times an array."""
_REMEMBERED_CHUNKS = 4096
"""Of a shard; their indices take half a MB. A large shard may have a million."""


def ceil_div(a: int, b: int) -> int:
    """Smallest integer not below ``a / b``."""
    return -(-a // b)


@_remembered
def grid_shape(shape: Shape, chunks: Shape) -> Shape:
    """Chunks along each axis; 0 along an axis of length 0 (zarr v3 core, regular grids)."""
    return tuple(ceil_div(n, c) for n, c in zip(shape, chunks, strict=True))


@_remembered
def has_edges(shape: Shape, chunks: Shape) -> bool:
    """Whether some chunk reaches beyond the array."""
    return any(n % c for n, c in zip(shape, chunks, strict=True))


def linear_index(index: Index, grid: Shape) -> int:
    """C-order position of a grid index."""
    position = 0
    for i, n in zip(index, grid, strict=True):
        position = position * n + i
    return position


@_remembered
def strides_of(grid: Shape) -> Shape:
    """What one step along each axis adds to :func:`linear_index`."""
    return tuple(math.prod(grid[axis + 1 :]) for axis in range(len(grid)))


def index_of(position: int, grid: Shape) -> Index:
    """Inverse of :func:`linear_index`."""
    index = []
    for n in reversed(grid):
        position, i = divmod(position, n)
        index.append(i)
    return tuple(reversed(index))


object_index = _remembered(index_of)
""":func:`index_of` of a stored object; there are many chunks, and each has another one."""


def all_indices(grid: Shape) -> Iterator[Index]:
    """Every grid index in C order (one empty tuple for a 0-d grid)."""
    return itertools.product(*(range(n) for n in grid))


@_remembered
def chunks_per_shard(shards: Shape, chunks: Shape) -> Shape:
    """Inner chunks along each axis of one shard. `shards` is a multiple of `chunks`."""
    return tuple(s // c for s, c in zip(shards, chunks, strict=True))


def cell_of(chunk: Index, per_shard: Shape) -> int:
    """Cell of a chunk in its shard's index: C-order position among the shard's chunks."""
    cell = 0
    for i, k in zip(chunk, per_shard, strict=True):
        cell = cell * k + i % k
    return cell


def chunk_region(shard: Index, per_shard: Shape, grid: Shape) -> Region:
    """Half-open ranges of chunk indices along each axis that a shard covers, cut at the grid.

    Parameters
    ----------
    shard
        Index in the shard grid, length ndim.
    per_shard
        Chunks of a shard along each axis.
    grid
        Chunks of the array along each axis.

    Returns
    -------
    Region
        First and one past the last chunk along each axis.
    """
    return tuple(
        (s * k, min((s + 1) * k, n)) for s, k, n in zip(shard, per_shard, grid, strict=True)
    )


def indices_in(region: Region) -> Iterator[Index]:
    """Grid indices of a region in C order."""
    return itertools.product(*(range(a, b) for a, b in region))


def chunks_in_shard(shard: Index, per_shard: Shape, grid: Shape) -> Sequence[Index]:
    """Chunks that a shard covers, in C order; small ones are remembered for arrays that are alike.

    Errors and parameters as :func:`chunk_region`.
    """
    if math.prod(per_shard) <= _REMEMBERED_CHUNKS:
        return _chunks_in_small_shard(shard, per_shard, grid)
    return list(indices_in(chunk_region(shard, per_shard, grid)))


@functools.lru_cache(maxsize=8)
def _chunks_in_small_shard(shard: Index, per_shard: Shape, grid: Shape) -> tuple[Index, ...]:
    return tuple(indices_in(chunk_region(shard, per_shard, grid)))


@_remembered
def element_slices(index: Index, chunks: Shape, shape: Shape) -> tuple[slice, ...]:
    """Elements of the array that a chunk covers, cut at the array's edge.

    Parameters
    ----------
    index
        In the chunk grid, length ndim.
    chunks
        Elements of a chunk along each axis.
    shape
        Elements of the array along each axis.

    Returns
    -------
    tuple[slice, ...]
        A slice for each axis.
    """
    return slices_of(element_region(index, chunks, shape))


def element_region(index: Index, chunks: Shape, shape: Shape) -> Region:
    """Elements of the array that a chunk covers, cut at the array's edge.

    Parameters
    ----------
    index
        In the chunk grid, length ndim.
    chunks
        Elements of a chunk along each axis.
    shape
        Elements of the array along each axis.

    Returns
    -------
    Region
        First and one past the last element along each axis.
    """
    return tuple((i * c, min((i + 1) * c, n)) for i, c, n in zip(index, chunks, shape, strict=True))


def region_shape(region: Region) -> Shape:
    """Extent of a region along each axis."""
    return tuple(b - a for a, b in region)


def slices_of(region: Region) -> tuple[slice, ...]:
    """A region as the slices that select it."""
    return tuple(slice(a, b) for a, b in region)


def common(one: Region, other: Region) -> Region:
    """What lies in both regions."""
    return tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))


def overlap(one: Region, other: Region) -> bool:
    """Whether two regions have elements in common."""
    return all(low < high for low, high in common(one, other))


def chunks_over(region: Region, chunks: Shape) -> Region:
    """Half-open ranges of the indices of the chunks that lie in a region, or reach into it."""
    return tuple(
        (low // c, ceil_div(high, c)) for (low, high), c in zip(region, chunks, strict=True)
    )


def holds(region: Region, element: Index) -> bool:
    """Whether an element, or a chunk, lies in a region."""
    return all(a <= i < b for i, (a, b) in zip(element, region, strict=True))


def relative(region: Region, origin: Region) -> Any:
    """Selection of `region` in an array that begins where `origin` does; always an array."""
    return (..., *(slice(a - o, b - o) for (a, b), (o, _) in zip(region, origin, strict=True)))


def regions_in(region: Region, steps: Shape) -> Iterator[Region]:
    """Cut a region at all multiples of `steps`, in C order."""
    ranges = [
        range(low // step, ceil_div(high, step))
        for (low, high), step in zip(region, steps, strict=True)
    ]
    for index in itertools.product(*ranges):
        yield tuple(
            (max(low, i * step), min(high, (i + 1) * step))
            for i, (low, high), step in zip(index, region, steps, strict=True)
        )


def blocks_of(region: Region, chunk_bytes: int, budget: int) -> Iterator[Region]:
    """Cut a region into C-contiguous runs of chunks: `budget` bytes at most, one chunk at least.

    Parameters
    ----------
    region
        Half-open ranges of chunk indices along each axis.
    chunk_bytes
        Of one chunk, decoded.
    budget
        Bytes of a block.

    Yields
    ------
    Region
        Regions that cover `region`, in C order.
    """
    extents = [b - a for a, b in region]
    axis, below = len(region), chunk_bytes
    while axis > 0 and below * extents[axis - 1] <= budget:
        axis -= 1
        below *= extents[axis]
    if axis == 0:
        yield region
        return
    step = max(1, budget // below)
    first, last = region[axis - 1]
    for outer in itertools.product(*(range(a, b) for a, b in region[: axis - 1])):
        for start in range(first, last, step):
            run = (start, min(start + step, last))
            yield (*((i, i + 1) for i in outer), run, *region[axis:])

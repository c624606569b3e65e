"""What the index of a shard must look like (zarr v3 sharding codec)."""

import numpy as np
from numpy.typing import NDArray

from uplift.codecs.shard_index import ABSENT

Problem = tuple[str, str]
"""Code and message of a finding."""


def is_packed(index: NDArray[np.uint64], body_bytes: int) -> bool:
    """Whether every cell has a chunk, and they fill the shard one after the other, in C order.

    Most shards are like that; such an index has no problem.

    Parameters
    ----------
    index
        Shape (cells, 2): offset and bytes of each chunk.
    body_bytes
        Bytes of the shard before its index.
    """
    end = 0
    for offset, length in index.tolist():  # Python integers: none wraps around
        if offset != end:
            return False
        end += length
    return end == body_bytes


def index_problems(
    index: NDArray[np.uint64], body_bytes: int, inside: NDArray[np.bool_]
) -> list[Problem]:
    """Check the offsets and lengths that an index gives.

    Parameters
    ----------
    index
        Shape (cells, 2): offset and bytes of each chunk; the index lies at the end.
    body_bytes
        Bytes of the shard before its index.
    inside
        Length cells: whether a cell lies in the array's chunk grid.

    Returns
    -------
    list[Problem]
        Code and text of each; empty for a sound index.
    """
    present = present_cells(index)
    problems: list[Problem] = []
    half = (index == ABSENT).any(axis=1) & present
    if half.any():
        cell = int(np.flatnonzero(half)[0])
        problems.append(("shard.index", f"cell {cell} is half absent: {_pair(index, cell)}"))
    beyond = present & ~inside
    if beyond.any():
        cell = int(np.flatnonzero(beyond)[0])
        problems.append(
            ("shard.cell_beyond_edge", f"cell {cell} lies beyond the array's edge but has a chunk")
        )
    cells = np.flatnonzero(present & ~half)
    # Python integers below: an offset near 2**64 must not wrap around.
    ranges = sorted((int(index[cell, 0]), int(index[cell, 1]), int(cell)) for cell in cells)
    return problems + _range_problems(ranges, body_bytes)


def present_cells(index: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Cells that hold a chunk, length cells."""
    present: NDArray[np.bool_] = ~(index == ABSENT).all(axis=1)
    return present


def _range_problems(ranges: list[tuple[int, int, int]], body_bytes: int) -> list[Problem]:
    """Offsets outside the shard, overlaps and gaps; `ranges` is sorted by offset."""
    for offset, length, cell in ranges:
        if offset + length > body_bytes:
            text = f"cell {cell} ends at byte {offset + length}, the chunks end at {body_bytes}"
            return [("shard.offset_outside", text)]
    end, before = 0, -1
    for offset, length, cell in ranges:
        if offset < end:
            return [("shard.overlap", f"cells {before} and {cell} share bytes at {offset}")]
        if offset > end:
            break
        end, before = offset + length, cell
    else:
        offset = body_bytes
    if offset > end:
        return [("shard.gap", f"bytes {end} to {offset} belong to no chunk")]
    return []


def _pair(index: NDArray[np.uint64], cell: int) -> str:
    return f"offset {index[cell, 0]}, {index[cell, 1]} bytes"

"""Cut a batch item into tasks: runs of stored objects with the source chunks under them."""

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from uplift import grid
from uplift.arrays.source_chunks import ChunkSource
from uplift.grid import Index, Region
from uplift.models.batch import BatchItem

TASK_CHUNKS = 256
"""Chunks without shards that a task handles; a shard is a task of its own, journaled by itself."""

Run = tuple[int, int]


@dataclass(frozen=True)
class Task:
    """Objects [start, stop) in C order; `stored` maps object to chunks (None: all chunks exist)."""

    start: int
    stop: int
    stored: dict[int, list[Index]] | None

    def objects(self) -> Iterable[tuple[int, list[Index] | None]]:
        """Positions to write, each with its stored chunks."""
        if self.stored is None:
            return ((position, None) for position in range(self.start, self.stop))
        return sorted(self.stored.items())


Stored = dict[int, list[Index]]
"""Existing source chunks by the object that takes them, in C order; several may take one."""


def stored_chunks(item: BatchItem, chunks: ChunkSource) -> Stored | None:
    """Find the source chunks under an item's objects; None when all of the array's exist.

    A dense array needs no listing. Of a sparse one the keys under the item are listed once, unless
    :meth:`ChunkSource.survey` did; objects without chunks are not in the result.
    """
    if item.is_dense:
        return None
    if item.start >= item.stop:
        return {}
    return by_object(item, sorted(chunks.stored_in(region_of(item))))


def by_object(item: BatchItem, chunks: Iterable[Index]) -> Stored:
    """Sort source chunks by the objects of an item that take them.

    Parameters
    ----------
    item
        Run of stored objects.
    chunks
        Indices of existing chunks, in C order; those under other objects are left out.

    Returns
    -------
    Stored
        Chunks of each object that has any.
    """
    object_grid = item.target.object_grid
    found: Stored = {}
    for chunk in chunks:
        for index in grid.indices_in(_objects_over(chunk, item)):
            position = grid.linear_index(index, object_grid)
            if item.start <= position < item.stop:
                found.setdefault(position, []).append(chunk)
    return found


def positions_over(item: BatchItem, chunks: Iterable[Index]) -> Iterator[int]:
    """Objects of an item that take these source chunks; one that takes several is repeated."""
    object_grid = item.target.object_grid
    for chunk in chunks:
        for index in grid.indices_in(_objects_over(chunk, item)):
            position = grid.linear_index(index, object_grid)
            if item.start <= position < item.stop:
                yield position


def tasks_of(item: BatchItem, stored: Stored | None, finished: list[Run]) -> Iterator[Task]:
    """Tasks for every object of `item` that no finished run covers.

    Parameters
    ----------
    item
        Run of stored objects.
    stored
        From :func:`stored_chunks`; objects without chunks appear in no task.
    finished
        Runs of objects that are written already, sorted.

    Returns
    -------
    Iterator[Task]
        In the order of the item's objects.
    """
    step = TASK_CHUNKS if item.target.shards is None else 1
    gaps = _gaps(item.start, item.stop, finished)
    if stored is None:
        for start, stop in gaps:
            for first in range(start, stop, step):
                yield Task(first, min(first + step, stop), None)
        return
    runs = list(gaps)
    wanted = sorted(stored) if runs == [(item.start, item.stop)] else _inside(sorted(stored), runs)
    for first in range(0, len(wanted), step):
        part = wanted[first : first + step]
        yield Task(part[0], part[-1] + 1, {position: stored[position] for position in part})


def _inside(positions: list[int], runs: list[Run]) -> list[int]:
    found: list[int] = []
    for first, last in runs:
        found += positions[
            bisect.bisect_left(positions, first) : bisect.bisect_left(positions, last)
        ]
    return found


def _gaps(start: int, stop: int, finished: list[Run]) -> Iterator[Run]:
    """Parts of [start, stop) that no finished run (sorted) covers."""
    at = start
    for first, last in finished:
        if first > at:
            yield at, min(first, stop)
        at = max(at, last)
    if at < stop:
        yield at, stop


def region_of(item: BatchItem) -> Region:
    """Source chunks under an item's objects: a region, cut up to the first axis they differ on."""
    object_grid = item.target.object_grid
    low, high = grid.index_of(item.start, object_grid), grid.index_of(item.stop - 1, object_grid)
    pairs = zip(low, high, strict=True)
    shared = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
    region = []
    for axis, (n, o, s) in enumerate(
        zip(item.target.shape, item.target.object_shape, item.source.chunks, strict=True)
    ):
        cut = axis <= shared
        begin, end = (low[axis] * o, min((high[axis] + 1) * o, n)) if cut else (0, n)
        region.append((begin // s, grid.ceil_div(end, s)))
    return tuple(region)


def _objects_over(chunk: Index, item: BatchItem) -> Region:
    """Half-open ranges of object indices that a source chunk overlaps."""
    return tuple(
        (i * s // o, grid.ceil_div(min((i + 1) * s, n), o))
        for i, s, o, n in zip(
            chunk, item.source.chunks, item.target.object_shape, item.target.shape, strict=True
        )
    )

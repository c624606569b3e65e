"""Stored objects of one array of the output: which exist, their shard indexes, their chunks."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.index_problems import index_problems, present_cells
from uplift.codecs import shard_index
from uplift.errors import SourceError
from uplift.grid import Index
from uplift.models.arrays import TargetArray
from uplift.models.findings import Findings
from uplift.storage.protocol import Store, join
from uplift.zarr_metadata.v3 import target_key

_MOST_CELLS = 4 * 2**20
_MOST_READ_BYTES = 16 * 2**20
_CANONICAL = re.compile(r"0|[1-9][0-9]*")
ShardTable = tuple[NDArray[np.uint64], int]
"""Index of a shard, shape (cells, 2), and bytes before it."""


class StoredObjects:
    """Objects of one array at the output (thread-safe).

    Attributes
    ----------
    grid
        Stored objects along each axis.
    """

    def __init__(self, store: Store, path: str, target: TargetArray, findings: Findings) -> None:
        self.path = path
        self.target = target
        self.grid = grid.grid_shape(target.shape, target.object_shape)
        self.chunk_grid = grid.grid_shape(target.shape, target.chunks)
        self.per_object = grid.chunks_per_shard(target.object_shape, target.chunks)
        self._cells = math.prod(self.per_object)
        self._store = store
        self._findings = findings
        self._lock = threading.Lock()
        self._loading: dict[int, threading.Lock] = {}
        self._tables: dict[int, ShardTable | None] = {}

    def key(self, position: int) -> str:
        """Key of an object in the store."""
        return join(self.path, target_key(grid.index_of(position, self.grid)))

    def position_of(self, chunk: Index) -> int:
        """Object that holds a chunk."""
        index = tuple(i // k for i, k in zip(chunk, self.per_object, strict=True))
        return grid.linear_index(index, self.grid)

    def cell_of(self, chunk: Index) -> int:
        """Cell of a chunk in its shard's index."""
        index = tuple(i % k for i, k in zip(chunk, self.per_object, strict=True))
        return grid.linear_index(index, self.per_object)

    def chunks_of(self, position: int) -> Iterator[Index]:
        """Chunks inside the array that an object may hold, in C order."""
        index = grid.index_of(position, self.grid)
        return grid.indices_in(grid.chunk_region(index, self.per_object, self.chunk_grid))

    def existing(self) -> set[int]:
        """Positions of all objects in the grid that exist, by listing."""
        folder = join(self.path, "c")
        skip = len(self.path) + 1 if self.path else 0
        found = set()
        for info in self._store.list_tree(folder):
            position = position_of_key(info.key[skip:], self.grid)
            if position is not None:
                found.add(position)
        if not self.grid and self._store.stat(folder) is not None:
            found.add(0)
        return found

    def check_index(self, position: int, expected: Iterable[Index] | None) -> None:
        """Check a shard's index, and that it holds the `expected` chunks and no others.

        None expects every chunk inside the array.
        """
        if self.target.shards is None:
            return
        table = self.table(position)
        if table is None:
            return
        index, body_bytes = table
        inside = self._inside(position)
        wanted = inside
        if expected is not None:
            wanted = np.zeros(self._cells, dtype=bool)
            wanted[[self.cell_of(chunk) for chunk in expected]] = True
        for code, text in index_problems(index, body_bytes, inside):
            self._findings.error(code, self.path, f"{self.key(position)}: {text}")
        present = present_cells(index)
        self._presence(position, "chunk.missing", wanted & ~present, "is stored in the source")
        self._presence(
            position, "chunk.unexpected", present & ~wanted & inside, "is absent from the source"
        )

    def _inside(self, position: int) -> NDArray[np.bool_]:
        """Cells of a shard that lie inside the array, length cells."""
        cells = np.ones((), dtype=bool)
        origin = grid.index_of(position, self.grid)
        for o, k, n in zip(origin, self.per_object, self.chunk_grid, strict=True):
            cells = np.logical_and.outer(cells, o * k + np.arange(k) < n)
        return cells.reshape(-1)

    def _presence(self, position: int, code: str, cells: NDArray[np.bool_], text: str) -> None:
        origin = grid.index_of(position, self.grid)
        for cell in np.flatnonzero(cells):
            inner = grid.index_of(int(cell), self.per_object)
            chunk = tuple(o * k + i for o, k, i in zip(origin, self.per_object, inner, strict=True))
            other = "not in the shard" if code == "chunk.missing" else "but not from the shard"
            self._findings.error(
                code, self.path, f"{self.key(position)}: chunk {chunk} {text}, {other}"
            )

    def table(self, position: int) -> ShardTable | None:
        """Look up a shard's index; None when the shard or a readable index is missing."""
        with self._lock:
            if position in self._tables:
                return self._tables[position]
            loading = self._loading.setdefault(position, threading.Lock())
        with loading:
            with self._lock:
                if position in self._tables:
                    return self._tables[position]
            table = self._load(position)
            with self._lock:
                while self._tables and len(self._tables) * self._cells >= _MOST_CELLS:
                    self._tables.pop(next(iter(self._tables)))
                self._tables[position] = table
            return table

    def read(self, chunks: list[Index]) -> list[bytes | None]:
        """Encoded bytes of chunks of one object; None for those that are not there."""
        if self.target.shards is None:
            return list(self._store.read_many(self.key(self.position_of(i)) for i in chunks))
        position = self.position_of(chunks[0])
        table = self.table(position)
        if table is None:
            return [None] * len(chunks)
        index, body_bytes = table
        places = [(int(a), int(b)) for a, b in index[[self.cell_of(i) for i in chunks]]]
        result: list[bytes | None] = []
        for start, run in _joined(places):
            if start + sum(run) > body_bytes:  # absent, or outside of the shard
                result += [None] * len(run)
                continue
            data = self._store.get_range(self.key(position), start, sum(run)) or b""
            at = 0
            for length in run:
                piece = data[at : at + length]
                result.append(piece if len(piece) == length else None)
                at += length
        return result

    def _load(self, position: int) -> ShardTable | None:
        key = self.key(position)
        size = shard_index.index_bytes(self._cells)
        info = self._store.stat(key)
        data = None if info is None else self._store.get_range(key, -size, size)
        if data is None or info is None:
            self._findings.error(
                "object.missing", self.path, f"{key}: absent, but the source has chunks for it"
            )
            return None
        try:
            return shard_index.decode_index(data, self._cells, key), info.size - size
        except SourceError as error:
            self._findings.error("shard.index", self.path, str(error))
            return None


def position_of_key(key: str, object_grid: grid.Shape) -> int | None:
    """Object that a key below its array belongs to; None when it is none of the grid's."""
    head, *parts = key.split("/")
    if head != "c" or len(parts) != len(object_grid):
        return None
    if not all(map(_CANONICAL.fullmatch, parts)):
        return None
    index = tuple(map(int, parts))
    if any(i >= n for i, n in zip(index, object_grid, strict=True)):
        return None
    return grid.linear_index(index, object_grid)


def _joined(places: list[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Join places that follow each other into runs: (offset, lengths)."""
    start, end, run = 0, -1, list[int]()
    for offset, length in places:
        absent = offset == shard_index.ABSENT
        follows = not absent and offset == end and end - start + length <= _MOST_READ_BYTES
        if run and not follows:
            yield start, run
            run = []
        if not run:
            start = end = offset
        run.append(0 if absent else length)
        end = -1 if absent else end + length
    if run:
        yield start, run

"""Stored objects of one array of the output: which exist, their shard indexes, their chunks."""

import contextlib
import functools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.digests import Digester
from uplift.arrays.index_problems import index_problems, is_packed, present_cells
from uplift.arrays.reused import BUFFER_BYTES, borrowed_buffer
from uplift.arrays.shards import ShardIndex, read_index
from uplift.codecs import shard_index
from uplift.errors import SourceError
from uplift.grid import Index
from uplift.models.arrays import TargetArray
from uplift.models.findings import Findings
from uplift.storage.protocol import ObjectInfo, OpenObject, Readable, Store, join
from uplift.zarr_metadata.v3 import target_key

_RANGE_BYTES = 4 * 2**20
"""Chunks of a remote shard that are read with one request: of files, what a buffer holds."""
_CANONICAL = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True)
class Opened:
    """A stored object that is open; of a shard, its index and the bytes before that."""

    file: OpenObject
    index: ShardIndex | None = None
    body_bytes: int = 0

    @property
    def info(self) -> ObjectInfo:
        """Size and stamp when it was opened."""
        return self.file.info


class StoredObjects:
    """Objects of one array at the output; belongs to one thread.

    Attributes
    ----------
    grid
        Stored objects along each axis.
    """

    def __init__(self, store: Store, path: str, target: TargetArray, findings: Findings) -> None:
        self.path = path
        self.target = target
        self.grid = target.object_grid
        self.chunk_grid = grid.grid_shape(target.shape, target.chunks)
        self.per_object = grid.chunks_per_shard(target.object_shape, target.chunks)
        self._cells = math.prod(self.per_object)
        self._store = store
        self._findings = findings

    def key(self, position: int) -> str:
        """Key of an object in the store."""
        return join(self.path, target_key(grid.object_index(position, self.grid)))

    def cell_of(self, chunk: Index) -> int:
        """Cell of a chunk in its shard's index."""
        return grid.cell_of(chunk, self.per_object)

    def chunks_of(self, position: int) -> Sequence[Index]:
        """Chunks inside the array that an object may hold, in C order."""
        index = grid.object_index(position, self.grid)
        return grid.chunks_in_shard(index, self.per_object, self.chunk_grid)

    def existing(self) -> Iterator[tuple[int | None, ObjectInfo]]:
        """List what is stored under the array's keys; None as position of what is no object."""
        yield from listed_objects(self._store, self.path, self.grid)

    @contextlib.contextmanager
    def open(self, position: int) -> Iterator[Opened | None]:
        """Open an object, and read the index of a shard; one that was written to is refused.

        Yields
        ------
        Opened or None
            None when it is absent, or its index is not readable; with a finding.

        Raises
        ------
        ChangedError
            Something wrote to it since it was opened.
        """
        key = self.key(position)
        file = self._store.open_object(key)
        if file is None:
            code = "chunk.missing" if self.target.shards is None else "object.missing"
            text = f"{key}: absent, but the source has chunks for it"
            self._findings.error(code, self.path, text)
            yield None
            return
        try:
            yield Opened(file) if self.target.shards is None else self._shard(key, file)
            file.refuse_changed()
        finally:
            file.close()

    def _shard(self, key: str, file: OpenObject) -> Opened | None:
        size = file.info.size
        try:
            index = read_index(self._store, key, self._cells, size=size, opened=file)
        except SourceError as error:
            self._findings.error("shard.index", self.path, str(error))
            return None
        return Opened(file, index, size - shard_index.index_bytes(self._cells))

    def check_index(self, position: int, opened: Opened, expected: Iterable[Index] | None) -> None:
        """Check a shard's index, and that it holds the `expected` chunks and no others.

        Parameters
        ----------
        position
            C-order linear index into the object grid.
        opened
            The shard there.
        expected
            Chunks; None: every chunk inside the array.
        """
        if opened.index is None:
            return
        origin = grid.object_index(position, self.grid)
        inside = _cells_inside(origin, self.per_object, self.chunk_grid)
        if expected is None and inside.all() and is_packed(opened.index, opened.body_bytes):
            return
        wanted = inside
        if expected is not None:
            wanted = np.zeros(self._cells, dtype=bool)
            wanted[[self.cell_of(chunk) for chunk in expected]] = True
        for code, text in index_problems(opened.index, opened.body_bytes, inside):
            self._findings.error(code, self.path, f"{self.key(position)}: {text}")
        present = present_cells(opened.index)
        if np.array_equal(present, wanted):
            return
        self._presence(position, "chunk.missing", wanted & ~present, "is stored in the source")
        self._presence(
            position, "chunk.unexpected", present & ~wanted & inside, "is absent from the source"
        )

    def read(self, opened: Opened, chunks: Sequence[Index]) -> Iterator[Readable | None]:
        """Encoded bytes of chunks of one object; None for those that are not there.

        Each is valid until the next one is asked for.
        """
        if opened.index is None:
            for whole in self._runs(opened, [(0, [opened.info.size])]):
                yield from _pieces(whole, [opened.info.size])
            return
        ranges = opened.index[[self.cell_of(chunk) for chunk in chunks]].tolist()
        most = _RANGE_BYTES if self._store.reads_ahead else BUFFER_BYTES
        runs = list(_joined(ranges, most, opened.body_bytes))
        inside = [run for run in runs if run[0] + sum(run[1]) <= opened.body_bytes]
        found = self._runs(opened, inside)
        for start, lengths in runs:
            if start + sum(lengths) > opened.body_bytes:  # absent, or outside of the shard
                yield from [None] * len(lengths)
            else:
                yield from _pieces(next(found), lengths)

    def digest(self, opened: Opened) -> bytes:
        """Digest of the encoded chunks of a file, one after the other."""
        digester = Digester()
        end = opened.info.size if opened.index is None else opened.body_bytes
        with borrowed_buffer() as buffer:
            for start in range(0, end, BUFFER_BYTES):
                length = min(BUFFER_BYTES, end - start)
                digester.update(_filled(buffer, opened.file, start, length))
        return digester.digest()

    def _runs(self, opened: Opened, runs: Iterable[tuple[int, list[int]]]) -> Iterator[memoryview]:
        """Read each run with one call."""
        ranges = ((start, sum(lengths)) for start, lengths in runs)
        if self._store.is_local:
            with borrowed_buffer() as buffer:
                for start, length in ranges:
                    yield _filled(buffer, opened.file, start, length)
            return
        for data in self._store.read_ranges((opened.info, *one) for one in ranges):
            yield memoryview(data or b"")

    def _presence(self, position: int, code: str, cells: NDArray[np.bool_], text: str) -> None:
        origin = grid.index_of(position, self.grid)
        for cell in np.flatnonzero(cells):
            inner = grid.index_of(int(cell), self.per_object)
            chunk = tuple(o * k + i for o, k, i in zip(origin, self.per_object, inner, strict=True))
            other = "not in the shard" if code == "chunk.missing" else "but not from the shard"
            self._findings.error(
                code, self.path, f"{self.key(position)}: chunk {chunk} {text}, {other}"
            )


@functools.lru_cache(maxsize=8)
def _cells_inside(
    origin: Index, per_object: grid.Shape, chunk_grid: grid.Shape
) -> NDArray[np.bool_]:
    """Cells of a shard that lie inside the array, length cells; shared, and so not writeable."""
    cells: NDArray[np.bool_] = np.ones((), dtype=bool)
    for o, k, n in zip(origin, per_object, chunk_grid, strict=True):
        cells = np.logical_and.outer(cells, o * k + np.arange(k) < n)
    cells = cells.reshape(-1)
    cells.flags.writeable = False
    return cells


def _filled(buffer: bytearray, file: OpenObject, start: int, length: int) -> memoryview:
    view = memoryview(buffer if len(buffer) >= length else bytearray(length))[:length]
    return view[: file.read_into(view, start=start, length=length)]


def listed_objects(
    store: Store, path: str, object_grid: grid.Shape
) -> Iterator[tuple[int | None, ObjectInfo]]:
    """List what is stored under the keys of an array's objects.

    Parameters
    ----------
    store
        The output.
    path
        Path of the array.
    object_grid
        Its objects along each axis, length ndim.

    Yields
    ------
    tuple
        Position in the object grid, None for what is not one of its objects; and the object.
    """
    folder = join(path, "c")
    skip = len(path) + 1 if path else 0
    for info in store.list_tree(folder):
        yield position_of_key(info.key[skip:], object_grid), info
    alone = store.stat(folder) if not object_grid else None
    if alone is not None:
        yield 0, alone


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


def _pieces(data: memoryview, lengths: list[int]) -> Iterator[Readable | None]:
    at = 0
    for length in lengths:
        piece = data[at : at + length]
        yield piece if len(piece) == length else None
        at += length


def _joined(ranges: list[list[int]], most: int, body: int) -> Iterator[tuple[int, list[int]]]:
    """Join ranges that follow each other into runs of `most` bytes: (offset, lengths).

    A range that ends beyond the `body` of the shard takes no other with it.
    """
    start, end, run = 0, -1, list[int]()
    for offset, length in ranges:
        absent = offset == shard_index.ABSENT
        follows = not absent and offset == end and end - start + length <= most
        follows = follows and end + length <= body
        if run and not follows:
            yield start, run
            run = []
        if not run:
            start = end = offset
        run.append(0 if absent else length)
        end = -1 if absent else end + length
    if run:
        yield start, run

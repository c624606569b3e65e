"""Decode chunks and encode them again: another chunk shape, another codec, or filters.

A stored object is made in blocks of whole target chunks, C order, small enough for the memory
budget. Each block decodes the source chunks it overlaps. A target chunk is stored when any source
chunk it overlaps is: absent stays absent.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.source_chunks import ChunkSource, Region
from uplift.codecs import shard_index
from uplift.codecs.chunks import ChunkDecoder, ChunkEncoder, DecodeError
from uplift.convert.outcome import Abandoned, Outcome
from uplift.convert.repack import changed_since_inspect
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.record import BadChunk
from uplift.parallel import in_order
from uplift.planning.estimates import RECODE_BLOCK_BYTES, RECODE_WINDOW
from uplift.storage.protocol import WritableStore, join
from uplift.zarr_metadata.data_types import fill_scalar, numpy_dtype_v3
from uplift.zarr_metadata.v3 import target_key


class RecodeEngine:
    """Writes the stored objects of one array from decoded source chunks."""

    def __init__(
        self,
        item: BatchItem,
        chunks: ChunkSource,
        output: WritableStore,
        *,
        fill: bool,
        moved: Callable[[int], None] = lambda _: None,
        pool: Executor | None = None,
        block_bytes: int = RECODE_BLOCK_BYTES,
    ) -> None:
        self.item = item
        self._chunks = chunks
        self._output = output
        self._fill_bad = fill
        self._moved = moved
        self._pool = pool
        self._block_bytes = block_bytes
        target = item.target
        self._per_shard = grid.chunks_per_shard(target.object_shape, target.chunks)
        self._object_grid = grid.grid_shape(target.shape, target.object_shape)
        self._target_grid = grid.grid_shape(target.shape, target.chunks)
        self._decoder = ChunkDecoder(item.source)
        self._encoder = ChunkEncoder(target)
        self._dtype = numpy_dtype_v3(target.data_type)
        self._fill_value = fill_scalar(target.data_type, target.fill_value)

    def source_region(self, position: int) -> Region:
        """Half-open ranges of source chunks that a stored object overlaps."""
        index = grid.index_of(position, self._object_grid)
        region = grid.chunk_region(index, self._per_shard, self._target_grid)
        return self._overlapped(region)

    def write_object(self, position: int, stored: Iterable[Index] | None) -> Outcome:
        """Write one shard or chunk object; parameters as in :class:`RepackEngine`."""
        index = grid.index_of(position, self._object_grid)
        key = join(self.item.path, target_key(index))
        region = grid.chunk_region(index, self._per_shard, self._target_grid)
        present = None if stored is None else set(stored)
        outcome = Outcome(objects=1)
        try:
            if self.item.target.shards is None:
                self._write_chunk(key, region, present, outcome)
            else:
                self._write_shard(key, region, present, outcome)
        except Abandoned:
            outcome.objects = outcome.bytes_written = 0
        return outcome

    def _write_chunk(
        self, key: str, region: Region, present: set[Index] | None, outcome: Outcome
    ) -> None:
        encoded = [data for _, data in self._encoded(region, present, outcome)]
        if outcome.undecodable or not encoded:
            raise Abandoned
        self._output.put(key, encoded[0])
        outcome.bytes_written += len(encoded[0])

    def _write_shard(
        self, key: str, region: Region, present: set[Index] | None, outcome: Outcome
    ) -> None:
        index = shard_index.empty_index(math.prod(self._per_shard))
        offset = 0
        with self._output.writer(key) as writer:
            for block in _blocks(region, self._chunk_bytes(), self._block_bytes):
                for chunk, data in self._encoded(block, present, outcome):
                    cell = tuple(i % k for i, k in zip(chunk, self._per_shard, strict=True))
                    index[grid.linear_index(cell, self._per_shard)] = (offset, len(data))
                    writer.write(data)
                    offset += len(data)
            if outcome.undecodable or not offset:
                raise Abandoned
            tail = shard_index.encode_index(index)
            writer.write(tail)
        outcome.bytes_written += offset + len(tail)

    def _encoded(
        self, block: Region, present: set[Index] | None, outcome: Outcome
    ) -> Iterator[tuple[Index, bytes]]:
        """Yield (index, bytes) of the stored target chunks of a block, in C order."""
        needed = [
            i for i in grid.indices_in(self._overlapped(block)) if present is None or i in present
        ]
        if not needed:
            return
        origin, values = self._decoded(block, needed, outcome)
        if outcome.undecodable:
            return
        covered = set(needed)
        wanted = [
            chunk
            for chunk in grid.indices_in(block)
            if present is None
            or any(i in covered for i in grid.indices_in(self._overlapped(_alone(chunk))))
        ]
        encode = self._encode_from(origin, values)
        yield from zip(wanted, in_order(self._pool, encode, wanted, RECODE_WINDOW), strict=True)

    def _decoded(
        self, block: Region, needed: list[Index], outcome: Outcome
    ) -> tuple[Index, NDArray[Any]]:
        """Element offset of a block and its values, shape cut at the array's edge."""
        target, source = self.item.target, self.item.source
        low = tuple(a * c for (a, _), c in zip(block, target.chunks, strict=True))
        high = tuple(
            min(b * c, n) for (_, b), c, n in zip(block, target.chunks, target.shape, strict=True)
        )
        shape = tuple(b - a for a, b in zip(low, high, strict=True))
        values = np.full(shape, self._fill_value, dtype=self._dtype)

        def place(pair: tuple[Index, bytes | None]) -> BadChunk | None:
            chunk, data = pair
            if data is None:
                raise changed_since_inspect(self._chunks, chunk)
            try:
                decoded, note, _ = self._decoder.read(data, chunk)
            except DecodeError as error:
                key = self._chunks.key_of(chunk)
                return BadChunk(chunk=chunk, key=key, reason=str(error), action="filled")
            starts = [i * c for i, c in zip(chunk, source.chunks, strict=True)]
            inside = [
                (max(a, s), min(b, s + c))
                for a, b, s, c in zip(low, high, starts, source.chunks, strict=True)
            ]
            to = tuple(slice(a - o, b - o) for (a, b), o in zip(inside, low, strict=True))
            cut = tuple(slice(a - s, b - s) for (a, b), s in zip(inside, starts, strict=True))
            values[to] = decoded[cut]
            if note is None:
                return None
            key = self._chunks.key_of(chunk)
            return BadChunk(chunk=chunk, key=key, reason=note, action="recoded")

        def counted(data: bytes | None) -> bytes | None:
            outcome.chunks_read += 1
            outcome.bytes_read += len(data or b"")
            self._moved(len(data or b""))
            return data

        pairs = zip(needed, map(counted, self._chunks.read(needed)), strict=True)
        for bad in in_order(self._pool, place, pairs, RECODE_WINDOW):
            if bad is not None and bad.action == "recoded":
                outcome.bad_chunks.append(bad)
            elif bad is not None:
                (outcome.bad_chunks if self._fill_bad else outcome.undecodable).append(bad)
        return low, values

    def _encode_from(self, origin: Index, values: NDArray[Any]) -> Callable[[Index], bytes]:
        chunks = self.item.target.chunks

        def encode(chunk: Index) -> bytes:
            inside = (
                slice(i * c - o, (i + 1) * c - o)
                for i, c, o in zip(chunk, chunks, origin, strict=True)
            )
            cut: Any = (..., *inside)  # the ellipsis: an array also when it has no axes
            piece: NDArray[Any] = values[cut]
            if piece.shape != chunks:
                whole = np.full(chunks, self._fill_value, dtype=self._dtype)
                whole[tuple(slice(0, n) for n in piece.shape)] = piece
                piece = whole
            return self._encoder.encode(piece)

        return encode

    def _overlapped(self, block: Region) -> Region:
        """Source chunk ranges under a block of target chunks."""
        target, source = self.item.target, self.item.source
        return tuple(
            (a * t // s, min(grid.ceil_div(min(b * t, n), s), g))
            for (a, b), t, s, n, g in zip(
                block, target.chunks, source.chunks, target.shape, self._chunks.grid, strict=True
            )
        )

    def _chunk_bytes(self) -> int:
        return max(1, math.prod(self.item.target.chunks) * self._dtype.itemsize)


def _alone(chunk: Index) -> Region:
    return tuple((i, i + 1) for i in chunk)


def _blocks(region: Region, chunk_bytes: int, budget: int) -> Iterator[Region]:
    """Cut a region into C-contiguous runs of chunks: `budget` bytes at most, one chunk at least."""
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

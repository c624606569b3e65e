"""Pack encoded chunks into shards byte for byte (zarr v3 sharding codec).

No chunk is decoded here: its header is checked against its length, and the validation decodes every
chunk once. A chunk that fails the check is decoded and encoded again, alone, and reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from uplift import grid
from uplift.arrays.source_chunks import ChunkSource
from uplift.codecs import shard_index
from uplift.codecs.chunks import ChunkDecoder, ChunkEncoder, ChunkKeeper, DecodeError
from uplift.convert.outcome import Abandoned, Outcome
from uplift.errors import SourceError
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.record import BadChunk
from uplift.storage.protocol import WritableStore, join
from uplift.zarr_metadata.v3 import target_key


class RepackEngine:
    """Writes the stored objects of one array from its encoded chunks.

    Source and target have the same chunk grid; a shard holds ``shards / chunks`` of them along
    each axis. Memory is bounded by the writer's window, never by the shard. `moved` is told the
    bytes of each chunk, from any thread.
    """

    def __init__(
        self,
        item: BatchItem,
        chunks: ChunkSource,
        output: WritableStore,
        *,
        fill: bool,
        moved: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.item = item
        self._moved = moved
        self._chunks = chunks
        self._output = output
        self._fill = fill
        target = item.target
        self._per_shard = grid.chunks_per_shard(target.object_shape, target.chunks)
        self._object_grid = grid.grid_shape(target.shape, target.object_shape)
        self._keeper = ChunkKeeper(item.source, item.method)
        self._decoder = ChunkDecoder(item.source)
        self._encoder: ChunkEncoder | None = None

    def write_object(self, position: int, stored: Iterable[Index] | None) -> Outcome:
        """Write one shard or chunk object.

        Parameters
        ----------
        position
            C-order linear index into the target's object grid.
        stored
            Indices of the chunks that exist, in C order; None when all of the region do.
        """
        index = grid.index_of(position, self._object_grid)
        key = join(self.item.path, target_key(index))
        if self.item.target.shards is None:
            return self._write_chunk(key, index)
        region = grid.chunk_region(index, self._per_shard, self._chunks.grid)
        cells = list(stored) if stored is not None else list(grid.indices_in(region))
        outcome = Outcome(objects=1)
        try:
            self._write_shard(key, cells, outcome)
        except Abandoned:
            outcome.objects = outcome.bytes_written = 0
        return outcome

    def _write_shard(self, key: str, cells: list[Index], outcome: Outcome) -> None:
        index = shard_index.empty_index(math.prod(self._per_shard))
        offset, placed = 0, []
        with self._output.writer(key) as writer:
            for chunk, data in zip(cells, self._chunks.read(cells), strict=True):
                kept = self._kept(chunk, data, outcome)
                if kept is not None:
                    writer.write(kept)
                    placed.append((self._cell(chunk), offset, len(kept)))
                    offset += len(kept)
            if outcome.undecodable or not placed:
                raise Abandoned
            for cell, start, length in placed:
                index[cell] = (start, length)
            tail = shard_index.encode_index(index)
            writer.write(tail)
        outcome.bytes_written += offset + len(tail)

    def _write_chunk(self, key: str, chunk: Index) -> Outcome:
        outcome = Outcome()
        (data,) = self._chunks.read([chunk])
        kept = self._kept(chunk, data, outcome)
        if kept is None:
            return outcome
        if not (kept is data and self._copied(chunk, key)):
            self._output.put(key, kept)
        outcome.objects, outcome.bytes_written = 1, len(kept)
        return outcome

    def _copied(self, chunk: Index, key: str) -> bool:
        """Let the file system or the server copy a chunk, checked by now, where one holds both."""
        if self.item.source.shards is not None:
            return False
        return self._output.copy_from(self._chunks.store, self._chunks.key_of(chunk), key)

    def _cell(self, chunk: Index) -> int:
        cell = 0
        for i, k in zip(chunk, self._per_shard, strict=True):
            cell = cell * k + i % k
        return cell

    def _kept(self, chunk: Index, data: bytes | None, outcome: Outcome) -> bytes | None:
        """Bytes to store for a chunk: its own, or the recoded ones when they break a rule."""
        if data is None:
            raise changed_since_inspect(self._chunks, chunk)
        outcome.chunks_read += 1
        outcome.bytes_read += len(data)
        self._moved(len(data))
        try:
            return self._keeper.keep(data)
        except DecodeError as error:
            return self._recoded(chunk, data, str(error), outcome)

    def _recoded(self, chunk: Index, data: bytes, reason: str, outcome: Outcome) -> bytes | None:
        encoder = self._encoder = self._encoder or ChunkEncoder(self.item.target)
        key = self._chunks.key_of(chunk)
        try:
            recoded = encoder.encode(self._decoder.decode(data, chunk))
        except DecodeError as error:
            bad = BadChunk(chunk=chunk, key=key, reason=str(error), action="filled")
            (outcome.bad_chunks if self._fill else outcome.undecodable).append(bad)
            return None
        outcome.bad_chunks.append(BadChunk(chunk=chunk, key=key, reason=reason, action="recoded"))
        return recoded


def changed_since_inspect(chunks: ChunkSource, chunk: Index) -> SourceError:
    """Explain that a chunk which inspect saw is gone."""
    return SourceError(
        f"{chunks.store.url}/{chunks.key_of(chunk)}: was there when the source was inspected "
        "and is absent now; inspect again (snakemake -R inspect_source)"
    )

"""Pack encoded chunks into shards byte for byte (zarr v3 sharding codec).

Chunks are not decoded here: a chunk's header is checked against its length, and the validation
decodes every chunk once. A chunk that fails the check is recoded on its own, and reported.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from uplift import grid
from uplift.arrays.digests import digest_of, digest_of_values, rewrapped_body
from uplift.arrays.reused import keeper_of
from uplift.arrays.shards import Piece
from uplift.arrays.source_chunks import inside_part
from uplift.codecs.chunks import DecodeError
from uplift.convert.engine import Engine, Outcome
from uplift.grid import Index
from uplift.storage.protocol import Readable


class RepackEngine(Engine):
    """Writes the stored objects of one array from its encoded chunks.

    Source and target have the same chunk grid; a shard holds ``shards / chunks`` of them along
    each axis. Memory depends on the blocks that are read, not on the size of the shard.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._keeper = keeper_of(self.item.source, self.item.method)
        self._rewraps = self.item.method == "rewrap"
        self._as_read: Readable | None = None

    def _blocks(
        self, position: int, index: Index, stored: Sequence[Index] | None, outcome: Outcome
    ) -> Iterator[list[Piece]]:
        if stored is None:
            stored = grid.chunks_in_shard(index, self._per_shard, self._target_grid)
        # once all chunks are asked for, another object's may be
        for block in self._chunks.blocks(self._turn.until_taken(stored)):
            pieces = []
            for chunk, data in block:
                kept = self._kept(position, chunk, self._count_read(chunk, data, outcome), outcome)
                if kept is not None:
                    pieces.append(Piece(grid.cell_of(chunk, self._per_shard), kept))
                self._as_read = data
            yield pieces

    def _copied(self, index: Index, key: str, data: Readable) -> bool:
        """Have the file system or the server copy a checked chunk, where it holds both sides."""
        if data is not self._as_read or self.item.source.shards is not None:
            return False
        return self._output.copy_from(self._chunks.store, self._chunks.key_of(index), key)

    def _kept(
        self, position: int, chunk: Index, data: Readable, outcome: Outcome
    ) -> Readable | None:
        """Bytes to store for a chunk: its own, or recoded ones when its own break a rule."""
        try:
            kept = self._keeper.keep(data)
        except DecodeError as error:
            return self._recoded(position, chunk, data, str(error), outcome)
        if self._rewraps:
            # a zlib stream is 12 bytes shorter than the gzip stream with its body
            if len(kept) - 12 != len(data):
                self._count_trailing(chunk, outcome)
            self._add_row(position, chunk, digest_of(rewrapped_body(kept)), outcome)
            return kept
        if len(kept) != len(data):
            self._count_trailing(chunk, outcome)
        self._add_row(position, chunk, digest_of(kept), outcome)
        return kept

    def _recoded(
        self, position: int, chunk: Index, data: Readable, reason: str, outcome: Outcome
    ) -> bytes | None:
        try:
            values = self._decoder.decode(data, chunk)
        except DecodeError as error:
            self._note_bad(chunk, str(error), outcome, recoded=False)
            return None
        self._note_bad(chunk, reason, outcome, recoded=True)
        inside = inside_part(values, chunk, self.item.source)
        self._add_row(position, chunk, digest_of_values(inside), outcome)
        return self._encoder.encode(values)

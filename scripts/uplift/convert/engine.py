"""Base of both engines (repack and recode) that write the stored objects of an array."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from uplift import grid
from uplift.arrays.digests import NO_OBJECT, row, row_index_bytes
from uplift.arrays.reused import decoder_of
from uplift.arrays.shards import Abandoned, Piece, write_shard
from uplift.arrays.source_chunks import ChunkSource, ListingDigest
from uplift.codecs.chunks import ChunkEncoder
from uplift.errors import INSPECT_AGAIN, SourceError
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.record import BadChunk
from uplift.running.parallel import ALONE, NO_TURNS, Helpers, Turn, Turns
from uplift.storage.protocol import Readable, WritableStore, join
from uplift.zarr_metadata.v3 import target_key

Read = Callable[[int], None]
"""Called with the number of bytes read from the source, from any thread."""


@dataclass(slots=True)
class Outcome:
    """Counters of a unit of conversion work; sizes in bytes as stored."""

    objects: int = 0
    bytes_written: int = 0
    chunks_read: int = 0
    bytes_read: int = 0
    opened: int = 0
    opened_sum: int = 0
    """Chunks whose objects were described as they were read; the sum of their listing digests."""
    trailing: int = 0
    """Chunks with bytes after the end of their stream, which are left out."""
    first_trailing: Index | None = None
    largest: tuple[int, Index] | None = None
    """Largest chunk: its bytes, and which one it is."""
    repeated_reads: set[Index] = field(default_factory=set)
    """Chunks of which a read failed and was repeated."""
    rows: list[bytes] = field(default_factory=list)
    """Digest rows of the chunks read, for the validation; see :mod:`uplift.arrays.digests`."""
    bad_chunks: list[BadChunk] = field(default_factory=list)
    undecodable: list[BadChunk] = field(default_factory=list)
    """Chunks that stop the conversion (``on_bad_chunk: fail``)."""

    def __iadd__(self, other: Outcome) -> Outcome:
        self.objects += other.objects
        self.bytes_written += other.bytes_written
        self.chunks_read += other.chunks_read
        self.bytes_read += other.bytes_read
        self.opened += other.opened
        self.opened_sum += other.opened_sum
        self.trailing += other.trailing
        self.first_trailing = first_of(self.first_trailing, other.first_trailing)
        self.largest = largest_of(self.largest, other.largest)
        self.repeated_reads |= other.repeated_reads
        self.rows += other.rows
        self.bad_chunks += other.bad_chunks
        self.undecodable += other.undecodable
        return self


def first_of(one: Index | None, other: Index | None) -> Index | None:
    """The smaller of two chunks, where there are two."""
    return min((chunk for chunk in (one, other) if chunk is not None), default=None)


def largest_of(
    one: tuple[int, Index] | None, other: tuple[int, Index] | None
) -> tuple[int, Index] | None:
    """The larger of two chunks; of equal ones that with the smaller index."""
    found = [chunk for chunk in (one, other) if chunk is not None]
    return min(found, key=lambda chunk: (-chunk[0], chunk[1]), default=None)


class Engine(ABC):
    """Writes the stored objects of one array; belongs to one thread.

    Parameters
    ----------
    item
        Run of stored objects of the array, and how its chunks are converted.
    chunks
        Encoded chunks of the source.
    output
        Store to write to.
    fill
        Whether chunks that cannot be decoded are replaced by the fill value.
    read
        Called with the bytes of each chunk that is read.
    helpers
        Threads that decode and encode.
    turns
        Of those who read large objects from a store whose answers take long.
    """

    def __init__(
        self,
        item: BatchItem,
        chunks: ChunkSource,
        output: WritableStore,
        *,
        fill: bool,
        read: Read = lambda _: None,
        helpers: Helpers = ALONE,
        turns: Turns = NO_TURNS,
    ) -> None:
        self.item = item
        self._turns = turns
        self._turn = Turn()
        self._helpers = helpers
        self._chunks = chunks
        self._output = output
        self._fill_bad = fill
        self._read = read
        target = item.target
        self._per_shard = grid.chunks_per_shard(target.object_shape, target.chunks)
        self._object_grid = target.object_grid
        self._target_grid = grid.grid_shape(target.shape, target.chunks)
        self._strides = grid.strides_of(chunks.grid)
        self._index_bytes = row_index_bytes(item)
        self._decoder = decoder_of(item.source)
        self._made_encoder: ChunkEncoder | None = None

    def write_object(self, position: int, stored: Sequence[Index] | None) -> Outcome:
        """Write one shard or chunk object.

        Parameters
        ----------
        position
            C-order linear index into the target's object grid.
        stored
            Indices of the stored source chunks under it, in C order; None when all are stored.

        Raises
        ------
        SourceError
            A chunk that inspect saw is gone.
        StorageError
            A read or write that failed.
        """
        with self._turns.taken() as self._turn:
            return self._write_object(position, stored)

    def _write_object(self, position: int, stored: Sequence[Index] | None) -> Outcome:
        index = grid.object_index(position, self._object_grid)
        key = join(self.item.path, target_key(index))
        outcome = Outcome()
        self._chunks.opened = opened = ListingDigest()  # not what a failed attempt has read
        blocks = self._blocks(position, index, stored, outcome)
        if self.item.target.shards is not None:
            cells = math.prod(self._per_shard)
            size = write_shard(self._output, key, cells, self._unless_bad(blocks, outcome))
        else:
            size = self._write_chunk(key, index, blocks, outcome)
        outcome.objects, outcome.bytes_written = int(size > 0), size
        outcome.opened, outcome.opened_sum = opened.objects, opened.total
        return outcome

    @abstractmethod
    def _blocks(
        self, position: int, index: Index, stored: Sequence[Index] | None, outcome: Outcome
    ) -> Iterator[list[Piece]]:
        """Yield the encoded chunks of an object in C order, some at a time; count in `outcome`."""

    def _copied(self, index: Index, key: str, data: Readable) -> bool:
        """Whether an object was written without its bytes passing through this process."""
        return False

    def _write_chunk(
        self, key: str, index: Index, blocks: Iterable[list[Piece]], outcome: Outcome
    ) -> int:
        pieces = [piece for block in blocks for piece in block]
        if outcome.undecodable or not pieces:
            return 0
        data = pieces[0].data
        if not self._copied(index, key, data):
            self._output.put(key, bytes(data))
        return len(data)

    def _unless_bad(self, blocks: Iterable[list[Piece]], outcome: Outcome) -> Iterator[list[Piece]]:
        """Read all chunks, so that all bad ones are named; then discard the shard."""
        yield from blocks
        if outcome.undecodable:
            raise Abandoned

    @property
    def _encoder(self) -> ChunkEncoder:
        if self._made_encoder is None:
            self._made_encoder = ChunkEncoder(self.item.target)
        return self._made_encoder

    def _count_read(self, chunk: Index, data: Readable | None, outcome: Outcome) -> Readable:
        """Count a chunk that was read.

        Raises
        ------
        SourceError
            It is absent.
        """
        if data is None:
            raise SourceError(
                f"{self._chunks.store.url}/{self._chunks.key_of(chunk)}: was there when the source "
                f"was inspected and is absent now (is its disk still there?); {INSPECT_AGAIN}"
            )
        outcome.chunks_read += 1
        outcome.bytes_read += len(data)
        repeated = self._chunks.store.repeated_reads
        if repeated and self._chunks.key_of(chunk) in repeated:
            outcome.repeated_reads.add(chunk)
        if outcome.largest is None or len(data) > outcome.largest[0]:
            outcome.largest = (len(data), chunk)
        self._read(len(data))
        return data

    def _add_row(self, position: int | None, chunk: Index, digest: bytes, outcome: Outcome) -> None:
        """Keep the digest of an object's part of a chunk; no object: of the whole chunk."""
        number = sum(map(operator.mul, chunk, self._strides))
        position = NO_OBJECT if position is None else position
        outcome.rows.append(row(position, number, digest, self._index_bytes))

    def _count_trailing(self, chunk: Index, outcome: Outcome) -> None:
        """Count a chunk with bytes after the end of its stream."""
        outcome.trailing += 1
        outcome.first_trailing = first_of(outcome.first_trailing, chunk)

    def _note_bad(self, chunk: Index, reason: str, outcome: Outcome, *, recoded: bool) -> None:
        key = self._chunks.key_of(chunk)
        action = "recoded" if recoded else "filled"
        bad = BadChunk(chunk=chunk, key=key, reason=reason, action=action)
        stops = not recoded and not self._fill_bad
        (outcome.undecodable if stops else outcome.bad_chunks).append(bad)

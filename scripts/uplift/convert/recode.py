"""Decode chunks and encode them again: another chunk shape, another codec, or filters.

A stored object is made in blocks of whole target chunks, C order, small enough for the memory
budget. Each block decodes the source chunks it overlaps. A target chunk is stored when any source
chunk that it overlaps is stored.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.digests import NO_CHUNK, Digester, digest_of_values, row
from uplift.arrays.reused import decoder_of
from uplift.arrays.shards import Piece
from uplift.arrays.source_chunks import inside_part
from uplift.codecs.chunks import ChunkDecoder, DecodeError
from uplift.codecs.codec import ElementError
from uplift.convert.engine import Engine, Outcome
from uplift.errors import REWRITE, UnsupportedError
from uplift.grid import Index, Region
from uplift.planning.estimates import RECODE_BLOCK_BYTES
from uplift.storage.protocol import Readable
from uplift.zarr_metadata.data_types import fill_scalar, numpy_dtype_v3


class RecodeEngine(Engine):
    """Writes the stored objects of one array from decoded source chunks."""

    def __init__(
        self, *arguments: Any, block_bytes: int = RECODE_BLOCK_BYTES, **settings: Any
    ) -> None:
        super().__init__(*arguments, **settings)
        self._block_bytes = block_bytes
        self._of_thread = threading.local()
        target = self.item.target
        self._dtype = numpy_dtype_v3(target.data_type)
        self._fill_value = fill_scalar(target.data_type, target.fill_value)
        # Chunks stay what they are, only their encoding changes: none is put together from others.
        self._alike = self.item.source.chunks == target.chunks

    def _blocks(
        self, position: int, index: Index, stored: Sequence[Index] | None, outcome: Outcome
    ) -> Iterator[list[Piece]]:
        digester = Digester()
        for pieces in self._encoded_blocks(position, index, stored, outcome):
            for piece in pieces:
                digester.update(piece.data)
            yield pieces
        whole = row(position, NO_CHUNK, digester.digest(), self._index_bytes)
        outcome.rows.append(whole)

    def _encoded_blocks(
        self, position: int, index: Index, stored: Sequence[Index] | None, outcome: Outcome
    ) -> Iterator[list[Piece]]:
        region = grid.chunk_region(index, self._per_shard, self._target_grid)
        elements = self._elements_of(region)
        present = None if stored is None else set(stored)
        for block in grid.blocks_of(region, self._chunk_bytes(), self._block_bytes):
            needed = [
                chunk
                for chunk in grid.indices_in(self._overlapped(block))
                if present is None or chunk in present
            ]
            if not needed:
                continue
            if self._alike:
                yield from self._alike_pieces(position, needed, outcome)
                continue
            origin, values = self._decoded(position, elements, block, needed, outcome)
            if not outcome.undecodable:
                yield from self._encoded(block, needed, present is None, origin, values)

    def _alike_pieces(
        self, position: int, needed: Sequence[Index], outcome: Outcome
    ) -> Iterator[list[Piece]]:
        for piece, part in self._helpers.map(
            partial(self._alike_piece, position), self._counted(needed, outcome)
        ):
            outcome += part
            if not outcome.undecodable:
                yield [piece]

    def _counted(
        self, needed: Sequence[Index], outcome: Outcome
    ) -> Iterator[tuple[Index, Readable]]:
        for block in self._chunks.blocks(needed):
            for chunk, found in block:
                data = self._count_read(chunk, found, outcome)
                # the next block is read into the same memory while helpers are at this one
                yield chunk, data if self._helpers.count == 1 else bytes(data)

    def _alike_piece(self, position: int, read: tuple[Index, Readable]) -> tuple[Piece, Outcome]:
        chunk, data = read
        outcome = Outcome()
        decoded = self._decoded_chunk(chunk, data, outcome)
        if decoded is None:
            inside = self._filled(grid.region_shape(self._elements_of(_region_of(chunk))))
        else:
            inside = inside_part(decoded, chunk, self.item.source)
            self._add_row(position, chunk, digest_of_values(inside), outcome)
        return self._piece(chunk, inside), outcome

    def _decoded(
        self, position: int, elements: Region, block: Region, needed: list[Index], outcome: Outcome
    ) -> tuple[Index, NDArray[Any]]:
        """Element offset of a block and its values, shape cut at the array's edge."""
        extent = self._elements_of(block)
        values = self._filled(grid.region_shape(extent))
        source = self.item.source
        for read in self._chunks.blocks(needed):
            for chunk, data in read:
                encoded = self._count_read(chunk, data, outcome)
                decoded = self._decoded_chunk(chunk, encoded, outcome)
                if decoded is None:
                    continue
                covers = grid.element_region(chunk, source.chunks, source.shape)
                part = grid.common(extent, covers)
                values[grid.relative(part, extent)] = decoded[grid.relative(part, covers)]
                self._note_piece(position, chunk, elements, extent, decoded, outcome)
        return tuple(a for a, _ in extent), values

    def _note_piece(
        self,
        position: int,
        chunk: Index,
        elements: Region,
        block: Region,
        decoded: NDArray[Any],
        outcome: Outcome,
    ) -> None:
        """Keep the digest of the object's part of a chunk, in the block where it begins."""
        source = self.item.source
        covers = grid.element_region(chunk, source.chunks, source.shape)
        piece = grid.common(elements, covers)
        if not grid.holds(block, tuple(a for a, _ in piece)):
            return
        self._add_row(
            position, chunk, digest_of_values(decoded[grid.relative(piece, covers)]), outcome
        )
        if piece != covers and grid.holds(block, tuple(a for a, _ in covers)):
            inside = inside_part(decoded, chunk, source)
            self._add_row(None, chunk, digest_of_values(inside), outcome)

    def _decoded_chunk(self, chunk: Index, data: Readable, outcome: Outcome) -> NDArray[Any] | None:
        try:
            decoded, note, trailing = self._decoder_here().read(data, chunk)
        except ElementError as error:  # not damaged: a fill value in its place would lose data
            where = f"{self._chunks.store.url}/{self._chunks.key_of(chunk)}"
            raise UnsupportedError(f"{where}: cannot be converted: {error}; {REWRITE}") from None
        except DecodeError as error:
            self._note_bad(chunk, str(error), outcome, recoded=False)
            return None
        if note is not None:
            self._note_bad(chunk, note, outcome, recoded=True)
        if trailing:
            self._count_trailing(chunk, outcome)
        return decoded

    def _decoder_here(self) -> ChunkDecoder:
        """Decoder of this thread, whose memory is reused for each chunk."""
        if self._helpers.count == 1:
            return self._decoder
        if not hasattr(self._of_thread, "decoder"):
            self._of_thread.decoder = decoder_of(self.item.source)
        found: ChunkDecoder = self._of_thread.decoder
        return found

    def _encoded(
        self, block: Region, needed: list[Index], dense: bool, origin: Index, values: NDArray[Any]
    ) -> Iterator[list[Piece]]:
        """Yield the stored target chunks of a block, in C order."""
        covered = set(needed)
        stored = (
            chunk
            for chunk in grid.indices_in(block)
            if dense or not covered.isdisjoint(grid.indices_in(self._overlapped(_region_of(chunk))))
        )
        encode = partial(self._encoded_piece, origin, values)
        return ([piece] for piece in self._helpers.map(encode, stored))

    def _encoded_piece(self, origin: Index, values: NDArray[Any], chunk: Index) -> Piece:
        inside = (
            slice(i * c - o, (i + 1) * c - o)
            for i, c, o in zip(chunk, self.item.target.chunks, origin, strict=True)
        )
        cut: Any = (..., *inside)  # the ellipsis: an array also when it has no axes
        return self._piece(chunk, values[cut])

    def _piece(self, chunk: Index, inside: NDArray[Any]) -> Piece:
        data = self._encoder.encode(self._whole(inside))
        return Piece(grid.cell_of(chunk, self._per_shard), data)

    def _whole(self, piece: NDArray[Any]) -> NDArray[Any]:
        """Pad a chunk at the array's edge."""
        if piece.shape == self.item.target.chunks:
            return piece
        whole = self._filled(self.item.target.chunks)
        whole[tuple(slice(0, n) for n in piece.shape)] = piece
        return whole

    def _filled(self, shape: grid.Shape) -> NDArray[Any]:
        return np.full(shape, self._fill_value, dtype=self._dtype)

    def _elements_of(self, region: Region) -> Region:
        """Elements of the array under target chunks."""
        target = self.item.target
        return tuple(
            (a * c, min(b * c, n))
            for (a, b), c, n in zip(region, target.chunks, target.shape, strict=True)
        )

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


def _region_of(chunk: Index) -> Region:
    return tuple((i, i + 1) for i in chunk)

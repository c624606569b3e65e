"""Check arrays whose chunk bytes were kept: each chunk is compared, and decoded once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.digests import digest_of, digest_of_values, rewrapped_body
from uplift.arrays.output_objects import Opened
from uplift.arrays.reused import keeper_of
from uplift.arrays.source_chunks import inside_part
from uplift.codecs.chunks import ChunkDecoder, DecodeError
from uplift.codecs.compressors import GZIP_HEADER
from uplift.grid import Index
from uplift.storage.protocol import Readable
from uplift.validate.pixels.check import PixelCheck
from uplift.zarr_metadata.v3 import array_document, parse_v3


class RepackCheck(PixelCheck):
    """Compares the encoded chunks of an item with those that were read, and decodes each once."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._rewraps = self.item.method == "rewrap"
        self._extent = self.item.source.chunks, self.item.source.shape
        self._chunk_bytes = math.prod(self.item.source.chunks) * self.decoder.dtype.itemsize
        self._made_decoder: ChunkDecoder | None = None

    def _check_object(self, position: int) -> None:
        own = exact = chunks = self._chunks_at(position)
        if self.part is not None and self.is_first:
            own = [chunk for chunk in chunks if grid.holds(self.part.region, chunk)]
        if self.expected.bad:
            self._check_filled(own)
            exact = [chunk for chunk in chunks if not self._is_filled(chunk)]
            own = [chunk for chunk in own if not self._is_filled(chunk)]
        if not exact:
            return
        with self.objects.open(position) as opened:
            if opened is not None:
                if self.is_first:
                    self._note_object(opened)
                    every = self.expected.stored is None and exact is chunks
                    self.objects.check_index(position, opened, None if every else exact)
                self._check_chunks(position, opened, own)

    def _chunks_at(self, position: int) -> Sequence[Index]:
        """Chunks of an object, or of this part of it; the first part has all."""
        if self.expected.stored is not None:
            return self.expected.stored[position]
        if self.part is None or self.part.is_first:
            return self.objects.chunks_of(position)
        return list(grid.indices_in(self.part.region))

    def _check_chunks(self, position: int, opened: Opened, chunks: Sequence[Index]) -> None:
        wanted = self._wanted(position, chunks, self._digest_of_source)
        found = self.objects.read(opened, chunks)
        for chunk, want, after in zip(chunks, wanted, found, strict=True):
            if want is not None and after is not None:
                self._compare(position, chunk, want, after)

    def _compare(self, position: int, chunk: Index, want: bytes, after: Readable) -> None:
        recoded = chunk in self.expected.bad
        if not recoded and not self._same_bytes(want, after):
            key, source = self.objects.key(position), self.chunks.key_of(chunk)
            text = f"{key}: chunk {chunk} holds other bytes than {source}"
            self.findings.error("chunk.bytes_differ", self.path, text)
            return
        own = recoded or self._rewraps
        if self.values is not None and self.values.dtype.kind in "biufc" and not own:
            part = self.values[grid.element_slices(chunk, *self._extent)]
            self._count_compared(chunk, self._digest_of_part(part), self._chunk_bytes)
            return
        values = self._decoded(position, chunk, after, own=own)
        if values is None:
            return
        digest = self._values_digest(chunk, values)
        if recoded and digest != want:
            text = f"{self.objects.key(position)}: chunk {chunk} holds other values than "
            self.findings.error("pixels.differ", self.path, text + self.chunks.key_of(chunk))
            return
        self._count_compared(chunk, digest, values.nbytes)

    def _digest_of_part(self, part: NDArray[Any]) -> bytes:
        """Digest of a chunk's elements in an array's memory, row by row in a reused buffer."""
        own = self._own
        if own is None or part.flags.c_contiguous or part.dtype != own.dtype:
            return digest_of_values(part)
        np.copyto(own, part)
        return digest_of_values(own) if self._own_bytes is None else digest_of(self._own_bytes)

    def _same_bytes(self, want: bytes, after: Readable) -> bool:
        if not self._rewraps:
            return digest_of(after) == want
        # The trailer, CRC-32 and length of what is decoded (RFC 1952), is checked by decoding.
        return bytes(after[:10]) == GZIP_HEADER and digest_of(rewrapped_body(after)) == want

    def _decoded(
        self, position: int, chunk: Index, data: Readable, *, own: bool
    ) -> NDArray[Any] | None:
        """Decode a chunk of the output; `own`: it is encoded otherwise than in the source."""
        try:
            if not own:
                return self.decoder.decode(data, chunk)
            if self._made_decoder is None:
                document = parse_v3(array_document(self.item.target, {}, None), self.path)
                self._made_decoder = ChunkDecoder(document, reuse=True)
            values, note, trailing = self._made_decoder.read(data)
        except DecodeError as error:
            key = self.objects.key(position) if own else self.chunks.key_of(chunk)
            code = "chunk.bytes_differ" if own else "chunk.undecodable"
            self.findings.error(code, self.path, f"{key}: chunk {chunk}: {error}")
            return None
        if note is not None or trailing:
            text = f"{self.objects.key(position)}: chunk {chunk}: {note or 'bytes after its end'}"
            self.findings.error("chunk.bytes_differ", self.path, text)
            return None
        return values

    def _digest_of_source(self, chunk: Index, data: Readable) -> bytes | None:
        """Digest of a source chunk, as convert makes it."""
        if chunk in self.expected.bad:
            values = self._source_values(chunk, data)
            if values is None:
                return None
            return digest_of_values(inside_part(values, chunk, self.item.source))
        try:
            kept = keeper_of(self.item.source, self.item.method).keep(data)
        except DecodeError as error:
            key = self.chunks.key_of(chunk)
            self.findings.error("chunk.undecodable", self.path, f"{key}: {error}")
            return None
        return digest_of(rewrapped_body(kept) if self._rewraps else kept)

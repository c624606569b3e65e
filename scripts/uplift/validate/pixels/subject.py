"""What the pixel checks of one batch item have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.output_objects import StoredObjects
from uplift.arrays.source_chunks import ChunkSource
from uplift.arrays.tasks import tasks_of
from uplift.codecs.chunks import ChunkDecoder, DecodedChunk, DecodeError
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.findings import Findings
from uplift.models.record import BadChunk, ItemRecord
from uplift.progress import Progress
from uplift.storage.protocol import Store
from uplift.validate.pixels.digests import row_of
from uplift.validate.pixels.slabs import Box
from uplift.zarr_metadata.data_types import data_type_v3, fill_scalar, fill_value_v3


@dataclass(slots=True)
class Tally:
    """What a unit of comparison amounted to; `rows` are digest rows."""

    chunks: int = 0
    compared_bytes: int = 0
    rows: list[bytes] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.chunks += other.chunks
        self.compared_bytes += other.compared_bytes
        self.rows += other.rows
        return self


class Subject:
    """One batch item with both of its sides.

    Attributes
    ----------
    stored
        Object position to the stored source chunks under it; None when every chunk is stored.
    bad
        Source chunks that convert could not keep as they were.
    compared
        Tells how many chunks were compared.
    fill
        The source's fill value.
    root_document
        The root's document, which is staged until it is published; None: it is at its place.
    """

    def __init__(
        self,
        item: BatchItem,
        record: ItemRecord,
        source: Store,
        output: Store,
        findings: Findings,
        root_document: bytes | None = None,
    ) -> None:
        self.item = item
        self.path = item.path
        self.findings = findings
        self.chunks = ChunkSource(source, item.path, item.source)
        self.objects = StoredObjects(output, item.path, item.target, findings)
        self.output = output
        self.root_document = root_document
        self.decoder = ChunkDecoder(item.source)
        self.bad: dict[Index, BadChunk] = {bad.chunk: bad for bad in record.bad_chunks}
        self._trailing: set[Index] = set()
        self.compared = Progress(f"{item.path or 'array'}: %d chunks compared")
        self.fill: Any = fill_scalar(data_type_v3(item.source), fill_value_v3(item.source))
        dense = item.stored_chunks == math.prod(self.chunks.grid)
        self.stored = None if dense else self._stored()

    @property
    def chunk_bytes(self) -> int:
        """Decoded bytes of one source chunk (a guess for strings of variable length)."""
        return max(1, math.prod(self.item.source.chunks) * self.decoder.dtype.itemsize)

    @property
    def is_local(self) -> bool:
        """Whether both sides are files of this machine."""
        return self.chunks.store.is_local and self.output.is_local

    @property
    def whole(self) -> bool:
        """Whether the item is the whole array."""
        return self.item.start == 0 and self.item.stop == math.prod(self.objects.grid)

    def positions(self) -> Iterable[int]:
        """Objects of the item that have chunks in the source."""
        if self.stored is None:
            return range(self.item.start, self.item.stop)
        return sorted(self.stored)

    def check_presence(self) -> None:
        """No object may exist that has no chunk in the source."""
        if self.stored is None:
            return
        for position in sorted(self.objects.existing() - self.stored.keys()):
            if self.item.start <= position < self.item.stop:
                key = self.objects.key(position)
                text = f"{key}: exists, but the source has no chunk for it"
                self.findings.error("object.unexpected", self.path, text)

    def decode(self, data: bytes | None, chunk: Index) -> DecodedChunk | None:
        """Decode a source chunk; None, with a finding, when that is impossible."""
        key = self.chunks.key_of(chunk)
        if data is None:
            text = f"{key}: was there when the source was inspected and is absent now"
            self.findings.error("source.changed", self.path, text)
            return None
        try:
            decoded = self.decoder.read(data, chunk)
        except DecodeError as error:
            if self.filled(chunk):
                text = f"{key}: cannot be decoded ({error}); the output has the fill value there"
                self.findings.warning("chunk.filled", self.path, text)
            else:
                self.findings.error("chunk.undecodable", self.path, f"{key}: {error}")
            return None
        if self.filled(chunk):
            text = f"{key}: can be decoded, but was replaced by the fill value"
            self.findings.error("chunk.filled", self.path, text)
        if decoded.trailing_bytes:
            self._trailing.add(chunk)  # a set: a chunk may be decoded for several boxes
        return decoded

    def report_trailing(self) -> None:
        """Say, once for all chunks, that bytes after the end of a stream were left out."""
        if self._trailing:
            key = self.chunks.key_of(min(self._trailing))
            text = (
                f"{len(self._trailing)} chunks have bytes after the end of their compressed stream "
                f"(first: {key}); the output has the chunks without them"
            )
            self.findings.warning("chunk.trailing", self.path, text)

    def filled(self, chunk: Index) -> bool:
        """Whether convert replaced an undecodable chunk by the fill value."""
        bad = self.bad.get(chunk)
        return bad is not None and bad.action == "filled"

    def row(self, chunk: Index, values: NDArray[Any]) -> bytes:
        """Make the digest row of a decoded chunk."""
        return row_of(grid.linear_index(chunk, self.chunks.grid), values)

    def box_of(self, chunk: Index) -> Box:
        """Elements of the array that a source chunk covers."""
        parts = grid.element_slices(chunk, self.item.source.chunks, self.item.source.shape)
        return tuple((part.start, part.stop) for part in parts)

    def _stored(self) -> dict[int, list[Index]]:
        tasks = tasks_of(self.item, self.chunks, [])
        return {position: stored for task in tasks for position, stored in task.objects() if stored}


def inside(values: NDArray[Any], box: Box) -> NDArray[Any]:
    """Elements of a decoded chunk that lie inside the array; `box` is what it covers there."""
    # The ellipsis keeps an array an array when it has no axes.
    cut: Any = (..., *(slice(b - a) for a, b in box))
    part: NDArray[Any] = values[cut]
    return part


def filled_array(box: Box, dtype: np.dtype[Any], fill: Any) -> NDArray[Any]:
    """Array of fill values with the extent of a box."""
    return np.full(tuple(b - a for a, b in box), fill, dtype=dtype)

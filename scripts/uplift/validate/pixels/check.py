"""Base of both pixel checks: every chunk of the output is compared with what was read."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.digests import (
    Digests,
    digest_of,
    digest_of_values,
    pixel_index_bytes,
    pixel_row,
    viewed_bytes,
)
from uplift.arrays.output_objects import Opened, StoredObjects
from uplift.arrays.reused import decoder_of
from uplift.arrays.source_chunks import ChunkSource, ListingDigest, inside_part
from uplift.arrays.tasks import Stored
from uplift.codecs.chunks import DecodeError
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.findings import Findings
from uplift.models.record import BadChunk
from uplift.storage.protocol import Readable, Store


@dataclass(slots=True)
class Compared:
    """What was compared, and the objects' listing then; `rows` are pixel rows."""

    chunks: int = 0
    compared_bytes: int = 0
    rows: list[bytes] = field(default_factory=list)
    objects: int = 0
    object_bytes: int = 0
    listing: ListingDigest = field(default_factory=ListingDigest)
    keys: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Expected:
    """What the output must hold.

    Attributes
    ----------
    stored
        Source chunks by object; None when every chunk is stored.
    digests
        Digests that convert noted; for a chunk without one, the source is read again.
    bad
        Source chunks that convert could not keep as they were.
    reread
        Whether the source is read again in any case.
    there
        Positions of the objects that the output has; None: they are listed where it matters.
    """

    stored: Stored | None
    digests: Digests
    bad: Mapping[Index, BadChunk]
    reread: bool = False
    there: Collection[int] | None = None


@dataclass(frozen=True)
class Part:
    """Chunks of one object that one process validates, while others validate the rest.

    Attributes
    ----------
    region
        Half-open ranges of chunk indices along each axis.
    is_first
        Whether the object itself is checked here: its index, and findings about it as a whole.
    """

    region: grid.Region
    is_first: bool


class PixelCheck(ABC):
    """Compares the stored objects of one batch item with what was read from its source.

    Parameters
    ----------
    item
        Run of stored objects of one array.
    chunks
        Encoded chunks of the source.
    output
        Store that holds the objects.
    expected
        What they must hold.
    findings
        Where to note what is wrong.
    part
        Which chunks of the item's only object; None: all chunks of all objects.

    Attributes
    ----------
    values
        Of the whole array, as another reader read them from the output; None: not known.
    """

    def __init__(
        self,
        item: BatchItem,
        chunks: ChunkSource,
        output: Store,
        expected: Expected,
        findings: Findings,
        part: Part | None = None,
    ) -> None:
        self.item = item
        self.path = item.path
        self.findings = findings
        self.chunks = chunks
        self.output = output
        self.part = part
        self.is_first = part is None or part.is_first
        # what is wrong with an object is said once
        about_objects = findings if self.is_first else Findings()
        self.objects = StoredObjects(output, item.path, item.target, about_objects)
        self.expected = expected
        self.decoder = decoder_of(item.source)
        self.values: NDArray[Any] | None = None
        self.counts = Compared()
        self._has_edges = grid.has_edges(item.source.shape, item.source.chunks)
        self._index_bytes = pixel_index_bytes(item)
        self._strides = grid.strides_of(chunks.grid)
        # most chunks are decoded into the same memory, again and again
        self._own = None if self._has_edges else self.decoder.own_values
        self._own_bytes = None if self._own is None else viewed_bytes(self._own)

    def run(self) -> Compared:
        """Check every object of the item."""
        for bad in self.expected.bad.values() if self.is_first else ():
            if bad.action == "recoded":
                text = f"{bad.key}: {bad.reason}; encoded again, its values are kept"
                self.findings.warning("chunk.recoded", self.path, text)
            elif not self.expected.reread:
                text = f"{bad.key}: cannot be decoded ({bad.reason}); "
                text += "the output has the fill value there"
                self.findings.warning("chunk.filled", self.path, text)
        for position in self.positions():
            self._check_object(position)
        return self.counts

    def check_presence(self) -> None:
        """Check that no object exists that has no chunk in the source."""
        stored, item = self.expected.stored, self.item
        if stored is None:
            return
        there = self.expected.there
        if there is None:
            there = [position for position, _ in self.objects.existing() if position is not None]
        for position in sorted(set(there) - stored.keys()):
            if item.start <= position < item.stop:
                text = f"{self.objects.key(position)}: exists, but the source has no chunk for it"
                self.findings.error("object.unexpected", self.path, text)

    def positions(self) -> Iterable[int]:
        """Objects of the item that have chunks in the source."""
        if self.expected.stored is None:
            return range(self.item.start, self.item.stop)
        return sorted(self.expected.stored)

    @abstractmethod
    def _check_object(self, position: int) -> None:
        """Compare what one object holds."""

    def _note_object(self, opened: Opened) -> None:
        """Note the object's listing now, so that later changes are noticed."""
        self.counts.listing.add(opened.info.key, opened.info)
        self.counts.keys.append(opened.info.key)
        self.counts.objects += 1
        self.counts.object_bytes += opened.info.size

    def _is_filled(self, chunk: Index) -> bool:
        """Whether convert replaced an undecodable chunk by the fill value."""
        bad = self.expected.bad.get(chunk)
        return bad is not None and bad.action == "filled"

    def _number(self, chunk: Index) -> int:
        return sum(map(operator.mul, chunk, self._strides))

    def _wanted(
        self,
        position: int,
        chunks: Sequence[Index],
        digest: Callable[[Index, Readable], bytes | None],
    ) -> Iterator[bytes | None]:
        """Digests that an object's chunks must have, in their order; None after a finding.

        Parameters
        ----------
        position
            The object.
        chunks
            Source chunks.
        digest
            Makes the digest of a chunk that is read from the source, as convert does.
        """
        if not self.expected.reread:
            noted = [self.expected.digests.get((position, self._number(i))) for i in chunks]
            if None not in noted:
                yield from noted
                return
        for block in self.chunks.blocks(chunks):
            for chunk, data in block:
                if data is None:
                    text = f"{self.chunks.key_of(chunk)}: was there when the source was inspected "
                    text += "and is absent now"
                    self.findings.error("source.changed", self.path, text)
                yield None if data is None else digest(chunk, data)

    def _source_values(self, chunk: Index, data: Readable) -> NDArray[Any] | None:
        """Decode a source chunk; None, with a finding, when that is impossible."""
        key = self.chunks.key_of(chunk)
        try:
            values = self.decoder.decode(data, chunk)
        except DecodeError as error:
            if self._is_filled(chunk):
                text = f"{key}: cannot be decoded ({error}); the output has the fill value there"
                self.findings.warning("chunk.filled", self.path, text)
            else:
                self.findings.error("chunk.undecodable", self.path, f"{key}: {error}")
            return None
        if self._is_filled(chunk):
            text = f"{key}: can be decoded, but was replaced by the fill value"
            self.findings.error("chunk.filled", self.path, text)
        return values

    def _check_filled(self, chunks: Sequence[Index]) -> None:
        """Check that chunks that were filled are still undecodable, when the source is reread."""
        filled = [chunk for chunk in chunks if self._is_filled(chunk)]
        if filled and self.expected.reread:
            for block in self.chunks.blocks(filled):
                for chunk, data in block:
                    if data is not None:
                        self._source_values(chunk, data)

    def _count_compared(self, chunk: Index, digest: bytes, nbytes: int) -> None:
        """Count a chunk whose values were the expected ones."""
        self.counts.rows.append(pixel_row(self._number(chunk), digest, self._index_bytes))
        self.counts.chunks += 1
        self.counts.compared_bytes += nbytes

    def _values_digest(self, chunk: Index, values: NDArray[Any]) -> bytes:
        if values is self._own and self._own_bytes is not None:
            return digest_of(self._own_bytes)
        if not self._has_edges:
            return digest_of_values(values)
        return digest_of_values(inside_part(values, chunk, self.item.source))


def filled_array(region: grid.Region, dtype: np.dtype[Any], fill: Any) -> NDArray[Any]:
    """Array of fill values with the extent of a region.

    Parameters
    ----------
    region
        First and one past the last element along each axis.
    dtype
        Of the elements.
    fill
        The fill value.

    Returns
    -------
    NDArray[Any]
        An array with the extent of the region.
    """
    return np.full(grid.region_shape(region), fill, dtype=dtype)

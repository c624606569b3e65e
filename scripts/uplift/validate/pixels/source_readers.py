"""Readers of the source's side: other people's, and this project's own where all others refuse."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.readers import open_reader
from uplift.arrays.readers.protocol import Reader, ReaderError
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.arrays.reused import decoder_of
from uplift.arrays.source_chunks import ChunkSource
from uplift.codecs.chunks import DecodeError
from uplift.grid import Index, Region
from uplift.storage.protocol import Store, has_round_trips
from uplift.validate.pixels.chosen import Chosen
from uplift.zarr_metadata.data_types import (
    fill_of,
    numpy_dtype,
)


class SourceReaders:
    """Readers of one array of the source by its own document, each opened when it is needed.

    Attributes
    ----------
    refusals
        Regions that no other people's reader reads: what the last one said. Arrays
        and chunks of some writers are read by no other reader.
    """

    def __init__(self, array: Chosen, source: Store) -> None:
        self._array = array
        self._source = source
        self._opened: dict[int, Reader | ReaderError] = {}
        self._own: _OwnReader | None = None
        # regions are compared in several threads: the first one opens, the others wait for that
        self._lock = threading.Lock()
        self.refusals: dict[Region, ReaderError] = {}

    def open_first(self) -> None:
        """Open the first reader; if that fails, reading a selection raises the error."""
        self._reader(0)

    def first(self, selection: tuple[slice, ...]) -> NDArray[Any]:
        """Read a selection with the first reader.

        Raises
        ------
        ReaderError
            It cannot.
        """
        reader = self._reader(0)
        if isinstance(reader, ReaderError):
            raise reader
        return reader.read(selection)

    @property
    def waits(self) -> bool:
        """Whether a look at the source is a round trip."""
        return has_round_trips(self._source)

    def read(
        self, selection: tuple[slice, ...], asked: Future[NDArray[Any]] | None = None
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the selection as each reader has it; by this project when all others refuse.

        `asked`: what the first reader was asked for before.
        """
        refused, read = None, False
        for number in range(0 if self._array.misdeclared else 2):
            reader = self._reader(number)
            try:
                if isinstance(reader, ReaderError):
                    raise reader
                known = asked if number == 0 else None
                values = reader.read(selection) if known is None else known.result()
            except ReaderError as error:
                refused = error
                continue
            read = True
            yield reader.name, values
        if not read and refused is not None:
            self.refusals[_region(selection)] = refused
        fill_value = self._array.source.fill_value
        if not read or fill_value is None or _is_bits(fill_value):
            with self._lock:
                self._own = own = self._own or _OwnReader(self._array, self._source)
            # With null the format leaves open what is not stored: here zero, elsewhere other things
            if not read or fill_value is not None or not own.is_stored(selection):
                yield own.name, own.read(selection)

    def _reader(self, number: int) -> Reader | ReaderError:
        with self._lock:
            if number not in self._opened:
                path, version = self._array.path, self._array.source.zarr_format
                try:
                    self._opened[number] = (
                        ZarrReader(self._source, path, zarr_format=version)
                        if number
                        else open_reader(self._source, path, version=version)
                    )
                except ReaderError as error:
                    self._opened[number] = error
            return self._opened[number]


def _is_bits(fill_value: object) -> bool:
    """Whether a fill value is written as its bits, as Zarr v3 does: in v2 others misread that."""
    return isinstance(fill_value, str) and fill_value.startswith("0x")


class _OwnReader:
    """Regions of the source, each inside a chunk, by this project's own decoder."""

    name = "ngff-uplift"

    def __init__(self, array: Chosen, source: Store) -> None:
        self.shape = array.source.shape
        self._source = array.source
        self._chunks = ChunkSource(source, array.path, array.source)

    def _chunk(self, region: Region) -> Index:
        return tuple(a // c for (a, _), c in zip(region, self._source.chunks, strict=True))

    def is_stored(self, selection: tuple[slice, ...]) -> bool:
        """Whether the chunk that holds the selection is stored."""
        (data,) = self._chunks.read([self._chunk(_region(selection))])
        return data is not None

    def read(self, selection: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements of one chunk."""
        region = _region(selection)
        chunk = self._chunk(region)
        (data,) = self._chunks.read([chunk])
        if data is None:
            shape = grid.region_shape(region)
            return np.full(shape, fill_of(self._source), dtype=numpy_dtype(self._source))
        try:
            values = decoder_of(self._source).decode(data, chunk)
        except DecodeError as error:
            raise ReaderError.of(self.name, error) from error
        covers = grid.element_region(chunk, self._source.chunks, self._source.shape)
        found: NDArray[Any] = values[grid.relative(region, covers)]
        return found


def _region(selection: tuple[slice, ...]) -> Region:
    return tuple((part.start, part.stop) for part in selection)

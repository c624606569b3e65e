"""Check from end to end: regions of each array, read from both sides by other people's readers.

Nothing of this project's own reading, packing or digesting takes part in it. The regions depend on
the array alone, not on chance: the same ones are read on every run.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.readers import Reader, ReaderError, ZarrReader, open_reader
from uplift.arrays.reused import decoder_of
from uplift.arrays.source_chunks import ChunkSource
from uplift.codecs.chunks import DecodeError
from uplift.grid import Box, Index, Shape
from uplift.models.arrays import SourceArray, TargetArray
from uplift.models.findings import Finding, Findings
from uplift.running.parallel import in_order
from uplift.storage.protocol import Store
from uplift.validate.pixels.compare import first_difference, same_bits
from uplift.validate.pixels.small import (
    LEAST_REGIONS,
    MOST_REGION_BYTES,
    is_for_zarr_python,
)
from uplift.validate.pixels.whole import array_sha256
from uplift.zarr_metadata.data_types import (
    data_type_v3,
    fill_scalar,
    fill_value_v3,
    numpy_dtype,
)

MOST_NAMED = 1000
"""Chunks that were recoded alone or retried, and sides of borders, that are looked at."""
_REGIONS_AT_ONCE = 64
"""Regions of remote stores under way at once: as many as a job may have requests by default."""
_BYTES_AT_ONCE = 128 * 2**20
"""Decoded bytes of both sides that these may hold together."""
_ONE_READER_BYTES = 16 * 2**20
"""Smaller arrays are read by tensorstore on both sides (by two of its drivers), but for one in
sixteen: zarr-python takes milliseconds to open one."""


@dataclass(frozen=True)
class Chosen:
    """An array and the chunks of its source that are looked at besides those of every array.

    Attributes
    ----------
    largest
        The chunk with the most bytes as stored.
    absent
        The first chunk that is not stored.
    named
        Chunks that were recoded alone.
    filled
        Chunks that cannot be decoded: the output has the fill value there.
    misdeclared
        Chunk keys have another separator than the document says: other readers find no chunks.
    borders
        First objects of batches, as C-order linear indices, but for 0.
    compared
        Regions, all of the array, that were compared by the job that converted it.
    """

    path: str
    source: SourceArray
    target: TargetArray
    largest: Index | None = None
    absent: Index | None = None
    named: tuple[Index, ...] = ()
    filled: frozenset[Index] = frozenset()
    misdeclared: bool = False
    borders: tuple[int, ...] = field(default=())
    compared: int = 0

    @property
    def nbytes(self) -> int:
        """Decoded bytes of the array."""
        return math.prod(self.source.shape) * numpy_dtype(self.source).itemsize


def regions_of(array: Chosen) -> list[Box]:
    """Boxes of elements to compare, each inside a source chunk; all of a small array."""
    chunks = grid.grid_shape(array.source.shape, array.source.chunks)
    if not math.prod(chunks):
        return []
    if math.prod(chunks) <= LEAST_REGIONS:
        chosen: Iterable[Index] = grid.all_indices(chunks)
    else:
        named = [*array.named[:MOST_NAMED], *itertools.islice(_at_borders(array), MOST_NAMED)]
        named += [index for index in (array.largest, array.absent) if index is not None]
        found = dict.fromkeys((*_ends(chunks), *named))
        for index in _of_identity(array.path, chunks):
            if len(found) >= LEAST_REGIONS:
                break
            found[index] = None
        chosen = found
    itemsize = numpy_dtype(array.source).itemsize
    return [
        _beginning(grid.element_box(index, array.source.chunks, array.source.shape), itemsize)
        for index in chosen
        if index not in array.filled
    ]


@dataclass(frozen=True)
class Regions:
    """What was found of one array: regions compared, findings, and the whole array's digest."""

    path: str
    count: int
    findings: tuple[Finding, ...]
    sha256: str | None = None


def check_arrays(
    arrays: Sequence[Chosen],
    source: Store,
    output: Store,
    root: bytes | None,
    digest_limit_bytes: int,
) -> list[Regions]:
    """Compare the regions of arrays bit for bit.

    Of remote stores many regions of all arrays are under way at once: each is a chain of requests
    (index, chunk, the source's chunk) that wait for one another.

    Parameters
    ----------
    arrays
        The arrays.
    source, output
        Both sides.
    root
        The root's document, which is not at its place before publishing.
    digest_limit_bytes
        Decoded bytes up to which an array gets a digest of its own.

    Returns
    -------
    list[Regions]
        What was found of each array, in their order.
    """
    checks = [_ArrayCheck(array, source, output, root) for array in arrays]
    with contextlib.ExitStack() as stack:
        pool, at_once = None, 1
        if not (source.is_local and output.is_local):
            largest = max((check.region_bytes for check in checks), default=1)
            at_once = max(1, min(_REGIONS_AT_ONCE, _BYTES_AT_ONCE // (2 * largest)))
            pool = stack.enter_context(ThreadPoolExecutor(at_once, thread_name_prefix="regions"))
        opens = [opens for check in checks for opens in (check.open_output, check.open_source)]
        for _ in in_order(pool, lambda opens: opens(), opens, 2 * at_once):
            pass
        parts = [(check, boxes) for check in checks for boxes in check.parts()]
        found = in_order(pool, lambda part: part[0].compare(part[1]), parts, 2 * at_once)
        for (check, _), outcome in zip(parts, found, strict=True):
            check.note(outcome)
    return [check.result(digest_limit_bytes) for check in checks]


class _ArrayCheck:
    """Check of one array; its methods may run in several threads."""

    def __init__(self, array: Chosen, source: Store, output: Store, root: bytes | None) -> None:
        self._array, self._output, self._root = array, output, root
        # none where the job that converted the array has compared all of it
        self._regions = [] if array.compared else regions_of(array)
        self._before = _SourceReaders(array, source)
        self._after: Reader | None = None
        self._refused: ReaderError | None = None
        dtype = numpy_dtype(array.source)
        self._has_objects = dtype.hasobject
        self._is_read_whole = self._is_small()
        sizes = [math.prod(grid.box_shape(box)) * dtype.itemsize for box in self._regions]
        self.region_bytes = max(1, array.nbytes if self._is_read_whole else max(sizes, default=0))
        """Decoded bytes of the largest part that is read at once."""
        self._findings = Findings()

    def open_output(self) -> None:
        """Open the output with one of its readers."""
        try:
            if self._regions:
                self._after = _output_reader(self._array, self._output, self._root)
        except ReaderError as error:
            self._refused = error

    def open_source(self) -> None:
        """Open the source with the first of its readers."""
        if self._regions and not self._array.misdeclared:
            self._before.open_first()

    def parts(self) -> list[list[Box]]:
        """Regions that are compared by one call: all of a small array, else one."""
        if self._after is None:
            return []
        return [self._regions] if self._is_read_whole else [[box] for box in self._regions]

    def compare(self, boxes: list[Box]) -> list[Finding] | ReaderError:
        """Compare regions, with one read of both sides where these are the whole array."""
        assert self._after is not None  # noqa: S101
        findings: list[Finding] = []
        try:
            if self._is_read_whole and self._is_same_at_once(self._after):
                return findings
            for box in boxes:
                findings += _compared(self._array, box, self._before, self._after)
        except ReaderError as error:
            return error
        return findings

    def note(self, outcome: list[Finding] | ReaderError) -> None:
        """Keep what a comparison found; called in the order of the regions."""
        if isinstance(outcome, ReaderError):
            self._refused = self._refused or outcome
        else:
            self._findings.extend(outcome)

    def result(self, digest_limit_bytes: int) -> Regions:
        """Sum up, and make the digest of the whole array when it is small enough."""
        array, findings, sha256 = self._array, self._findings, None
        refusals = [self._before.refusals[b] for b in self._regions if b in self._before.refusals]
        try:
            if self._refused is not None:
                raise self._refused
            if refusals:
                text = f"the source: {refusals[0]}; {len(refusals)} regions of it are "
                text += "decoded by this project"
                findings.info("reader.refuses_source", array.path, text)
            if array.nbytes <= digest_limit_bytes and not self._has_objects:
                steps = tuple(map(max, array.target.chunks, array.source.chunks))
                reader = open_reader(self._output, array.path, self._root)
                sha256 = array_sha256(reader, steps)
        except ReaderError as error:
            findings.error("reader.refuses", array.path, str(error))
        return Regions(array.path, array.compared or len(self._regions), findings.listed(), sha256)

    def _is_small(self) -> bool:
        """Whether both sides are read whole, with one call each: the regions are all of it."""
        array = self._array
        covered = sum(math.prod(grid.box_shape(box)) for box in self._regions)
        return (
            bool(self._regions)
            and not array.misdeclared
            and array.nbytes <= MOST_REGION_BYTES
            and covered == math.prod(array.source.shape)
        )

    def _is_same_at_once(self, after: Reader) -> bool:
        """Whether the whole array is the same; what differs is looked at region by region."""
        whole = tuple(slice(0, n) for n in self._array.source.shape)
        try:
            return same_bits(self._before.first(whole), after.read(whole))
        except ReaderError:
            return False


def _compared(
    array: Chosen, box: Box, before: _SourceReaders, after: Reader
) -> tuple[Finding, ...]:
    """Compare one region with what the first reader of the source has that agrees.

    Readers differ over what Zarr v2 leaves open (text of fixed length, NaNs of fill values), so
    one that reads the same bits is enough; that one reads other values while no other agrees is
    an error.
    """
    region = tuple(slice(a, b) for a, b in box)
    found, differing = after.read(region), list[tuple[str, NDArray[Any]]]()
    for name, expected in before.read(region):
        if same_bits(expected, found) or _same_but_nans(expected, found):
            return ()
        differing.append((name, expected))
    name, expected = differing[0]
    text = f"{name} reads other values of the source at elements {box} than {after.name} "
    text += "of the output"
    if expected.shape == found.shape and expected.dtype.itemsize == found.dtype.itemsize:
        at = first_difference(expected, found)
        text += f", first at {tuple(int(i) + low for i, (low, _) in zip(at, box, strict=True))}"
    finding = Finding(code="reader.differs", severity="error", path=array.path, message=text)
    return (finding,)


def _same_but_nans(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of numbers differ in the payloads of NaNs alone.

    Readers make NaNs of a fill value their own; that payloads are kept is shown by the digests.
    """
    if one.dtype.kind not in "fc" or one.dtype.newbyteorder("=") != other.dtype.newbyteorder("="):
        return False
    return bool(np.array_equal(one, other, equal_nan=True))


class _SourceReaders:
    """Readers of one array of the source by its own document, each opened when it is needed.

    Attributes
    ----------
    refusals
        Regions that no other people's reader reads: what the last one said. Some writers' arrays
        and chunks are read by nobody else.
    """

    def __init__(self, array: Chosen, source: Store) -> None:
        self._array = array
        self._source = source
        self._opened: dict[int, Reader | ReaderError] = {}
        self._own: _OwnReader | None = None
        # regions are compared in several threads: the first one opens, the others wait for that
        self._lock = threading.Lock()
        self.refusals: dict[Box, ReaderError] = {}

    def open_first(self) -> None:
        """Open the first reader; that it cannot is seen when it is asked for a region."""
        self._reader(0)

    def first(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read a region with the first reader.

        Raises
        ------
        ReaderError
            It cannot.
        """
        reader = self._reader(0)
        if isinstance(reader, ReaderError):
            raise reader
        return reader.read(region)

    def read(self, region: tuple[slice, ...]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the region as each reader has it; by this project when all others refuse."""
        refused, read = None, False
        for number in range(0 if self._array.misdeclared else 2):
            reader = self._reader(number)
            try:
                if isinstance(reader, ReaderError):
                    raise reader
                values = reader.read(region)
            except ReaderError as error:
                refused = error
                continue
            read = True
            yield reader.name, values
        if not read and refused is not None:
            self.refusals[_box(region)] = refused
        fill_value = self._array.source.fill_value
        if not read or fill_value is None or _is_bits(fill_value):
            with self._lock:
                self._own = own = self._own or _OwnReader(self._array, self._source)
            # With null the format leaves open what is not stored: here zero, elsewhere other things
            if not read or fill_value is not None or not own.is_stored(region):
                yield own.name, own.read(region)

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

    def _chunk(self, box: Box) -> Index:
        return tuple(a // c for (a, _), c in zip(box, self._source.chunks, strict=True))

    def is_stored(self, region: tuple[slice, ...]) -> bool:
        """Whether the chunk that holds the region is stored."""
        (data,) = self._chunks.read([self._chunk(_box(region))])
        return data is not None

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements of one chunk."""
        box = _box(region)
        chunk = self._chunk(box)
        (data,) = self._chunks.read([chunk])
        if data is None:
            fill = fill_scalar(data_type_v3(self._source), fill_value_v3(self._source))
            return np.full(grid.box_shape(box), fill, dtype=numpy_dtype(self._source))
        try:
            values = decoder_of(self._source).decode(data, chunk)
        except DecodeError as error:
            raise ReaderError(self.name, error) from error
        covers = grid.element_box(chunk, self._source.chunks, self._source.shape)
        found: NDArray[Any] = values[grid.relative(box, covers)]
        return found


def _box(region: tuple[slice, ...]) -> Box:
    return tuple((part.start, part.stop) for part in region)


def _output_reader(array: Chosen, output: Store, root: bytes | None) -> Reader:
    if array.nbytes > _ONE_READER_BYTES or is_for_zarr_python(array.path):
        return ZarrReader(output, array.path, root if not array.path else None)
    return open_reader(output, array.path, root)


def _ends(chunks: Shape) -> Iterator[Index]:
    """First and last chunk, and both ends of each axis in the middle of the others."""
    yield tuple(0 for _ in chunks)
    yield tuple(n - 1 for n in chunks)
    middle = tuple(n // 2 for n in chunks)
    for axis, n in enumerate(chunks):
        for end in (0, n - 1):
            yield (*middle[:axis], end, *middle[axis + 1 :])


def _at_borders(array: Chosen) -> Iterator[Index]:
    """Source chunks at the beginning of each batch and at the end of the one before."""
    target, source = array.target, array.source
    objects = grid.grid_shape(target.shape, target.object_shape)
    for first in array.borders:
        for position, last in ((first - 1, True), (first, False)):
            box = grid.element_box(
                grid.index_of(position, objects), target.object_shape, target.shape
            )
            corner = (b - 1 if last else a for a, b in box)
            yield tuple(i // c for i, c in zip(corner, source.chunks, strict=True))


def _of_identity(path: str, chunks: Shape) -> Iterator[Index]:
    """Chunks that nothing but the array's path chooses."""
    for number in itertools.count():
        digest = hashlib.sha256(f"{path}\0{number}".encode()).digest()
        yield grid.index_of(int.from_bytes(digest, "little") % math.prod(chunks), chunks)


def _beginning(box: Box, itemsize: int) -> Box:
    """Cut a box along its first axes until it is small enough to read."""
    sizes = list(grid.box_shape(box))
    for axis in range(len(sizes)):
        below = math.prod(sizes[axis + 1 :]) * max(1, itemsize)
        sizes[axis] = max(1, min(sizes[axis], MOST_REGION_BYTES // max(1, below)))
    return tuple((a, a + n) for (a, _), n in zip(box, sizes, strict=True))

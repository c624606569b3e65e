"""Check from end to end: regions of each array, read from both sides by other people's readers.

Nothing of this project's own reading, packing or digesting takes part in it. The regions depend on
the array alone, not on chance: the same ones are read on every run.
"""

import contextlib
import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.readers import open_reader
from uplift.arrays.readers.protocol import Reader, ReaderError
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.grid import Region
from uplift.models.findings import Finding, Findings
from uplift.models.words import counted
from uplift.running.parallel import in_order
from uplift.storage.protocol import Store, has_round_trips
from uplift.validate.pixels.chosen import Chosen, regions_of
from uplift.validate.pixels.compare import first_difference, same_bits
from uplift.validate.pixels.small import (
    MOST_REGION_BYTES,
    is_for_zarr_python,
)
from uplift.validate.pixels.source_readers import SourceReaders
from uplift.validate.pixels.whole import array_sha256
from uplift.zarr_metadata.data_types import (
    numpy_dtype,
)

_REGIONS_AT_ONCE = 64
"""Regions in progress at the same time where reads are round trips: as many as a job may have
requests by default."""
_BYTES_AT_ONCE = 128 * 2**20
"""Decoded bytes of both sides that these may hold together."""
_ONE_READER_BYTES = 16 * 2**20
"""Smaller arrays are read by tensorstore on both sides (by two of its drivers), but for one in
sixteen: zarr-python takes milliseconds to open one."""


Before = Future[NDArray[Any]]
"""Values of a region as the first reader of the source has them."""


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

    Where reads are round trips many regions of all arrays are read in parallel: each is a chain
    of requests (index, chunk, the source's chunk) that wait for one another.

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
        if has_round_trips(source, output):
            largest = max((check.region_bytes for check in checks), default=1)
            at_once = max(1, min(_REGIONS_AT_ONCE, _BYTES_AT_ONCE // (2 * largest)))
            pool = stack.enter_context(ThreadPoolExecutor(at_once, thread_name_prefix="regions"))
        opens = [opens for check in checks for opens in (check.open_output, check.open_source)]
        for _ in in_order(pool, lambda opens: opens(), opens, 2 * at_once):
            pass
        parts = [(check, regions) for check in checks for regions in check.parts()]
        # the source is asked for a part just before a thread takes the part: both wait together,
        # and no thread waits for one that is behind it
        asked = ((*part, part[0].ask_source(part[1], pool)) for part in parts)
        found = in_order(pool, lambda part: part[0].compare(*part[1:]), asked, 2 * at_once)
        for (check, _), outcome in zip(parts, found, strict=True):
            check.note(outcome)
        # digests of whole arrays: of small ones many at once, too
        if at_once * max((array.nbytes for array in arrays), default=0) > _BYTES_AT_ONCE:
            pool = None
        results = in_order(pool, lambda one: one.result(digest_limit_bytes), checks, 2 * at_once)
        return list(results)


class _ArrayCheck:
    """Check of one array; its methods may run in several threads."""

    def __init__(self, array: Chosen, source: Store, output: Store, root: bytes | None) -> None:
        self._array, self._output, self._root = array, output, root
        # none where the job that converted the array has compared all of it
        counted, others = ([], []) if array.compared else regions_of(array)
        self._regions, self._count = [*counted, *others], len(counted)
        self._before = SourceReaders(array, source)
        self._after: Reader | None = None
        self._refused: ReaderError | None = None
        dtype = numpy_dtype(array.source)
        self._has_objects = dtype.hasobject
        self._is_read_whole = self._is_small()
        sizes = [math.prod(grid.region_shape(region)) * dtype.itemsize for region in self._regions]
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

    def parts(self) -> list[list[Region]]:
        """Regions that are compared by one call: all of a small array, else one."""
        if self._after is None:
            return []
        return [self._regions] if self._is_read_whole else [[region] for region in self._regions]

    def ask_source(self, regions: list[Region], pool: ThreadPoolExecutor | None) -> Before | None:
        """Have a thread read from the source what :meth:`compare` needs first."""
        if pool is None or self._array.misdeclared or not self._before.waits:
            return None
        region = self._whole_region() if self._is_read_whole else regions[0]
        return pool.submit(self._before.first, grid.slices_of(region))

    def compare(
        self, regions: list[Region], asked: Before | None = None
    ) -> list[Finding] | ReaderError:
        """Compare regions, with one read of both sides where these are the whole array.

        Parameters
        ----------
        regions
            The regions, in elements.
        asked
            What :meth:`ask_source` started for them.

        Returns
        -------
        list[Finding] | ReaderError
            What differs; an error where a reader refuses.
        """
        assert self._after is not None  # noqa: S101
        findings: list[Finding] = []
        try:
            if self._is_read_whole:
                if self._is_same_at_once(self._after, asked):
                    return findings
                asked = None
            for region in regions:
                findings += _compared(self._array, region, self._before, self._after, asked)
                asked = None
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
                regions = counted(len(refusals), "region")
                text = f"the source: {refusals[0]}; {regions} decoded by this project alone"
                findings.info("reader.refuses_source", array.path, text)
            if array.nbytes <= digest_limit_bytes and not self._has_objects:
                steps = tuple(map(max, array.target.chunks, array.source.chunks))
                reader = open_reader(self._output, array.path, self._root)
                sha256 = array_sha256(reader, steps)
        except ReaderError as error:
            findings.error("reader.refuses", array.path, str(error))
        return Regions(array.path, array.compared or self._count, findings.listed(), sha256)

    def _is_small(self) -> bool:
        """Whether both sides are read whole, with one call each: the regions are all of it."""
        array = self._array
        covered = sum(math.prod(grid.region_shape(region)) for region in self._regions)
        return (
            bool(self._regions)
            and not array.misdeclared
            and array.nbytes <= MOST_REGION_BYTES
            and covered == math.prod(array.source.shape)
        )

    def _whole_region(self) -> Region:
        return tuple((0, n) for n in self._array.source.shape)

    def _is_same_at_once(self, after: Reader, asked: Before | None) -> bool:
        """Whether the whole array is the same; what differs is looked at region by region."""
        whole = grid.slices_of(self._whole_region())
        try:
            found = after.read(whole)
            before = self._before.first(whole) if asked is None else asked.result()
            return same_bits(before, found)
        except ReaderError:
            return False


def _compared(
    array: Chosen, region: Region, before: SourceReaders, after: Reader, asked: Before | None
) -> tuple[Finding, ...]:
    """Compare one region with what the first reader of the source has that agrees.

    Readers differ over what Zarr v2 leaves open (text of fixed length, NaNs of fill values), so
    one that reads the same bits is enough; that one reads other values while no other agrees is
    an error.
    """
    selection = grid.slices_of(region)
    found, differing = after.read(selection), list[tuple[str, NDArray[Any]]]()
    for name, expected in before.read(selection, asked):
        if same_bits(expected, found) or _same_but_nans(expected, found):
            return ()
        differing.append((name, expected))
    name, expected = differing[0]
    text = f"{name} reads other values of the source at elements {region} than {after.name} "
    text += "of the output"
    if expected.shape == found.shape and expected.dtype.itemsize == found.dtype.itemsize:
        at = first_difference(expected, found)
        text += f", first at {tuple(int(i) + low for i, (low, _) in zip(at, region, strict=True))}"
    finding = Finding(code="reader.differs", severity="error", path=array.path, message=text)
    return (finding,)


def _same_but_nans(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of numbers differ in the payloads of NaNs alone.

    Readers change the NaNs of a fill value; the digests show that payloads are kept.
    """
    if one.dtype.kind not in "fc" or one.dtype.newbyteorder("=") != other.dtype.newbyteorder("="):
        return False
    return bool(np.array_equal(one, other, equal_nan=True))


def _output_reader(array: Chosen, output: Store, root: bytes | None) -> Reader:
    if array.nbytes > _ONE_READER_BYTES or is_for_zarr_python(array.path):
        return ZarrReader(output, array.path, root if not array.path else None)
    return open_reader(output, array.path, root)

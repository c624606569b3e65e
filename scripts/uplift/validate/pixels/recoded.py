"""Check arrays that were decoded and encoded again: every element is compared.

The output is read region by region, by a reader that did not write it.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.digests import NO_CHUNK, NO_OBJECT, digest_of_values
from uplift.arrays.output_objects import Opened
from uplift.arrays.readers import open_planned
from uplift.arrays.readers.protocol import Reader, ReaderError
from uplift.arrays.source_chunks import inside_part
from uplift.grid import Index, Region, Shape
from uplift.planning.costs import COMPARE_BYTES
from uplift.storage.protocol import Readable
from uplift.validate.pixels.check import PixelCheck, filled_array
from uplift.validate.pixels.compare import first_difference, same_bits
from uplift.zarr_metadata.data_types import fill_of

_COMPARED_BYTES = 8 * 2**20
"""Regions grow to this size: few reads, and little memory for each core."""
_MOST_COMPARED_BYTES = COMPARE_BYTES
"""Regions that whole chunks of both sides would make larger are cut to chunks of the source."""


class RecodeCheck(PixelCheck):
    """Compares the values of an item with those that were read from its source."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._stored: set[Index] | None = None
        source, target = self.item.source, self.item.target
        itemsize = self.decoder.dtype.itemsize
        self._steps = region_steps(source.shape, source.chunks, target.chunks, itemsize)
        self._whole: dict[Index, bytes] = {}

    @cached_property
    def _fill(self) -> Any:
        return fill_of(self.item.source)

    @cached_property
    def _reader(self) -> Reader | None:
        try:
            return open_planned(self.output, self.path, self.item.target)
        except ReaderError as error:
            self.findings.error("reader.refuses", self.path, str(error))
            return None

    def _check_object(self, position: int) -> None:
        stored = self.expected.stored
        self._stored = None if stored is None else set(stored[position])
        with self.objects.open(position) as opened:
            if opened is None:
                return
            if self.is_first:
                self._note_object(opened)
                covered = None if stored is None else self._covered(position, stored[position])
                self.objects.check_index(position, opened, covered)
                self._check_bytes(position, opened)
        region = grid.element_region(
            grid.index_of(position, self.objects.grid),
            self.item.target.object_shape,
            self.item.target.shape,
        )
        if self._reader is not None:
            for part in grid.regions_in(self._own_region(region), self._steps):
                self._compare(position, region, part)

    def _check_bytes(self, position: int, opened: Opened) -> None:
        """Look for what changes no value: some bytes of a compressed frame say nothing of them.

        Only of files: an object of a bucket is never written to in part.
        """
        want = self.expected.digests.get((position, NO_CHUNK))
        if want is None or not self.output.is_local or self.objects.digest(opened) == want:
            return
        text = f"{self.objects.key(position)}: holds other bytes than were written"
        self.findings.error("object.bytes_differ", self.path, text)

    def _own_region(self, region: Region) -> Region:
        """Elements of an object that are compared here."""
        if self.part is None:
            return region
        chunks = self.item.target.chunks
        own = tuple((a * c, b * c) for (a, b), c in zip(self.part.region, chunks, strict=True))
        return grid.common(own, region)

    def _covered(self, position: int, chunks: Sequence[Index]) -> set[Index]:
        """Target chunks of an object that must exist: some source chunk under them does."""
        covered = set[Index]()
        inside = grid.chunk_region(
            grid.index_of(position, self.objects.grid),
            self.objects.per_object,
            self.objects.chunk_grid,
        )
        for chunk in chunks:
            under = tuple(
                (max(low, a // t), min(high, grid.ceil_div(b, t)))
                for (a, b), t, (low, high) in zip(
                    self._region_of(chunk), self.item.target.chunks, inside, strict=True
                )
            )
            covered.update(grid.indices_in(under))
        return covered

    def _compare(self, position: int, region: Region, part: Region) -> None:
        """Compare a part of an object's elements, a union of pieces of source chunks."""
        chunks = list(grid.indices_in(grid.chunks_over(part, self.item.source.chunks)))
        exist = [i for i in chunks if self._stored is None or i in self._stored]
        if not exist:
            return
        read, unreadable = self._read(position, part)
        if unreadable:
            readable = {
                chunk
                for chunk in chunks
                if not any(grid.overlap(self._region_of(chunk), bad) for bad in unreadable)
            }
            chunks = [chunk for chunk in chunks if chunk in readable]
            exist = [chunk for chunk in exist if chunk in readable]
        self._check_filled(exist)
        exact = [chunk for chunk in exist if not self._is_filled(chunk)]
        wanted = self._wanted(
            position, exact, lambda i, data: self._digest_of_source(i, data, region)
        )
        for chunk, want in zip(exact, wanted, strict=True):
            if want is not None:
                piece = grid.common(region, self._region_of(chunk))
                self._compare_piece(chunk, piece, want, read[grid.relative(piece, part)])
        for chunk in set(chunks).difference(exact):
            piece = grid.common(region, self._region_of(chunk))
            expected = filled_array(piece, self.decoder.dtype, self._fill)
            got = read[grid.relative(piece, part)]
            if not same_bits(got, expected):
                self._differs(chunk, piece, got, expected)

    def _compare_piece(self, chunk: Index, piece: Region, want: bytes, got: NDArray[Any]) -> None:
        digest = digest_of_values(got)
        if digest != want:
            self._find_difference(chunk, piece, got)
            return
        covers = self._region_of(chunk)
        self.counts.compared_bytes += got.nbytes
        if piece == covers:
            self._count_compared(chunk, digest, 0)
        elif all(a == b for (a, _), (b, _) in zip(piece, covers, strict=True)):
            noted = self.expected.digests.get((NO_OBJECT, self._number(chunk)))
            whole = self._whole.pop(chunk, noted)
            if whole is not None:
                self._count_compared(chunk, whole, 0)

    def _digest_of_source(self, chunk: Index, data: Readable, region: Region) -> bytes | None:
        """Digest of an object's part of a source chunk, as convert makes it."""
        values = self._source_values(chunk, data)
        if values is None:
            return None
        covers = self._region_of(chunk)
        piece = grid.common(region, covers)
        if piece != covers:
            inside = inside_part(values, chunk, self.item.source)
            self._whole[chunk] = digest_of_values(inside)
        return digest_of_values(values[grid.relative(piece, covers)])

    def _find_difference(self, chunk: Index, piece: Region, got: NDArray[Any]) -> None:
        """Read a source chunk, in either mode, to say which element is wrong."""
        for block in self.chunks.blocks([chunk]):
            for _, data in block:
                values = None if data is None else self._source_values(chunk, data)
                if values is not None:
                    expected = values[grid.relative(piece, self._region_of(chunk))]
                    self._differs(chunk, piece, got, expected)
                    return
        text = f"elements {piece} differ from those that were read from the source's "
        self.findings.error("pixels.differ", self.path, text + self.chunks.key_of(chunk))

    def _differs(
        self, chunk: Index, piece: Region, got: NDArray[Any], expected: NDArray[Any]
    ) -> None:
        if same_bits(got, expected):
            text = f"{self.chunks.key_of(chunk)}: convert read other values than it has now"
            self.findings.error("source.changed", self.path, text)
            return
        where = first_difference(got, expected)
        at = tuple(int(i) + low for i, (low, _) in zip(where, piece, strict=True))
        text = f"element {at} differs from the source's {self.chunks.key_of(chunk)}"
        self.findings.error("pixels.differ", self.path, text)

    def _region_of(self, chunk: Index) -> Region:
        return grid.element_region(chunk, self.item.source.chunks, self.item.source.shape)

    def _read(self, position: int, part: Region) -> tuple[NDArray[Any], list[Region]]:
        """Values of a part of an object, and the regions in it that the reader refuses."""
        assert self._reader is not None  # noqa: S101
        try:
            return self._reader.read(grid.slices_of(part)), []
        except ReaderError:
            return self._read_apart(self._reader, position, part)

    def _read_apart(
        self, reader: Reader, position: int, part: Region
    ) -> tuple[NDArray[Any], list[Region]]:
        """Read chunk by chunk: what is said of one depends on no other, nor on the regions."""
        target, shape = self.item.target, grid.region_shape(part)
        values, unreadable = np.empty(0), list[Region]()
        for chunk in grid.indices_in(grid.chunks_over(part, target.chunks)):
            region = grid.common(part, grid.element_region(chunk, target.chunks, target.shape))
            try:
                found = reader.read(grid.slices_of(region))
            except ReaderError as error:
                unreadable.append(region)
                text = f"{self.objects.key(position)}: chunk {chunk}: {error}"
                self.findings.error("reader.refuses", self.path, text)
                continue
            if values.shape != shape:
                values = np.empty(shape, found.dtype)
            values[grid.relative(region, part)] = found
        return values, unreadable


def region_steps(shape: Shape, source: Shape, target: Shape, itemsize: int) -> Shape:
    """Elements along each axis of the regions to compare.

    Multiples of the source's chunks, and of the target's where that is affordable, so that few
    chunks are decoded twice.

    Parameters
    ----------
    shape
        Elements of the array along each axis, length ndim.
    source, target
        Chunk shapes of both sides.
    itemsize
        Bytes of an element.

    Returns
    -------
    Shape
        Length ndim.
    """
    steps = []
    for n, s, t in zip(shape, source, target, strict=True):
        together = math.lcm(s, t)
        if together > 4 * max(s, t):
            together = grid.ceil_div(t, s) * s
        steps.append(min(together, max(1, grid.ceil_div(n, s)) * s))
    while math.prod(steps) * itemsize > _MOST_COMPARED_BYTES and any(_above(steps, source)):
        axis = int(np.argmax(_above(steps, source)))
        steps[axis] = source[axis]
    for axis in reversed(range(len(steps))):
        extent = max(1, grid.ceil_div(shape[axis], steps[axis]))
        fitting = _COMPARED_BYTES // max(1, math.prod(steps) * itemsize)
        steps[axis] *= max(1, min(extent, fitting))
    return tuple(steps)


def _above(steps: list[int], least: Shape) -> list[bool]:
    return [step > low for step, low in zip(steps, least, strict=True)]

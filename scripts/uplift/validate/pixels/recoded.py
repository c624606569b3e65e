"""Check arrays that were decoded and encoded again: every element is compared.

The output is read box by box, by a reader that did not write it.
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
from uplift.grid import Box, Index, Shape
from uplift.planning.costs import COMPARE_BYTES
from uplift.storage.protocol import Readable
from uplift.validate.pixels.check import PixelCheck, filled_array
from uplift.validate.pixels.compare import first_difference, same_bits
from uplift.zarr_metadata.data_types import fill_of

_BOX_BYTES = 8 * 2**20
"""Boxes grow to this size: few reads, and little memory for each core."""
_MOST_BOX_BYTES = COMPARE_BYTES
"""Boxes that whole chunks of both sides would make larger are cut to chunks of the source."""


class RecodeCheck(PixelCheck):
    """Compares the values of an item with those that were read from its source."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._stored: set[Index] | None = None
        source, target = self.item.source, self.item.target
        itemsize = self.decoder.dtype.itemsize
        self._steps = box_steps(source.shape, source.chunks, target.chunks, itemsize)
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
        box = grid.element_box(
            grid.index_of(position, self.objects.grid),
            self.item.target.object_shape,
            self.item.target.shape,
        )
        if self._reader is not None:
            for part in grid.boxes_in(self._own_box(box), self._steps):
                self._compare(position, box, part)

    def _check_bytes(self, position: int, opened: Opened) -> None:
        """Look for what changes no value: some bytes of a compressed frame say nothing of them.

        Only of files: an object of a bucket is never written to in part.
        """
        want = self.expected.digests.get((position, NO_CHUNK))
        if want is None or not self.output.is_local or self.objects.digest(opened) == want:
            return
        text = f"{self.objects.key(position)}: holds other bytes than were written"
        self.findings.error("object.bytes_differ", self.path, text)

    def _own_box(self, box: Box) -> Box:
        """Elements of an object's box that are compared here."""
        if self.part is None:
            return box
        chunks = self.item.target.chunks
        region = tuple((a * c, b * c) for (a, b), c in zip(self.part.region, chunks, strict=True))
        return grid.common(region, box)

    def _covered(self, position: int, chunks: Sequence[Index]) -> set[Index]:
        """Target chunks of an object that must exist: some source chunk under them does."""
        covered = set[Index]()
        inside = grid.chunk_region(
            grid.index_of(position, self.objects.grid),
            self.objects.per_object,
            self.objects.chunk_grid,
        )
        for chunk in chunks:
            region = tuple(
                (max(low, a // t), min(high, grid.ceil_div(b, t)))
                for (a, b), t, (low, high) in zip(
                    self._box_of(chunk), self.item.target.chunks, inside, strict=True
                )
            )
            covered.update(grid.indices_in(region))
        return covered

    def _compare(self, position: int, box: Box, part: Box) -> None:
        """Compare the elements of a part of an object's box, a union of pieces of source chunks."""
        chunks = list(grid.indices_in(grid.chunks_over(part, self.item.source.chunks)))
        exist = [i for i in chunks if self._stored is None or i in self._stored]
        if not exist:
            return
        read, unreadable = self._read(position, part)
        if unreadable:
            readable = {
                chunk
                for chunk in chunks
                if not any(grid.overlap(self._box_of(chunk), bad) for bad in unreadable)
            }
            chunks = [chunk for chunk in chunks if chunk in readable]
            exist = [chunk for chunk in exist if chunk in readable]
        self._check_filled(exist)
        exact = [chunk for chunk in exist if not self._is_filled(chunk)]
        wanted = self._wanted(position, exact, lambda i, data: self._digest_of_source(i, data, box))
        for chunk, want in zip(exact, wanted, strict=True):
            if want is not None:
                piece = grid.common(box, self._box_of(chunk))
                self._compare_piece(chunk, piece, want, read[grid.relative(piece, part)])
        for chunk in set(chunks).difference(exact):
            piece = grid.common(box, self._box_of(chunk))
            expected = filled_array(piece, self.decoder.dtype, self._fill)
            got = read[grid.relative(piece, part)]
            if not same_bits(got, expected):
                self._differs(chunk, piece, got, expected)

    def _compare_piece(self, chunk: Index, piece: Box, want: bytes, got: NDArray[Any]) -> None:
        digest = digest_of_values(got)
        if digest != want:
            self._find_difference(chunk, piece, got)
            return
        covers = self._box_of(chunk)
        self.counts.compared_bytes += got.nbytes
        if piece == covers:
            self._count(chunk, digest, 0)
        elif all(a == b for (a, _), (b, _) in zip(piece, covers, strict=True)):
            noted = self.expected.digests.get((NO_OBJECT, self._number(chunk)))
            whole = self._whole.pop(chunk, noted)
            if whole is not None:
                self._count(chunk, whole, 0)

    def _digest_of_source(self, chunk: Index, data: Readable, box: Box) -> bytes | None:
        """Digest of an object's part of a source chunk, as convert makes it."""
        values = self._source_values(chunk, data)
        if values is None:
            return None
        covers = self._box_of(chunk)
        piece = grid.common(box, covers)
        if piece != covers:
            inside = inside_part(values, chunk, self.item.source)
            self._whole[chunk] = digest_of_values(inside)
        return digest_of_values(values[grid.relative(piece, covers)])

    def _find_difference(self, chunk: Index, piece: Box, got: NDArray[Any]) -> None:
        """Read a source chunk, in either mode, to say which element is wrong."""
        for block in self.chunks.blocks([chunk]):
            for _, data in block:
                values = None if data is None else self._source_values(chunk, data)
                if values is not None:
                    expected = values[grid.relative(piece, self._box_of(chunk))]
                    self._differs(chunk, piece, got, expected)
                    return
        text = f"elements {piece} differ from those that were read from the source's "
        self.findings.error("pixels.differ", self.path, text + self.chunks.key_of(chunk))

    def _differs(self, chunk: Index, piece: Box, got: NDArray[Any], expected: NDArray[Any]) -> None:
        if same_bits(got, expected):
            text = f"{self.chunks.key_of(chunk)}: convert read other values than it has now"
            self.findings.error("source.changed", self.path, text)
            return
        where = first_difference(got, expected)
        at = tuple(int(i) + low for i, (low, _) in zip(where, piece, strict=True))
        text = f"element {at} differs from the source's {self.chunks.key_of(chunk)}"
        self.findings.error("pixels.differ", self.path, text)

    def _box_of(self, chunk: Index) -> Box:
        return grid.element_box(chunk, self.item.source.chunks, self.item.source.shape)

    def _read(self, position: int, part: Box) -> tuple[NDArray[Any], list[Box]]:
        """Values of a part of an object, and the boxes in it that the reader refuses."""
        assert self._reader is not None  # noqa: S101
        try:
            return self._reader.read(_slices(part)), []
        except ReaderError:
            return self._read_apart(self._reader, position, part)

    def _read_apart(
        self, reader: Reader, position: int, part: Box
    ) -> tuple[NDArray[Any], list[Box]]:
        """Read chunk by chunk: what is said of one depends on no other, nor on the boxes."""
        target, shape = self.item.target, grid.box_shape(part)
        values, unreadable = np.empty(0), list[Box]()
        for chunk in grid.indices_in(grid.chunks_over(part, target.chunks)):
            box = grid.common(part, grid.element_box(chunk, target.chunks, target.shape))
            try:
                found = reader.read(_slices(box))
            except ReaderError as error:
                unreadable.append(box)
                text = f"{self.objects.key(position)}: chunk {chunk}: {error}"
                self.findings.error("reader.refuses", self.path, text)
                continue
            if values.shape != shape:
                values = np.empty(shape, found.dtype)
            values[grid.relative(box, part)] = found
        return values, unreadable


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in box)


def box_steps(shape: Shape, source: Shape, target: Shape, itemsize: int) -> Shape:
    """Elements along each axis of the boxes to compare.

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
    while math.prod(steps) * itemsize > _MOST_BOX_BYTES and any(_above(steps, source)):
        axis = int(np.argmax(_above(steps, source)))
        steps[axis] = source[axis]
    for axis in reversed(range(len(steps))):
        extent = max(1, grid.ceil_div(shape[axis], steps[axis]))
        room = _BOX_BYTES // max(1, math.prod(steps) * itemsize)
        steps[axis] *= max(1, min(extent, room))
    return tuple(steps)


def _above(steps: list[int], least: Shape) -> list[bool]:
    return [step > low for step, low in zip(steps, least, strict=True)]

"""Check arrays that were decoded and encoded again: every element is compared.

The output is read by another reader than wrote it, box by box.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.readers import Reader, ReaderError, open_reader
from uplift.grid import Index, Shape
from uplift.parallel import in_order
from uplift.validate.pixels.compare import first_difference, same_bits
from uplift.validate.pixels.slabs import ArrayHash, Box, boxes_in, common, relative
from uplift.validate.pixels.subject import Subject, Tally, filled_array

_BOX_BYTES = 8 * 2**20
_MOST_BOX_BYTES = 64 * 2**20
Slab = tuple[Box, NDArray[Any]]


class RecodeCheck:
    """Compares the values of an item with its source."""

    def __init__(self, subject: Subject, threads: int) -> None:
        self._subject = subject
        self._threads = threads
        self._reader: Reader | None = None
        self._present = (
            None
            if subject.stored is None
            else {chunk for stored in subject.stored.values() for chunk in stored}
        )
        source, target = subject.item.source, subject.item.target
        self.steps = box_steps(
            source.shape, source.chunks, target.chunks, subject.decoder.dtype.itemsize
        )

    def run(self, pool: Executor | None, slabs: list[Box] | None) -> tuple[Tally, str | None]:
        """Check everything; with `slabs` also make the digest of the whole array."""
        subject, total = self._subject, Tally()
        subject.check_presence()
        self._check_objects(pool)
        try:
            self._reader = open_reader(
                subject.output, subject.path, self._threads, subject.root_document
            )
        except ReaderError as error:
            subject.findings.error("reader.refuses", subject.path, str(error))
            return total, None
        if slabs is not None:
            return total, self._run_slabs(pool, slabs, total)
        boxes = (
            (box, None)
            for position in subject.positions()
            for box in boxes_in(self._object_box(position), self.steps)
        )
        for tally in in_order(pool, self._compare, boxes, 2 * self._threads):
            total += tally
        return total, None

    def _run_slabs(self, pool: Executor | None, slabs: list[Box], total: Tally) -> str:
        digest = ArrayHash(self._subject.decoder.dtype, threaded=pool is not None)
        fill = None if self._present is None and not self._subject.bad else self._subject.fill
        try:
            for outer in slabs:
                slab = (outer, digest.buffer(outer, fill))
                boxes = ((box, slab) for box in boxes_in(outer, self.steps))
                for tally in in_order(pool, self._compare, boxes, 2 * self._threads):
                    total += tally
                digest.feed(slab[1])
            return digest.hexdigest()
        finally:
            digest.close()

    def _check_objects(self, pool: Executor | None) -> None:
        subject = self._subject
        if subject.item.target.shards is not None:
            for _ in in_order(pool, self._check_index, subject.positions(), 2 * self._threads):
                pass
            return
        for position in sorted(set(subject.positions()) - subject.objects.existing()):
            text = f"{subject.objects.key(position)}: absent, but the source has chunks for it"
            subject.findings.error("chunk.missing", subject.path, text)

    def _check_index(self, position: int) -> None:
        """A target chunk is stored when any source chunk under it is."""
        subject = self._subject
        if subject.stored is None:
            subject.objects.check_index(position, None)
            return
        item, covered = subject.item, set[Index]()
        inside = grid.chunk_region(
            grid.index_of(position, subject.objects.grid),
            subject.objects.per_object,
            subject.objects.chunk_grid,
        )
        for chunk in subject.stored[position]:
            region = tuple(
                (max(low, a // t), min(high, grid.ceil_div(b, t)))
                for (a, b), t, (low, high) in zip(
                    subject.box_of(chunk), item.target.chunks, inside, strict=True
                )
            )
            covered.update(grid.indices_in(region))
        subject.objects.check_index(position, covered)

    def _object_box(self, position: int) -> Box:
        objects, target = self._subject.objects, self._subject.item.target
        parts = grid.element_slices(
            grid.index_of(position, objects.grid), target.object_shape, target.shape
        )
        return tuple((part.start, part.stop) for part in parts)

    def _compare(self, task: tuple[Box, Slab | None]) -> Tally:
        box, slab = task
        subject, tally = self._subject, Tally()
        region = tuple(
            (low // c, grid.ceil_div(high, c))
            for (low, high), c in zip(box, subject.item.source.chunks, strict=True)
        )
        chunks = list(grid.indices_in(region))
        stored = [i for i in chunks if self._present is None or i in self._present]
        read = self._read(box) if stored else None
        if read is None:
            return tally
        if slab is not None:
            slab[1][relative(box, slab[0])] = read
        encoded = dict(zip(stored, subject.chunks.read(stored), strict=True))
        for chunk in chunks:
            self._compare_chunk(chunk, encoded, box, read, tally)
        subject.compared.add(tally.chunks)
        return tally

    def _compare_chunk(
        self,
        chunk: Index,
        encoded: dict[Index, bytes | None],
        box: Box,
        read: NDArray[Any],
        tally: Tally,
    ) -> None:
        subject = self._subject
        covers = subject.box_of(chunk)
        part = common(box, covers)
        if chunk in encoded:
            decoded = subject.decode(encoded[chunk], chunk)
            values = None if decoded is None else decoded.values
            if values is None and not subject.filled(chunk):
                return
            if values is not None and all(a == low for (a, _), (low, _) in _both(part, covers)):
                tally.rows.append(subject.row(chunk, values))
                tally.chunks += 1
        else:
            values = None
        if values is not None:
            expected = values[relative(part, covers)]
        else:
            expected = filled_array(part, subject.decoder.dtype, subject.fill)
        tally.compared_bytes += expected.nbytes if values is not None else 0
        got = read[relative(part, box)]
        if not same_bits(got, expected):
            at = tuple(int(i) + low for i, (low, _) in _both(first_difference(got, expected), part))
            text = f"element {at} differs from the source's {subject.chunks.key_of(chunk)}"
            subject.findings.error("pixels.differ", subject.path, text)

    def _read(self, box: Box) -> NDArray[Any] | None:
        assert self._reader is not None  # noqa: S101
        try:
            return self._reader.read(tuple(slice(a, b) for a, b in box))
        except ReaderError as error:
            text = f"elements {box}: {error}"
            self._subject.findings.error("reader.refuses", self._subject.path, text)
            return None


def box_steps(shape: Shape, source: Shape, target: Shape, itemsize: int) -> Shape:
    """Elements along each axis of the boxes to compare.

    Multiples of the source's chunks, and of the target's where that is affordable, so that few
    chunks are decoded twice.
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


def _both(one: Any, other: Any) -> Any:
    return zip(one, other, strict=True)

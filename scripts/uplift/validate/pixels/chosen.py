"""Which regions of an array are compared from end to end: this depends on the array alone."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from uplift import grid
from uplift.grid import Index, Region, Shape
from uplift.models.arrays import SourceArray, TargetArray
from uplift.planning.loads import REGIONS
from uplift.validate.pixels.small import MOST_REGION_BYTES
from uplift.zarr_metadata.data_types import numpy_dtype

MOST_NAMED = 1000
"""Chunks that were recoded alone or read again, and sides of borders, that are compared."""


@dataclass(frozen=True)
class Chosen:
    """An array, and chunks of its source to compare in addition to those of every array.

    Attributes
    ----------
    largest
        The chunk with the most bytes as stored.
    absent
        The first chunk that is not stored.
    named
        Chunks that were recoded alone.
    repeated_reads
        Chunks of which a read failed and was repeated. They are compared in addition to all others,
        and not counted: what a verdict says does not depend on the network.
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
    repeated_reads: tuple[Index, ...] = ()
    filled: frozenset[Index] = frozenset()
    misdeclared: bool = False
    borders: tuple[int, ...] = field(default=())
    compared: int = 0

    @property
    def nbytes(self) -> int:
        """Decoded bytes of the array."""
        return math.prod(self.source.shape) * numpy_dtype(self.source).itemsize


def regions_of(array: Chosen) -> tuple[list[Region], list[Region]]:
    """Regions of elements to compare, each inside a source chunk; all of a small array.

    Returns
    -------
    list[Region], list[Region]
        Those of the array, which are counted; those of chunks that were read again.
    """
    chunks = grid.grid_shape(array.source.shape, array.source.chunks)
    if not math.prod(chunks):
        return [], []
    if math.prod(chunks) <= REGIONS:
        chosen: Iterable[Index] = grid.all_indices(chunks)
    else:
        named = [*array.named[:MOST_NAMED], *itertools.islice(_at_borders(array), MOST_NAMED)]
        named += [index for index in (array.largest, array.absent) if index is not None]
        found = dict.fromkeys((*_ends(chunks), *named))
        for index in _of_identity(array.path, chunks):
            if len(found) >= REGIONS:
                break
            found[index] = None
        chosen = found
    known = set(array.filled)
    regions = []
    for indices in (chosen, array.repeated_reads[:MOST_NAMED]):
        wanted = [index for index in dict.fromkeys(indices) if index not in known]
        known.update(wanted)
        regions.append([_region_in(index, array.source) for index in wanted])
    return regions[0], regions[1]


def _region_in(chunk: Index, source: SourceArray) -> Region:
    region = grid.element_region(chunk, source.chunks, source.shape)
    return _beginning(region, numpy_dtype(source).itemsize)


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
    objects = target.object_grid
    for first in array.borders:
        for position, last in ((first - 1, True), (first, False)):
            region = grid.element_region(
                grid.index_of(position, objects), target.object_shape, target.shape
            )
            corner = (b - 1 if last else a for a, b in region)
            yield tuple(i // c for i, c in zip(corner, source.chunks, strict=True))


def _of_identity(path: str, chunks: Shape) -> Iterator[Index]:
    """Chunks drawn from the array's path alone."""
    for number in itertools.count():
        digest = hashlib.sha256(f"{path}\0{number}".encode()).digest()
        yield grid.index_of(int.from_bytes(digest, "little") % math.prod(chunks), chunks)


def _beginning(region: Region, itemsize: int) -> Region:
    """Cut a region along its first axes until it is small enough to read."""
    sizes = list(grid.region_shape(region))
    for axis in range(len(sizes)):
        below = math.prod(sizes[axis + 1 :]) * max(1, itemsize)
        sizes[axis] = max(1, min(sizes[axis], MOST_REGION_BYTES // max(1, below)))
    return tuple((a, a + n) for (a, _), n in zip(region, sizes, strict=True))

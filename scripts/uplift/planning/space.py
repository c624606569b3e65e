"""Space that an output takes on a file system: bytes, and inodes of its files and folders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from uplift.grid import Shape
from uplift.models.batch import Batch, BatchItem
from uplift.planning import estimates


@dataclass(frozen=True)
class Space:
    """Bytes and inodes, needed or free; inodes are None where a file system does not count them."""

    bytes: int
    inodes: int | None = 0

    def __add__(self, other: Space) -> Space:
        """Add up what is needed."""
        return Space(self.bytes + other.bytes, (self.inodes or 0) + (other.inodes or 0))

    def less(self, other: Space) -> Space:
        """What is still needed when `other` is there already."""
        inodes = (self.inodes or 0) - (other.inodes or 0)
        return Space(max(0, self.bytes - other.bytes), max(0, inodes))

    def fits(self, free: Space) -> bool:
        """Whether what is needed is free."""
        enough = free.inodes is None or (self.inodes or 0) <= free.inodes
        return enough and self.bytes <= free.bytes


def space_of(objects: int, size: int, grids: Iterable[Shape], *, archive: bool = False) -> Space:
    """Predict the space that a dataset's output takes.

    Parameters
    ----------
    objects, size
        Objects of the output and their bytes, as its plan predicts them.
    grids
        Object grid of each array, length ndim: keys like ``c/0/1/2`` need folders.
    archive
        Whether all of it is packed into one file as well.

    Returns
    -------
    Space
        Bytes and inodes.
    """
    folders = sum(2 + _folders(shape) for shape in grids)
    if archive:
        return Space(2 * size, objects + folders + 1)
    return Space(size, objects + folders)


def space_of_batches(batches: Iterable[Batch]) -> Space:
    """Predict what batches write: their share of the objects and bytes of their arrays."""
    return sum((_space_of_item(item) for one in batches for item in one.items), Space(0))


def _space_of_item(item: BatchItem) -> Space:
    whole = estimates.predicted(item, item.target, item.method)
    cells = math.prod(item.target.object_grid)
    run = item.stop - item.start
    return Space(whole.bytes * run // max(1, cells), min(run, whole.objects))


def _folders(shape: Shape) -> int:
    """Folders between ``c`` and the objects of a dense array."""
    return sum(math.prod(shape[:length]) for length in range(1, len(shape)))

"""Space that an output takes on a file system: bytes, and inodes of its files and folders."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from uplift.grid import Shape


@dataclass(frozen=True)
class Space:
    """Bytes and inodes, needed or free; inodes are None where a file system does not count them."""

    bytes: int
    inodes: int | None = 0

    def __add__(self, other: Space) -> Space:
        """Add up what is needed."""
        return Space(self.bytes + other.bytes, (self.inodes or 0) + (other.inodes or 0))

    def less(self, other: Space) -> Space:
        """What is left of a need when `other` stands there already."""
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
    """
    folders = sum(2 + _folders(shape) for shape in grids)
    if archive:
        return Space(2 * size, objects + folders + 1)
    return Space(size, objects + folders)


def _folders(shape: Shape) -> int:
    """Folders between ``c`` and the objects of a dense array."""
    return sum(math.prod(shape[:length]) for length in range(1, len(shape)))

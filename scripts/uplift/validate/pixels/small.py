"""Small arrays, which other people's readers read whole."""

import hashlib
import math

from uplift import grid
from uplift.models.batch import BatchItem
from uplift.planning.loads import REGIONS
from uplift.zarr_metadata.data_types import numpy_dtype

MOST_REGION_BYTES = 16 * 2**20
"""Of a larger chunk only the beginning is read."""


def is_small(item: BatchItem) -> bool:
    """Whether an item is all of an array that is read whole, with one call."""
    shape = item.source.shape
    chunks = math.prod(grid.grid_shape(shape, item.source.chunks))
    objects = math.prod(item.target.object_grid)
    whole = (item.start, item.stop) == (0, objects) and 0 < chunks <= REGIONS
    return whole and math.prod(shape) * numpy_dtype(item.source).itemsize <= MOST_REGION_BYTES


def is_for_zarr_python(path: str) -> bool:
    """Whether a small array is one of those that zarr-python reads: one in sixteen."""
    return hashlib.sha256(path.encode()).digest()[0] % 16 == 0

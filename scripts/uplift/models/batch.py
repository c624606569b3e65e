"""Units of work, computed from the inventory and the plan in force, never stored."""

import math

from uplift import grid
from uplift.models.arrays import Method, SourceArray, TargetArray
from uplift.models.base import Model


class BatchItem(Model):
    """A run of stored objects (shards, or chunks when unsharded) of one array.

    Attributes
    ----------
    start, stop
        Half-open range of C-order linear indices into the target's object grid
        (``ceil(shape / object_shape)``).
    fingerprint
        Digest over format version, source facts, listing digest and target: journals and
        records with another one are stale.
    """

    path: str
    source: SourceArray
    target: TargetArray
    method: Method
    start: int
    stop: int
    stored_chunks: int
    stored_bytes: int
    listing_sha256: str
    fingerprint: str

    @property
    def is_dense(self) -> bool:
        """Whether every chunk of the array's grid is stored."""
        chunks = grid.grid_shape(self.source.shape, self.source.chunks)
        return self.stored_chunks == math.prod(chunks)


class Batch(Model):
    """What is converted and validated together; all that a job needs to know for it."""

    batch: str
    dataset: str
    source: str
    output: str
    items: tuple[BatchItem, ...]

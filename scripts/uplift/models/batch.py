"""Units of work: ``batches/<batch>.json`` and ``batches/summary.json`` is beside them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from uplift.models.arrays import Method, SourceArray, TargetArray
from uplift.models.base import Model
from uplift.models.plan import Totals


class BatchItem(Model):
    """A run of stored objects (shards, or chunks when unsharded) of one array.

    Attributes
    ----------
    start, stop
        Half-open range of C-order linear indices into the target's object grid
        (``ceil(shape / object_shape)``).
    fingerprint
        Digest over format version, source facts, listing digest and target: journals and
        records that carry another one are stale.
    """

    path: str
    source: SourceArray
    target: TargetArray
    method: Method
    start: int
    stop: int
    stored_chunks: int
    listing_sha256: str
    fingerprint: str


class Batch(Model):
    """Self-contained work order of one convert job and of the validate job that checks it."""

    schema_: Literal["ngff-uplift/batch/1"] = Field("ngff-uplift/batch/1", alias="schema")
    batch: str
    dataset: str
    source: str
    output: str
    items: tuple[BatchItem, ...]


class BatchSummary(Model):
    """``batches/summary.json``: every batch of the plan in force, in order, and its estimate."""

    schema_: Literal["ngff-uplift/batches/1"] = Field("ngff-uplift/batches/1", alias="schema")
    dataset: str
    batches: tuple[str, ...]
    before: Totals
    after: Totals
    methods: dict[str, int]
    skipped: dict[str, str] = Field(default_factory=dict)
    """Array path to reason, for arrays left out by ``unsupported: skip``."""

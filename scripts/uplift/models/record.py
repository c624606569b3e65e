"""What a convert job did and what it cost: ``records/<batch>.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from uplift.models.arrays import Method
from uplift.models.base import Model


class BadChunk(Model):
    """A source chunk that could not be kept as it was.

    `action`: ``recoded`` (decoded and encoded again, values kept) or ``filled`` (undecodable and
    replaced by the fill value because the config says ``on_bad_chunk: fill``).
    """

    chunk: tuple[int, ...]
    key: str
    reason: str
    action: Literal["recoded", "filled"]


class ItemRecord(Model):
    """Cost and outcome of one batch item. Times in seconds, sizes in bytes as stored."""

    path: str
    start: int
    stop: int
    method: Method
    fingerprint: str
    chunks_read: int
    bytes_read: int
    objects_written: int
    bytes_written: int
    objects_resumed: int = 0
    """Finished by an earlier, interrupted run and not written again."""
    bad_chunks: tuple[BadChunk, ...] = ()
    wall_seconds: float
    cpu_seconds: float


class Record(Model):
    """One batch. `generation`: as in the claim of the output that it was converted to."""

    schema_: Literal["ngff-uplift/record/1"] = Field("ngff-uplift/record/1", alias="schema")
    batch: str
    items: tuple[ItemRecord, ...]
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    threads: int
    started: str
    versions: dict[str, str]
    generation: str = ""

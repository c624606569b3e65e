"""What became of a batch and what it cost: ``records/<batch>.json``."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from uplift.models.arrays import Method
from uplift.models.base import Model
from uplift.models.findings import Finding

RepeatedReads = Annotated[
    tuple[tuple[int, ...], ...], Field(validation_alias=AliasChoices("repeated_reads", "reread"))
]
"""Chunks of which a read failed and was repeated. Earlier versions wrote it as ``reread``."""


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
    """Cost and outcome of one batch item. Times in seconds, sizes in bytes as stored.

    Attributes
    ----------
    opened, opened_sha256
        Source chunks whose objects were described when they were read, and the digest of these as
        of a listing: of arrays with too many chunks to compare each with its listing.
    objects_resumed
        Finished by an earlier, interrupted run and not written again.
    trailing, first_trailing
        Chunks with bytes after the end of their compressed stream: how many, and the first.
    largest
        The chunk with the most bytes as stored: these, and its index.
    repeated_reads
        Chunks of which a read failed and was repeated, a thousand at most.
    objects, bytes, objects_sha256
        Stored objects when they were validated: how many, their bytes, and the digest of their
        listing (keys, sizes, stamps).
    chunks_compared
        Source chunks whose values were found in the output.
    bytes_compared
        Their decoded bytes.
    regions_compared
        Regions, all of a small array, that other readers found to be the same on both sides; 0: the
        validation of the dataset has them compared.
    rows_sha256
        Digest of the item's rows in ``records/<batch>.digests``.
    wall_seconds, cpu_seconds
        Spent on this item, added up over all processes; CPU time of files with that of threads
        that encode and of other people's readers, of remote stores without. The ledger has all.
    """

    path: str
    start: int
    stop: int
    method: Method
    fingerprint: str
    chunks_read: int
    bytes_read: int
    objects_written: int
    bytes_written: int
    opened: int = 0
    opened_sha256: str = ""
    objects_resumed: int = 0
    bad_chunks: tuple[BadChunk, ...] = ()
    trailing: int = 0
    first_trailing: tuple[int, ...] | None = None
    largest: tuple[int, ...] | None = None
    repeated_reads: RepeatedReads = ()
    objects: int = 0
    bytes: int = 0
    objects_sha256: str = ""
    chunks_compared: int = 0
    bytes_compared: int = 0
    regions_compared: int = 0
    rows_sha256: str = ""
    wall_seconds: float
    cpu_seconds: float


Verify = Literal["once", "reread"]
"""once: the source is read once, and the output is compared with the digests of
what convert read. reread: with the source, which is read again."""


class Record(Model):
    """What converting and validating one batch did, found and cost.

    `threads` are the processes that worked on it, `peak_memory_bytes` is that of the largest of
    them; `generation`: as in the claim of the output that it was converted to.
    """

    schema_: Literal["ngff-uplift/record/1"] = Field("ngff-uplift/record/1", alias="schema")
    batch: str
    verify: Verify = "once"
    items: tuple[ItemRecord, ...]
    findings: tuple[Finding, ...] = ()
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    threads: int
    started: str
    versions: dict[str, str]
    generation: str = ""

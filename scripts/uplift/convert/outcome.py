"""What writing one stored object, or a run of them, amounted to."""

from __future__ import annotations

from dataclasses import dataclass, field

from uplift.models.record import BadChunk


@dataclass(slots=True)
class Outcome:
    """Counters of a unit of conversion work; sizes in bytes as stored."""

    objects: int = 0
    bytes_written: int = 0
    chunks_read: int = 0
    bytes_read: int = 0
    bad_chunks: list[BadChunk] = field(default_factory=list)
    undecodable: list[BadChunk] = field(default_factory=list)
    """Chunks that stop the conversion (``on_bad_chunk: fail``)."""

    def __iadd__(self, other: Outcome) -> Outcome:
        self.objects += other.objects
        self.bytes_written += other.bytes_written
        self.chunks_read += other.chunks_read
        self.bytes_read += other.bytes_read
        self.bad_chunks += other.bad_chunks
        self.undecodable += other.undecodable
        return self


class Abandoned(Exception):  # noqa: N818
    """Leaves a writer's ``with`` block so that the object is discarded."""

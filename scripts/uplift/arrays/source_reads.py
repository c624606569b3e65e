"""What was read of a source array, compared with what inspect_source found."""

from dataclasses import dataclass
from typing import Protocol

from uplift.arrays.source_chunks import ListingDigest
from uplift.errors import INSPECT_AGAIN
from uplift.models.arrays import SourceArray, TargetArray


class Inspected(Protocol):
    """A source array as the inventory has it; sizes in bytes as stored."""

    @property
    def source(self) -> SourceArray:
        """Shape, chunks and codecs."""

    @property
    def stored_chunks(self) -> int:
        """Chunks that exist."""

    @property
    def stored_bytes(self) -> int:
        """Their bytes; 0 where the source cannot be listed."""

    @property
    def listing_sha256(self) -> str:
        """Digest of the listing of their objects."""


@dataclass(frozen=True)
class SourceReads:
    """What was read of a whole source array.

    Attributes
    ----------
    chunks, bytes
        Reads of chunks, and their bytes as stored.
    opened
        Chunks whose objects were described as they were read.
    opened_sum
        Sum of the listing digests of these.
    has_resumed
        Whether an earlier run finished a part of it, whose reads are not counted.
    """

    chunks: int
    bytes: int
    opened: int
    opened_sum: int
    has_resumed: bool


def change_seen_by(reads: SourceReads, array: Inspected, target: TargetArray) -> str | None:
    """Compare what was read with the inventory: the objects of all chunks, else their bytes.

    Only where each chunk was read once: the new grid cuts no chunk, and no run was resumed. The
    inner chunks of a sharded source are no objects: their bytes are not those of the listing.

    Parameters
    ----------
    reads
        Of all objects of the array.
    array
        What inspect_source found.
    target
        What is planned.

    Returns
    -------
    str or None
        What is different and what to do; None where no difference can be seen.
    """
    if _is_read_once(array.source, target) and 0 < reads.opened == array.stored_chunks:
        if ListingDigest(reads.opened_sum).hexdigest() == array.listing_sha256:
            return None
        return f"chunks changed after the source was inspected; {INSPECT_AGAIN}"
    if reads.has_resumed or array.source.shards is not None or reads.chunks != array.stored_chunks:
        return None
    if array.stored_bytes in (0, reads.bytes):
        return None
    return (
        f"{reads.bytes} bytes of chunks were read, {array.stored_bytes} were there when the source "
        f"was inspected; {INSPECT_AGAIN}"
    )


def _is_read_once(source: SourceArray, target: TargetArray) -> bool:
    """Whether each source chunk lies in one object alone, for which it is read."""
    sides = zip(target.object_shape, source.chunks, source.shape, strict=True)
    return all(length % chunk == 0 or length >= n for length, chunk, n in sides)

"""What was read of an array is compared with the inventory, where each chunk was read once."""

import pytest

from support.inventories import entry_of
from uplift.arrays.source_chunks import ListingDigest
from uplift.arrays.source_reads import SourceReads, change_seen_by
from uplift.models.record import ItemRecord
from uplift.planning.checks import Wanted, target_for

LISTED = 5
"""Sum of the digests of the listed objects."""
ENTRY = entry_of("0", (64, 64), (16, 16)).model_copy(
    update={
        "stored_chunks": 16,
        "stored_bytes": 160,
        "listing_sha256": ListingDigest(LISTED).hexdigest(),
    }
)
CHANGED = "chunks changed after the source was inspected"
OTHER_BYTES = "159 bytes of chunks were read, 160 were there when the source was inspected"


def change(entry=ENTRY, new_chunks=(16, 16), **facts):
    reads = {"chunks": 16, "bytes": 160, "opened": 0, "opened_sum": 0, "has_resumed": False}
    target, _ = target_for(Wanted(entry, new_chunks, None, "keep", ""))
    return change_seen_by(SourceReads(**{**reads, **facts}), entry, target)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, None),
        ({"bytes": 159}, OTHER_BYTES),
        ({"opened": 16, "opened_sum": LISTED, "bytes": 159}, None),
        ({"opened": 16, "opened_sum": LISTED + 1}, CHANGED),
        ({"opened": 16, "opened_sum": LISTED + 1, "has_resumed": True}, CHANGED),
        ({"opened": 15, "opened_sum": LISTED + 1, "bytes": 159}, OTHER_BYTES),
        ({"bytes": 159, "has_resumed": True}, None),
        ({"bytes": 159, "chunks": 17}, None),
    ],
)
def test_objects_are_compared_where_all_were_described_else_bytes(facts, message):
    found = change(**facts)
    assert found is None if message is None else found.startswith(message)


def test_objects_of_chunks_that_the_new_grid_cuts_are_not_compared():
    assert change(new_chunks=(24, 24), opened=16, opened_sum=LISTED + 1) is None


def test_bytes_of_a_source_that_cannot_be_listed_are_not_compared():
    assert change(ENTRY.model_copy(update={"stored_bytes": 0}), bytes=159) is None


def test_bytes_of_inner_chunks_are_not_compared_with_those_of_shards():
    source = ENTRY.source.model_copy(update={"zarr_format": 3, "shards": (32, 32)})
    target, _ = target_for(Wanted(ENTRY, (16, 16), None, "keep", ""))
    reads = SourceReads(chunks=16, bytes=159, opened=0, opened_sum=0, has_resumed=False)
    sharded = ENTRY.model_copy(update={"source": source})
    assert change_seen_by(reads, sharded, target) is None


def test_records_of_earlier_versions_are_read():
    facts = {"path": "0", "start": 0, "stop": 1, "method": "repack", "fingerprint": ""}
    counts = dict.fromkeys(("chunks_read", "bytes_read", "objects_written", "bytes_written"), 0)
    data = {**facts, **counts, "wall_seconds": 0.0, "cpu_seconds": 0.0, "reread": [[0, 1]]}
    assert ItemRecord.parse(data, "record").repeated_reads == ((0, 1),)

"""Convert a portion of an array: skip what is finished, write the rest, remove what is stale."""

import bisect
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from uplift import grid
from uplift.arrays.digests import (
    Digests,
    digests_in,
    digests_in_text,
    row_index_bytes,
    rows_to_text,
)
from uplift.arrays.output_objects import listed_objects
from uplift.arrays.source_chunks import ChunkSource, ListingDigest
from uplift.arrays.tasks import TASK_CHUNKS, Run, Stored, Task, stored_chunks, tasks_of
from uplift.convert.engine import Engine, Outcome, Read, first_of, largest_of
from uplift.convert.recode import RecodeEngine
from uplift.convert.repack import RepackEngine
from uplift.errors import INSPECT_AGAIN, SourceError
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.record import BadChunk
from uplift.running.parallel import ALONE, NO_TURNS, Helpers, Turns, at_once
from uplift.storage import tuning
from uplift.storage.files import is_temporary
from uplift.storage.protocol import ObjectInfo, WritableStore, has_round_trips, join
from uplift.storage.retries import written_again
from uplift.work.journal import Done, Lines, boot_id
from uplift.zarr_metadata.v3 import target_key

log = logging.getLogger(__name__)

MOST_LISTED = 4096
"""Up to this many chunks, an array's listing is kept, so that each read is compared with it."""


class Survey(NamedTuple):
    """What exists on both sides before a portion is converted.

    Attributes
    ----------
    existing
        Bytes of the objects at the output, by position.
    stored
        Source chunks by object; None when every chunk is stored.
    listed
        Listing entries of source chunks, for an array that is cut; each read is compared with
        its entry.
    """

    existing: dict[int, int]
    stored: Stored | None
    listed: dict[Index, ObjectInfo] | None = None


@dataclass
class Converted:
    """What was done.

    Attributes
    ----------
    digests
        Of all chunks in the portion's objects, whether an earlier run or this one finished them.
    resumed
        Objects that an earlier run finished.
    """

    total: Outcome = field(default_factory=Outcome)
    digests: Digests = field(default_factory=dict)
    resumed: int = 0
    unsynced: bool = False


def survey_item(item: BatchItem, chunks: ChunkSource, output: WritableStore) -> Survey:
    """List both sides of an item once; objects that the plan does not have are deleted.

    The source of a small dense array is not listed: each of its chunks is read, and the files that
    were read are compared with the inventory before the journal says that it is done.

    Parameters
    ----------
    item
        Run of stored objects of one array.
    chunks
        Encoded chunks of the source.
    output
        Store of the objects, held for writing.

    Returns
    -------
    Survey
        What exists of the item on both sides.

    Raises
    ------
    SourceError
        The source changed since it was inspected.
    """
    requests: list[Callable[[], Any]] = [lambda: dict(existing_objects(item, output))]
    chunks.notes = _is_seen_by_reading(item, chunks)
    if not chunks.notes:
        requests.insert(0, lambda: refuse_changed_source(item, chunks))
    existing = at_once(requests, threads=has_round_trips(chunks.store, output))[-1]
    return Survey(existing, stored_chunks(item, chunks))


def refuse_changed_source(item: BatchItem, chunks: ChunkSource) -> None:
    """Compare the stored chunks with the inventory, once for each array, by listing it.

    The batch that has object 0 does this; without it the dataset is never published.

    Raises
    ------
    SourceError
        They differ.
    """
    if item.start == 0 and chunks.store.can_list:
        refuse_other_listing(item, chunks)


def refuse_other_listing(item: BatchItem, chunks: ChunkSource) -> None:
    """List an array and compare; the listing of one with few chunks is kept, for reading.

    Raises
    ------
    SourceError
        The source changed since it was inspected.
    """
    listing = chunks.survey(keep=item.stored_chunks <= MOST_LISTED)
    if listing != item.listing_sha256:
        raise _changed(item, chunks)


def _changed(item: BatchItem, chunks: ChunkSource) -> SourceError:
    return SourceError(
        f"{chunks.store.url}/{item.path}: chunks changed since the source was inspected; "
        f"{INSPECT_AGAIN}"
    )


def _is_seen_by_reading(item: BatchItem, chunks: ChunkSource) -> bool:
    """Whether one task reads every chunk that an array can have, each once, as a file."""
    objects = math.prod(item.target.object_grid)
    # more files of a network file system are listed: they can be read ahead then
    most = tuning.NETWORK_FILES if chunks.store.reads_ahead else MOST_LISTED
    return (
        chunks.are_files
        and item.method != "recode"
        and (item.start, item.stop) == (0, objects)
        and objects <= (TASK_CHUNKS if item.target.shards is None else 1)
        and 0 < item.stored_chunks == math.prod(chunks.grid) <= most
    )


def existing_objects(item: BatchItem, output: WritableStore) -> Iterator[tuple[int, int]]:
    """Position and bytes of an item's objects at the output; those outside the grid are deleted."""
    for position, info in listed_objects(output, item.path, item.target.object_grid):
        if position is None:
            # another batch may be writing a temporary one; publish removes leftovers
            if item.start == 0 and not is_temporary(info.key):
                output.delete(info.key)
        elif item.start <= position < item.stop:
            yield position, info.size


def convert_portion(
    item: BatchItem,
    chunks: ChunkSource,
    output: WritableStore,
    journal: Lines,
    done: Sequence[Done],
    survey: Survey,
    *,
    fill: bool = False,
    read: Read = lambda _: None,
    helpers: Helpers = ALONE,
    turns: Turns = NO_TURNS,
) -> Converted:
    """Write the objects of a portion.

    Parameters
    ----------
    item
        The portion: a run of stored objects of one array.
    chunks
        Encoded chunks of the source.
    output
        Where the objects go.
    journal
        Journal of the batch: a line for each finished task.
    done
        Its earlier lines about this array, of the plan in force.
    survey
        What exists on both sides.
    fill
        Whether chunks that cannot be decoded are replaced by the fill value.
    read
        Called with how many bytes were read.
    helpers
        Threads that decode and encode.
    turns
        Of those who read large objects from a store whose answers take long.

    Returns
    -------
    Converted
        What was done and what it cost.

    Raises
    ------
    SourceError
        A chunk that inspect saw is gone.
    OutputError
        Another job has taken the batch over.
    StorageError
        A read or write that failed.
    """
    converted = Converted()
    chunks.sums = chunks.store.can_list and item.stored_chunks > MOST_LISTED
    existing = dict(survey.existing)
    finished = _trusted_runs(item, done, existing, converted)
    engine: Engine | None = None
    journal.refuse_superseded()
    for task in tasks_of(item, survey.stored, finished) if item.stored_chunks else ():
        if engine is None:
            kind = RecodeEngine if item.method == "recode" else RepackEngine
            engine = kind(item, chunks, output, fill=fill, read=read, helpers=helpers, turns=turns)
        else:
            journal.refuse_superseded()
        outcome = Outcome()
        for position, stored in task.objects():
            one = written_again(partial(engine.write_object, position, stored))
            if one.objects:
                existing.pop(position, None)
            outcome += one
        if chunks.notes:
            _refuse_other_files(item, chunks)
        # immediately: what the journal has no line about is done again
        _journal_task(item, task, outcome, journal, converted)
    if chunks.notes:  # nothing was read: an earlier run finished all
        refuse_changed_source(item, chunks)
    if existing:
        journal.refuse_superseded()
        for position in sorted(existing):
            index = grid.index_of(position, item.target.object_grid)
            output.delete(join(item.path, target_key(index)))
    return converted


def _refuse_other_files(item: BatchItem, chunks: ChunkSource) -> None:
    """Compare the files that were read with the inventory.

    Raises
    ------
    SourceError
        They differ.
    """
    chunks.notes = False
    if chunks.noted_sha256() != item.listing_sha256:
        raise _changed(item, chunks)


def _trusted_runs(
    item: BatchItem, done: Sequence[Done], existing: dict[int, int], converted: Converted
) -> list[Run]:
    """Finished runs whose objects are at the output as noted; these are removed from `existing`."""
    width = row_index_bytes(item)
    runs, kept, positions = list[Run](), list[int](), sorted(existing)
    for line in done:
        if not item.start <= line.start <= line.stop <= item.stop:
            continue
        ends = (bisect.bisect_left(positions, end) for end in (line.start, line.stop))
        there = positions[slice(*ends)]
        if len(there) == line.objects and sum(existing[n] for n in there) == line.bytes:
            runs.append((line.start, line.stop))
            kept += there
            converted.resumed += line.objects
            converted.digests |= digests_in_text(line.digests, width)
            converted.total.opened += line.opened
            converted.total.opened_sum += int(line.opened_sha256 or "0", 16)
            converted.total.trailing += line.trailing
            converted.total.repeated_reads.update(line.repeated_reads)
            if line.largest is not None:
                size, *chunk = line.largest
                largest = largest_of(converted.total.largest, (size, tuple(chunk)))
                converted.total.largest = largest
            first = first_of(converted.total.first_trailing, line.first_trailing)
            converted.total.first_trailing = first
    for position in kept:
        existing.pop(position, None)
    return sorted(runs)


def _journal_task(
    item: BatchItem, task: Task, outcome: Outcome, journal: Lines, converted: Converted
) -> None:
    """Journal a finished task, unless it has bad chunks, which a resumed job must find again."""
    rows = b"".join(outcome.rows)
    outcome.rows = []
    converted.digests |= digests_in(rows, row_index_bytes(item))
    converted.total += outcome
    if outcome.bad_chunks or outcome.undecodable:
        return
    alone = outcome.objects == 1 and outcome.bytes_written >= tuning.SYNC_ALONE_BYTES
    converted.unsynced |= not alone
    journal.add(
        Done(
            path=item.path,
            fingerprint=item.fingerprint,
            start=task.start,
            stop=task.stop,
            objects=outcome.objects,
            bytes=outcome.bytes_written,
            chunks=outcome.chunks_read,
            opened=outcome.opened,
            opened_sha256=ListingDigest(outcome.opened_sum).hexdigest() if outcome.opened else "",
            trailing=outcome.trailing,
            first_trailing=outcome.first_trailing,
            largest=None if outcome.largest is None else (outcome.largest[0], *outcome.largest[1]),
            repeated_reads=tuple(sorted(outcome.repeated_reads)),
            digests=rows_to_text(rows),
            boot=None if alone else boot_id(),
        )
    )


def unique_chunks(found: Sequence[BadChunk]) -> list[BadChunk]:
    """Each chunk once, in order: a chunk occurs once for each object that needs it."""
    return sorted({bad.chunk: bad for bad in found}.values(), key=lambda bad: bad.chunk)

"""What a worker process does with a portion: convert it, then validate it at once.

What was written is then still in the page cache, and the source is not read again: digests of what
was read are compared with the output.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from uplift.arrays.digests import (
    digests_in_text,
    pixel_index_bytes,
    row_index_bytes,
    sorted_pixel_rows,
)
from uplift.arrays.source_chunks import ChunkSource
from uplift.arrays.tasks import stored_chunks
from uplift.batches.context import Context, Locations
from uplift.batches.portions import PORTION_BYTES, Portion
from uplift.batches.shares import Share, shares_of
from uplift.convert.portion import (
    convert_portion,
    refuse_changed_source,
    survey_item,
)
from uplift.grid import Index
from uplift.models.batch import BatchItem
from uplift.models.findings import Finding, Findings
from uplift.models.record import BadChunk
from uplift.running.parallel import ALONE, NO_TURNS
from uplift.validate.objects.accounts import sha256_of_object
from uplift.validate.pixels import check_portion, values_at_once
from uplift.validate.pixels.check import Expected, Part
from uplift.work import usage
from uplift.work.job_lock import same_job
from uplift.work.journal import Journal, Lines

_CAPACITY, _CAPACITY_OF_FILES = 9, 3
"""Groups of small arrays (mostly round trips) in progress in one process: of an object store; of a
network file system, where other readers hold the values of all arrays of a group twice."""
_LARGE = 3
"""A large portion counts as this many of those: two are read while the last one is sent and read
back, and a process has memory for three."""
_LARGE_BYTES = PORTION_BYTES // 8


@dataclass(frozen=True)
class Assignment:
    """What a process of a job is given to do at a time.

    Attributes
    ----------
    groups
        Groups of portions.
    journals
        Of their batches; None: the portions are only validated.
    listing
        Instead of portions: an array whose listing is compared with the inventory.
    share
        Instead of portions: a share of a converted object to validate.
    """

    groups: Sequence[Sequence[Portion]] = ()
    journals: Mapping[str, Journal] | None = None
    listing: Portion | None = None
    share: Share | None = None


@dataclass
class Result:
    """Result of a portion, or of a share of one; sizes in bytes as stored.

    Attributes
    ----------
    shares
        Shares of it that are still to be validated.
    """

    batch: str
    number: int
    start: int
    objects_written: int = 0
    bytes_written: int = 0
    chunks_read: int = 0
    bytes_read: int = 0
    opened: int = 0
    opened_sum: int = 0
    resumed: int = 0
    unsynced: bool = False
    trailing: int = 0
    first_trailing: Index | None = None
    largest: tuple[int, Index] | None = None
    repeated_reads: set[Index] = field(default_factory=set)
    bad_chunks: list[BadChunk] = field(default_factory=list)
    undecodable: list[BadChunk] = field(default_factory=list)
    chunks: int = 0
    compared_bytes: int = 0
    rows: bytes = b""
    objects: int = 0
    object_bytes: int = 0
    listing: int = 0
    regions: int = 0
    findings: tuple[Finding, ...] = ()
    sums: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    shares: tuple[Share, ...] = ()


def run_assignment(context: Context, assignment: Assignment) -> list[Result]:
    """Convert or validate an assignment; where reads are round trips several are in progress."""
    if assignment.listing is not None:
        item = assignment.listing.item
        refuse_changed_source(item, ChunkSource(context.source, item.path, item.source))
        return [Result(assignment.listing.batch, assignment.listing.number, item.start)]
    if assignment.share is not None:
        return [_validate_share(context, assignment.share)]
    return [
        result for group in assignment.groups for result in _run_group(context, assignment, group)
    ]


def capacity_for(locations: Locations) -> int:
    """Total weight of assignments that a process has in progress: on a local disk one at a time."""
    if locations.engines():
        return _CAPACITY
    return _CAPACITY_OF_FILES if locations.is_on_network else 1


def weight_of(assignment: Assignment) -> int:
    """Weight of an assignment."""
    cost = sum(portion.cost for group in assignment.groups for portion in group)
    return _LARGE if cost >= _LARGE_BYTES else 1


@dataclass(frozen=True)
class _Check:
    """What of a portion is still to be validated."""

    item: BatchItem
    chunks: ChunkSource
    expected: Expected
    result: Result
    presence: bool = False
    part: Part | None = None


def _run_group(context: Context, assignment: Assignment, group: Sequence[Portion]) -> list[Result]:
    """Convert portions, and then validate them: other readers open all small arrays together."""
    results = [Result(one.batch, one.number, one.item.start) for one in group]
    pairs = list(zip(group, results, strict=True))
    journal = None if assignment.journals is None else assignment.journals[group[0].batch]
    each = context.each if len(group) > 1 else map
    cpu_clock = _cpu_clock(context)
    cpu = cpu_clock()
    with contextlib.nullcontext() if journal is None else same_job(journal.path):
        if journal is None:
            checks = list(each(lambda pair: _to_validate(context, *pair), pairs))
        else:
            with _lines_of(journal, group) as lines:
                found = each(lambda pair: _timed_convert(context, pair[0], pair[1], lines), pairs)
                checks = list(itertools.chain.from_iterable(found))
        if context.settings.in_shares:
            checks = _shares_or_checks(group, checks)
        values = values_at_once([one.item for one in checks], context.source, context.output)
        list(each(lambda pair: _validate(context, *pair), zip(checks, values, strict=True)))
    if each is map:
        _divide_cpu_time(results, cpu_clock() - cpu)
    # asking the system takes as long as a small read
    results[-1].peak_memory_bytes = usage.own_peak_memory_bytes()
    return results


def _shares_or_checks(group: Sequence[Portion], checks: list[_Check]) -> list[_Check]:
    """Return as shares an existing object that several processes can validate."""
    if len(group) > 1 or not group[0].can_be_shared:
        return checks
    if not checks or checks[0].expected.stored == {}:
        return checks
    (check,) = checks
    check.result.shares = tuple(shares_of(group[0], check.expected))
    return []


def _validate_share(context: Context, share: Share) -> Result:
    """Validate a share of an object."""
    portion = share.portion
    result = Result(portion.batch, portion.number, portion.item.start)
    chunks = ChunkSource(context.source, portion.item.path, portion.item.source)
    check = _Check(portion.item, chunks, share.expected, result, part=share.part)
    with _Timed(result, _cpu_clock(context)):
        _compare(context, check, None)
    result.peak_memory_bytes = usage.own_peak_memory_bytes()
    return result


def _lines_of(journal: Journal, group: Sequence[Portion]) -> AbstractContextManager[Lines]:
    """Journal for the portions of a group; a large portion is a group on its own."""
    return journal.kept_open() if len(group) > 1 else contextlib.nullcontext(journal)


def _divide_cpu_time(results: Sequence[Result], cpu_seconds: float) -> None:
    """Divide the CPU time of a group by the time that each portion took.

    When asked for a thread's CPU time, Linux often switches to another thread: with two such calls
    for each array, the convert job of a plate took a twentieth longer.
    """
    seconds = sum(result.seconds for result in results)
    for result in results:
        result.cpu_seconds = cpu_seconds * result.seconds / seconds if seconds else 0.0


def _cpu_clock(context: Context) -> Callable[[], float]:
    """CPU time of the process, including threads that encode and threads of readers.

    Where reads are round trips a process has several assignments in progress, each in a thread:
    then that of the thread.
    """
    return time.thread_time if context.has_round_trips else time.process_time


class _Timed:
    """Adds the time spent inside to a result; `cpu`: a clock of CPU time, too."""

    def __init__(self, result: Result, cpu: Callable[[], float] | None) -> None:
        self._result, self._cpu = result, cpu

    def __enter__(self) -> None:
        self._clock = time.perf_counter()
        self._before = self._cpu() if self._cpu is not None else 0.0

    def __exit__(self, *_: object) -> None:
        self._result.seconds += time.perf_counter() - self._clock
        if self._cpu is not None:
            self._result.cpu_seconds += self._cpu() - self._before


def _timed_convert(
    context: Context, portion: Portion, result: Result, journal: Lines
) -> list[_Check]:
    """Convert a portion; one with chunks that cannot be decoded is not validated."""
    with _Timed(result, _cpu_clock(context) if context.has_round_trips else None):
        return _convert(context, portion, result, journal)


def _convert(context: Context, portion: Portion, result: Result, journal: Lines) -> list[_Check]:
    item, settings = portion.item, context.settings
    chunks = ChunkSource(context.source, item.path, item.source)
    found = portion.survey
    if found is None:
        found = survey_item(item, chunks, context.output)
    elif found.listed is not None:
        chunks.listed = found.listed
    waits = portion.cost >= _LARGE_BYTES and item.method != "recode" and context.source.reads_ahead
    done = convert_portion(
        item,
        chunks,
        context.output,
        journal,
        portion.done,
        found,
        fill=settings.fill_bad_chunks,
        read=context.read,
        helpers=context.helpers if portion.cost >= settings.large_bytes else ALONE,
        turns=context.turns if waits else NO_TURNS,
    )
    total = done.total
    result.objects_written, result.bytes_written = total.objects, total.bytes_written
    result.chunks_read, result.bytes_read = total.chunks_read, total.bytes_read
    result.opened, result.opened_sum = total.opened, total.opened_sum
    result.resumed, result.unsynced = done.resumed, done.unsynced
    result.trailing, result.first_trailing = total.trailing, total.first_trailing
    result.largest, result.repeated_reads = total.largest, total.repeated_reads
    result.bad_chunks, result.undecodable = total.bad_chunks, total.undecodable
    if total.undecodable:
        return []
    bad = {one.chunk: one for one in total.bad_chunks}
    reread = settings.verify == "reread"
    expected = Expected(found.stored, done.digests, bad, reread=reread)
    return [_Check(item, chunks, expected, result)]


def _to_validate(context: Context, portion: Portion, result: Result) -> _Check:
    """What to validate of a portion that an earlier job converted."""
    item = portion.item
    chunks = ChunkSource(context.source, item.path, item.source)
    digests: dict[tuple[int, int], bytes] = {}
    for line in portion.done:
        digests |= digests_in_text(line.digests, row_index_bytes(item))
    found = portion.survey
    stored = stored_chunks(item, chunks) if found is None else found.stored
    bad = {one.chunk: one for one in portion.bad}
    reread = context.settings.verify == "reread"
    there = None if found is None else found.existing.keys()
    expected = Expected(stored, digests, bad, reread=reread, there=there)
    return _Check(item, chunks, expected, result, presence=True)


def _validate(context: Context, check: _Check, values: NDArray[Any] | None) -> None:
    with _Timed(check.result, _cpu_clock(context) if context.has_round_trips else None):
        _compare(context, check, values)


def _compare(context: Context, check: _Check, values: NDArray[Any] | None) -> None:
    findings, result = Findings(), check.result
    counts = check_portion(
        check.item,
        check.chunks,
        context.output,
        check.expected,
        findings,
        presence=check.presence,
        values=values,
        part=check.part,
    )
    result.chunks, result.compared_bytes = counts.chunks, counts.compared_bytes
    result.rows = sorted_pixel_rows(b"".join(counts.rows), pixel_index_bytes(check.item))
    result.objects, result.object_bytes = counts.objects, counts.object_bytes
    result.listing = counts.listing.total
    result.findings = findings.listed()
    if values is not None and not result.findings:
        result.regions = math.prod(check.chunks.grid)
    if context.settings.with_sums:
        for key in counts.keys:
            digest = sha256_of_object(context.output, key)
            if digest is not None:
                result.sums[key] = digest

"""Convert and validate the batches of one job, with all its cores."""

import contextlib
import functools
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace

from uplift.batches.context import Context, Locations, Settings
from uplift.batches.cores import shared_out
from uplift.batches.portions import Portion, grouped
from uplift.batches.records import BatchRun, kept_lines, undecodable_error
from uplift.batches.surveys import Surveys, is_listed_first
from uplift.batches.work import Assignment, capacity_for, run_assignment, weight_of
from uplift.errors import InputError
from uplift.models.batch import Batch
from uplift.models.publication import Claim
from uplift.models.record import BadChunk, Record
from uplift.running import progress
from uplift.running.parallel import at_once
from uplift.running.processes import Inputs, Workers
from uplift.storage.caps import parts
from uplift.validate.pixels import modules_for
from uplift.work import json_files, usage
from uplift.work.folder import WorkFolder
from uplift.work.job_lock import only_job
from uplift.work.journal import Journal

log = logging.getLogger(__name__)

_FLUSH_EVERY_S = 5.0
"""What a power cut may cost: small objects are synced to disk together, since a sync for each would
cost more than writing it."""
_FLUSH_BYTES = 64 * 2**20
"""Bytes read (about as many are written) since the last flush began: then the next flush begins as
soon as that one is done. If the disk started seconds after the cores, the job would wait for it at
the end. A flush is a commit of the file system, some ms."""
_WAITING_ENDS = 2
"""Batches whose digests are kept while the disk is behind; with more, no work is started."""
PRELOADED = ("uplift.batches.work", "numcodecs.blosc")


def convert_batches(
    batches: Sequence[Batch],
    work: WorkFolder,
    locations: Locations,
    settings: Settings,
    *,
    cores: int = 1,
    refuse_outdated: Callable[[], None] = lambda: None,
) -> None:
    """Convert and validate every batch that is not done, and write its record.

    Parameters
    ----------
    batches
        Of the plan in force.
    work
        Work folder of the dataset.
    locations
        Where to convert from and to.
    settings
        How.
    cores
        Processes to work with.
    refuse_outdated
        Raises when the plan is no longer in force; called before each batch, while its lock is
        held.

    Raises
    ------
    SourceError
        Chunks that cannot be decoded (all of them are logged, the message names the first), or a
        source that changed since it was inspected.
    OutputError
        An output that another run holds, a plan that was edited.
    StorageError
        A read or write that failed.
    """
    job = _ConvertJob(work, locations, settings, cores, refuse_outdated)
    job.run(batches)


class _ConvertJob:
    def __init__(
        self,
        work: WorkFolder,
        locations: Locations,
        settings: Settings,
        cores: int,
        refuse_outdated: Callable[[], None],
    ) -> None:
        self._work, self._locations, self._settings = work, locations, settings
        self._cores, self._refuse_outdated = cores, refuse_outdated
        self._runs: dict[str, BatchRun] = {}
        self._locks: dict[str, contextlib.ExitStack] = {}
        self._flushed = self._last_line_at = time.monotonic()
        self._flushed_at = 0
        self._bad: list[BadChunk] = []
        self._ends: deque[Future[None]] = deque()

    def run(self, batches: Sequence[Batch]) -> None:
        """Convert and validate what is not done."""
        with contextlib.ExitStack() as stack:
            assert self._locations.claim is not None  # noqa: S101
            generation = json_files.read_model(self._locations.claim, Claim).generation
            left = [batch for batch in batches if not self._is_done(batch, generation)]
            is_local = not self._locations.engines()
            most = self._locations.most_processes
            given = shared_out(left, self._cores, most, local=is_local)
            cores, threads = given.processes, given.threads
            busy = min(self._cores, cores * threads)
            settings = replace(
                self._settings,
                threads=threads,
                large_bytes=given.large_bytes,
                in_shares=given.in_shares,
            )
            own, each = parts(cores)
            open_context = functools.partial(self._locations.open, settings, part=each)
            items = itertools.chain.from_iterable(batch.items for batch in left)
            modules = (*PRELOADED, *modules_for(items, local=is_local), *self._locations.engines())
            spent = (usage.collect_spent, usage.add_spent)
            # before anything is asked of a store, whose client has threads: so they are forks
            workers = stack.enter_context(
                Workers(cores, open_context, modules, spent, capacity=capacity_for(self._locations))
            )
            context = self._locations.open(self._settings, part=own)
            if not left:
                return
            stack.callback(self._release_all)
            # One thread waits for the disk: meanwhile this one hands out work, and workers that
            # wait for their next portion would leave their cores idle.
            disk = stack.enter_context(ThreadPoolExecutor(1))
            tick = functools.partial(self._tick, context, workers, disk)
            assignments = Inputs(self._assignments(left, context))
            for results in workers.as_done(run_assignment, assignments, tick, weight_of):
                for result in results:
                    run = self._runs[result.batch]
                    assignments.add(run.shares_of(result))
                    if run.add(result):
                        del self._runs[result.batch]
                        self._bad += run.undecodable
                        self._ends.append(disk.submit(self._finish_batch, run, context, busy))
                        self._await(_WAITING_ENDS)
            self._await(0)
        if self._bad:
            raise undecodable_error(self._bad, context.source.url)

    def _is_done(self, batch: Batch, generation: str) -> bool:
        record = read_record(self._work, batch)
        done = record is not None and is_done(record, generation, self._settings)
        if done:
            log.info("%s: done already", batch.batch)
        return done

    def _assignments(self, batches: Sequence[Batch], context: Context) -> Iterator[Assignment]:
        """Begin batches one by one; each yields all its work before the next begins."""
        surveys = Surveys(batches, context, convert=True)
        for batch in batches:
            lock = self._locks[batch.batch] = contextlib.ExitStack()
            # a job that outlived its run may be at this batch: it ends first
            lock.enter_context(only_job(self._work.journal(batch.batch)))
            self._refuse_outdated()
            if self._is_done(batch, context.output.claim.generation):  # by that job
                self._locks.pop(batch.batch).close()
                continue
            journal = Journal(self._work.journal(batch.batch))
            journal.done = kept_lines(batch, journal)
            journal.start(journal.done)
            run = self._runs[batch.batch] = BatchRun(batch, journal)
            log.info("%s: converting %d arrays", batch.batch, len(batch.items))
            portions = list(run.portions())
            run.waiting += len(portions)
            journals = {batch.batch: journal}
            yield from self._listings(run, context)
            # one array is looked at while others are worked on
            parts = self._cut_sparse(run, portions, surveys)
            for group in grouped(surveys.given_to(parts)):
                yield Assignment([group], journals)

    def _cut_sparse(
        self, run: BatchRun, portions: Sequence[Portion], surveys: Surveys
    ) -> Iterator[Portion]:
        """Cut portions of sparse arrays, once their stored chunks are known."""
        for portion in portions:
            parts = surveys.cut(portion)
            run.waiting += len(parts) - 1  # before the first of them can end
            yield from parts

    def _listings(self, run: BatchRun, context: Context) -> Iterator[Assignment]:
        """Check, while others work, that an array of many chunks still matches the inventory."""
        cut = {portion.number for portion in run.portions() if not portion.whole}
        for number in sorted(cut):
            item = run.batch.items[number]
            if item.start == 0 and context.source.can_list and not is_listed_first(item, context):
                run.waiting += 1
                yield Assignment(listing=Portion(run.batch.batch, number, item, whole=True))

    def _finish_batch(self, run: BatchRun, context: Context, cores: int) -> None:
        """Sync what a batch wrote, then its record, to disk; then release its lock."""

        def composed() -> Callable[[], None] | None:
            if run.undecodable:
                return None
            generation = context.output.claim.generation
            return run.composed(self._work, cores, self._settings.verify, generation, None)

        # the record of thousands of arrays is composed while the disk is waited for
        write, _ = at_once([composed, lambda: self._flush([run], context)])
        if write is not None:
            write()
        self._locks.pop(run.batch.batch).close()

    def _tick(self, context: Context, workers: Workers[Context], disk: Executor) -> None:
        self._await(_WAITING_ENDS)
        now, read = time.monotonic(), workers.counted()
        due = now - self._flushed > _FLUSH_EVERY_S or read - self._flushed_at > _FLUSH_BYTES
        if due and not self._ends:
            self._flushed_at = read
            self._ends.append(disk.submit(self._flush, list(self._runs.values()), context))
        if now - self._last_line_at > progress.EVERY_S:
            self._last_line_at = now
            log.info("%d MiB of chunks read", read // 2**20)

    def _await(self, most: int) -> None:
        """Wait until only this many calls still wait for the disk; an error ends the job."""
        while self._ends and (len(self._ends) > most or self._ends[0].done()):
            self._ends.popleft().result()

    def _flush(self, runs: Sequence[BatchRun], context: Context) -> None:
        """Sync what unfinished batches have written so far."""
        with contextlib.ExitStack() as stack:
            for run in runs:
                stack.enter_context(run.journal.flushing())
            context.output.flush(elsewhere=True)
        self._flushed = time.monotonic()

    def _release_all(self) -> None:
        for lock in self._locks.values():
            lock.close()


def is_done(record: Record, generation: str, settings: Settings) -> bool:
    """Whether a batch need not be converted: its record is of the output as it is claimed now.

    Parameters
    ----------
    record
        Of the batch, from an earlier run.
    generation
        Of the output as it is claimed now.
    settings
        With which it would be converted now.

    Returns
    -------
    bool
        Whether nothing is left to do.
    """
    if record.generation != generation:
        return False
    filled = any(bad.action == "filled" for item in record.items for bad in item.bad_chunks)
    return settings.fill_bad_chunks or not filled


def read_record(work: WorkFolder, batch: Batch) -> Record | None:
    """Read the record of a batch; None when it is absent, damaged or of another plan."""
    path = work.record(batch.batch)
    if not path.is_file():
        return None
    try:
        record = json_files.read_model(path, Record)
    except InputError as error:
        log.info("%s", error)
        return None
    asked = [(item.path, item.start, item.stop, item.fingerprint) for item in batch.items]
    done = [(one.path, one.start, one.stop, one.fingerprint) for one in record.items]
    return record if asked == done else None

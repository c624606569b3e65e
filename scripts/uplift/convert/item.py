"""Carry out one batch item: skip what is finished, write the rest, remove what is stale."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import NamedTuple

from uplift import grid, progress
from uplift.arrays.source_chunks import ChunkSource
from uplift.arrays.tasks import Run, Task, tasks_of
from uplift.convert.outcome import Outcome
from uplift.convert.recode import RecodeEngine
from uplift.convert.repack import RepackEngine
from uplift.errors import SourceError
from uplift.models.batch import Batch, BatchItem
from uplift.models.record import BadChunk, ItemRecord
from uplift.outputs import HeldOutput
from uplift.parallel import as_done
from uplift.storage import tuning
from uplift.storage.files import is_temporary
from uplift.storage.protocol import Store, join
from uplift.storage.retries import written_again
from uplift.work.journal import Done, Journal, boot_id
from uplift.zarr_metadata.v3 import target_key

log = logging.getLogger(__name__)

Engine = RepackEngine | RecodeEngine
Converted = tuple[ItemRecord, list[BadChunk]]
"""What was done, and the chunks that could not be decoded."""

_FLUSH_EVERY_S = 5.0
_CANONICAL = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True)
class ConvertSettings:
    """How to convert; changes no byte of a dataset without bad chunks."""

    threads: int = 1
    fill_bad_chunks: bool = False


class Shared(NamedTuple):
    """What items that are converted side by side have in common.

    Attributes
    ----------
    ended
        Set when all are done, or one failed: the other ends at its next shard.
    """

    pool: Executor
    ended: Event


class Resume:
    """Which finished work may be skipped: what was asked for then is what is asked for now.

    Who wants a batch done again deletes its journal, as the workflow does for ``-F``. A job that
    was complete when Snakemake was killed is run again too, and finds nothing left to do.
    """

    def __init__(self, batch: Batch, journal: Journal) -> None:
        wanted = {item.path: item.fingerprint for item in batch.items}
        self.kept = [done for done in journal.done if wanted.get(done.path) == done.fingerprint]

    def of(self, item: BatchItem) -> list[Done]:
        """Finished runs of one item."""
        return [done for done in self.kept if done.path == item.path]


class Moved:
    """Says now and then how far an item is, also amid a shard that takes hours (thread-safe)."""

    def __init__(self, item: BatchItem) -> None:
        self._item = item
        self._bytes = 0
        self._told = time.monotonic()
        self._lock = threading.Lock()
        self.position = item.start
        """End of the last task that is done."""

    def add(self, count: int) -> None:
        """Count bytes that were read, and tell when it is time."""
        with self._lock:
            self._bytes += count
            now = time.monotonic()
            if now - self._told < progress.EVERY_S:
                return
            self._told, mib = now, self._bytes / 2**20
        span = max(1, self._item.stop - self._item.start)
        percent = 100 * (self.position - self._item.start) // span
        log.info("%s: %d %% (%.0f MiB read)", self._item.path or "array", percent, mib)


class ItemConversion:
    """One batch item on its way from the source to the output."""

    def __init__(
        self,
        item: BatchItem,
        source: Store,
        output: HeldOutput,
        journal: Journal,
        resume: Resume,
        settings: ConvertSettings,
    ) -> None:
        self._item = item
        self._output = output
        self._journal = journal
        self._done = resume.of(item)
        self._settings = settings
        self._chunks = ChunkSource(source, item.path, item.source)
        target = item.target
        self._object_grid = grid.grid_shape(target.shape, target.object_shape)
        self._boot = boot_id()
        self._window = 2 * settings.threads
        self._flushed = time.monotonic()
        self._moved = Moved(item)

    def run(self, shared: Shared | None) -> Converted:
        """Convert the item, in a pool of its own or a shared one."""
        clock, cpu = time.perf_counter(), time.process_time()
        self._refuse_changed_source()
        self._journal.refuse_superseded()
        existing = self._existing()
        finished, resumed = self._trusted(existing)
        total = Outcome()
        if self._item.stored_chunks:
            with contextlib.ExitStack() as stack:
                if shared is None:
                    pool = stack.enter_context(ThreadPoolExecutor(self._settings.threads))
                    shared = Shared(pool, Event())
                self._write_all(self._engine(shared.pool), shared, finished, existing, total)
        if existing:
            self._journal.refuse_superseded()
        for position in sorted(existing):
            self._output.delete(self._key(position))
        changed = _unique(total.bad_chunks)
        for bad in changed:
            log.warning("%s: %s: %s", bad.key, bad.action, bad.reason)
        record = ItemRecord(
            path=self._item.path,
            start=self._item.start,
            stop=self._item.stop,
            method=self._item.method,
            fingerprint=self._item.fingerprint,
            chunks_read=total.chunks_read,
            bytes_read=total.bytes_read,
            objects_written=total.objects,
            bytes_written=total.bytes_written,
            objects_resumed=resumed,
            bad_chunks=tuple(changed),
            wall_seconds=round(time.perf_counter() - clock, 3),
            cpu_seconds=round(time.process_time() - cpu, 3),
        )
        return record, _unique(total.undecodable)

    def _refuse_changed_source(self) -> None:
        """Compare what is stored with what inspect saw: once an array, by listing it.

        The batch that has object 0 looks; without it the dataset is never published.
        """
        item = self._item
        if item.start or not self._chunks.store.can_list:
            return
        if self._chunks.listing_sha256() != item.listing_sha256:
            raise SourceError(
                f"{self._chunks.store.url}/{item.path}: chunks changed since the source was "
                "inspected; inspect it again (snakemake -R inspect_source)"
            )

    def _engine(self, pool: Executor) -> Engine:
        item, fill = self._item, self._settings.fill_bad_chunks
        if item.method != "recode":
            return RepackEngine(item, self._chunks, self._output, fill=fill, moved=self._moved.add)
        inner = pool if item.target.shards is not None else None
        return RecodeEngine(
            item, self._chunks, self._output, fill=fill, moved=self._moved.add, pool=inner
        )

    def _write_all(
        self,
        engine: Engine,
        shared: Shared,
        finished: list[Run],
        existing: dict[int, int],
        total: Outcome,
    ) -> None:
        """Run the tasks; what they write is taken out of `existing`, so the rest of it is stale."""

        def work(task: Task) -> tuple[Task, Outcome, list[int]]:
            if shared.ended.is_set():
                raise CancelledError
            self._journal.refuse_superseded()
            outcome, written = Outcome(), []
            for position, stored in task.objects():
                one = written_again(partial(engine.write_object, position, stored))
                if one.objects:
                    written.append(position)
                outcome += one
            self._note(task, outcome)  # at once: what no line tells of is written again
            return task, outcome, written

        tasks = tasks_of(self._item, self._chunks, finished)
        # A sharded recode keeps the pool busy inside each shard, so that one shard is in memory.
        inside = isinstance(engine, RecodeEngine) and self._item.target.shards is not None
        results = map(work, tasks) if inside else as_done(shared.pool, work, tasks, self._window)
        for task, outcome, written in results:
            for position in written:
                existing.pop(position, None)
            total += outcome
            self._flush_sometimes()
            self._moved.position = task.stop

    def _note(self, task: Task, outcome: Outcome) -> None:
        """Journal a finished task; bad chunks are met again on resume, so such tasks are not."""
        if outcome.bad_chunks or outcome.undecodable:
            return
        alone = outcome.objects == 1 and outcome.bytes_written >= tuning.SYNC_ALONE_BYTES
        self._journal.add(
            Done(
                path=self._item.path,
                fingerprint=self._item.fingerprint,
                start=task.start,
                stop=task.stop,
                objects=outcome.objects,
                bytes=outcome.bytes_written,
                chunks=outcome.chunks_read,
                boot=None if alone else self._boot,
            )
        )

    def _flush_sometimes(self) -> None:
        if time.monotonic() - self._flushed > _FLUSH_EVERY_S:
            with self._journal.flushing():
                self._output.flush()
            self._flushed = time.monotonic()

    def _existing(self) -> dict[int, int]:
        """Sizes of this item's objects at the output; objects outside the grid are deleted."""
        found, item = {}, self._item
        folder = join(item.path, "c")
        listed = list(self._output.list_tree(folder))
        alone = self._output.stat(folder) if not item.target.shape else None
        for info in [*listed, *([alone] if alone else [])]:
            position = self._position(info.key[len(item.path) + 1 if item.path else 0 :])
            if position is None:
                # another batch may be writing a temporary one; publish removes leftovers
                if item.start == 0 and not is_temporary(info.key):
                    self._output.delete(info.key)
            elif item.start <= position < item.stop:
                found[position] = info.size
        return found

    def _position(self, key: str) -> int | None:
        """Object that a key of the output belongs to; None when the plan has no such object."""
        parts = key.split("/")[1:]
        if len(parts) != len(self._object_grid) or not all(map(_CANONICAL.fullmatch, parts)):
            return None
        index = tuple(map(int, parts))
        if any(i >= n for i, n in zip(index, self._object_grid, strict=True)):
            return None
        return grid.linear_index(index, self._object_grid)

    def _key(self, position: int) -> str:
        return join(self._item.path, target_key(grid.index_of(position, self._object_grid)))

    def _trusted(self, existing: dict[int, int]) -> tuple[list[Run], int]:
        """Finished runs whose objects stand at the output as noted, and how many objects."""
        runs, resumed = [], 0
        for done in self._done:
            there = [existing[i] for i in range(done.start, done.stop) if i in existing]
            if len(there) == done.objects and sum(there) == done.bytes:
                runs.append((done.start, done.stop))
                resumed += done.objects
        for start, stop in runs:
            for position in range(start, stop):
                existing.pop(position, None)
        return sorted(runs), resumed


def _unique(found: list[BadChunk]) -> list[BadChunk]:
    """Each chunk once, in order: one is met again for each object that needs it."""
    return sorted({bad.chunk: bad for bad in found}.values(), key=lambda bad: bad.chunk)

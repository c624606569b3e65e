"""Carry out one batch: write its objects, skip finished ones, remove stale ones, keep accounts."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import math
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from threading import Event

from uplift import __version__
from uplift.convert.item import Converted, ConvertSettings, ItemConversion, Resume, Shared
from uplift.errors import SourceError
from uplift.models.batch import Batch, BatchItem
from uplift.models.record import BadChunk, Record
from uplift.outputs import HeldOutput
from uplift.parallel import in_order
from uplift.storage.protocol import Store
from uplift.work.journal import Journal

log = logging.getLogger(__name__)


_SMALL_ELEMENTS = 4 * 2**20
_SMALL_AT_ONCE = 8
_LARGE_AT_ONCE = 2


def convert_batch(
    batch: Batch, source: Store, output: HeldOutput, journal: Journal, settings: ConvertSettings
) -> Record:
    """Write every object of a batch.

    Raises
    ------
    SourceError
        Chunks that cannot be decoded (all of them are logged, the message names the first), or a
        source that changed since it was inspected.
    StorageError
        A read or write that failed.
    """
    started, clock, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
    resume = Resume(batch, journal)
    journal.start(resume.kept)
    records, undecodable = [], []

    def convert(shared: Shared | None, item: BatchItem) -> Converted:
        return ItemConversion(item, source, output, journal, resume, settings).run(shared)

    near = source.is_local and output.is_local
    for record, bad in _converted(batch.items, convert, settings.threads, near=near):
        records.append(record)
        undecodable += bad
    with journal.flushing():
        output.flush()
    if undecodable:
        raise _undecodable_error(undecodable, source.url)
    return Record(
        batch=batch.batch,
        items=tuple(records),
        wall_seconds=round(time.perf_counter() - clock, 3),
        cpu_seconds=round(time.process_time() - cpu, 3),
        peak_memory_bytes=peak_memory_bytes(),
        threads=settings.threads,
        started=started.isoformat(timespec="seconds"),
        versions=versions(),
    )


def _converted(
    items: Sequence[BatchItem],
    convert: Callable[[Shared | None, BatchItem], Converted],
    threads: int,
    *,
    near: bool,
) -> Iterator[Converted]:
    """Convert items, results in their order.

    Of remote stores small items, mostly round trips, are converted together, and of large ones
    whose bytes are kept the next begins while the last shards of one are under way. `threads`
    shards are written at once however many items there are; of small items at least one each.
    """
    if near:
        for item in items:
            yield convert(None, item)
        return
    for at_once, group in itertools.groupby(items, _items_at_once):
        run = list(group)
        with contextlib.ExitStack() as stack:
            beside = stack.enter_context(ThreadPoolExecutor(at_once)) if at_once > 1 else None
            shared = None
            if at_once > 1:
                least = min(at_once, len(run)) if at_once == _SMALL_AT_ONCE else 1
                writers = max(threads, least)
                shared = Shared(stack.enter_context(ThreadPoolExecutor(writers)), Event())
                stack.callback(shared.ended.set)
            yield from in_order(beside, functools.partial(convert, shared), run, 2 * at_once)


def _items_at_once(item: BatchItem) -> int:
    if _is_small(item):
        return _SMALL_AT_ONCE
    return 1 if item.method == "recode" else _LARGE_AT_ONCE


def _is_small(item: BatchItem) -> bool:
    per_object = math.prod(item.target.object_shape)
    elements = min(per_object * (item.stop - item.start), math.prod(item.target.shape))
    return elements <= _SMALL_ELEMENTS


def _undecodable_error(bad: list[BadChunk], url: str) -> SourceError:
    for chunk in bad:
        log.error("%s/%s: cannot be decoded: %s", url, chunk.key, chunk.reason)
    first = bad[0]
    return SourceError(
        f"{url}/{first.key}: cannot be decoded: {first.reason} ({len(bad)} bad "
        f"{'chunk' if len(bad) == 1 else 'chunks'} in this batch, all listed in the log); restore "
        "from a good copy, or set on_bad_chunk: fill to replace them by the fill value"
    )


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions() -> dict[str, str]:
    """Versions that may matter to whoever reads a record later."""
    found = {"ngff-uplift": __version__, "python": platform.python_version()}
    for package in ("numcodecs", "numpy", "zarr"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            log.debug("%s is not installed", package)
    return found

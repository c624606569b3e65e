"""One running batch: its journal, the results of its portions, and its record at the end."""

import functools
import logging
import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from uplift import __version__
from uplift.arrays.digests import pixel_index_bytes, sorted_pixel_rows
from uplift.arrays.source_chunks import ListingDigest
from uplift.arrays.source_reads import SourceReads, change_seen_by
from uplift.batches.portions import Portion, portions_of
from uplift.batches.work import Assignment, Result
from uplift.convert.engine import first_of, largest_of
from uplift.convert.portion import unique_chunks
from uplift.errors import SourceError
from uplift.grid import Index
from uplift.models.batch import Batch, BatchItem
from uplift.models.findings import Findings
from uplift.models.json_text import sha256_of
from uplift.models.record import BadChunk, ItemRecord, Record, Verify
from uplift.validate.objects.manifest import text_of_sums
from uplift.validate.pixels.chosen import MOST_NAMED
from uplift.validate.pixels.digests import digests_file
from uplift.work import json_files, usage
from uplift.work.folder import WorkFolder
from uplift.work.journal import Done, Journal

log = logging.getLogger(__name__)


@dataclass
class _ItemSum:
    """Sum of the results about one item."""

    results: list[Result] = field(default_factory=list)

    def of(self, name: str) -> int:
        if len(self.results) == 1:  # of small arrays
            return int(getattr(self.results[0], name))
        return sum(getattr(result, name) for result in self.results)


class BatchRun:
    """A batch that is being converted or validated.

    Attributes
    ----------
    undecodable
        Chunks that stop the conversion.
    waiting
        Number of results that are still missing.
    """

    def __init__(self, batch: Batch, journal: Journal) -> None:
        self.batch = batch
        self.journal = journal
        self.undecodable: list[BadChunk] = []
        self.waiting = 0
        self._sums = [_ItemSum() for _ in batch.items]
        self._findings = Findings()
        self._started, self._clock = datetime.now(UTC), time.perf_counter()

    def portions(self) -> Iterator[Portion]:
        """Cut the batch; each portion gets its lines of the journal."""
        return portions_of(self.batch, kept_lines(self.batch, self.journal))

    def add(self, result: Result) -> bool:
        """Add a result; return whether it was the last one."""
        self.waiting -= 1
        self._sums[result.number].results.append(result)
        self._findings.extend(result.findings)
        self.undecodable += result.undecodable
        if result.unsynced:
            self.journal.expect_unsynced()
        return self.waiting == 0

    def shares_of(self, result: Result) -> list[Assignment]:
        """Take the shares of a result, which are still to be validated; expect their results."""
        shares, result.shares = result.shares, ()
        self.waiting += len(shares)
        return [Assignment(share=share) for share in shares]

    def composed(
        self, work: WorkFolder, cores: int, verify: Verify, generation: str, before: Record | None
    ) -> Callable[[], None]:
        """Put together the digests, the check sums if there are any, and the record.

        Parameters
        ----------
        work
            Where to.
        cores
            Processes that converted it.
        verify
            How it was validated.
        generation
            As in the claim.
        before
            The record of the conversion, when the batch was only validated again.

        Returns
        -------
        Callable
            Writes them once the objects are on disk: of a conversion the record last, which says
            that the batch is done; of a validation the digests, without which it is done again.
        """
        items = [
            (item, one, sorted_pixel_rows(b"".join(r.rows for r in one.results), width))
            for item, one in zip(self.batch.items, self._sums, strict=True)
            for width in [pixel_index_bytes(item)]
        ]
        digests = digests_file(
            (i.path, i.start, i.stop, r, pixel_index_bytes(i)) for i, _, r in items
        )
        sums = {
            k: v for one in self._sums for result in one.results for k, v in result.sums.items()
        }
        record = self._record(items, cores, verify, generation, before).to_json()

        def write_record() -> None:
            json_files.write_lines(work.record(self.batch.batch), record, "items")

        def write() -> None:
            if before is not None:  # killed here, the old record must not count any more
                work.digests(self.batch.batch).unlink(missing_ok=True)
                write_record()
            if sums:
                json_files.write_text(work.sums(self.batch.batch), text_of_sums(sums))
            elif before is None:  # those of an earlier conversion are not of these bytes
                work.sums(self.batch.batch).unlink(missing_ok=True)
            json_files.write_bytes(work.digests(self.batch.batch), digests)
            if before is None:
                write_record()

        return write

    def _record(
        self,
        items: Sequence[tuple[BatchItem, _ItemSum, bytes]],
        cores: int,
        verify: Verify,
        generation: str,
        before: Record | None,
    ) -> Record:
        """Record of the batch; `items` with their sums and digest rows."""
        records = before.items if before is not None else [None] * len(items)
        made = [
            _item_record(item, one, row, old)
            for (item, one, row), old in zip(items, records, strict=True)
        ]
        new = Record(
            batch=self.batch.batch,
            verify=verify,
            items=tuple(made),
            findings=self._findings.listed(),
            wall_seconds=round(time.perf_counter() - self._clock, 3),
            cpu_seconds=round(sum(one.cpu_seconds for one in made), 3),
            peak_memory_bytes=max(
                [usage.own_peak_memory_bytes()]
                + [r.peak_memory_bytes for one in self._sums for r in one.results]
            ),
            threads=cores,
            started=self._started.isoformat(timespec="seconds"),
            versions=versions(),
            generation=generation,
        )
        if before is not None:  # what converting it cost stays
            kept = ("wall_seconds", "peak_memory_bytes", "threads", "started", "versions")
            new = new.model_copy(update={name: getattr(before, name) for name in kept})
        return new


def kept_lines(batch: Batch, journal: Journal) -> list[Done]:
    """Lines of a journal that were written for a batch as it is planned now.

    Deleting its journal makes a batch run again, as the workflow does for ``-F``.
    """
    wanted = {item.path: item.fingerprint for item in batch.items}
    return [done for done in journal.done if wanted.get(done.path) == done.fingerprint]


def _item_record(item: BatchItem, one: _ItemSum, rows: bytes, old: ItemRecord | None) -> ItemRecord:
    found = {
        "objects": one.of("objects"),
        "bytes": one.of("object_bytes"),
        "objects_sha256": ListingDigest(one.of("listing")).hexdigest(),
        "chunks_compared": one.of("chunks"),
        "bytes_compared": one.of("compared_bytes"),
        "regions_compared": one.of("regions"),
        "rows_sha256": sha256_of(rows),
    }
    if old is not None:
        return old.model_copy(update=found)
    _refuse_changed_source(item, one)
    largest = functools.reduce(largest_of, (result.largest for result in one.results), None)
    opened = ListingDigest(one.of("opened_sum"))
    repeated = set[Index]().union(*(result.repeated_reads for result in one.results))
    bad = unique_chunks([bad for result in one.results for bad in result.bad_chunks])
    for chunk in bad:
        log.warning("%s: %s: %s", chunk.key, chunk.action, chunk.reason)
    return ItemRecord(
        path=item.path,
        start=item.start,
        stop=item.stop,
        method=item.method,
        fingerprint=item.fingerprint,
        chunks_read=one.of("chunks_read"),
        bytes_read=one.of("bytes_read"),
        objects_written=one.of("objects_written"),
        bytes_written=one.of("bytes_written"),
        opened=one.of("opened"),
        opened_sha256=opened.hexdigest() if one.of("opened") else "",
        objects_resumed=one.of("resumed"),
        bad_chunks=tuple(bad),
        trailing=one.of("trailing"),
        first_trailing=functools.reduce(first_of, (r.first_trailing for r in one.results), None),
        largest=None if largest is None else (largest[0], *largest[1]),
        repeated_reads=tuple(sorted(repeated))[:MOST_NAMED],
        wall_seconds=round(sum(result.seconds for result in one.results), 3),
        cpu_seconds=round(sum(result.cpu_seconds for result in one.results), 3),
        **found,
    )


def _refuse_changed_source(item: BatchItem, one: _ItemSum) -> None:
    """Compare what was read of an array with the inventory, where one item is all of it.

    Raises
    ------
    SourceError
        They differ.
    """
    if (item.start, item.stop) != (0, math.prod(item.target.object_grid)):
        return
    reads = SourceReads(
        chunks=one.of("chunks_read"),
        bytes=one.of("bytes_read"),
        opened=one.of("opened"),
        opened_sum=one.of("opened_sum"),
        has_resumed=one.of("resumed") > 0,
    )
    change = change_seen_by(reads, item, item.target)
    if change is not None:
        raise SourceError(f"{item.path or 'array'}: {change}")


def undecodable_error(bad: Iterable[BadChunk], url: str) -> SourceError:
    """Name every chunk in the log, and the first one in the message."""
    found = unique_chunks(list(bad))
    for chunk in found:
        log.error("%s/%s: cannot be decoded: %s", url, chunk.key, chunk.reason)
    first = found[0]
    return SourceError(
        f"{url}/{first.key}: cannot be decoded: {first.reason} ({len(found)} bad "
        f"{'chunk' if len(found) == 1 else 'chunks'} in this job, all listed in the log); restore "
        "from a good copy, or set on_bad_chunk: fill to replace them by the fill value"
    )


def versions() -> dict[str, str]:
    """Versions that may matter to readers of a record later."""
    found = {"ngff-uplift": __version__, "python": platform.python_version()}
    for package in ("numcodecs", "numpy", "zarr"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            log.debug("%s is not installed", package)
    return found

"""Put the records of all batches together: nothing left out, nothing twice."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from uplift import grid
from uplift.arrays.source_reads import SourceReads, change_seen_by
from uplift.errors import VALIDATE_AGAIN, InputError
from uplift.grid import Index
from uplift.models.arrays import SourceArray, TargetArray
from uplift.models.batch import Batch, BatchItem
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryArray
from uplift.models.record import BadChunk, ItemRecord, Record
from uplift.models.validation import ArrayValidation
from uplift.models.words import counted
from uplift.validate.pixels.chosen import Chosen
from uplift.validate.pixels.digests import Run, chunks_sha256, first_gap, runs_of
from uplift.work import json_files
from uplift.work.folder import WorkFolder


@dataclass
class ArrayWork:
    """What the batches did for one array."""

    source: SourceArray
    target: TargetArray
    items: list[ItemRecord] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def bad(self) -> dict[Index, BadChunk]:
        """Chunks that could not be kept; one may lie under objects of several batches."""
        return {bad.chunk: bad for one in self.items for bad in one.bad_chunks}

    @property
    def filled(self) -> frozenset[Index]:
        """Undecodable source chunks."""
        return frozenset(chunk for chunk, bad in self.bad.items() if bad.action == "filled")


def gather(batches: Iterable[Batch], work: WorkFolder, findings: Findings) -> dict[str, ArrayWork]:
    """Put the records of all batches together, by array.

    Parameters
    ----------
    batches
        Of the plan in force.
    work
        Work folder of the dataset.
    findings
        Receives what the batches found.

    Returns
    -------
    dict[str, ArrayWork]
        Array path to what the batches did for it.

    Raises
    ------
    InputError
        A record is absent, or was made for another plan.
    """
    arrays: dict[str, ArrayWork] = {}
    for batch in batches:
        file = work.record(batch.batch)
        record = json_files.read_model(file, Record)
        findings.extend(record.findings)
        done = {(one.path, one.start): one for one in record.items}
        digests = work.digests(batch.batch)
        runs = {(run.path, run.start): run for run in runs_of(digests)}
        for item in batch.items:
            key = (item.path, item.start)
            one = _current_record(item, done.get(key), file)
            array = arrays.setdefault(item.path, ArrayWork(item.source, item.target))
            array.items.append(one)
            array.runs.append(_current_run(item, one, runs.get(key), digests))
    for path, array in arrays.items():
        trailing = sum(one.trailing for one in array.items)
        if trailing:
            first = min(one.first_trailing for one in array.items if one.first_trailing is not None)
            text = (
                f"{counted(trailing, 'chunk')} with bytes after the end of the compressed stream "
                f"(first: {first}); the output has no such bytes"
            )
            findings.warning("chunk.trailing", path, text)
    return arrays


def chosen_of(
    path: str,
    work: ArrayWork,
    stored_chunks: int,
    *,
    misdeclared: bool = False,
    broken: bool = False,
) -> Chosen:
    """Choose the chunks of an array that other readers compare.

    Parameters
    ----------
    path
        Of the array, from the root of the output.
    work
        What its batches did.
    stored_chunks
        Of the source.
    misdeclared
        Whether the source's document gives another separator than its keys have: other readers do
        not find its chunks.
    broken
        Whether something is wrong with the array: all is compared again, by its own document.

    Returns
    -------
    Chosen
        Chunks to read with other readers.
    """
    chunks = grid.grid_shape(work.source.shape, work.source.chunks)
    sizes = [(-one.largest[0], one.largest[1:]) for one in work.items if one.largest is not None]
    absent = None
    if stored_chunks < math.prod(chunks):
        gap = first_gap(work.runs, math.prod(chunks))
        absent = None if gap is None else grid.index_of(gap, chunks)
    return Chosen(
        path=path,
        source=work.source,
        target=work.target,
        largest=min(sizes)[1] if sizes else None,
        absent=absent,
        named=tuple(sorted(set(work.bad) - work.filled)),
        repeated_reads=tuple(sorted({chunk for one in work.items for chunk in one.repeated_reads})),
        filled=work.filled,
        misdeclared=misdeclared,
        borders=tuple(sorted(one.start for one in work.items if one.start)),
        compared=work.items[0].regions_compared if len(work.items) == 1 and not broken else 0,
    )


def array_validation(
    entry: InventoryArray,
    work: ArrayWork,
    findings: Findings,
    *,
    broken: bool,
    regions: int = 0,
    sha256: str | None = None,
) -> ArrayValidation:
    """Sum up one array.

    Parameters
    ----------
    entry
        What inspect_source found.
    work
        What the batches did.
    findings
        Where to note what is missing.
    broken
        Whether it has errors already, which explain missing chunks.
    regions
        Regions that other readers compared.
    sha256
        Digest of the whole array, where there is one.

    Returns
    -------
    ArrayValidation
        As ``validation.json`` has it.
    """
    objects = math.prod(work.target.object_grid)
    edges = sorted((one.start, one.stop) for one in work.items)
    tiled = all(a[1] == b[0] for a, b in itertools.pairwise([(0, 0), *edges, (objects, objects)]))
    if not tiled:
        text = f"the batches cover objects {edges} of 0 to {objects}; run again"
        findings.error("batches.incomplete", entry.path, text)
    compared = sum(one.chunks_compared for one in work.items)
    digest, rows, unique = chunks_sha256(work.runs)
    expected = entry.stored_chunks - len(work.filled)
    if not unique or (not broken and not compared <= rows == expected):
        text = f"{rows} chunks were compared, the source has {expected}"
        findings.error("pixels.incomplete", entry.path, text)
    change = change_seen_by(_reads_of(work.items), entry, work.target)
    if change is not None:
        findings.error("source.changed", entry.path, change)
    return ArrayValidation(
        path=entry.path,
        shape=work.target.shape,
        data_type=work.target.data_type,
        sha256=sha256,
        chunks_sha256=digest,
        chunks_compared=compared,
        bytes_compared=sum(one.bytes_compared for one in work.items),
        regions_compared=regions,
    )


def _reads_of(items: list[ItemRecord]) -> SourceReads:
    """What the batches read of an array together."""
    # a batch that compared each read with the listing counts none, others may read chunks twice
    all_counted = all(one.opened for one in items if one.objects)
    opened = [one for one in items if one.opened] if all_counted else []
    return SourceReads(
        chunks=sum(one.chunks_read for one in items),
        bytes=sum(one.bytes_read for one in items),
        opened=sum(one.opened for one in opened),
        opened_sum=sum(int(one.opened_sha256, 16) for one in opened),
        has_resumed=any(one.objects_resumed for one in items),
    )


def _current_record(item: BatchItem, one: ItemRecord | None, file: Path) -> ItemRecord:
    if one is None or one.fingerprint != item.fingerprint or one.stop != item.stop:
        raise InputError(
            f"{file}: is not about {item.path or '/'} as it is planned now; "
            "convert again: the same command with -R convert -- results/<dataset>/published.json"
        )
    return one


def _current_run(item: BatchItem, one: ItemRecord, run: Run | None, file: Path) -> Run:
    if run is None or run.sha256 != one.rows_sha256:
        raise InputError(
            f"{file}: does not hold the digests that {file.with_suffix('.json').name} speaks of, "
            f"at {item.path or '/'}; {VALIDATE_AGAIN}"
        )
    return run

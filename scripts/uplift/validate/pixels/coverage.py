"""Put the validations of all batches together: nothing left out, nothing twice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uplift import grid
from uplift.errors import InputError
from uplift.grid import Index
from uplift.models.arrays import TargetArray
from uplift.models.batch import Batch, BatchItem
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryArray
from uplift.models.record import Record
from uplift.models.validation import ArrayValidation, BatchValidation, ItemValidation
from uplift.validate.pixels.digests import Run, chunks_sha256, rows_sha256, runs_of
from uplift.work import json_files
from uplift.work.folder import WorkFolder


@dataclass
class ArrayWork:
    """What the batches did for one array."""

    target: TargetArray
    ranges: list[tuple[int, int]] = field(default_factory=list)
    validations: list[ItemValidation] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    filled: set[Index] = field(default_factory=set)
    """Undecodable source chunks; one may lie under objects of several batches."""


def gather(batches: Iterable[Batch], work: WorkFolder, findings: Findings) -> dict[str, ArrayWork]:
    """Put the records and validations of all batches together, by array.

    Raises
    ------
    InputError
        One is absent, or was made for another plan.
    """
    arrays: dict[str, ArrayWork] = {}
    for batch in batches:
        name = batch.batch
        record = json_files.read_model(work.record(name), Record)
        validation = json_files.read_model(work.findings(name), BatchValidation)
        findings.extend(validation.findings)
        checked = {(one.path, one.start): one for one in validation.items}
        filled = {
            (one.path, one.start): {bad.chunk for bad in one.bad_chunks if bad.action == "filled"}
            for one in record.items
        }
        runs = {(run.path, run.start): run for run in runs_of(work.digests(name))}
        for item in batch.items:
            key = (item.path, item.start)
            one = _current(item, checked.get(key), work.findings(name))
            array = arrays.setdefault(item.path, ArrayWork(item.target))
            array.ranges.append((item.start, item.stop))
            array.validations.append(one)
            array.filled |= filled.get(key, set())
            array.runs.append(_rows(item, one, runs.get(key), work.digests(name)))
    return arrays


def array_validation(
    entry: InventoryArray, work: ArrayWork, broken: bool, findings: Findings
) -> ArrayValidation:
    """Sum up one array; `broken` when it has errors already, which explain missing chunks."""
    objects = math.prod(grid.grid_shape(work.target.shape, work.target.object_shape))
    edges = sorted(work.ranges)
    tiled = all(a[1] == b[0] for a, b in itertools.pairwise([(0, 0), *edges, (objects, objects)]))
    if not tiled:
        text = f"the batches cover objects {edges} of 0 to {objects}; split the plan again"
        findings.error("batches.incomplete", entry.path, text)
    compared = sum(one.chunks_compared for one in work.validations)
    digest, rows, unique = chunks_sha256(work.runs)
    expected = entry.stored_chunks - len(work.filled)
    if not unique or (not broken and not compared <= rows == expected):
        text = f"{rows} chunks were compared, the source has {expected}"
        findings.error("pixels.incomplete", entry.path, text)
    whole = work.validations[0] if len(work.validations) == 1 else None
    return ArrayValidation(
        path=entry.path,
        shape=work.target.shape,
        data_type=work.target.data_type,
        sha256=whole.sha256 if whole is not None else None,
        chunks_sha256=digest,
        chunks_compared=compared,
        bytes_compared=sum(one.bytes_compared for one in work.validations),
    )


def uncovered(
    entries: Mapping[str, InventoryArray], arrays: Mapping[str, ArrayWork], skipped: set[str]
) -> list[str]:
    """Arrays that no batch converts although nothing says they are left out."""
    return [path for path in entries if path not in arrays and path not in skipped]


def _current(item: BatchItem, one: ItemValidation | None, file: Path) -> ItemValidation:
    if one is None or one.fingerprint != item.fingerprint or one.stop != item.stop:
        raise InputError(
            f"{file}: is not about {item.path or '/'} as it is planned now; "
            "validate that batch again"
        )
    return one


def _rows(item: BatchItem, one: ItemValidation, run: Run | None, file: Path) -> Run:
    if run is None or rows_sha256(run) != one.rows_sha256:
        raise InputError(
            f"{file}: does not hold the digests that {file.with_suffix('.json').name} speaks of, "
            f"at {item.path or '/'}; validate that batch again"
        )
    return run

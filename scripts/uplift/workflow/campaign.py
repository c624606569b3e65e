"""What a campaign needs, from work files or a sheet of kinds of datasets, and its table."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from uplift.errors import InputError
from uplift.models.inventory import Inventory
from uplift.models.plan import Plan
from uplift.planning.campaign import Campaign
from uplift.planning.loads import Load, load_of_kind, load_of_plan
from uplift.planning.rates import QUANTITIES, Measured, Run
from uplift.work import json_files, ledger
from uplift.work.folder import WorkFolder
from uplift.workflow.slices import cores_for, slice_count, slices_of

COLUMNS = ("count", "arrays", "chunks", "stored_bytes", "decoded_bytes", "objects")
"""Of the sheet of kinds; `method` (repack or recode) may follow."""

_COLD = 0.5
"""With a smaller share of a pilot's chunks from a disk, its rates are those of memory."""


def _folders(results: Path) -> list[WorkFolder]:
    return [WorkFolder(path.parent) for path in sorted(results.glob("*/plan.json"))]


def _load(work: WorkFolder) -> Load | None:
    plan = json_files.read_model(work.plan, Plan)
    if plan.estimate is None or not work.inventory.exists():  # as earlier versions planned
        return None
    return load_of_plan(
        plan,
        json_files.read_model(work.inventory, Inventory),
        slice_count(work),
        threads=cores_for(plan.estimate.before.bytes, len(plan.arrays)),
        archive=work.archive.exists(),
    )


def planned_loads(results: Path) -> Iterator[Load]:
    """Loads of all datasets of a results folder that have a plan."""
    return filter(None, map(_load, _folders(results)))


def finished_runs(results: Path) -> Iterator[Run]:
    """Datasets that were published, with what the jobs of each step took.

    Datasets of which a step ran again, after an edit or a kill, say nothing about a complete run,
    nor do those whose plan was edited afterwards in an invalid way.
    """
    for work in _folders(results):
        if not work.published.exists():
            continue
        jobs = [line for line in ledger.read(work.path / ledger.NAME) if line.exit_code == 0]
        try:
            load = _load(work)
        except InputError:
            continue
        if load is None:
            continue
        steps = ledger.by_step(jobs)
        if Counter(job.step for job in jobs) == {s: load.features(s)["job"] for s in load.steps}:
            threads = {job.step: job.threads for job in jobs}
            yield Run(load, _spent(steps), threads, _disk_bytes(jobs, load))


def _disk_bytes(jobs: Sequence[ledger.Spent], load: Load) -> int | None:
    """Bytes of local chunks that came from a disk or a file server, where that was counted."""
    counts = [job.disk_bytes_read for job in jobs if job.step == "convert" and not job.requests]
    if None in counts or not counts:
        return None
    return min(load.stored_bytes, sum(filter(None, counts)))  # disks are read ahead


def _spent(steps: Mapping[str, ledger.Sum]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {name: {} for name in QUANTITIES}
    for step, spent in steps.items():
        for name in QUANTITIES:
            found[name][step] = getattr(spent, name)
        # stores on this machine count no requests
        objects = spent.objects_read + spent.objects_written
        found["requests"][step] = spent.requests or objects
    return found


def loads_of_kinds(file: Path) -> list[Load]:
    """Loads of a sheet of kinds of datasets.

    Raises
    ------
    InputError
        A line without a number, or with an unknown method.
    """
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    return [_kind(row, f"{file}, line {number}") for number, row in enumerate(rows, 2)]


def _kind(row: dict[str, str], where: str) -> Load:
    try:
        numbers = {name: int(float(row[name])) for name in COLUMNS}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{where}: needs a number in each of {COLUMNS}: {error}") from None
    method = row.get("method") or "repack"
    if method not in ("repack", "recode"):
        raise InputError(f"{where}: method: {method!r} is neither repack nor recode")
    return load_of_kind(
        **numbers,
        recode=method == "recode",
        slices=slices_of(numbers["stored_bytes"]),
        threads=cores_for(numbers["stored_bytes"], numbers["arrays"]),
    )


def table_of(
    found: Campaign, runs: int, measured: Measured, loads: Sequence[Load]
) -> Iterator[str]:
    """Lines on what a campaign needs, and where the rates come from.

    Parameters
    ----------
    found
        The prediction.
    runs
        How many datasets the rates come from.
    measured
        The rates.
    loads
        Of the campaign's datasets.

    Returns
    -------
    Iterator[str]
        Lines.
    """
    yield f"datasets           {found.datasets:>18,}"
    for name in ("jobs", "cluster_jobs", "requests", "objects"):
        yield f"{name.replace('_', ' '):<19}{getattr(found, name):>18,}"
    yield f"TB read            {found.bytes_read / 1e12:>18,.6f}"
    yield f"TB written         {found.bytes_written / 1e12:>18,.6f}"
    yield f"CPU hours          {found.cpu_hours:>18,.3f}"
    yield f"held core hours    {found.core_hours:>18,.3f}"
    yield f"node hours         {found.node_hours:>18,.2f}"
    parts = ("cores", "bytes", "requests")
    days = ", ".join(f"{part} {getattr(found, f'days_of_{part}'):,.2f}" for part in parts)
    yield f"days               {found.days:>18,.2f}    alone: {days}"
    yield f"money              {found.money:>18,.2f}"
    yield from _origin(runs, measured, loads)


def _origin(runs: int, measured: Measured, loads: Sequence[Load]) -> Iterator[str]:
    """Which rates come from the records, which are defaults, and what the records do not cover."""
    if not runs:
        yield "rates: all are defaults; give --measured"
        return
    yield f"rates: of {runs} datasets; the others are defaults"
    for quantity, steps in measured.rates.items():
        parts: dict[bool, list[str]] = {True: [], False: []}
        for step, terms in steps.items():
            for is_fitted, names in parts.items():
                own = [t for t in terms if ((quantity, step, t) in measured.fitted) is is_fitted]
                if own:
                    names.append(f"{step} ({', '.join(own)})")
        for is_fitted, names in parts.items():
            if names:
                origin = "of records" if is_fitted else "by default"
                yield f"  {quantity.replace('_', ' ')}, {origin}: {'; '.join(names)}"
    if measured.from_disk is not None and measured.from_disk < _COLD:
        yield (
            f"warning: of what the rates come from, {measured.from_disk:.0%} was read from a disk, "
            "the rest was in memory; what is larger than the memory takes longer: convert a pilot "
            "that was not copied or read just before"
        )
    for line in measured.outside(loads):
        yield f"warning: outside of what the rates come from: {line}"

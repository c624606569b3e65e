"""What is known of a campaign, from work files or a sheet of kinds of datasets, and its table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from uplift.errors import InputError
from uplift.models.plan import Plan
from uplift.planning.campaign import Campaign, Load, Run, load_of_kind, load_of_plan
from uplift.work import json_files, ledger
from uplift.work.folder import WorkFolder
from uplift.workflow.slices import MAX_SLICES, SLICE_BYTES, slice_count

COLUMNS = ("count", "arrays", "chunks", "stored_bytes", "decoded_bytes", "objects")
"""Of the sheet of kinds; `method` (repack or recode) may follow."""


def _folders(results: Path) -> list[WorkFolder]:
    return [WorkFolder(path.parent) for path in sorted(results.glob("*/plan.json"))]


def _load(work: WorkFolder) -> Load | None:
    plan = json_files.read_model(work.plan, Plan)
    if plan.estimate is None or plan.estimate.costs is None:  # as earlier versions planned
        return None
    archived = (work.path / "archive.json").exists()
    return load_of_plan(plan, slice_count(work), archive=archived)


def planned_loads(results: Path) -> Iterator[Load]:
    """Loads of all datasets of a results folder that have a plan."""
    return filter(None, map(_load, _folders(results)))


def finished_runs(results: Path) -> Iterator[Run]:
    """Datasets that were published, with what all their jobs took."""
    for work in _folders(results):
        jobs = [line for line in ledger.read(work.path / ledger.NAME) if line.exit_code == 0]
        load = _load(work)
        if load is None or not jobs or not work.published.exists():
            continue
        spent = ledger.added_up(jobs)
        yield Run(
            load=load,
            jobs=spent.jobs,
            core_seconds=sum(job.wall_seconds * job.threads for job in jobs),
            cpu_seconds=spent.cpu_seconds,
            requests=spent.requests or spent.objects_read + spent.objects_written,
            bytes_read=spent.bytes_read,
            bytes_written=spent.bytes_written,
        )


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
    slices = min(MAX_SLICES, max(1, -(-numbers["stored_bytes"] // SLICE_BYTES)))
    return load_of_kind(
        count=numbers["count"],
        arrays=numbers["arrays"],
        chunks=numbers["chunks"],
        stored_bytes=numbers["stored_bytes"],
        decoded_bytes=numbers["decoded_bytes"],
        objects=numbers["objects"],
        recode=method == "recode",
        slices=slices,
    )


def table_of(found: Campaign, runs: int) -> Iterator[str]:
    """Lines that say what a campaign takes; `runs` is how many datasets the rates come from."""
    rates = f"fitted to {runs} datasets" if runs else "defaults: give --measured"
    yield f"datasets           {found.datasets:>18,}    rates: {rates}"
    for name in ("jobs", "requests", "objects"):
        yield f"{name:<19}{getattr(found, name):>18,}"
    yield f"TB read            {found.bytes_read / 1e12:>18,.6f}"
    yield f"TB written         {found.bytes_written / 1e12:>18,.6f}"
    yield f"node hours         {found.node_hours:>18,.2f}"
    parts = ("cores", "bytes", "requests")
    days = ", ".join(f"{part} {getattr(found, f'days_of_{part}'):,.2f}" for part in parts)
    yield f"days               {found.days:>18,.2f}    alone: {days}"
    yield f"money              {found.money:>18,.2f}"

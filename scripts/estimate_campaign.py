"""Predict what a campaign takes: jobs, node hours, requests, objects, days and money.

What is to be converted is known from plans (``--plans results``, after ``snakemake plans``) or from
a sheet of kinds of datasets (``--kinds kinds.csv``, one line a kind). Rates are fitted to the
ledgers of datasets that were converted already (``--measured results``); without any, they are
those of a core of 2.5 GHz and a local disk.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from uplift import command
from uplift.errors import InputError
from uplift.models.plan import Plan
from uplift.planning.campaign import (
    Campaign,
    Load,
    Prices,
    Run,
    Site,
    calibrated,
    campaign_of,
    load_of_kind,
    load_of_plan,
)
from uplift.work import json_files, ledger
from uplift.work.folder import WorkFolder
from uplift.workflow.slices import MAX_SLICES, SLICE_BYTES, slice_count

_COLUMNS = ("count", "arrays", "chunks", "stored_bytes", "decoded_bytes", "objects")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--plans", type=Path, help="folder of the work files of planned datasets")
    parser.add_argument("--kinds", type=Path, help=f"CSV: {', '.join(_COLUMNS)}, method")
    parser.add_argument("--measured", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--nodes", type=int, default=1, help="at once")
    parser.add_argument("--cores", type=int, default=16, help="of a node")
    parser.add_argument("--megabytes-per-second", type=float, default=125.0, help="of all nodes")
    parser.add_argument("--request-ms", type=float, default=0.0, help="to the first byte")
    parser.add_argument("--requests-at-once", type=int, default=256, help="over all jobs")
    names = ", ".join(entry.name for entry in fields(Prices))
    parser.add_argument(
        "--prices", type=command.json_argument, default={}, metavar="JSON", help=f"of {names}"
    )
    parser.add_argument("--json", action="store_true", help="write JSON in place of a table")
    return command.run_program(parser, _estimate, argv)


def _estimate(arguments: argparse.Namespace) -> None:
    command.require(bool(arguments.plans or arguments.kinds), "give --plans or --kinds")
    unknown = set(arguments.prices) - {entry.name for entry in fields(Prices)}
    command.require(not unknown, f"--prices: unknown: {', '.join(sorted(unknown))}")
    loads = list(_planned(arguments.plans)) if arguments.plans else []
    loads += _kinds(arguments.kinds) if arguments.kinds else []
    if not loads:
        raise InputError(f"{arguments.plans}: no plan there has an estimate; run snakemake plans")
    runs = [run for folder in arguments.measured for run in _runs(folder)]
    site = Site(
        nodes=arguments.nodes,
        cores=arguments.cores,
        bytes_per_second=arguments.megabytes_per_second * 1e6,
        request_seconds=arguments.request_ms / 1000,
        at_once=arguments.requests_at_once,
        prices=Prices(**arguments.prices),
    )
    rates = calibrated(runs)
    found = campaign_of(loads, rates, site)
    if arguments.json:
        data = {**asdict(found), "days": found.days, "rates": asdict(rates), "runs": len(runs)}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _table(found, len(runs))))


def _folders(results: Path) -> list[WorkFolder]:
    return [WorkFolder(path.parent) for path in sorted(results.glob("*/plan.json"))]


def _load(work: WorkFolder) -> Load | None:
    plan = json_files.read_model(work.plan, Plan)
    archived = (work.path / "archive.json").exists()
    return load_of_plan(plan, slice_count(work), archive=archived)


def _planned(results: Path) -> Iterator[Load]:
    return filter(None, map(_load, _folders(results)))


def _runs(results: Path) -> Iterator[Run]:
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


def _kinds(file: Path) -> list[Load]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    return [_kind(row, f"{file}, line {number}") for number, row in enumerate(rows, 2)]


def _kind(row: dict[str, str], where: str) -> Load:
    try:
        numbers = {name: int(float(row[name])) for name in _COLUMNS}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{where}: needs a number in each of {_COLUMNS}: {error}") from None
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


def _table(found: Campaign, runs: int) -> Iterator[str]:
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


if __name__ == "__main__":
    sys.exit(main())

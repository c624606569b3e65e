"""Measure sheets of tiny datasets: what Snakemake itself costs, and what the jobs cost, a row.

Each number of rows is converted to the end in a folder of its own; the last line is a dry run. CPU
seconds, since they depend little on what else a machine does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import FailedError, run_measured

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / ".test" / "cells.zarr"
JOBS = "inspect_source, plan, claim, convert, migrate, crate, validate, publish"
"""Of one dataset, as a dry run lists them."""
_LONGEST_S = 14_400.0
_SELF = """
import atexit, json, resource, sys
from pathlib import Path
from snakemake.cli import main

def note():
    own = resource.getrusage(resource.RUSAGE_SELF)
    note = {"cpu": own.ru_utime + own.ru_stime, "memory": own.ru_maxrss / 1024}
    Path(place).write_text(json.dumps(note))

place = sys.argv.pop(1)
atexit.register(note)
main()
"""
"""Snakemake's command line, whose process alone notes what it took: not its jobs."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of Snakemake's own process and of all others, its peak in MiB, wall seconds."""

    own: float
    jobs: float
    memory: float
    wall: float


def main() -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the datasets, such as /tmp/sheets")
    parser.add_argument("--rows", type=int, nargs="*", default=[30, 100, 300])
    parser.add_argument("--dry", type=int, default=1000, help="rows of the dry run; 0: none")
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    home = given.folder.absolute()
    print("| rows | Snakemake, CPU s | a row | its peak, MB | jobs, CPU s a row | wall s |")
    print("|---|---|---|---|---|---|")
    for rows in given.rows:
        _show(f"{rows}", rows, converted(home / str(rows), rows, given.cores))
    if given.dry:
        place = home / f"dry-{given.dry}"
        _show(f"{given.dry}, `--dry-run`", given.dry, dry_run_cost(place, given.dry, given.cores))
    return 0


def converted(folder: Path, rows: int, cores: int) -> Cost:
    """Convert a sheet of so many rows to the end."""
    write_sheet(folder, rows)
    cost = _run(folder, "--cores", str(cores))
    published = len(list(folder.glob("results/*/published.json")))
    if published != rows:
        raise FailedError(f"{published} of {rows} datasets were published; see {folder}/log.txt")
    return cost


def dry_run_cost(folder: Path, rows: int, cores: int) -> Cost:
    """A dry run of a sheet of so many rows, which names every job."""
    write_sheet(folder, rows)
    cost = _run(folder, "--cores", str(cores), "--dry-run")
    listed = (folder / "log.txt").read_text().count(f": {JOBS}\n")
    if listed != rows:
        raise FailedError(f"the dry run lists {listed} of {rows} datasets; see {folder}/log.txt")
    return cost


def write_sheet(folder: Path, rows: int) -> None:
    """Write a sheet of so many copies of the small dataset in ``.test`` into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [f"cells-{number:04d}" for number in range(rows)]
    for name in names:
        shutil.copytree(SOURCE, folder / f"{name}.zarr")
    lines = [f"{name},{name}.zarr,out/{name}.zarr,CC0-1.0\n" for name in names]
    (folder / "sheet.csv").write_text("dataset,input,output,license\n" + "".join(lines))


def _run(folder: Path, *options: str) -> Cost:
    own = folder / "own.json"
    words = [sys.executable, "-c", _SELF, str(own), "--snakefile", str(PROJECT / "Snakefile")]
    words += ["--directory", str(folder), *options, "--config", "samples=sheet.csv"]
    all_of_it = run_measured(words, folder / "log.txt", longest=_LONGEST_S)
    noted = json.loads(own.read_text())
    return Cost(noted["cpu"], all_of_it.cpu - noted["cpu"], noted["memory"], all_of_it.wall)


def _show(name: str, rows: int, cost: Cost) -> None:
    print(
        f"| {name} | {cost.own:.1f} | {cost.own / rows:.3f} | {cost.memory:.0f} "
        f"| {cost.jobs / rows:.2f} | {cost.wall:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

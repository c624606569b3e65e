"""Compare copying, this project and the tool of the OME 2024 NGFF challenge on one dataset.

All take turns on the same generated source, several rounds; medians and ratios go to
``benchmark.json`` and ``benchmark.md``. The outputs are compared pixel by pixel in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import candidates
from candidates import Place
from measure import Cost, FailedError, median, run_measured

HERE = Path(__file__).resolve().parent
START, COPY, COPY_SYNC = "program start", "cp -r", "cp -r; sync"
CONVERT, CONVERT_FSYNC = "convert, durability: none", "convert, durability: fsync"
WORKFLOW, TINY_WORKFLOW = "whole workflow", "whole workflow, some MB"
CHALLENGE, TINY_CHALLENGE = "challenge's tool", "challenge's tool, some MB"

Results = dict[str, list[Cost]]


def main() -> int:
    """Generate, measure, compare, report."""
    arguments = _arguments()
    scratch = arguments.scratch or arguments.results / "scratch"
    log = arguments.results / "benchmark.log"
    arguments.results.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    place = Place(scratch / "source.zarr", scratch / "tiny.zarr", scratch, log, arguments.cores)
    # as on every machine where a program ran before: modules are compiled once, not in each process
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(scratch / "bytecode")
    try:
        size = ["--small"] if arguments.small else ["--timepoints", arguments.timepoints]
        _run(place, HERE / "dataset.py", place.source, *size)
        _run(place, HERE / "dataset.py", place.tiny, "--small")
        if not arguments.skip_challenge:
            candidates.install_challenge()
        results = measure(place, arguments.rounds, skip_challenge=arguments.skip_challenge)
        compared = compare(place, skip_challenge=arguments.skip_challenge)
    except (FailedError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    report = summary(place, results, compared)
    (arguments.results / "benchmark.json").write_text(json.dumps(report, indent=2) + "\n")
    text = markdown(report)
    (arguments.results / "benchmark.md").write_text(text)
    print(text)
    if not arguments.keep:
        shutil.rmtree(scratch)
    return 0


def measure(place: Place, rounds: int, *, skip_challenge: bool) -> Results:
    """Let everything take its turn, `rounds` times, after a turn to warm up."""
    turns: dict[str, Callable[[Place], Cost]] = {
        START: candidates.start_up,
        COPY: candidates.copy,
        CONVERT: partial(candidates.convert, durability="none"),
        COPY_SYNC: candidates.copy_and_sync,
        CONVERT_FSYNC: partial(candidates.convert, durability="fsync"),
        TINY_WORKFLOW: partial(candidates.workflow, tiny=True),
        WORKFLOW: candidates.workflow,
    }
    if not skip_challenge:
        turns[TINY_CHALLENGE] = partial(candidates.challenge, tiny=True)
        turns[CHALLENGE] = candidates.challenge
    _warm_up(place, skip_challenge=skip_challenge)
    results: Results = {name: [] for name in turns}
    for number in range(1, rounds + 1):
        for name, turn in turns.items():
            os.sync()  # nobody writes back what another one left
            cost = turn(place)
            results[name].append(cost)
            print(f"round {number}: {name}: {cost.wall:.2f} s, CPU {cost.cpu:.2f} s", flush=True)
    return results


def _warm_up(place: Place, *, skip_challenge: bool) -> None:
    """Bring the source and the programs into memory, so that the first one has no disadvantage."""
    candidates.copy(place)
    candidates.convert(place, durability="none")
    candidates.workflow(place, tiny=True)
    if not skip_challenge:
        candidates.challenge(place, tiny=True)


def compare(place: Place, *, skip_challenge: bool) -> list[str]:
    """Compare every pixel of every output with the source; names of the outputs.

    Raises
    ------
    FailedError
        A pixel differs.
    """
    names = ["convert.zarr", "workflow.zarr", *([] if skip_challenge else ["challenge.zarr"])]
    candidates.write_metadata(place)
    _run(place, HERE / "compare.py", place.source, *(place.scratch / name for name in names))
    return names


def _run(place: Place, program: Path, *arguments: object) -> None:
    """Run a part of the benchmark in a process of its own.

    This process stays small: a child's peak memory is never reported below that of its parent.
    """
    run_measured([sys.executable, str(program), *map(str, arguments)], place.log)


def summary(place: Place, results: Results, compared: list[str]) -> dict[str, Any]:
    """Everything that was measured, with medians and ratios."""
    medians = {name: median(costs) for name, costs in results.items()}
    files = [path for path in place.source.rglob("*") if path.is_file()]
    size = json.loads(place.source.with_name(f"{place.source.name}.json").read_text())
    decoded = size["chunks"] * size["tile"] ** 2 * 2
    stored = sum(path.stat().st_size for path in files)
    return {
        "dataset": {
            **size,
            "stored_bytes": stored,
            "decoded_bytes": decoded,
            "compression": round(decoded / stored, 2),
        },
        "machine": {
            "cores": os.cpu_count(),
            "used": place.cores,
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "load_average": [round(load, 1) for load in os.getloadavg()],
        },
        "rounds": len(results[COPY]),
        "median": {name: _rounded(cost) for name, cost in medians.items()},
        "all": {name: [_rounded(cost) for cost in costs] for name, costs in results.items()},
        "ratios": ratios(medians),
        "same_pixels_as_source": compared,
    }


def ratios(medians: dict[str, Cost]) -> dict[str, float]:
    """The figures that the project's goals are about."""
    start = medians[START].cpu
    found = {
        "convert / cp -r; sync, wall (goal: at most 1.2)": medians[CONVERT_FSYNC].wall
        / medians[COPY_SYNC].wall,
        "convert without fsync / cp -r, wall (goal: at most 1.2)": medians[CONVERT].wall
        / medians[COPY].wall,
        "(convert - program start) / cp -r, CPU (goal: at most 1.5)": (medians[CONVERT].cpu - start)
        / medians[COPY].cpu,
        "whole workflow / cp -r; sync, wall": medians[WORKFLOW].wall / medians[COPY_SYNC].wall,
    }
    if CHALLENGE in medians:
        other = medians[CHALLENGE]
        found["challenge's tool / whole workflow, wall (goal: at least 5)"] = (
            other.wall / medians[WORKFLOW].wall
        )
        found["the same without what some MB take"] = (
            other.wall - medians[TINY_CHALLENGE].wall
        ) / (medians[WORKFLOW].wall - medians[TINY_WORKFLOW].wall)
        found["challenge's tool / whole workflow, CPU"] = other.cpu / medians[WORKFLOW].cpu
        found["challenge's tool / convert, wall"] = other.wall / medians[CONVERT_FSYNC].wall
    return {name: round(value, 2) for name, value in found.items()}


def markdown(report: dict[str, Any]) -> str:
    """Tables of the medians and ratios."""
    dataset = report["dataset"]
    lines = [
        f"{dataset['chunks']:,} chunks, {dataset['stored_bytes'] / 1e9:.2f} GB stored, "
        f"{dataset['decoded_bytes'] / 1e9:.2f} GB decoded; {report['rounds']} rounds, medians; "
        f"{report['machine']['used']} of {report['machine']['cores']} cores, "
        f"load average {report['machine']['load_average'][-1]}.",
        "",
        "| | wall, s | CPU, s | peak memory, MiB |",
        "|---|---:|---:|---:|",
    ]
    for name, cost in report["median"].items():
        lines.append(f"| {name} | {cost['wall']} | {cost['cpu']} | {cost['memory']:.0f} |")
    lines += ["", "| ratio | |", "|---|---:|"]
    lines += [f"| {name} | {value} |" for name, value in report["ratios"].items()]
    return "\n".join(lines) + "\n"


def _rounded(cost: Cost) -> dict[str, float]:
    return {key: round(value, 2) for key, value in asdict(cost).items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", help="reports go here")
    parser.add_argument("--scratch", type=Path, help="for the data, about 6 GB (default: results)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--timepoints", type=int, default=2, help="of the dataset, 0.43 GB each")
    parser.add_argument("--small", action="store_true", help="a few MB, to try the benchmark")
    parser.add_argument("--skip-challenge", action="store_true", help="leave the other tool out")
    parser.add_argument("--keep", action="store_true", help="keep source and outputs")
    arguments = parser.parse_args()
    arguments.results = arguments.results.resolve()
    if arguments.scratch is not None:
        arguments.scratch = arguments.scratch.resolve()
    return arguments


if __name__ == "__main__":
    sys.exit(main())

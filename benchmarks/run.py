"""Benchmark this project by turns with the limit, with copying and with other tools.

All rows of a case take turns, round after round, each time another one first; before each turn the
old output is removed and written data are synced, outside the clock. Every measurement goes to
``benchmarks/results/<suite>-<cores>.json``; ``figure.py`` makes the table and the figure of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import rows as rows_of
from measure import FailedError, run_measured
from rows import (
    CONVERT,
    COPY,
    EMPTY,
    HERE,
    LIMIT,
    NGFF_ZARR,
    NOTHING,
    ROWS,
    TENSORSTORE,
    TOOL,
    WHOLE,
    ZARR,
    Case,
)

Planned = tuple[Case, tuple[str, ...]]
OURS = (WHOLE, CONVERT, LIMIT)
LONG_S = 60.0
"""Others that take longer get a single turn, so that a run ends within a quarter of an hour."""
KINDS = ("image", "plate", "tiny")


def main() -> int:
    """Generate, measure, report."""
    given = _arguments()
    given.results.mkdir(parents=True, exist_ok=True)
    scratch = given.scratch or given.results / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    # as on every machine where a program ran before: modules are compiled once
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(scratch / "bytecode")
    suite = SUITES[given.suite]
    report: dict[str, Any] = {"machine": _machine(given.cores), "rounds": given.rounds, "cases": {}}
    path = given.results / f"{given.suite}-{given.cores}.json"
    try:
        with suite(given, scratch) as cases:
            for case, names in cases:
                report["cases"][case.name] = measured(case, names, given.rounds)
                report["machine"]["load_after"] = os.getloadavg()[1]
                path.write_text(json.dumps(report, indent=1) + "\n")  # each case counts by itself
    except FailedError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print(f"{path}; table and figure: python benchmarks/figure.py")
    if not given.keep:
        shutil.rmtree(scratch)
    return 0


def measured(case: Case, names: tuple[str, ...], rounds: int) -> dict[str, Any]:
    """Let the rows take turns; the whole workflow comes first, since others need its plan."""
    case.scratch.mkdir(parents=True, exist_ok=True)
    rows_of.whole_workflow(case)  # warms up
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    skipped = {}
    for number in range(rounds):
        for name in (*names[number % len(names) :], *names[: number % len(names)]):
            tool = case.tools.get(name)
            if name in (TOOL, NGFF_ZARR) and (tool is None or not tool.is_file()):
                skipped[name] = "not installed; give its program"
                continue
            if name not in OURS and any(turn["wall"] > LONG_S for turn in turns[name]):
                continue
            os.sync()
            try:
                cost = ROWS[name](case)
            except FailedError as error:
                if name in OURS:
                    raise
                skipped[name] = str(error)
                continue
            turns[name].append({key: round(value, 3) for key, value in asdict(cost).items()})
            print(
                f"{case.name}, round {number + 1}: {name}: {cost.wall:.2f} s, "
                f"CPU {cost.cpu:.2f} s, {cost.memory:.0f} MiB",
                flush=True,
            )
    for name, reason in skipped.items():
        print(f"{case.name}: {name}: skipped: {reason}")
    size = json.loads(case.plan.with_name("validation.json").read_text())
    return {"dataset": size.get("summary", {}), "skipped": skipped, "turns": turns}


@contextlib.contextmanager
def local_cases(given: argparse.Namespace, scratch: Path) -> Iterator[Iterator[Planned]]:
    """An image, plates, a tiny image, and the image recoded; all on the local disk."""
    kinds = (
        {kind: f"small-{kind}" for kind in KINDS}
        if given.small
        else dict(zip(KINDS, KINDS, strict=True))
    )
    kinds |= {"image": "small", "tiny": "tiny"} if given.small else {}
    folders = {
        kind: getattr(given, kind) or scratch / f"{name}.zarr" for kind, name in kinds.items()
    }
    for kind, folder in folders.items():
        if getattr(given, kind) is None:
            _generate(folder, kinds[kind], scratch)
        _read_once(folder)
    arrays = scratch / "arrays.zarr"
    _generate(arrays, "small-plate" if given.small else "arrays", scratch)
    case = partial(Case, cores=given.cores, tools=_tools(given))
    image, plate, tiny = (str(folders[kind].resolve()) for kind in KINDS)
    bare = (ZARR, TENSORSTORE, NGFF_ZARR)
    yield iter(
        [
            (case("image", image, scratch / "image"), (WHOLE, CONVERT, LIMIT, COPY, TOOL, *bare)),
            (
                case("plate", plate, scratch / "plate"),
                (WHOLE, CONVERT, LIMIT, f"{LIMIT}, compared", COPY, TOOL, *bare[:2]),
            ),
            (
                case("recode", image, scratch / "recode", config={"codec": "blosc"}),
                (WHOLE, CONVERT, f"{LIMIT}, recode", TOOL),
            ),
            (case("arrays", str(arrays), scratch / "arrays"), (WHOLE, NOTHING, TOOL)),
            (case("tiny", tiny, scratch / "tiny"), (WHOLE, NOTHING, EMPTY, COPY, TOOL)),
        ]
    )


@contextlib.contextmanager
def large_cases(given: argparse.Namespace, scratch: Path) -> Iterator[Iterator[Planned]]:
    """An image of five time points, on the local disk: 7.1 GB decoded."""
    kind = "small" if given.small else "large"
    folder = given.image or scratch / f"{kind}.zarr"
    if given.image is None:
        _generate(folder, kind, scratch)
    _read_once(folder)
    case = Case(
        "large", str(folder.resolve()), scratch / "large", cores=given.cores, tools=_tools(given)
    )
    yield iter([(case, (WHOLE, CONVERT, LIMIT, COPY, TOOL))])


@contextlib.contextmanager
def many_cases(given: argparse.Namespace, scratch: Path) -> Iterator[Iterator[Planned]]:
    """What a machine of many cores has enough to do with; all on its disk."""
    names = ("middle", "plate", "arrays", "tiny")
    kinds = ("small", "small-plate", "small-plate", "tiny") if given.small else names
    folders = {name: scratch / f"{kind}.zarr" for name, kind in zip(names, kinds, strict=True)}
    for name, kind in zip(names, kinds, strict=True):
        _generate(folders[name], kind, scratch)
        _read_once(folders[name])

    def case(name: str, data: str, **config: str) -> Case:
        source, place = str(folders[data]), scratch / name
        return Case(name, source, place, cores=given.cores, tools=_tools(given), config=config)

    recoded = f"{LIMIT}, recode"
    yield iter(
        [
            (case("middle", "middle"), (WHOLE, CONVERT, LIMIT, COPY, TOOL, TENSORSTORE)),
            (case("middle, recode", "middle", codec="blosc"), (WHOLE, CONVERT, recoded, TOOL)),
            (case("plate", "plate"), (WHOLE, CONVERT, LIMIT, f"{LIMIT}, compared", COPY, TOOL)),
            (case("arrays", "arrays"), (WHOLE, NOTHING, TOOL)),
            (case("tiny", "tiny"), (WHOLE, NOTHING, TOOL)),
        ]
    )


@contextlib.contextmanager
def s3_cases(given: argparse.Namespace, scratch: Path) -> Iterator[Iterator[Planned]]:
    """S3 to the local disk, S3 to S3; a server on loopback with 40 ms before each request."""
    from s3_place import s3_place

    kind = "small" if given.small else "remote"
    folder = scratch / f"{kind}.zarr"
    _generate(folder, kind, scratch)
    names = (WHOLE, CONVERT, LIMIT, TOOL)
    with s3_place(folder, scratch) as place:
        case = partial(
            Case,
            source=f"s3://{place.bucket}/in.zarr",
            cores=given.cores,
            tools=_tools(given),
            endpoint=place.endpoints["40 ms"],
        )
        yield iter(
            [
                (case("S3 to local", scratch=scratch / "down"), names),
                (
                    case(
                        "S3 to S3",
                        scratch=scratch / "across",
                        remote_output=f"s3://{place.bucket}/out.zarr",
                        emptied=partial(place.delete, "out.zarr/"),
                    ),
                    names[:-1],  # the tool refuses to write to a bucket
                ),
            ]
        )


@contextlib.contextmanager
def network_cases(given: argparse.Namespace, scratch: Path) -> Iterator[Iterator[Planned]]:
    """Both sides on a network file system, sshfs with 1 ms a round trip; work folders on disk."""
    from network_place import network_place

    with network_place(scratch) as files:
        kinds = {"network, image": "small", "network, plate": "small-plate"}
        for kind in kinds.values():
            _generate(files.data / f"{kind}.zarr", kind, scratch)
        case = partial(Case, cores=given.cores, tools=_tools(given), outputs=files.mount)
        rows = (WHOLE, NOTHING, COPY, TOOL)
        yield iter(
            [
                (case(name, str(files.mount / f"{kind}.zarr"), scratch / kind), rows)
                for name, kind in kinds.items()
            ]
        )


SUITES = {
    "local": local_cases,
    "large": large_cases,
    "many": many_cases,
    "network": network_cases,
    "s3": s3_cases,
}


def _generate(folder: Path, kind: str, scratch: Path) -> None:
    # in a process of its own: a child's peak memory is never below that of its parent
    command = [sys.executable, str(HERE / "dataset.py"), str(folder), kind]
    run_measured(command, scratch / "log.txt")


def _read_once(folder: Path) -> None:
    """Bring the source into memory, so that the first row has no disadvantage."""
    command = ["sh", "-c", 'find "$0" -type f -exec cat {} + > /dev/null', str(folder)]
    subprocess.run(command, check=True)


def _tools(given: argparse.Namespace) -> dict[str, Path]:
    found = {TOOL: given.tool, NGFF_ZARR: given.ngff_zarr}
    return {name: path.resolve() for name, path in found.items() if path is not None}


def _machine(cores: int) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "used": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "load_before": os.getloadavg()[1],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--tool", type=Path, help="ome2024-ngff-challenge of an own environment")
    parser.add_argument("--ngff-zarr", type=Path, help="ngff-zarr of an own environment")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=Path, help="a dataset in place of the generated one")
    parser.add_argument("--small", action="store_true", help="some MB: does it run at all?")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="reports go here")
    parser.add_argument(
        "--scratch",
        type=Path,
        help="for the data, about 8 GB, of the suite large 20 GB (default: results)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder")
    given = parser.parse_args()
    given.results = given.results.resolve()
    given.scratch = given.scratch and given.scratch.resolve()
    return given


if __name__ == "__main__":
    sys.exit(main())

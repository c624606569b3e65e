"""Compare what `scripts/estimate_campaign.py` predicts with what a run takes.

A pilot is converted, and rates are fitted to its ledgers: eight tiny images, and two of different
size of each other kind: images, images that are encoded again, plates. Then a collection of tiny
datasets, an image and a plate of more than 1 GB, and a larger image that is encoded again: none of
them in the pilot. Sources are read from the disk. Prints a table in Markdown; writes what was
measured as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import dataset  # noqa: E402
from measure import FailedError, put_away, run_measured  # noqa: E402

from support.images import write_image  # noqa: E402
from uplift.planning.campaign import Campaign, Site, campaign_of  # noqa: E402
from uplift.planning.loads import Load  # noqa: E402
from uplift.planning.rates import QUANTITIES, Run, calibrated  # noqa: E402
from uplift.work import ledger  # noqa: E402
from uplift.workflow.campaign import finished_runs  # noqa: E402

_LONGEST_S = 14_400.0
_PILOT = {
    "image": dataset.Size(z=20, side=1024, levels=3),
    "image2": dataset.Size(z=32, c=1, levels=4),
    "recode": dataset.Size(c=1, z=16, side=1024, tile=64, levels=2),
    "recode2": dataset.Size(c=1, z=64, side=1024, tile=128, levels=3),
}
_PILOT_PLATES = {
    "plate": dataset.Plate(2, 4, 4, 2, 1024, 512, 4),
    "plate2": dataset.Plate(3, 8, 4, 2, 1024, 512, 4),
}
_RECODE = dataset.Size(c=2, z=24, tile=128, levels=3)
_NAMES = {
    "jobs": "jobs",
    "cpu_seconds": "CPU seconds",
    "core_seconds": "seconds of held cores",
    "requests": "objects and ranges read and written",
    "bytes_read": "MB read",
    "bytes_written": "MB written",
    "objects": "objects of the outputs",
}


def main() -> int:
    """Convert the pilot and the others, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the datasets, such as /tmp/campaign")
    parser.add_argument("--image", type=Path, help="a large image; none: a generated one")
    parser.add_argument("--plate", type=Path, help="a large plate; none: a generated one")
    parser.add_argument("--tiny", type=int, default=50, help="datasets of the tiny collection")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", action="store_true", help="leave sources in memory")
    parser.add_argument("--record", type=Path, help="JSON to write with what was measured")
    given = parser.parse_args()
    sheets = dict(_sheets(given))
    runs: dict[str, list[Run]] = {name: [] for name in sheets}
    taken: dict[str, Counter[str]] = {name: Counter() for name in sheets}
    # the machine's speed changes by a quarter within minutes: all take turns
    for turn in range(given.rounds):
        for name, sources in sheets.items():
            folder = given.folder / name.replace(" ", "-")
            os.sync()  # a job waits for the disk, and not for what the last one wrote
            if not given.warm:  # a campaign is larger than the memory
                evict(sources.values())
            convert(folder, sources, given.cores)
            found = list(finished_runs(folder / "results"))
            if len(found) != len(sources):
                raise FailedError(f"{len(found)} of {len(sources)} were published; see {folder}")
            runs[name] += found
            taken[name].update(measured(found, folder))
            print(f"round {turn + 1}: {name} converted", file=sys.stderr, flush=True)
    if given.record:
        given.record.write_text(text_of(given.cores, runs, taken))
    for name, others in runs.items():
        if name != "pilot":
            lines = table(name, runs["pilot"], others, taken[name], given.cores)
            print("\n".join(lines), flush=True)
    return 0


def _sheets(given: argparse.Namespace) -> Iterator[tuple[str, dict[str, Path]]]:
    """Name of each sheet, and its datasets' sources."""
    home = given.folder.absolute() / "in"
    home.mkdir(parents=True, exist_ok=True)
    pilot = {f"tiny{number}": home / f"tiny{number}.zarr" for number in range(8)}
    for number, source in enumerate(pilot.values()):
        if not source.exists():
            # of more chunks an array than are compared from end to end, and of fewer
            write_image(
                source,
                labels=number % 2 == 0,
                size=64,
                chunk=64 if number % 4 > 1 else 16,
                seed=number,
            )
    for name, size in _PILOT.items():
        pilot[name] = home / f"{name}.zarr"
        dataset.generate(pilot[name], size)
    for name, plate_size in _PILOT_PLATES.items():
        pilot[name] = home / f"small-{name}.zarr"
        dataset.generate_plate(pilot[name], plate_size)
    yield "pilot", pilot
    cells = ROOT / ".test" / "cells.zarr"
    tiny = {f"cells{number:03}": home / f"cells{number:03}.zarr" for number in range(given.tiny)}
    for source in tiny.values():
        if not source.exists():
            shutil.copytree(cells, source)
    yield "tiny", tiny
    image, plate = given.image or home / "image.zarr", given.plate or home / "plate.zarr"
    dataset.generate(image, dataset.Size()) if given.image is None else None
    dataset.generate_plate(plate, dataset.Plate()) if given.plate is None else None
    yield "large image", {"large": image}
    yield "large plate", {"plate": plate}
    dataset.generate(home / "recode3.zarr", _RECODE)
    yield "large recode", {"recode": home / "recode3.zarr"}


def convert(folder: Path, sources: Mapping[str, Path], cores: int) -> None:
    """Convert a sheet to the end, from the start."""
    put_away(folder)
    folder.mkdir(parents=True)
    rows = [f"{name},{source},out/{name}.zarr,CC0-1.0\n" for name, source in sources.items()]
    (folder / "sheet.csv").write_text("dataset,input,output,license\n" + "".join(rows))
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    words += ["--directory", str(folder), "--cores", str(cores)]
    words += ["--config", "samples=sheet.csv", "previews=false"]
    run_measured(words, folder / "log.txt", longest=_LONGEST_S)


def evict(folders: Iterable[Path]) -> None:
    """Let the system forget what is in files that were synced."""
    for file in (
        Path(root, name) for one in folders for root, _, names in os.walk(one) for name in names
    ):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def text_of(
    cores: int, runs: Mapping[str, Sequence[Run]], taken: Mapping[str, Mapping[str, float]]
) -> str:
    """JSON of what was measured: each run of the pilot, loads and sums of the others."""
    lines = [f'"cores": {cores}']
    pilot = ",\n".join(json.dumps(_recorded(run)) for run in runs["pilot"])
    lines.append(f'"pilot": [\n{pilot}\n]')
    for name, others in runs.items():
        if name != "pilot":
            alike = Counter(run.load for run in others)
            loads = [_changed(replace(load, count=count)) for load, count in alike.items()]
            one = json.dumps({"measured": taken[name], "loads": loads})
            lines.append(f"{json.dumps(name)}: {one}")
    return "{" + ",\n".join(lines) + "}\n"


def _recorded(run: Run) -> dict[str, Any]:
    return {
        "load": _changed(run.load),
        "spent": {name: run.spent[name] for name in QUANTITIES},
        "threads": {step: n for step, n in run.threads.items() if n > 1},
        "disk_bytes": run.disk_bytes,
    }


def _changed(load: Load) -> dict[str, Any]:
    return {k: v for k, v in asdict(load).items() if v != getattr(Load(), k)}


def predicted(found: Campaign) -> dict[str, float]:
    """What is compared of a prediction."""
    return {
        "jobs": found.jobs,
        "cpu_seconds": found.cpu_hours * 3600,
        "core_seconds": found.core_hours * 3600,
        "requests": found.requests,
        "bytes_read": found.bytes_read,
        "bytes_written": found.bytes_written,
        "objects": found.objects,
    }


def measured(runs: Sequence[Run], folder: Path) -> dict[str, float]:
    """The same of runs, by their ledgers and the files of their outputs."""
    sums: Counter[str] = Counter()
    for run in runs:
        for name in QUANTITIES:
            sums[name] += sum(run.spent[name].values())
    sums["jobs"] = sum(len(ledger.read(file)) for file in folder.glob("results/*/costs.jsonl"))
    sums["objects"] = sum(path.is_file() for path in (folder / "out").rglob("*"))
    return dict(sums)


def table(
    name: str, pilot: Sequence[Run], others: Sequence[Run], taken: Mapping[str, float], cores: int
) -> Iterator[str]:
    """Lines in Markdown: what others take at the rates of a pilot, and what they took.

    Parameters
    ----------
    name
        Of the others.
    pilot, others
        Datasets with their ledgers.
    taken
        What was measured of the others.
    cores
        Of the machine.
    """
    loads = [run.load for run in others]
    found = predicted(campaign_of(loads, calibrated(pilot), Site(cores=cores)))
    yield f"| {name} ({len(others)}) | predicted | measured | |"
    yield "|---|---|---|---|"
    for key, text in _NAMES.items():
        scale = 1e6 if key.startswith("bytes") else 1
        a, b = found[key] / scale, taken[key] / scale
        digits = 0 if key in ("jobs", "requests", "objects") or b >= 1000 else 1
        yield f"| {text} | {a:,.{digits}f} | {b:,.{digits}f} | {100 * (a / b - 1):+.0f} % |"
    yield ""


if __name__ == "__main__":
    sys.exit(main())

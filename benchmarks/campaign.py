"""Compare what `scripts/estimate_campaign.py` predicts with what a run takes.

A pilot is converted, and rates are fitted to its ledgers: eight tiny images, two larger ones, two
that are encoded again, a plate of 128 arrays. Then a collection of tiny datasets, an image and a
plate of more than 1 GB, and a larger image that is encoded again: none of them in the pilot. Prints
a table in Markdown; writes what was measured as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import dataset  # noqa: E402
from measure import FailedError, run_measured  # noqa: E402

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
    "recode2": dataset.Size(c=1, z=24, side=1024, tile=128, levels=3),
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
    parser.add_argument("--record", type=Path, help="JSON to write with what was measured")
    given = parser.parse_args()
    sheets = dict(_sheets(given))
    runs, record = {}, {}
    for name, sources in sheets.items():
        folder = given.folder / name.replace(" ", "-")
        convert(folder, sources, given.cores)
        runs[name] = list(finished_runs(folder / "results"))
        if len(runs[name]) != len(sources):
            raise FailedError(f"{len(runs[name])} of {len(sources)} were published; see {folder}")
        record[name] = {"runs": recorded(runs[name]), "measured": measured(runs[name], folder)}
        print(f"{name}: {len(runs[name])} datasets converted", file=sys.stderr, flush=True)
    if given.record:
        given.record.write_text(json.dumps({"cores": given.cores, **record}, indent=1) + "\n")
    for name, others in runs.items():
        taken = record[name]["measured"]
        if name != "pilot":
            lines = table(name, runs["pilot"], others, taken, given.cores)
            print("\n".join(lines), flush=True)
    return 0


def _sheets(given: argparse.Namespace) -> Iterator[tuple[str, dict[str, Path]]]:
    """Name of each sheet, and its datasets' sources."""
    home = given.folder.absolute() / "in"
    home.mkdir(parents=True, exist_ok=True)
    pilot = {f"tiny{number}": home / f"tiny{number}.zarr" for number in range(8)}
    for number, source in enumerate(pilot.values()):
        if not source.exists():
            write_image(source, labels=number % 2 == 0, size=64, seed=number)
    for name, size in _PILOT.items():
        pilot[name] = home / f"{name}.zarr"
        dataset.generate(pilot[name], size)
    pilot["plate"] = home / "small-plate.zarr"
    dataset.generate_plate(pilot["plate"], dataset.Plate(2, 4, 4, 2, 1024, 256, 4))
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
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = [f"{name},{source},out/{name}.zarr,CC0-1.0\n" for name, source in sources.items()]
    (folder / "sheet.csv").write_text("dataset,input,output,license\n" + "".join(rows))
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    words += ["--directory", str(folder), "--cores", str(cores)]
    words += ["--config", "samples=sheet.csv", "previews=false"]
    os.sync()  # a job waits for the disk, and not for what the last one wrote, or the generator
    run_measured(words, folder / "log.txt", longest=_LONGEST_S)


def recorded(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs as JSON."""
    return [
        {
            "load": {k: v for k, v in asdict(run.load).items() if v != getattr(Load(), k)},
            "spent": {name: run.spent[name] for name in QUANTITIES},
            "threads": {step: n for step, n in run.threads.items() if n > 1},
        }
        for run in runs
    ]


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

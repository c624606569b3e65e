"""Measure how one dataset scales: CPU time and memory of each step, an array and a chunk key.

Arrays: plates of tiny images, converted step by step. Chunk keys: one sparse array whose listing,
and that of its output, is made up, so that a million keys need no million files. Each step is a
process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dataset
from measure import Cost, run_measured

PROJECT = Path(__file__).resolve().parent.parent
SCRIPTS = PROJECT / "scripts"
PLATES = {100: (5, 5, 1), 1000: (10, 25, 1), 10_000: (25, 25, 4)}
"""Rows, columns and fields of images with four levels, by the number of arrays."""
SIDE = 64
_LONGEST_S = 7200.0
_ABOUT = '{"license": "CC0-1.0", "date_published": "2026-01-02"}'
_NOT_SHARDED = '{"shards": "none"}'


def main() -> int:
    """Print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the datasets, such as /tmp/scaling")
    parser.add_argument("--arrays", type=int, nargs="*", default=list(PLATES), choices=PLATES)
    parser.add_argument("--keys", type=int, nargs="*", default=[10**4, 10**5, 10**6])
    parser.add_argument("--step", choices=STEPS_OF_KEYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.absolute()
    if given.step:
        _made_up(given.keys[0])
        STEPS_OF_KEYS[given.step](folder)
        return 0
    if given.arrays:
        _show("array", {n: of_arrays(folder / f"arrays-{n}", n) for n in given.arrays})
    if given.keys:
        _show("chunk key", {n: of_keys(folder / f"keys-{n}", n) for n in given.keys})
    return 0


def of_arrays(folder: Path, arrays: int) -> dict[str, Cost]:
    """Convert a plate of so many arrays, step by step."""
    rows, columns, fields = PLATES[arrays]
    folder.mkdir(parents=True, exist_ok=True)
    plate = dataset.Plate(rows, columns, fields, channels=1, side=SIDE, tile=SIDE, levels=4)
    dataset.generate_plate(folder / "in.zarr", plate)
    for name in ("out.zarr", "work"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return {
        step: run_measured(
            [sys.executable, str(SCRIPTS / f"{step}.py"), "--quiet", *words],
            folder / "log.txt",
            longest=_LONGEST_S,
        )
        for step, words in _commands(folder).items()
    }


def _commands(folder: Path) -> dict[str, list[str]]:
    """Options of each step's program, in the order in which they run."""
    work, source, output = folder / "work", folder / "in.zarr", folder / "out.zarr"
    names = ("inventory", "plan", "claim", "migration", "crate", "run", "validation", "published")
    files = {name: work / f"{name}.json" for name in names}
    part, root = work / "convert" / "1-of-1.json", work / "root.zarr.json"
    there = {"dataset": "d", "output": output}
    planned = {**there, "inventory": files["inventory"], "plan": files["plan"]}
    done = {"slices": json.dumps([str(part)]), "root": root, "migration": files["migration"]}
    options: dict[str, dict[str, Any]] = {
        "inspect_source": {**there, "source": source, **_named(files, "inventory", "run")},
        "plan": {"dataset": "d", "settings": "{}", **_named(files, "inventory", "plan")},
        "claim": {"source": source, "output": output, **_named(files, "run", "claim", "published")},
        "convert": {**planned, "claim": files["claim"], "work": work, "slice": part},
        "migrate": {**planned, "claim": files["claim"], **done},
        "crate": {
            **there,
            **_named(files, "inventory", "migration", "run", "claim", "crate"),
            "about": _ABOUT,
            "settings": '{"enabled": true}',
        },
        "validate": {**planned, **done, "work": work, **_named(files, "crate", "validation")},
        "publish": {
            **_named(files, "validation", "claim", "run", "published"),
            "root": root,
            "output": output,
            "records": work / "records",
            "slices": done["slices"],
            "validate-command": "snakemake",
        },
    }
    return {
        step: [word for name, value in given.items() for word in (f"--{name}", str(value))]
        for step, given in options.items()
    }


def _named(files: dict[str, Path], *names: str) -> dict[str, Path]:
    return {name: files[name] for name in names}


def of_keys(folder: Path, keys: int) -> dict[str, Cost]:
    """Steps that deal with each key, for an array whose listing is made up."""
    shutil.rmtree(folder, ignore_errors=True)
    array = folder / "in.zarr" / "0"
    array.mkdir(parents=True)
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}]
    image = {"version": "0.4", "axes": axes, "datasets": levels}
    about = {
        "shape": [_grid(keys)[0], _grid(keys)[1] * SIDE, _grid(keys)[2] * SIDE],
        "chunks": [1, SIDE, SIDE],
        "dtype": "<u2",
        "zarr_format": 2,
        "order": "C",
        "compressor": None,
        "fill_value": 0,
        "filters": None,
        "dimension_separator": "/",
    }
    (array / ".zarray").write_text(json.dumps(about))
    (array.parent / ".zgroup").write_text('{"zarr_format": 2}')
    (array.parent / ".zattrs").write_text(json.dumps({"multiscales": [image]}))
    return {
        step: run_measured(
            [sys.executable, __file__, str(folder), "--keys", str(keys), "--step", step],
            folder / "log.txt",
            longest=_LONGEST_S,
        )
        for step in STEPS_OF_KEYS
    }


def _grid(keys: int) -> tuple[int, int, int]:
    """Chunks along the axes; a tenth of them is not stored."""
    return (math.ceil(keys / 0.9 / 400), 20, 20)


def _made_up(keys: int) -> None:
    """Have stores list chunks that are not there, at both sides."""
    sys.path.insert(0, str(SCRIPTS))
    local = importlib.import_module("uplift.storage.local")
    info = importlib.import_module("uplift.storage.protocol").ObjectInfo
    depth, height, width = _grid(keys)

    def list_tree(_: Any, prefix: str) -> Iterator[Any]:
        for z in range(depth):
            for number in range(height * width):
                if (z + number) % 10:
                    yield info(f"{prefix}/{z}/{number // width}/{number % width}", 8192, "1", 1.0)

    local.LocalStore.list_tree = list_tree


def _inspect(folder: Path) -> None:
    _run("inspect_source", folder)


def _plan(folder: Path) -> None:
    plan = importlib.import_module("plan")
    words = _commands(folder)["plan"]
    words[words.index("--settings") + 1] = _NOT_SHARDED
    if plan.main(["--quiet", *words]):
        raise SystemExit(1)


def _run(step: str, folder: Path) -> None:
    if importlib.import_module(step).main(["--quiet", *_commands(folder)[step]]):
        raise SystemExit(1)


def _batches(folder: Path) -> Sequence[Any]:
    """Batches of the plan in force, cut into portions."""
    files = importlib.import_module("uplift.work.json_files")
    inventory = importlib.import_module("uplift.models.inventory").Inventory
    batching = importlib.import_module("uplift.planning.batching")
    in_force = importlib.import_module("uplift.planning.in_force").plan_in_force
    portions = importlib.import_module("uplift.batches.portions")
    plan = in_force(
        files.read_model(folder / "work" / "inventory.json", inventory),
        files.read_json(folder / "work" / "plan.json"),
        batching.BatchSettings(),
        dataset="d",
        output=str(folder / "out.zarr"),
    )
    batches = plan.slice(1, 1)
    for batch in batches:
        for _ in portions.portions_of(batch):
            pass
    return batches


def _surveys(folder: Path) -> None:
    """What convert finds out of both sides, for all portions of all batches."""
    storage = importlib.import_module("uplift.storage")
    portions = importlib.import_module("uplift.batches.portions")
    surveys = importlib.import_module("uplift.batches.surveys").Surveys
    opened = importlib.import_module("uplift.batches.context")
    sides = (storage.open_store(str(folder / name)) for name in ("in.zarr", "out.zarr"))
    context = opened.Context(*sides, opened.Settings())
    batches = _batches(folder)
    found = surveys(batches, context, convert=False)
    for batch in batches:
        for _ in found.given_to(portions.portions_of(batch)):
            pass


STEPS_OF_KEYS = {
    "inspect_source": _inspect,
    "plan": _plan,
    "batches": _batches,
    "surveys": _surveys,
}


def _show(unit: str, found: dict[int, dict[str, Cost]]) -> None:
    """Print CPU seconds and peak memory, and what each further array or key costs."""
    sizes = sorted(found)
    print(f"\n| {unit}s | " + " | ".join(f"{size:,}" for size in sizes), end=" |")
    print("".join(f" us a {unit}, {a:,} to {b:,} |" for a, b in _pairs(sizes)))
    print("|---" * (2 * len(sizes)) + "|")
    for step in found[sizes[0]]:
        costs = [found[size][step] for size in sizes]
        cells = [f"{cost.cpu:.2f} s, {cost.memory:.0f} MB" for cost in costs]
        cells += [
            f"{1e6 * (found[b][step].cpu - found[a][step].cpu) / (b - a):,.1f}"
            for a, b in _pairs(sizes)
        ]
        print(f"| {step} | " + " | ".join(cells) + " |", flush=True)


def _pairs(sizes: list[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(sizes))


if __name__ == "__main__":
    sys.exit(main())

"""What the benchmark measures: copying, this project's steps and whole workflow, the other tool."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Cost, FailedError, run_measured

PROJECT = Path(__file__).resolve().parents[1]
SCRIPTS = PROJECT / "scripts"
CHALLENGE_ENVIRONMENT = Path(__file__).resolve().parent / ".venv-challenge"
CHALLENGE = "ome2024-ngff-challenge==1.0.3"
METADATA = {
    "license": "CC-BY-4.0",
    "organism": "NCBI:txid9606",
    "modality": "obo:FBbi_00000246",
    "name": "benchmark",
    "description": "generated",
}


@dataclass(frozen=True)
class Place:
    """Where things lie: the source, one of some MB, a scratch folder on the same disk, the log."""

    source: Path
    tiny: Path
    scratch: Path
    log: Path
    cores: int

    def fresh(self, name: str) -> Path:
        """Path of an output that does not exist yet."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        return path


def copy(place: Place) -> Cost:
    """Copy the source's files."""
    target = place.fresh("copy.zarr")
    return run_measured(["cp", "-r", str(place.source), str(target)], place.log)


def copy_and_sync(place: Place) -> Cost:
    """Copy the source's files and wait until they are on disk."""
    target = place.fresh("copy.zarr")
    both = f"cp -r {shlex.quote(str(place.source))} {shlex.quote(str(target))}; sync"
    return run_measured(["sh", "-c", both], place.log)


def start_up(place: Place) -> Cost:
    """Start the convert program and load everything it needs, without converting."""
    return run_measured([sys.executable, str(SCRIPTS / "convert.py"), "--help"], place.log)


def convert(place: Place, durability: str) -> Cost:
    """Convert all batches; inspect_source, plan and claim go before the clock starts."""
    work, target = place.scratch / "convert-work", place.fresh("convert.zarr")
    prepare(place, work, target)
    options = {
        **_in_force(work, target),
        "claim": work / "claim.json",
        "work": work,
        "slice": work / "convert" / "1-of-1.json",
        "threads": place.cores,
        "durability": durability,
    }
    return run_measured(_program("convert", options), place.log)


def prepare(place: Place, work: Path, target: Path) -> None:
    """Run the steps before convert, in a work folder of their own."""
    shutil.rmtree(work, ignore_errors=True)
    named = {"dataset": "benchmark", "inventory": work / "inventory.json"}
    where = {"run": work / "run.json", "source": place.source, "output": target}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("inspect_source", {**named, **where}),
        ("plan", {**named, "plan": work / "plan.json", "settings": "{}"}),
        ("claim", {**where, "claim": work / "claim.json"}),
    ]
    for name, options in steps:
        run_measured(_program(name, options), place.log)


def _in_force(work: Path, target: Path) -> dict[str, Any]:
    return {
        "inventory": work / "inventory.json",
        "plan": work / "plan.json",
        "dataset": "benchmark",
        "output": target,
    }


def write_metadata(place: Place) -> None:
    """Give the output of :func:`convert` its documents, so that it can be read."""
    work = place.scratch / "convert-work"
    options = {
        **_in_force(work, place.scratch / "convert.zarr"),
        "claim": work / "claim.json",
        "migration": work / "migration.json",
        "root": work / "root.zarr.json",
    }
    run_measured(_program("migrate", options), place.log)


def workflow(place: Place, *, tiny: bool = False) -> Cost:
    """Run the whole workflow: every step, every pixel compared, published."""
    name = "tiny-workflow" if tiny else "workflow"
    work, target = place.fresh(f"{name}-work"), place.fresh(f"{name}.zarr")
    work.mkdir(parents=True)
    values = {"input": place.tiny if tiny else place.source, "output": target, **METADATA}
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")),
        *("--directory", str(work), "--cores", str(place.cores)),
        *("--config", *(f"{key}={value}" for key, value in values.items())),
    ]
    cost = run_measured(command, place.log)
    validation = next(work.glob("results/*/validation.json"))
    if json.loads(validation.read_text())["verdict"] != "valid":
        raise FailedError(f"the workflow's output is invalid; see {validation}")
    return cost


def challenge(place: Place, *, tiny: bool = False) -> Cost:
    """Run the tool of the OME 2024 NGFF challenge, with the shards of this project's plan."""
    target = place.fresh("tiny-challenge.zarr" if tiny else "challenge.zarr")
    source = place.tiny if tiny else place.source
    program = CHALLENGE_ENVIRONMENT / "bin" / "ome2024-ngff-challenge"
    command = [
        *(str(program), "resave", "--silent", "--cc-by"),
        f"--rocrate-organism={METADATA['organism']}",
        f"--rocrate-modality={METADATA['modality']}",
        f"--output-read-details={challenge_details(place, source, tiny=tiny)}",
        *(str(source), str(target)),
    ]
    return run_measured(command, place.log)


def challenge_details(place: Place, source: Path, *, tiny: bool) -> Path:
    """Write the chunks and shards of this project's plan in the form that the other tool reads."""
    work = place.scratch / ("tiny-workflow-work" if tiny else "workflow-work")
    plan = json.loads(next(work.glob("results/*/plan.json")).read_text())
    keys = ("shape", "chunks", "shards")
    details = {
        str(source / array["path"]): {key: array[key] for key in keys} for array in plan["arrays"]
    }
    path = place.scratch / "challenge-details.json"
    path.write_text(json.dumps(details))
    return path


def install_challenge() -> None:
    """Create the other tool's virtual environment, once."""
    done = CHALLENGE_ENVIRONMENT / "installed.txt"
    if done.is_file() and done.read_text() == CHALLENGE:
        return
    venv.create(CHALLENGE_ENVIRONMENT, clear=True, with_pip=True)
    pip = [str(CHALLENGE_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", CHALLENGE], check=True)
    done.write_text(CHALLENGE)


def _program(name: str, options: dict[str, Any]) -> list[str]:
    words = [sys.executable, str(SCRIPTS / f"{name}.py"), "--quiet"]
    for key, value in options.items():
        words += [f"--{key}", str(value)]
    return words

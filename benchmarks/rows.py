"""What the benchmark runs, a function a row: this project, the limit, copying, other tools."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from measure import Cost, FailedError, put_away, run_measured

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
METADATA = {
    "license": "CC-BY-4.0",
    "organism": "NCBI:txid9606",
    "modality": "obo:FBbi_00000246",
    "name": "benchmark",
    "description": "generated",
}
WHOLE, CONVERT, LIMIT, COPY = "whole workflow", "convert job", "limit", "cp -r; sync"
NOTHING, TOOL = "whole workflow, nothing to do", "challenge's tool"
EMPTY = "limit: the same rules, empty"
ZARR, TENSORSTORE, NGFF_ZARR = "zarr-python", "tensorstore", "ngff-zarr"

Row = Callable[["Case"], Cost]


@dataclass(frozen=True)
class Case:
    """One dataset, and how it is converted.

    Attributes
    ----------
    name
        For the report.
    source, output
        Folders, or URLs of S3.
    scratch
        Folder of this case: outputs, work folders, log.
    cores
        Cores that every row may use.
    tools
        Programs of others, by row.
    config
        Of the workflow, besides what all cases have.
    endpoint
        URL of the S3 server.
    emptied
        Empties an output on S3.
    outputs
        Folder for outputs; None: `scratch`.
    """

    name: str
    source: str
    scratch: Path
    cores: int
    tools: dict[str, Path]
    config: dict[str, str] = field(default_factory=dict)
    endpoint: str | None = None
    remote_output: str | None = None
    emptied: Callable[[], None] = lambda: None
    outputs: Path | None = None

    @property
    def work(self) -> Path:
        """Folder that the workflow runs in."""
        return self.scratch / "work"

    @property
    def plan(self) -> Path:
        """Plan of the whole workflow, whose chunks and shards all rows write."""
        return next(self.work.glob("results/*/plan.json"))

    def fresh(self, name: str) -> str:
        """Place of an output that does not exist yet, and on S3 is the same for all."""
        if self.remote_output is not None:
            self.emptied()
            return self.remote_output
        output = (self.outputs or self.scratch) / name
        put_away(output)
        return str(output)

    def run(self, command: list[str], expected: int = 0) -> Cost:
        """Run a command on the case's cores."""
        if self.cores < (os.cpu_count() or 1):
            command = ["taskset", "-c", f"0-{self.cores - 1}", *command]
        return run_measured(command, self.scratch / "log.txt", expected=expected)

    @property
    def storage(self) -> dict[str, Any]:
        """Storage settings of the workflow."""
        return {"s3://": {"endpoint_url": self.endpoint}} if self.endpoint else {}


def whole_workflow(case: Case) -> Cost:
    """Every step, every pixel verified, published."""
    put_away(case.work)
    case.work.mkdir(parents=True)
    output = case.fresh("workflow.zarr")
    cost = case.run(_snakemake(case, output))
    validation = case.plan.with_name("validation.json")
    if json.loads(validation.read_text())["verdict"] != "valid":
        raise FailedError(f"the workflow's output is invalid; see {validation}")
    return cost


def nothing_to_do(case: Case) -> Cost:
    """The same command again: what Snakemake itself costs."""
    return case.run(_snakemake(case, str((case.outputs or case.scratch) / "workflow.zarr")))


def empty_rules(case: Case) -> Cost:
    """As many rules and jobs, which touch a file each: Snakemake by itself."""
    work = case.scratch / "empty-work"
    put_away(work)
    rules = ["--snakefile", str(HERE / "empty.smk"), "--directory", str(work)]
    cores = ["--cores", str(case.cores)]
    return case.run([sys.executable, "-m", "snakemake", *rules, *cores])


def _snakemake(case: Case, output: str) -> list[str]:
    values = {"input": case.source, "output": output, **METADATA, **case.config}
    if case.endpoint:
        values["input_endpoint"] = case.endpoint
        if output.startswith("s3://"):
            values["output_endpoint"] = case.endpoint
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")),
        *("--directory", str(case.work), "--cores", str(case.cores)),
        *("--config", *(f"{key}={value}" for key, value in values.items())),
    ]


def convert_job(case: Case) -> Cost:
    """The convert job alone: convert and validate; the steps before it are not measured."""
    work, output = case.scratch / "convert-work", case.fresh("convert.zarr")
    put_away(work)
    storage = {"storage": json.dumps(case.storage)}
    named = {"dataset": "benchmark", "inventory": work / "inventory.json", **storage}
    where = {"run": work / "run.json", "source": case.source, "output": output}
    settings = {"settings": "{}", "supplied": case.plan}
    planned = {"plan": work / "plan.json"}
    claim = {"claim": work / "claim.json"}
    case.run(_program("inspect_source", named | where))
    case.run(
        _program("plan", {k: v for k, v in named.items() if k != "storage"} | planned | settings)
    )
    case.run(_program("claim", where | claim | storage))
    job = {
        **named,
        **planned,
        **claim,
        "output": output,
        "work": work,
        "slice": work / "convert" / "1-of-1.json",
        "threads": case.cores,
    }
    return case.run(_program("convert", job))


def _program(name: str, options: dict[str, Any]) -> list[str]:
    words = [sys.executable, str(PROJECT / "scripts" / f"{name}.py"), "--quiet"]
    for key, value in options.items():
        words += [f"--{key}", str(value)]
    return words


def limit(case: Case, *, recode: bool = False, compare: bool = False) -> Cost:
    """The bare work on all cores: no checks, no Snakemake."""
    words = [case.source, case.fresh("limit.zarr"), str(case.plan)]
    words = [word.removeprefix("s3://") for word in words]
    options = ["--processes", str(case.cores)]
    options += ["--recode"] if recode else []
    options += ["--compare"] if compare else []
    options += ["--endpoint", case.endpoint] if case.endpoint else []
    return case.run([sys.executable, str(HERE / "limit.py"), *words, *options])


def copy(case: Case) -> Cost:
    """Copy the files and wait until they are on disk."""
    both = f"cp -r {shlex.quote(case.source)} {shlex.quote(case.fresh('copy.zarr'))}; sync"
    return case.run(["sh", "-c", both])


def challenge(case: Case) -> Cost:
    """The tool of the OME 2024 NGFF challenge, with the chunks and shards of the plan."""
    plan = json.loads(case.plan.read_text())
    source, output = case.source, case.fresh("challenge.zarr")
    places: list[str] = []
    for side, url in (("input", source), ("output", output)):
        if url.startswith("s3://"):
            bucket = url.removeprefix("s3://").partition("/")[0]
            places += [f"--{side}-bucket={bucket}", f"--{side}-endpoint={case.endpoint}"]
    source, output = (_in_bucket(url) for url in (source, output))
    keys = ("shape", "chunks", "shards")
    details = {f"{source}/{a['path']}": {key: a[key] for key in keys} for a in plan["arrays"]}
    described = case.scratch / "challenge-details.json"
    described.write_text(json.dumps(details))
    about = [f"--rocrate-{name}={METADATA[name]}" for name in ("organism", "modality")]
    return case.run(
        [
            *(str(case.tools[TOOL]), "resave", "--silent", "--cc-by", *about, *places),
            *(f"--output-read-details={described}", source, output),
        ]
    )


def _in_bucket(url: str) -> str:
    return url.removeprefix("s3://").partition("/")[2] if url.startswith("s3://") else url


def peer(case: Case, *, library: str) -> Cost:
    """A bare conversion by a library."""
    words = [library, case.source, case.fresh(f"{library}.zarr"), str(case.plan)]
    program = [sys.executable, str(HERE / "peers.py"), *words, "--threads", str(case.cores)]
    return case.run(program)


def ngff_zarr(case: Case) -> Cost:
    """``ngff-zarr``: one image, read and written again with the chunks of the plan."""
    array = json.loads(case.plan.read_text())["arrays"][0]
    per_shard = [s // c for s, c in zip(array["shards"], array["chunks"], strict=True)]
    return case.run(
        [
            *(str(case.tools[NGFF_ZARR]), "--quiet", "--ome-zarr-version", "0.5"),
            *("--chunks", *map(str, array["chunks"])),
            *("--chunks-per-shard", *map(str, per_shard)),
            *("--input", case.source, "--output", case.fresh("ngff-zarr.ome.zarr")),
        ]
    )


ROWS: dict[str, Row] = {
    WHOLE: whole_workflow,
    NOTHING: nothing_to_do,
    EMPTY: empty_rules,
    CONVERT: convert_job,
    LIMIT: limit,
    f"{LIMIT}, recode": partial(limit, recode=True),
    f"{LIMIT}, compared": partial(limit, compare=True),
    COPY: copy,
    TOOL: challenge,
    ZARR: partial(peer, library=ZARR),
    TENSORSTORE: partial(peer, library=TENSORSTORE),
    NGFF_ZARR: ngff_zarr,
}

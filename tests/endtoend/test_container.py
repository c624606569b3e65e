"""Jobs in an image; a stand-in for Apptainer runs their command lines outside of one."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from support.images import write_image
from support.workflow import ROOT, snakemake

STEPS = ("inspect_source", "plan", "claim", "convert", "migrate", "crate", "validate", "publish")
APPTAINER = """#!/bin/sh
[ "$1" = --version ] && echo apptainer version 1.3.0 && exit
printf '%s\\n' "$*" >> "$CALLS"
while [ "$1" != sh ] && [ "$1" != bash ]; do shift; done
PATH=$IMAGE:$PATH exec "$@"
"""
ONE = ["--config", "input=in.zarr", "output=out.zarr", "license=CC0-1.0", "previews=false"]


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Command lines of Apptainer."""
    write_image(tmp_path / "in.zarr", size=32, labels=False)
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER)
    program.chmod(0o755)
    (tmp_path / "uplift.sif").touch()
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("IMAGE", str(Path(sys.executable).parent))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/local/bin:/usr/bin:/bin")
    found = tmp_path / "calls"
    return lambda: found.read_text().splitlines() if found.exists() else []


def test_each_job_runs_in_the_image(tmp_path, calls):
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / "in.zarr").rename(there / "in.zarr")
    config = [*ONE, "input=../there/in.zarr", f"container={tmp_path}/uplift.sif"]
    (tmp_path / "here").mkdir()
    run = snakemake(tmp_path / "here", "--sdm", "apptainer", *config)
    assert run.code == 0, run.text
    seen = []
    for call in calls():
        words = shlex.split(call.partition(" -c ")[0])
        bound = [words[at + 1] for at, word in enumerate(words) if word == "--bind"]
        assert bound[:2] == [str(ROOT), str(there)], "programs and data are seen inside"
        assert str(tmp_path / "uplift.sif") in words
        seen += [step for step in STEPS if f"python {ROOT}/scripts/{step}.py" in call]
    assert sorted(seen) == sorted(STEPS)
    validation = json.loads((tmp_path / "here/results/in/validation.json").read_text())
    assert validation["verdict"] == "valid"


def test_without_an_image_jobs_run_as_ever(tmp_path, calls):
    run = snakemake(tmp_path, "--sdm", "apptainer", *ONE)
    assert run.code == 0, run.text
    assert calls() == []

"""Results that an earlier version finished stay as they are, or are refused in one line."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from support.workflow import contents, snakemake

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results-721023e.tar.gz"
SETTINGS = ["--config", "samples=samples.csv", "previews=false"]


@pytest.fixture
def folder(tmp_path):
    with tarfile.open(RESULTS) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def kept(folder):
    found = contents(folder)
    places = ("results/a/", "results/b/", "output/")
    return {key: data for key, data in found.items() if key.startswith(places)}


def edit(folder, dataset):
    plan = folder / "results" / dataset / "plan.json"
    data = json.loads(plan.read_text())
    data["arrays"][1]["shards"] = None
    plan.write_text(json.dumps(data))
    later = (folder / "results" / dataset / "batches" / "summary.json").stat().st_mtime + 5
    os.utime(plan, (later, later))


def test_nothing_is_converted_again_or_hidden(folder):
    before = kept(folder)
    for arguments in (["-n"], []):
        run = snakemake(folder, *arguments, *SETTINGS)
        assert run.code == 0, run.text
        assert "Left as an earlier version finished it: a, b (2 in all)" in run.text
        assert run.jobs("convert") == run.jobs("inspect_source") == 0
    assert kept(folder) == before


def test_an_edited_plan_is_refused_with_the_way_to_go_on(folder):
    edit(folder, "b")
    before = kept(folder)
    run = snakemake(folder, *SETTINGS)
    assert run.code == 1
    (line,) = run.errors
    assert "results/b/plan.json: was edited after an earlier version" in line
    assert kept(folder) == before

    edited = (folder / "results/b/plan.json").read_bytes()
    command = line.partition("edited plan: ")[2].partition(", then run")[0]
    subprocess.run(command, cwd=folder, shell=True, check=True)  # noqa: S602 - as a user would
    run = snakemake(folder, *SETTINGS, "overwrite=true")
    assert run.code == 0, run.text
    assert (run.jobs("inspect_source"), run.jobs("convert")) == (1, 1), "of b alone"
    assert (folder / "results/b/plan.json~").read_bytes() == edited
    document = json.loads((folder / "output/b.zarr/1/zarr.json").read_text())
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == [1, 1, 16, 16]
    after = kept(folder)
    assert {key: after[key] for key in before if "a.zarr" in key or "results/a/" in key} == {
        key: data for key, data in before.items() if "a.zarr" in key or "results/a/" in key
    }


def test_a_conversion_that_was_not_finished_is_refused(folder):
    (folder / "results/a/published.json").unlink()
    before = kept(folder)
    run = snakemake(folder, *SETTINGS)
    assert run.code == 1
    (line,) = run.errors
    assert line.startswith("error: results/a: an earlier version began this conversion")
    assert kept(folder) == before

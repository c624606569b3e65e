"""Used as a Snakemake module, and in the ways in which the workflow catalog uses it."""

import base64
import json
import re
import shutil

import pytest

from servers.web import WebServer
from support.images import write_image
from support.outer import OUTER, run_outer
from support.workflow import ROOT, errors_of, snakemake


@pytest.fixture
def folder(tmp_path):
    write_image(tmp_path / "in.zarr", size=32, labels=False)
    (tmp_path / "Snakefile").write_text(OUTER.format(root=ROOT))
    settings = {"input": "in.zarr", "output": "out.zarr", "license": "CC0-1.0", "previews": False}
    (tmp_path / "outer.yaml").write_text(json.dumps({"uplift": settings, "other": 1}))
    return tmp_path


def test_a_module_with_a_prefix_and_its_own_config(folder):
    code, said = run_outer(folder)
    assert code == 0, said
    assert (folder / "done.txt").exists()
    assert not (folder / "results").exists()
    work = folder / "converted" / "results" / "in"
    assert json.loads((work / "validation.json").read_text())["verdict"] == "valid"
    assert (folder / "out.zarr" / "zarr.json").exists(), "places of the sheet have no prefix"
    assert (folder / "converted" / "results" / "report.html").exists()
    code, said = run_outer(folder, "--quiet=host")
    assert code == 0, said
    assert "Nothing to be done" in said

    record = next((work / "records").glob("*.json"))
    record.unlink()
    shutil.rmtree(folder / "out.zarr" / "0")
    code, said = run_outer(folder, "-R", "uplift_claim")
    assert code == 0, said
    assert (folder / "out.zarr" / "0" / "zarr.json").exists()


def test_mistakes_name_the_config_of_the_module(folder):
    (folder / "outer.yaml").write_text(json.dumps({"uplift": {"inptu": "in.zarr"}}))
    code, said = run_outer(folder)
    assert code == 1
    (line,) = errors_of(said)
    assert line.startswith("error: config of the module: inptu: unknown key")


def test_a_module_from_a_url_is_refused_in_one_line(folder):
    with WebServer(ROOT) as server:
        outer = (folder / "Snakefile").read_text().replace(str(ROOT), server.url)
        (folder / "Snakefile").write_text(outer)
        code, said = run_outer(folder)
    assert code == 1
    (line,) = said.splitlines()
    assert line.startswith(f"error: {server.url}/workflow: the rules need the programs")
    assert "clone the project" in line


def test_the_small_dataset_of_the_catalog(tmp_path):
    shutil.copytree(ROOT / ".test", tmp_path / "t", ignore=shutil.ignore_patterns(".snakemake"))
    run = snakemake(tmp_path / "t")
    assert run.code == 0, run.text
    assert (tmp_path / "t" / "output" / "cells.zarr" / "zarr.json").exists()

    run = snakemake(tmp_path / "t", "--report", "all.html")
    assert run.code == 0, run.text
    page = (tmp_path / "t" / "all.html").read_text()
    for name in ("report.html", "catalog.csv", "costs.csv"):
        (content,) = re.findall(rf'filename={re.escape(name)};base64,([^"]+)"', page)
        assert base64.b64decode(content) == (tmp_path / "t" / "results" / name).read_bytes()

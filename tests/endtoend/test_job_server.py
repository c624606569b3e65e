"""A run starts Python once, whatever the number of jobs, and makes what it makes without."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from support.images import write_image
from support.workflow import contents, snakemake

STEPS = ("inspect_source", "plan", "claim", "convert", "migrate", "crate", "validate", "publish")
SETTINGS = ["--config", "samples=rows.tsv", "defaults={license: CC0-1.0}", "previews=false"]
NOTED = """
import os, sys
with open(os.environ["STARTS"], "a") as stream:
    stream.write(" ".join(sys.orig_argv) + "\\n")

class Noted:
    def find_spec(self, name, *_):
        if "." not in name:
            with open(os.environ["STARTS"] + ".imports", "a") as stream:
                stream.write(name + "\\n")

sys.meta_path.insert(0, Noted())
"""
MODELS = {"pydantic", "ome_zarr_models", "yaozarrs"}
IMPORTED_ONCE = MODELS | {"numpy", "numcodecs", "zarr", "tensorstore"}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two datasets, converted as always and where there can be no server."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    found = []
    for name in ("with", "without"):
        folder = tmp_path / name
        folder.mkdir()
        rows = ["dataset\tinput\toutput", *(f"{n}\t{n}.zarr\t{n}.out.zarr" for n in "ab")]
        (folder / "rows.tsv").write_text("\n".join(rows) + "\n")
        for seed, dataset in enumerate("ab"):
            write_image(folder / f"{dataset}.zarr", size=32, labels=False, seed=seed)
        monkeypatch.setenv("STARTS", str(folder / "starts"))
        if name == "without":
            temporary = tmp_path / ("t" * 120)  # too long for the name of a socket
            temporary.mkdir()
            monkeypatch.setenv("TMPDIR", str(temporary))
        run = snakemake(folder, *SETTINGS)
        assert run.code == 0, run.text
        assert {step: run.jobs(step) for step in STEPS} == dict.fromkeys(STEPS, 2)
        found.append(folder)
    return found


def starts(folder):
    lines = (folder / "starts").read_text().splitlines()
    programs = [Path(word).name for line in lines for word in line.split()[1:2]]
    return Counter("snakemake" if name == "-m" else name for name in programs)


@pytest.mark.skipif(sys.platform != "linux", reason="jobs are forks on Linux alone")
def test_the_same_with_fewer_processes(made):
    forked, by_itself = made
    assert starts(forked) == {"snakemake": 1}
    imports = Counter((forked / "starts.imports").read_text().splitlines())
    assert {name: imports[name] for name in IMPORTED_ONCE} == dict.fromkeys(IMPORTED_ONCE, 1)
    programs = {f"{step}.py": 2 for step in STEPS}
    assert starts(by_itself) == {"snakemake": 1, "report.py": 1, **programs}
    for dataset in "ab":
        outputs = [contents(folder / f"{dataset}.out.zarr") for folder in made]
        crates = [output.pop("ro-crate-metadata.json") for output in outputs]  # name the source
        assert outputs[0] == outputs[1]
        assert all(crates)
    names = [set(contents(folder / "results")) for folder in made]
    assert names[0] == names[1]

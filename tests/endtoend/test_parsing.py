"""Nothing but Snakemake's own folder changes before the first job starts."""

import json
import os
import shutil

import pytest

from support.images import write_image
from support.workflow import contents, snakemake
from uplift.outputs.lock import write_lock
from uplift.storage.writable import open_writable

SETTINGS = ["--config", "input=in.zarr", "output=out.zarr", "license=CC0-1.0", "previews=false"]
ASKING = (["-n"], ["-n", "-F"], ["--summary"], ["--lint"], ["--unlock"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    write_image(folder / "in.zarr", size=32, labels=False)
    run = snakemake(folder, *SETTINGS)
    assert run.code == 0, run.text
    return folder


def fresh(folder):
    for name in ("results", "out.zarr", ".snakemake"):
        shutil.rmtree(folder / name)


def half_done(folder):
    """An interrupted run has hidden the dataset again."""
    (folder / "out.zarr" / "zarr.json").unlink()
    claim = json.loads((folder / "results/in/claim.json").read_text())
    output = open_writable(str(folder / "out.zarr"))
    write_lock(output, claim["run_id"], claim["generation"], folder / "results/in")
    (folder / "results/in/validation.json").unlink()


def damaged(folder):
    for name in ("convert/1-of-1.json", "crate.json"):
        path = folder / "results/in" / name
        os.truncate(path, path.stat().st_size // 2)
    shutil.rmtree(folder / "results/in/records")


def published(folder):
    pass


def state(folder):
    """Every file and folder: content, and when it was changed."""
    files = {key: data for key, data in contents(folder).items() if ".snakemake" not in key}
    paths = (path for path in folder.rglob("*") if ".snakemake" not in str(path))
    return files, {str(path): path.stat().st_mtime_ns for path in paths}


def data_of(folder):
    """The output but for its crate, which tells of the run."""
    found = contents(folder / "out.zarr")
    return {key: data for key, data in found.items() if "ro-crate" not in key}


@pytest.mark.parametrize("change", [fresh, half_done, damaged, published])
def test_asking_changes_nothing(finished, tmp_path, change):
    folder = tmp_path / "w"
    shutil.copytree(finished, folder)
    change(folder)
    before = state(folder)
    for arguments in ASKING:
        run = snakemake(folder, *arguments, *SETTINGS)
        assert "Traceback" not in run.text, run.text
        assert state(folder) == before, arguments
    content, _ = before
    run = snakemake(folder, "--touch", *SETTINGS)
    touched = state(folder)[0]
    assert {key: touched[key] for key in content} == content
    assert not any(touched[key] for key in touched.keys() - content), "empty logs at most"
    run = snakemake(folder, *SETTINGS)
    assert run.code == 0, run.text
    assert data_of(folder) == data_of(finished)

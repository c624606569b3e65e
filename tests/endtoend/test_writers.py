"""Datasets of the field's writers become valid OME-Zarr 0.5 with the same values."""

import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr

from support.steps import Conversion
from support.writers import write_by_ome_zarr_py

TOOLS = Path(__file__).resolve().parents[3] / "shared" / "tools" / "writers"
WRITERS = {
    "5d": ("make_5d_omezarrpy.py", "ome_zarr"),
    "lightsheet": ("make_lightsheet_ngffzarr.py", "ngff_zarr"),
    "pathology": ("make_pathology_bioio.py", "bioio_ome_zarr"),
    "plate": ("make_plate_iohub.py", "iohub"),
}


def arrays_of(root):
    """Path to values of every array, as zarr-python reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(str(root), mode="r")
        members = group.members(max_depth=None)
        return {path: node[...] for path, node in members if isinstance(node, zarr.Array)}


def check(source, home):
    before = arrays_of(source)
    validation = Conversion(str(source), str(home / "out.zarr"), home / "work").all()
    assert validation["verdict"] == "valid"
    after = arrays_of(home / "out.zarr")
    assert before.keys() == after.keys()
    assert before
    for path, values in before.items():
        assert np.array_equal(values, after[path]), path


def test_ome_zarr_py(tmp_path):
    check(write_by_ome_zarr_py(tmp_path / "in.zarr"), tmp_path)


@pytest.fixture(params=sorted(WRITERS))
def written(request, tmp_path):
    """A tiny dataset: made before (``UPLIFT_WRITTEN``: a folder of them), or made now."""
    given = Path(os.environ.get("UPLIFT_WRITTEN", tmp_path)) / f"{request.param}.zarr"
    if given.is_dir():
        return given
    program, module = WRITERS[request.param]
    if not (TOOLS / program).is_file():
        pytest.skip("no writers: lay the folder `shared` next to this checkout")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"no {module}: make the dataset with {program}, set UPLIFT_WRITTEN")
    place = tmp_path / "in.zarr"
    command = [sys.executable, str(TOOLS / program), str(place), "--size", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{program} fails with this {module}: {done.stderr.strip().splitlines()[-1]}")
    return place


def test_writer(written, tmp_path):
    check(written, tmp_path)

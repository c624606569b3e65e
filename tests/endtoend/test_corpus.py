"""Real datasets of other projects: every array's digest, read back by independent readers."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr

from support.steps import Conversion, StepError

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "corpus"
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="no corpus: lay the folder `shared` beside this checkout"
)


def inputs():
    if not CORPUS.is_dir():
        return []
    names = [entry["name"] for entry in json.loads((CORPUS / "corpus.json").read_text())]
    return [name for name in names if not name.endswith(("_v05twin", "_v3_ref"))]


def truth(name):
    return json.loads((CORPUS / "arrays_truth.json").read_text())[name]


def digest(values):
    values = np.asarray(values)
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    return hashlib.sha256(little.tobytes()).hexdigest()[:16]


def read_tensorstore(path):
    spec = {"driver": "zarr3", "kvstore": f"file://{path}/"}
    return tensorstore.open(spec).result().read().result()


@pytest.mark.parametrize("name", inputs())
def test_corpus(name, tmp_path):
    out = tmp_path / "out.zarr"
    conversion = Conversion(str(CORPUS / f"{name}.zarr"), str(out), tmp_path / "work")
    try:
        validation = conversion.all()
    except StepError:
        if conversion.path("validation.json").exists():
            verdict = json.loads(conversion.path("validation.json").read_text())
            errors = [f for f in verdict["findings"] if f["severity"] == "error"]
            pytest.fail(f"invalid: {errors}")
        raise
    assert validation["verdict"] == "valid"
    found = {array["path"]: array for array in validation["arrays"]}
    for array in truth(name):
        path = array["path"]
        opened = zarr.open_array(out / path, mode="r", zarr_format=3)
        assert list(opened.shape) == array["shape"]
        if array["dtype"] == "|O":
            continue
        expected = array["sha_zp"] or array["sha_ts"]
        assert digest(opened[...]) == expected, path
        assert found[path]["sha256"][:16] == expected, path
        if np.dtype(opened.dtype).kind in "biufc":
            assert digest(read_tensorstore(out / path)) == expected, path

"""A huge array of which nearly nothing is stored costs nearly nothing, in any step."""

import json
import math
import shutil
import time
import tracemalloc

import numpy as np
import pytest
import zarr

from support.images import write_array, write_json
from support.steps import Conversion

SHAPE = (25, 1024, 1024, 1024)
CHUNKS = (1, 64, 256, 256)
MOST_BYTES = 256 * 2**20
MOST_SECONDS = 30.0


@pytest.fixture(params=[None, (24, 15, 3, 3)], ids=["no chunk", "one chunk"])
def source(request, tmp_path):
    stored = [] if request.param is None else [request.param]
    return written(tmp_path, SHAPE, stored), request.param


def written(tmp_path, shape, stored):
    """An image of one level, with these chunks."""
    root = tmp_path / "in.zarr"
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0, 1.0]}]
    entry = {
        "version": "0.4",
        "axes": [{"name": "c", "type": "channel"}, *axes],
        "datasets": [{"path": "0", "coordinateTransformations": scale}],
    }
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"multiscales": [entry]})
    write_array(root / "0", np.zeros((0, 0, 0, 0), "u1"), CHUNKS)
    document = json.loads((root / "0" / ".zarray").read_text())
    write_json(root / "0" / ".zarray", {**document, "shape": shape, "fill_value": 3})
    one = tmp_path / "one"
    write_array(one, np.full(CHUNKS, 7, "u1"), CHUNKS)
    for chunk in stored:
        place = (root / "0").joinpath(*map(str, chunk))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.joinpath("0", "0", "0", "0"), place)
    return root


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"codec": [{"name": "zstd"}]},
        {"chunks": [1, 32, 128, 128], "shards": [1, 256, 512, 512]},
        {"shards": "none"},
    ],
    ids=["repack", "recode", "rechunk", "unsharded"],
)
def test_huge_sparse_array(source, plan, tmp_path):
    root, stored = source
    output = tmp_path / "out.zarr"
    conversion = Conversion(
        str(root), str(output), tmp_path / "work", plan_settings=json.dumps(plan)
    )
    conversion.crate = '{"enabled": false}'
    steps = ("inspect", "plan", "claim", "convert", "migrate", "write_crate")
    for step in (*steps, "validate", "publish"):
        tracemalloc.start()
        began = time.monotonic()
        getattr(conversion, step)()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST_BYTES, step
        assert time.monotonic() - began < MOST_SECONDS, step
    objects = [place for place in (output / "0").rglob("*") if place.is_file()]
    assert len(objects) <= 1 + 8 * (stored is not None)
    assert sum(place.stat().st_size for place in objects) < 2**20
    array = zarr.open_array(output / "0", mode="r")
    assert array[0, 0, 0, 0] == 3
    if stored is not None:
        at = tuple(i * c for i, c in zip(stored, CHUNKS, strict=True))
        assert array[at] == 7


GRIDS = {"2^22": (4, 2**6, 2**7, 2**7), "2^80": (4, 2**18, 2**30, 2**30)}


@pytest.mark.parametrize(
    ("size", "shards", "is_cut"),
    [
        ("2^22", "none", True),
        ("2^22", [1, 64, 512, 512], False),
        ("2^80", "none", False),
        ("2^80", [1, 64, 512, 512], True),
    ],
)
def test_the_grid_costs_nothing(size, shards, is_cut, tmp_path, monkeypatch):
    """Work goes with what is listed: none of all the objects that may be there is looked at."""
    if is_cut:
        monkeypatch.setattr("uplift.batches.portions.PORTION_BYTES", 1)
        monkeypatch.setattr("uplift.batches.portions.TASK_CHUNKS", 2)
    chunks = GRIDS[size]
    stored = [tuple(n * k // 40 for n in chunks) for k in range(40)]
    shape = [n * c for n, c in zip(chunks, CHUNKS, strict=True)]
    root, output = written(tmp_path, shape, stored), tmp_path / "out.zarr"
    sides = (str(root), str(output), tmp_path / "work")
    conversion = Conversion(*sides, plan_settings=json.dumps({"shards": shards}))
    conversion.crate = '{"enabled": false}'
    for step in ("inspect", "plan", "claim", "convert", "migrate", "write_crate"):
        began = time.monotonic()
        getattr(conversion, step)()
        assert time.monotonic() - began < MOST_SECONDS, step
    (batch,) = conversion.in_force().batches
    objects = math.prod(batch.items[0].target.object_grid)
    assert objects in (math.prod(chunks), math.prod(chunks) // 4)
    found = conversion.validate()
    assert found["verdict"] == "valid"
    assert [one["chunks_compared"] for one in found["arrays"]] == [40]
    array = zarr.open_array(output / "0", mode="r")
    for chunk in stored:
        at = tuple(i * c for i, c in zip(chunk, CHUNKS, strict=True))
        assert array[at] == 7
    assert array[tuple(n - 1 for n in shape)] == 3
    written_at = {p: p.stat().st_mtime_ns for p in (output / "0" / "c").rglob("*") if p.is_file()}
    for name in ("records", "convert"):
        shutil.rmtree(tmp_path / "work" / name)
    conversion.convert()
    assert {path: path.stat().st_mtime_ns for path in written_at} == written_at, "resumed"

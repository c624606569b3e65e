"""A huge array of which nearly nothing is stored costs nearly nothing, in any step."""

import json
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
    write_json(root / "0" / ".zarray", {**document, "shape": SHAPE, "fill_value": 3})
    if request.param is not None:
        one = tmp_path / "one"
        write_array(one, np.full(CHUNKS, 7, "u1"), CHUNKS)
        place = (root / "0").joinpath(*map(str, request.param))
        place.parent.mkdir(parents=True)
        one.joinpath("0", "0", "0", "0").rename(place)
    return root, request.param


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

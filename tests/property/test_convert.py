"""Guarantee: what goes in as Zarr v2 comes out of two independent v3 readers bit for bit."""

import itertools
import json
import math
import shutil
import tempfile
from pathlib import Path

import numcodecs
import numpy as np
import tensorstore
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.converted import carried_out
from uplift import grid
from uplift.arrays.source_chunks import ChunkSource
from uplift.batches.context import Settings
from uplift.codecs.mapping import target_of
from uplift.models.batch import Batch, BatchItem
from uplift.storage.local import LocalStore
from uplift.zarr_metadata.v2 import parse_v2
from uplift.zarr_metadata.v3 import array_document

COMPRESSORS = [
    None,
    {"id": "zstd", "level": 1},
    {"id": "gzip", "level": 1},
    {"id": "zlib", "level": 1},
    {"id": "bz2", "level": 1},
    {"id": "lz4", "acceleration": 1},
    *(
        {"id": "blosc", "cname": cname, "clevel": 3, "shuffle": shuffle, "blocksize": 0}
        for cname, shuffle in itertools.product(("lz4", "zstd", "zlib"), (-1, 0, 1, 2))
    ),
]
DTYPES = [
    "|b1",
    "|u1",
    "|i1",
    "<u2",
    ">u2",
    "<i4",
    ">i8",
    "<u8",
    "<f2",
    ">f4",
    "<f8",
    "<c8",
    ">c16",
]


@st.composite
def arrays(draw):
    ndim = draw(st.integers(0, 3))
    axis = st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(1, 3))
    axes = [draw(axis) for _ in range(ndim)]
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    return {
        "shape": tuple(a[0] for a in axes),
        "chunks": tuple(a[1] for a in axes),
        "factors": tuple(a[2] for a in axes),
        "dtype": dtype,
        "compressor": draw(st.sampled_from(COMPRESSORS)),
        "order": draw(st.sampled_from("CF")),
        "separator": draw(st.sampled_from("./")),
        "fill": draw(st.sampled_from([None, 0, 1])),
        "missing": draw(st.floats(0, 1)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "sharded": draw(st.booleans()),
        "recode": draw(st.booleans()),
    }


def random_values(rng, dtype, shape):
    raw = rng.integers(0, 256, size=(*shape, dtype.itemsize), dtype=np.uint8)
    if dtype.kind == "b":
        raw &= 1
    return np.ascontiguousarray(raw).view(dtype).reshape(shape)


def write_v2(folder, case):
    """Write chunks by hand with numcodecs: an oracle that shares no code with the project."""
    folder.mkdir(parents=True)
    codec = numcodecs.get_codec(case["compressor"]) if case["compressor"] else None
    fill = case["fill"]
    if fill is not None and case["dtype"].kind == "c":
        fill = [float(fill), 0.0]
    document = {
        "zarr_format": 2,
        "shape": case["shape"],
        "chunks": case["chunks"],
        "dtype": case["dtype"].str,
        "compressor": case["compressor"],
        "filters": None,
        "order": case["order"],
        "fill_value": bool(fill) if case["dtype"].kind == "b" and fill is not None else fill,
        "dimension_separator": case["separator"],
    }
    (folder / ".zarray").write_text(json.dumps(document))
    rng = np.random.default_rng(case["seed"])
    full = np.full(case["shape"], case["fill"] or 0, dtype=case["dtype"])
    stored = 0
    for index in grid.all_indices(grid.grid_shape(case["shape"], case["chunks"])):
        if rng.random() < case["missing"]:
            continue
        values = random_values(rng, case["dtype"], case["chunks"])
        data = values.tobytes(order=case["order"])
        if codec is not None:
            data = bytes(codec.encode(np.frombuffer(data, dtype=case["dtype"])))
        path = folder / (case["separator"].join(map(str, index)) or "0")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        slices = grid.element_slices(index, case["chunks"], case["shape"])
        full[slices] = values[tuple(slice(0, s.stop - s.start) for s in slices)]
        stored += 1
    return document, full, stored


def item_of(root, document, case, stored):
    source = parse_v2(document, "test")
    chunks = case["chunks"]
    if case["recode"]:
        chunks = tuple(max(1, (c * f) // 2) for c, f in zip(chunks, case["factors"], strict=True))
    shards = tuple(c * f for c, f in zip(chunks, case["factors"], strict=True))
    codecs = ({"name": "zstd", "configuration": {"level": 1, "checksum": False}},)
    target, method = target_of(
        source, chunks, shards if case["sharded"] else None, codecs if case["recode"] else "keep"
    )
    objects = math.prod(grid.grid_shape(target.shape, target.object_shape))
    return BatchItem(
        path="a/0",
        source=source,
        target=target,
        method=method,
        start=0,
        stop=objects,
        stored_chunks=stored,
        stored_bytes=0,
        listing_sha256=ChunkSource(LocalStore(str(root / "in")), "a/0", source).survey(keep=False),
        fingerprint="f",
    )


def convert(root, item):
    batch = Batch(batch="b", dataset="d", source="s", output="o", items=(item,))
    output = LocalStore(str(root / "out"), writable=True, durability="none")
    source = LocalStore(str(root / "in"))
    results = carried_out(batch, source, output, root / "journal.jsonl", Settings())
    output.put("a/0/zarr.json", json.dumps(array_document(item.target, {}, None)).encode())
    return results


def same_bits(one, other):
    one, other = np.asarray(one), np.asarray(other)
    little = [np.ascontiguousarray(a.astype(a.dtype.newbyteorder("<"))) for a in (one, other)]
    return one.shape == other.shape and little[0].tobytes() == little[1].tobytes()


def check(case):
    root = Path(tempfile.mkdtemp())
    try:
        document, full, stored = write_v2(root / "in" / "a" / "0", case)
        item = item_of(root, document, case, stored)
        results = convert(root, item)
        assert [(one.bad_chunks, one.findings) for one in results] == [([], ())] * len(results)
        assert sum(one.chunks for one in results) == stored
        opened = zarr.open_array(root / "out" / "a" / "0", mode="r", zarr_format=3)
        assert same_bits(opened[...], full)
        spec = {"driver": "zarr3", "kvstore": f"file://{root}/out/a/0/"}
        assert same_bits(tensorstore.open(spec).result().read().result(), full)
        if not case["recode"] and not case["sharded"]:
            objects = sum(1 for p in (root / "out" / "a" / "0").rglob("*") if p.is_file()) - 1
            assert objects == stored
    finally:
        shutil.rmtree(root)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrays())
def test_converted_arrays_equal_their_source(case):
    check(case)

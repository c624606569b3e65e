"""Zarr v3 sources: sharded again, unsharded, recoded; missing chunks stay missing."""

import json
import math

import numpy as np
import pytest
import zarr

from support.converted import carried_out
from uplift import grid
from uplift.arrays.source_chunks import ChunkSource
from uplift.batches.context import Settings
from uplift.codecs.mapping import target_of
from uplift.models.batch import Batch, BatchItem
from uplift.storage.local import LocalStore
from uplift.zarr_metadata.v3 import array_document, parse_v3

SHAPE, CHUNKS = (20, 33), (4, 5)


@pytest.fixture(params=[None, (8, 10), (20, 35)], ids=["chunks", "small shards", "one shard"])
def source(request, tmp_path):
    array = zarr.create_array(
        tmp_path / "in" / "a", shape=SHAPE, chunks=CHUNKS, shards=request.param, dtype="<i4"
    )
    values = np.arange(math.prod(SHAPE), dtype="<i4").reshape(SHAPE) + 1
    values[4:12] = 0
    array[:4], array[12:] = values[:4], values[12:]
    return values


@pytest.mark.parametrize("shards", [None, (12, 15), (24, 40)])
@pytest.mark.parametrize("codecs", ["keep", ({"name": "gzip", "configuration": {"level": 1}},)])
def test_resharded(source, tmp_path, shards, codecs):
    document = json.loads((tmp_path / "in" / "a" / "zarr.json").read_text())
    facts = parse_v3(document, "a/zarr.json")
    store = LocalStore(str(tmp_path / "in"))
    chunks = ChunkSource(store, "a", facts)
    stored = sorted(chunks.stored_in(tuple((0, n) for n in chunks.grid)))
    assert len(stored) == 21
    target, method = target_of(facts, CHUNKS, shards, codecs)
    assert method == ("repack" if codecs == "keep" else "recode")
    item = BatchItem(
        path="a",
        source=facts,
        target=target,
        method=method,
        start=0,
        stop=math.prod(grid.grid_shape(SHAPE, target.object_shape)),
        stored_chunks=len(stored),
        stored_bytes=0,
        listing_sha256=chunks.survey(keep=False),
        fingerprint="f",
    )
    output = LocalStore(str(tmp_path / "out"), writable=True)
    batch = Batch(batch="b", dataset="d", source="s", output="o", items=(item,))
    (result,) = carried_out(batch, store, output, tmp_path / "j", Settings())
    assert result.chunks_read >= result.chunks == len(stored)
    assert result.findings == ()
    output.put("a/zarr.json", json.dumps(array_document(target, {}, None)).encode())
    assert (zarr.open_array(tmp_path / "out" / "a", mode="r")[...] == source).all()
    new = ChunkSource(output, "a", parse_v3(array_document(target, {}, None), "a"))
    assert sorted(new.stored_in(tuple((0, n) for n in new.grid))) == stored

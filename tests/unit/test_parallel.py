"""Bounded maps over a pool, and what convert makes of them on remote stores."""

import contextlib
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr

from uplift import grid
from uplift.arrays.source_chunks import ChunkSource
from uplift.codecs.mapping import target_of
from uplift.convert.batch import convert_batch
from uplift.convert.item import ConvertSettings
from uplift.convert.repack import RepackEngine
from uplift.errors import StorageError
from uplift.models.batch import Batch, BatchItem
from uplift.parallel import as_done, in_order
from uplift.storage.local import LocalStore
from uplift.storage.protocol import key_of
from uplift.work.journal import Journal
from uplift.zarr_metadata.v2 import parse_v2

SHARDS = 40


@pytest.mark.parametrize("mapped", [in_order, as_done])
def test_every_result_once_and_few_under_way(mapped):
    taken = []
    inputs = (taken.append(n) or n for n in range(100))
    with ThreadPoolExecutor(4) as pool:
        results = mapped(pool, lambda n: n * n, inputs, 6)
        found = [next(results)]
        assert len(taken) <= 6
        found += results
    assert sorted(found) == [n * n for n in range(100)]
    assert mapped is as_done or found == sorted(found)


@pytest.mark.parametrize("mapped", [in_order, as_done])
def test_a_failure_ends_the_map(mapped):
    begun = []

    def work(n):
        begun.append(n)
        time.sleep(0.001)
        if n == 3:
            raise StorageError("no")

    with ThreadPoolExecutor(2) as pool, pytest.raises(StorageError):
        list(mapped(pool, work, range(1000), 8))
    assert len(begun) < 30


class Far(LocalStore):
    """A local store that is taken for a remote one; reads of `broken` keys fail."""

    is_local = False
    broken = ""

    def get(self, wanted):
        if self.broken and key_of(wanted).startswith(self.broken):
            raise StorageError(f"{wanted}: refused")
        return super().get(wanted)

    @contextlib.contextmanager
    def writer(self, key):
        time.sleep(0.005)
        with super().writer(key) as stream:
            yield stream


def items_of(root, names):
    """Arrays of `SHARDS` shards of four chunks each, as batch items."""
    shape = (SHARDS, 4)
    for name in names:
        array = zarr.create_array(
            root / name, shape=shape, chunks=(1, 1), dtype="<u2", zarr_format=2, fill_value=0
        )
        array[...] = np.arange(1, 1 + math.prod(shape)).reshape(shape)
        facts = parse_v2(json.loads((root / name / ".zarray").read_text()), f"{name}/.zarray")
        target, method = target_of(facts, (1, 1), (1, 4), "keep")
        yield BatchItem(
            path=name,
            source=facts,
            target=target,
            method=method,
            start=0,
            stop=math.prod(grid.grid_shape(shape, target.object_shape)),
            stored_chunks=math.prod(shape),
            listing_sha256=ChunkSource(LocalStore(str(root)), name, facts).listing_sha256(),
            fingerprint=name,
        )


@pytest.fixture
def far(tmp_path, monkeypatch):
    """A batch of five large items between stores that are not local."""
    monkeypatch.setattr("uplift.convert.batch._SMALL_ELEMENTS", 0)
    items = tuple(items_of(tmp_path / "in", "abcde"))
    batch = Batch(batch="b", dataset="d", source="s", output="o", items=items)
    return batch, Far(str(tmp_path / "in")), Far(str(tmp_path / "out"), writable=True)


def shards_below(folder):
    return sum(1 for path in folder.rglob("*") if path.is_file())


def test_large_items_of_a_remote_store_share_the_threads(far, tmp_path, monkeypatch):
    batch, source, output = far
    under_way, most, lock = set(), [0], threading.Lock()
    write = RepackEngine.write_object

    def counted(engine, *arguments):
        me = object()
        with lock:
            under_way.add(me)
            most[0] = max(most[0], len(under_way))
        try:
            return write(engine, *arguments)
        finally:
            with lock:
                under_way.discard(me)

    monkeypatch.setattr(RepackEngine, "write_object", counted)
    settings = ConvertSettings(threads=3)
    record = convert_batch(batch, source, output, Journal(tmp_path / "j"), settings)
    assert [item.path for item in record.items] == list("abcde")
    assert [item.objects_written for item in record.items] == [SHARDS] * 5
    assert shards_below(tmp_path / "out") == 5 * SHARDS
    assert most == [3]


def test_one_failing_item_ends_the_others(far, tmp_path):
    batch, source, output = far
    source.broken = "a/"
    settings = ConvertSettings(threads=1)
    with pytest.raises(StorageError, match="refused"):
        convert_batch(batch, source, output, Journal(tmp_path / "j"), settings)
    assert shards_below(tmp_path / "out") < SHARDS

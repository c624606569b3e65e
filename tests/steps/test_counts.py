"""What a step asks for, counted: listings, reads, requests, bytes hashed, threads, checks."""

import concurrent.futures
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr

from servers.faulty_proxy import Faults, FaultyProxy
from support import s3
from support.hierarchies import Array, Group, write
from support.images import multiscales, write_array, write_image, write_json, write_one_array
from support.steps import Conversion
from uplift.arrays import digests, readers
from uplift.batches import portions, surveys
from uplift.batches.context import Context, Settings
from uplift.convert import repack
from uplift.inspect_source import nodes
from uplift.planning import batching, estimates
from uplift.storage.local import LocalStore
from uplift.storage.local_reading import OpenFile
from uplift.storage.protocol import key_of
from uplift.validate.metadata import arrays
from uplift.validate.pixels import check, repacked
from uplift.work.journal import Journal


@pytest.fixture
def listed(monkeypatch):
    """Folders that were listed with all below them, by store and folder."""
    found, files_below = Counter(), LocalStore._files_below

    def counting(store, prefix):
        found[store.url.rpartition("/")[2], prefix] += 1
        return files_below(store, prefix)

    monkeypatch.setattr(LocalStore, "_files_below", counting)
    return found


def test_listings_of_a_run(tmp_path, listed):
    source = write_image(tmp_path / "in.zarr", size=32, chunk=16)
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.before_validation()
    assert {of for of in listed.elements() if of[1] == ""} == set(), "no side as a whole"
    of_arrays = {path: n for (store, path), n in listed.items() if store == "in.zarr"}
    assert set(of_arrays) == {"0", "1", "labels/nuclei/0", "labels/nuclei/1"}
    assert max(of_arrays.values()) <= 3, "inspection, and conversion (of sparse arrays twice)"
    conversion.validate()
    whole = {store: n for (store, path), n in listed.items() if path == ""}
    assert whole == {"out.zarr": 1}, "the output once, for all checks; the source no more"
    conversion.publish()
    whole = {store: n for (store, path), n in listed.items() if path == ""}
    assert whole == {"out.zarr": 1}, "what killed jobs left was seen by validate"


def test_arrays_that_are_alike_are_checked_once(tmp_path, monkeypatch):
    alike = {str(n): Array((4, 4), (2, 2)) for n in range(5)}
    write(tmp_path / "in.zarr", Group({**alike, "other": Array((4, 6), (2, 2))}))
    checked, faults = [], arrays._faults

    def counting(node, *others):
        checked.append(node.path)
        return faults(node, *others)

    monkeypatch.setattr(arrays, "_faults", counting)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.all()
    assert checked == ["0", "other"]


def test_digests_of_a_batch_are_read_once_and_a_plan_is_not_estimated_again(tmp_path, monkeypatch):
    write(tmp_path / "in.zarr", Group({str(n): Array((4, 4), (2, 2)) for n in range(20)}))
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work", threads=1
    )
    conversion.before_validation()
    calls, opened = Counter(), Path.open

    def counting(path, *others, **options):
        calls[path.suffix] += 1
        return opened(path, *others, **options)

    def estimating(*_):
        calls["estimates"] += 1

    monkeypatch.setattr(Path, "open", counting)
    monkeypatch.setattr(estimates, "estimate_of", estimating)
    conversion.validate()
    assert calls[".digests"] == len(conversion.batches()) == 1
    assert not calls["estimates"]


def test_other_readers_open_a_small_array_once_while_it_is_converted(tmp_path, monkeypatch):
    write(tmp_path / "in.zarr", Group({str(n): Array((4, 4), (2, 2)) for n in range(20)}))
    opened = Counter()
    for reader in (readers.TensorstoreReader, readers.ZarrReader):

        def counting(self, *others, init=reader.__init__, **options):
            opened[others[1]] += 1
            init(self, *others, **options)

        monkeypatch.setattr(reader, "__init__", counting)
    conversion = Conversion(
        *(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"),
        threads=1,
        digest_limit_mib=0,
    )
    conversion.before_validation()
    assert opened == {str(n): 2 for n in range(20)}, "each side once"
    opened.clear()
    found = conversion.validate()
    assert not opened
    assert {one["regions_compared"] for one in found["arrays"]} == {4}


def test_what_small_arrays_that_are_alike_share_is_done_once(tmp_path, monkeypatch):
    # no other test has such arrays: what is shared, all tests share
    write(tmp_path / "in.zarr", Group({str(n): Array((10, 14), (5, 7)) for n in range(40)}))
    calls = Counter()

    def counted(owner, name):
        call = getattr(owner, name)

        def counting(*arguments, **options):
            calls[name] += name != "mkdir" or str(tmp_path / "out.zarr") in str(arguments[0])
            return call(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    counted(nodes, "parse_v2")
    counted(Journal, "_opened")
    counted(os, "mkdir")
    conversion = Conversion(
        *(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"), threads=1
    )
    conversion.inspect()
    assert calls["parse_v2"] == 1
    conversion.plan()
    conversion.claim()
    calls.clear()
    conversion.convert()
    groups = 3
    # each array has folders of its own: its name, c, and one of its two axes
    folders = [p for p in (tmp_path / "out.zarr").rglob("*") if p.is_dir()]
    assert len(folders) == 3 * 40
    assert calls["_opened"] <= groups + 3, "once a group, and for the lines about what is on disk"
    assert calls["mkdir"] <= len(folders) + 2, "each once, the root for each store"


def test_a_small_array_costs_few_calls(tmp_path):
    """What the interpreter does for each array: 1 to 2 us a call, beside data that fill a cache."""
    calls = []
    for number in (20, 60):
        home = tmp_path / str(number)
        write(home / "in.zarr", Group({str(n): Array((8, 6), (4, 3)) for n in range(number)}))
        conversion = Conversion(
            *(str(home / "in.zarr"), str(home / "out.zarr"), home / "work"), threads=1
        )
        for step in (conversion.inspect, conversion.plan, conversion.claim):
            step()
        ours = Counter()

        def counting(frame, event, _, ours=ours):
            ours["calls"] += event == "call" and "/uplift/" in frame.f_code.co_filename

        sys.setprofile(counting)
        try:
            conversion.convert()
        finally:
            sys.setprofile(None)
        calls.append(ours["calls"])
    assert (calls[1] - calls[0]) / 40 < 575, "of one array more, 4 chunks in a shard"


SIDE, CHUNK, CHUNKS = 512, 64, 64


@pytest.fixture
def planned(tmp_path):
    """One array of 64 chunks, about to be converted into shards of 16 chunks."""

    def make(where=None, to=None, source=tmp_path / "in.zarr"):
        write_one_array(source, SIDE, CHUNK)
        if where is None:
            where, to = str(source), str(tmp_path / "out.zarr")
        else:
            where()
            where, to = to
        conversion = Conversion(where, to, tmp_path / "work", threads=1)
        conversion.plan_settings = json.dumps({"shards": [256, 256]})
        for step in (conversion.inspect, conversion.plan, conversion.claim):
            step()
        return conversion

    return make


def test_each_source_chunk_is_read_once_and_shards_in_joined_ranges(planned, monkeypatch):
    conversion = planned()
    reads, filled = Counter(), OpenFile._filled
    opens, open_object = Counter(), LocalStore.open_object

    def counting(file, *others):
        reads[file._store.url.rpartition("/")[2], file.info.key] += 1
        return filled(file, *others)

    def opening(store, wanted):
        opens[store.url.rpartition("/")[2], key_of(wanted)] += 1
        return open_object(store, wanted)

    monkeypatch.setattr(OpenFile, "_filled", counting)
    monkeypatch.setattr(LocalStore, "open_object", opening)
    conversion.convert()
    assert {n for (_, key), n in opens.items() if key.startswith("0/")} == {1}
    of_chunks = {key: n for (store, key), n in reads.items() if store == "in.zarr"}
    assert len(of_chunks) == CHUNKS
    assert set(of_chunks.values()) == {1}
    of_shards = [n for (store, key), n in reads.items() if "/c/" in key and store == "out.zarr"]
    assert len(of_shards) == 4
    assert max(of_shards) <= 2, "its index, and its chunks in one piece"
    reads.clear()
    conversion.migrate()
    conversion.write_crate()
    conversion.validate()
    again = [key for store, key in reads if store == "in.zarr" and key.startswith("0/")]
    assert {key.rpartition("/")[2][0] for key in again} <= {"."}, "documents, and no chunk"


def test_bytes_are_hashed_when_read_when_found_again_and_when_decoded(planned, monkeypatch):
    conversion = planned()
    stored = sum(p.stat().st_size for p in conversion.work.parent.glob("in.zarr/0/*/*"))
    hashed, digest = Counter(), digests.digest_of

    def counting(data):
        hashed["bytes"] += memoryview(data).nbytes
        return digest(data)

    for module in (digests, repack, check, repacked):
        monkeypatch.setattr(module, "digest_of", counting)
    conversion.convert()
    assert hashed["bytes"] == pytest.approx(2 * stored + 2 * SIDE * SIDE, rel=0.01)


def test_no_array_costs_a_pool_of_threads(tmp_path, monkeypatch):
    write(tmp_path / "in.zarr", Group({str(n): Array((4, 4), (2, 2)) for n in range(20)}))
    made, init = [], concurrent.futures.ThreadPoolExecutor.__init__

    def counting(pool, *others, **options):
        made.append(options.get("thread_name_prefix"))
        init(pool, *others, **options)

    monkeypatch.setattr(concurrent.futures.ThreadPoolExecutor, "__init__", counting)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.before_validation()
    conversion.validate()
    assert len(made) <= 2, "of migrate, for documents and for files"


@pytest.mark.usefixtures("s3_environment")
def test_a_request_for_each_source_chunk(planned, s3_server, tmp_path, monkeypatch):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    with FaultyProxy(s3_server.port, Faults()) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        conversion = planned(
            lambda: s3.upload(client, tmp_path / "in.zarr", bucket, "in.zarr"),
            (f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"),
        )
        proxy.asked.clear()
        conversion.convert()
        asked = Counter()
        for (method, path), count in proxy.asked.items():
            if path.startswith(f"/{bucket}/in.zarr/0/"):
                asked[method] += count
    assert CHUNKS <= asked["GET"] <= 1.05 * CHUNKS, proxy.asked
    assert set(asked) == {"GET"}


@pytest.mark.parametrize("separator", ["/", "."])
def test_a_large_array_is_listed_once_a_job_not_once_a_batch(tmp_path, listed, separator):
    """A sparse array of several batches without shards, each of several portions."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 200, (50, 128, 128), dtype="<u2")
    source = tmp_path / "in.zarr"
    write_json(source / ".zgroup", {"zarr_format": 2})
    write_json(source / ".zattrs", {"multiscales": multiscales(1, "zyx")})
    write_array(source / "0", values, (1, 16, 16), keep=lambda index: sum(index) % 5)
    if separator == ".":
        for chunk in [path for path in source.glob("0/*/*/*") if path.is_file()]:
            chunk.rename(source / "0" / ".".join(chunk.parts[-3:]))
        shape = json.loads((source / "0" / ".zarray").read_text())
        write_json(source / "0" / ".zarray", {**shape, "dimension_separator": "."})
    made = Conversion(
        str(source),
        str(tmp_path / "out.zarr"),
        tmp_path / "work",
        plan_settings='{"chunks": [1, 16, 16], "shards": "none"}',
        threads=1,
    )
    made.batch_settings = '{"batch_mib": 1}'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "PORTION_BYTES", 2**16)
        patch.setattr(batching, "MAX_OBJECTS", 500)
        if separator == ".":  # as an array of more chunks than are held by their keys
            patch.setattr(surveys, "MOST_LISTED", 0)
        for step in (made.inspect, made.plan, made.claim):
            step()
        assert len(made.batches()) == 6
        listed.clear()
        made.convert()
        again = 1 if separator == "/" else 2
        assert of_array(listed) == {"in.zarr": again, "out.zarr": 1}, "what is stored of it, too"
        made.migrate()
        made.write_crate()
        made.again = True
        listed.clear()
        assert made.validate()["verdict"] == "valid"
        assert of_array(listed) == {"in.zarr": 1, "out.zarr": 1}
    assert np.array_equal(
        zarr.open_array(tmp_path / "out.zarr" / "0", mode="r")[:], values_of(made)
    )


def of_array(listed):
    """Listings of the array's folder, or of all below it, by store."""
    counts = Counter()
    for (store, path), number in listed.items():
        if path in ("0", "0/c"):
            counts[store] += number
    return dict(counts)


def values_of(made):
    return zarr.open_array(made.source + "/0", mode="r")[:]


def test_both_sides_of_an_array_in_a_bucket_are_listed_side_by_side(planned):
    made = planned()
    both = threading.Barrier(2, timeout=30)

    class Bucket(LocalStore):
        is_local = False

        def list_tree(self, prefix):
            both.wait()
            yield from super().list_tree(prefix)

    context = Context(Bucket(made.source), Bucket(made.output), Settings())
    (item,) = made.in_force().batches[0].items
    found = surveys.ArraySurvey(item, context, convert=True).of(item)
    assert len(found.listed) == CHUNKS
    assert not found.existing

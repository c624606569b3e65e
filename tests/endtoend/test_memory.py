"""Memory is bounded by windows: not by the size of a shard, nor by the number of keys."""

import json
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from servers import rgw
from support import s3
from support.images import multiscales, write_json
from support.steps import SCRIPTS, Conversion, words_of
from uplift.inspect_source.walk import inspect_source
from uplift.storage.local import LocalStore
from uplift.storage.protocol import ObjectInfo

KEYS = 40_000
MIB = 2**20
CHUNKS, SIDE = 768, 512

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from uplift.convert.recode import RecodeEngine
from uplift.storage import tuning
import convert
import uplift.validate.pixels.recoded  # when it is needed: other people's readers

def peak():
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0])

tuning.PART_BYTES = tuning.WINDOW_BYTES = 2 * 2**20
RecodeEngine.__init__.__kwdefaults__["block_bytes"] = 4 * 2**20
before = peak()
code = convert.main(sys.argv[2:])
print(code, peak() - before)
"""


class ManyKeys(LocalStore):
    """Stands for a bucket: an array's keys come one by one and are nowhere together."""

    is_local = False

    def list_tree(self, prefix):
        for number in range(KEYS if prefix == "0" else 0):
            yield ObjectInfo(f"0/{number // 200}/{number % 200}", 1000, f'"{number:032x}"')


def array(shape, chunk):
    return {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunk,
        "dtype": "<u2",
        "compressor": None,
        "filters": None,
        "order": "C",
        "fill_value": 0,
        "dimension_separator": "/",
    }


def write_metadata(root, document, axes):
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"multiscales": multiscales(1, axes)})
    write_json(root / "0" / ".zarray", document)


def test_listing_keeps_no_key(tmp_path):
    write_metadata(tmp_path, array([KEYS, 2000], [200, 10]), "yx")
    store = ManyKeys(tmp_path)
    inspect_source(store)  # what is loaded on first use is not counted
    tracemalloc.start()
    try:
        inventory = inspect_source(store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert inventory.arrays[0].stored_chunks == KEYS
    assert peak < 2 * MIB  # one key with its size and ETag takes 200 bytes: 8 MiB for all


def test_a_process_that_repacks_a_shard_of_a_gibibyte_stays_small(tmp_path):
    source, planes = tmp_path / "in.zarr", 1024
    write_metadata(source, array([planes, 1024, 512], [1, 1024, 512]), "zyx")
    for z in range(planes):  # sparse files: a MiB each, of which nothing is on disk
        path = source / "0" / str(z) / "0" / "0"
        path.parent.mkdir(parents=True)
        with path.open("wb") as stream:
            stream.truncate(MIB)
    steps = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "w", durability="none")
    steps.plan_settings = json.dumps({"shards": [planes, 1024, 512]})
    for step in (steps.inspect, steps.plan, steps.claim):
        step()
    (batch,) = steps.batches()
    words = words_of(steps.convert_options(1))
    subprocess.run([sys.executable, str(SCRIPTS / "convert.py"), *words], check=True)
    shutil.rmtree(tmp_path / "out.zarr")
    record = json.loads(steps.path("records", f"{batch}.json").read_text())
    (item,) = record["items"]
    assert (item["method"], item["objects_written"]) == ("repack", 1)
    assert (item["bytes_compared"], record["threads"]) == (2**30, 2)
    assert record["peak_memory_bytes"] < 300 * 10**6


def test_a_shard_of_a_gibibyte_from_and_to_a_bucket(tmp_path, monkeypatch):
    if (reason := rgw.why_not()) is not None:
        pytest.skip(reason)
    planes, chunk = 1024, bytes(MIB)
    server = rgw.Rgw(tmp_path / "rgw", memory="5G")
    try:
        for name, value in s3.variables(server).items():
            monkeypatch.setenv(name, value)
        client = s3.client(server)
        bucket = s3.new_bucket(client)
        write_metadata(tmp_path / "in", array([planes, 1024, 512], [1, 1024, 512]), "zyx")
        s3.upload(client, tmp_path / "in", bucket, "in.zarr")
        with ThreadPoolExecutor(8) as pool:
            keys = (f"in.zarr/0/{z}/0/0" for z in range(planes))
            list(pool.map(lambda k: client.put_object(Bucket=bucket, Key=k, Body=chunk), keys))
        steps = Conversion(f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr", tmp_path / "w")
        steps.plan_settings = json.dumps({"shards": [planes, 1024, 512]})
        for step in (steps.inspect, steps.plan, steps.claim):
            step()
        (batch,) = steps.batches()
        words = words_of(steps.convert_options(1))
        subprocess.run([sys.executable, str(SCRIPTS / "convert.py"), *words], check=True)
    finally:
        server.stop()
    record = json.loads(steps.path("records", f"{batch}.json").read_text())
    (item,) = record["items"]
    assert (item["method"], item["objects_written"]) == ("repack", 1)
    assert item["bytes_compared"] == 2**30
    assert record["peak_memory_bytes"] < 300 * 10**6


@pytest.mark.parametrize("method", ["repack", "recode"])
def test_a_shard_is_never_in_memory(s3_server, s3_environment, tmp_path, method):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    write_metadata(tmp_path / "in", array([CHUNKS, SIDE, SIDE], [1, SIDE, SIDE]), "zyx")
    s3.upload(client, tmp_path / "in", bucket, "in.zarr")
    chunk = bytes(range(256)) * (SIDE * SIDE * 2 // 256)
    with ThreadPoolExecutor(8) as pool:
        keys = (f"in.zarr/0/{z}/0/0" for z in range(CHUNKS))
        list(pool.map(lambda k: client.put_object(Bucket=bucket, Key=k, Body=chunk), keys))
    steps = Conversion(f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr", tmp_path / "w")
    steps.inspect()
    steps.plan()
    plan = json.loads(steps.path("plan.json").read_text())
    chunks = [1, SIDE, SIDE] if method == "repack" else [2, SIDE, SIDE // 2]
    plan["arrays"][0].update({"chunks": chunks, "shards": [CHUNKS, SIDE, SIDE]})
    steps.path("plan.json").write_text(json.dumps(plan))
    for step in (steps.plan, steps.claim):
        step()
    (batch,) = steps.batches()
    words = words_of(steps.convert_options(1))
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(SCRIPTS), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    code, grown = map(int, run.stdout.split())
    (item,) = json.loads(steps.path("records", f"{batch}.json").read_text())["items"]
    assert (code, item["objects_written"]) == (0, 1)
    assert (item["method"] == "recode") == (method == "recode")
    shard_kib = CHUNKS * len(chunk) // 1024
    assert grown < shard_kib // 2, run.stderr

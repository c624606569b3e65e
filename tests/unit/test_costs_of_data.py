"""What a chunk, a shard and an array cost: reads, listings, digests, pools."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numcodecs
import pytest
import zarr

from support import s3
from support.converted import Case, Converted, recoded
from support.images import write_image
from support.steps import Conversion
from uplift.arrays import digests
from uplift.convert import repack
from uplift.storage.local import LocalStore
from uplift.validate.pixels import check, repacked
from uplift.work import traffic

CASE = Case(shape=(160, 160), chunks=(20, 20), shards=(80, 80))
CHUNKS, SHARDS = 64, 4


class Counting(LocalStore):
    """Counts what is asked of it."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.asked = Counter()


def counted(name):
    original = getattr(LocalStore, name)

    def method(self, *arguments, **settings):
        self.asked[name] += 1
        return original(self, *arguments, **settings)

    return method


for _name in ("get", "get_range", "open_object", "stat", "list_tree", "writer"):
    setattr(Counting, _name, counted(_name))


@pytest.fixture
def array(tmp_path):
    made = Converted(tmp_path, CASE)
    made.source = Counting(str(tmp_path / "in"))
    made.output = Counting(str(tmp_path / "out"), writable=True, durability="none")
    return made


def test_reads_and_listings(array):
    array.convert()
    asked = array.source.asked - Counter(list_tree=1)  # of the test, in place of inspect_source
    assert asked == {"open_object": CHUNKS, "list_tree": 1}
    asked = array.output.asked - Counter(writer=1)  # of its document
    assert asked == {"list_tree": 1, "writer": SHARDS, "open_object": SHARDS}


def test_a_small_dense_array_is_not_listed_once_more(tmp_path):
    """The files that were read are compared with what inspect saw."""
    made = Converted(tmp_path, Case())
    made.source = Counting(str(tmp_path / "in"))
    made.convert()
    one = Converted(tmp_path / "one", Case(shards=(60, 64)))
    one.source = Counting(str(tmp_path / "one" / "in"))
    one.convert()
    inspected = Counter(list_tree=1)
    assert made.source.asked - inspected == {"open_object": 12, "list_tree": 1}, "four shards"
    assert one.source.asked - inspected == {"open_object": 12}, "one shard"


@pytest.mark.parametrize(("verify", "reads"), [("once", 0), ("reread", CHUNKS)])
def test_validating_again_reads_the_source_only_when_asked_to(array, verify, reads):
    array.convert()
    array.source.asked.clear()
    assert array.codes(verify) == []
    assert array.source.asked["open_object"] == reads
    assert array.source.asked["list_tree"] == 0


def test_bytes_are_hashed_twice_as_stored_and_once_decoded(array, monkeypatch):
    hashed = []
    digest_of = digests.digest_of

    def noted(data):
        hashed.append(memoryview(data).nbytes)
        return digest_of(data)

    for module in (digests, repack, repacked, check):
        monkeypatch.setattr(module, "digest_of", noted)
    array.convert()
    stored = sum(p.stat().st_size for p in array.source_folder.iterdir() if p.name != ".zarray")
    assert sum(hashed) == 2 * stored + array.values.nbytes


def test_each_chunk_is_decoded_once(array, monkeypatch):
    calls = []
    decompress = numcodecs.blosc.decompress
    monkeypatch.setattr(
        numcodecs.blosc, "decompress", lambda *given: calls.append(1) or decompress(*given)
    )
    array.convert()
    assert len(calls) == CHUNKS


@pytest.mark.parametrize("case", [CASE, recoded(CASE)])
def test_no_pool_of_threads_for_a_local_array(tmp_path, case, monkeypatch):
    made = []
    start = ThreadPoolExecutor.__init__

    def noted(pool, *arguments, **settings):
        made.append(pool)
        start(pool, *arguments, **settings)

    monkeypatch.setattr(ThreadPoolExecutor, "__init__", noted)
    Converted(tmp_path, case).convert()
    assert made == []


def test_gets_of_a_source_in_a_bucket(tmp_path, s3_server, s3_environment):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    write_image(tmp_path / "in.zarr", size=256, chunk=16, depth=4, labels=False)
    s3.upload(client, tmp_path / "in.zarr", bucket, "in.zarr")
    made = Conversion(f"s3://{bucket}/in.zarr", str(tmp_path / "out.zarr"), tmp_path / "work")
    for step in (made.inspect, made.plan, made.claim):
        step()
    before = traffic.TRAFFIC.copy()
    made.convert()
    spent = traffic.TRAFFIC.since(before)
    files = (p for n in "01" for p in (tmp_path / "in.zarr" / n).rglob("*"))
    chunks = sum(p.name.isdigit() and p.is_file() for p in files)
    assert zarr.open_array(tmp_path / "in.zarr" / "0", mode="r").nchunks > 1000
    assert chunks <= spent.requests <= 1.05 * chunks

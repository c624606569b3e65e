"""How work is shared out: processes or threads, large shards in shares; the same is found."""

import json
import threading
import time
from multiprocessing.reduction import ForkingPickler

import google_crc32c
import pytest

from support.converting import (
    ONE_SHARD,
    OTHER_CHUNKS,
    PLANS,
    carried_out,
    claimed,
    cut_small,
    found,
    job_of,
    one_shard,
)
from support.workflow import contents
from uplift.batches import cores as job_cores
from uplift.batches.context import Locations, Settings
from uplift.batches.cores import Cores
from uplift.batches.portions import portions_of
from uplift.batches.work import Assignment, run_assignment
from uplift.codecs.chunks import ChunkEncoder
from uplift.models.findings import Findings
from uplift.work.folder import WorkFolder
from uplift.work.journal import Journal


@pytest.fixture
def small_portions(monkeypatch):
    cut_small(monkeypatch)


def test_cores_without_a_shard_of_their_own_encode_another(tmp_path, small_portions, monkeypatch):
    results, at_work = [], set()
    encode = ChunkEncoder.encode

    def noted(*arguments):
        at_work.add(threading.get_ident())
        return encode(*arguments)

    monkeypatch.setattr(ChunkEncoder, "encode", noted)
    for cores in (1, 3):
        root = tmp_path / str(cores)
        made = one_shard(root, OTHER_CHUNKS)
        (batch,) = made.in_force().batches
        assert job_cores.shared_out([batch], cores) == Cores(1, cores)
        carried_out(made, cores)
        results.append((contents(root / "out.zarr"), found(made)))
        results[-1][0].pop(".ngff-uplift.lock")
        assert at_work
        assert (threading.get_ident() in at_work) == (cores == 1)
        at_work.clear()
    assert results[0] == results[1]


def test_what_threads_use_is_counted_where_they_work(tmp_path, small_portions, monkeypatch):
    encode = ChunkEncoder.encode

    def slow(*arguments):
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass
        return encode(*arguments)

    monkeypatch.setattr(ChunkEncoder, "encode", slow)
    made = one_shard(tmp_path, OTHER_CHUNKS)
    before = time.process_time()
    carried_out(made, 3)
    used = time.process_time() - before
    (path,) = made.path("records").glob("*.json")
    record = json.loads(path.read_text())
    assert record["cpu_seconds"] == pytest.approx(sum(i["cpu_seconds"] for i in record["items"]))
    assert 0.2 < record["cpu_seconds"] <= used


@pytest.mark.parametrize("plan", ONE_SHARD)
def test_a_large_object_is_found_again_by_several_processes(tmp_path, plan):
    results = []
    for cores in (1, 3):
        root = tmp_path / str(cores)
        made = one_shard(root, ONE_SHARD[plan])
        shares, _ = job_of(made, tmp_path / "job.py", cores).communicate()
        assert int(shares) == (2 if cores > 1 else 0)
        results.append((contents(root / "out.zarr"), found(made)))
        results[-1][0].pop(".ngff-uplift.lock")
    assert results[0] == results[1]


@pytest.mark.parametrize("codec", ["keep", "zstd"])
def test_large_objects_are_validated_again_by_several_processes(tmp_path, codec):
    """Of an array of several; its chunks are read again, and one of them is another one now."""
    plan = json.loads(PLANS["large"]) | {"codec": codec}
    made = claimed(tmp_path, json.dumps(plan), size=256)
    shares, _ = job_of(made, tmp_path / "job.py").communicate()
    assert int(shares) > 2
    expected = found(made)
    for cores in (1, 3):
        job = job_of(made, tmp_path / "job.py", cores, again=True)
        shares, _ = job.communicate()
        assert (job.returncode, int(shares) > 2) == (0, cores > 1)
        for name, record in found(made).items():
            if name.endswith(".digests"):
                assert record == expected[name]
            else:
                assert record["items"] == expected[name]["items"]
                assert (record["verify"], record["findings"]) == ("reread", [])
    shard = max((p for p in (tmp_path / "out.zarr" / "0").rglob("*") if p.is_file()),
                key=lambda path: path.stat().st_size)  # fmt: skip
    damaged(shard, "a chunk")
    records = []
    for cores in (1, 3):
        job_of(made, tmp_path / "job.py", cores, again=True).communicate()
        records.append(found(made))
    assert records[0] == records[1]
    codes = [f["code"] for n, r in records[0].items() if n.endswith(".json") for f in r["findings"]]
    assert len(set(codes)) == len(codes)
    assert set(codes) - {"object.bytes_differ"} in ({"pixels.differ"}, {"reader.refuses"})


def damaged(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "absent":
        path.unlink()
        return
    if kind == "a chunk":
        data[len(data) // 2] ^= 1
    elif kind == "many chunks":  # more than are listed of a part
        for cell in range(64):
            start = int.from_bytes(data[len(data) - 4 - 16 * (64 - cell) :][:8], "little")
            if start < len(data) and cell % 7:
                data[start : start + 4] = bytes(4)
    elif kind == "outside":
        at = len(data) - 4 - 16 * 8
        data[at : at + 8] = len(data).to_bytes(8, "little")
        data[-4:] = google_crc32c.value(bytes(data[-4 - 16 * 64 : -4])).to_bytes(4, "little")
    elif kind == "too long":
        at = len(data) - 4 - 16 + 8  # the last cell, which follows others
        data[at : at + 8] = len(data).to_bytes(8, "little")
        data[-4:] = google_crc32c.value(bytes(data[-4 - 16 * 64 : -4])).to_bytes(4, "little")
    elif kind == "two places":
        index = len(data) - 4 - 16 * 64
        one, other = (slice(index + 16 * cell, index + 16 * (cell + 1)) for cell in (0, 1))
        data[one], data[other] = data[other], data[one]
        data[-4:] = google_crc32c.value(bytes(data[index:-4])).to_bytes(4, "little")
    else:
        data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("verify", ["once", "reread"])
@pytest.mark.parametrize(
    "kind",
    ["a chunk", "many chunks", "outside", "too long", "two places", "index", "absent"],
)
@pytest.mark.parametrize("plan", ONE_SHARD)
def test_shares_find_what_a_whole_check_finds(tmp_path, small_portions, plan, kind, verify):
    made = one_shard(tmp_path, ONE_SHARD[plan])
    carried_out(made)
    (shard,) = (
        path
        for path in (tmp_path / "out.zarr" / "0").rglob("*")
        if "c" in path.parts and path.is_file()
    )
    damaged(shard, kind)
    (batch,) = made.in_force().batches
    locations = Locations(made.source, made.output, None)
    lines = Journal(WorkFolder(made.work).journal(batch.batch)).done
    (portion,) = portions_of(batch, lines)
    reports = []
    for in_shares in (False, True):
        context = locations.open(Settings(in_shares=in_shares, verify=verify))
        (result,) = run_assignment(context, Assignment([[portion]]))
        assert len(result.shares) == (2 if in_shares else 0)
        results = [result]
        for share in result.shares:
            results += run_assignment(
                context, Assignment(share=ForkingPickler.loads(ForkingPickler.dumps(share)))
            )
        findings = Findings()
        for one in results:
            findings.extend(one.findings)
        found = [(f.code, f.path, f.message) for f in findings.listed()]
        sums = [
            sum(getattr(one, name) for one in results)
            for name in ("chunks", "compared_bytes", "objects", "object_bytes", "listing")
        ]
        reports.append((found, sums, sorted(row for one in results for row in one.rows)))
    assert reports[0] == reports[1]
    assert reports[0][0], "nothing found"


def test_threads_where_few_large_shards_are_encoded(tmp_path):
    """On 16 cores: six shards of 512 MB that outlast all others, then as many as keep all busy."""
    made = one_shard(tmp_path, OTHER_CHUNKS)
    (batch,) = made.in_force().batches
    (item,) = batch.items

    def changed(model, update):  # nothing that is cached comes with it
        return type(model).model_validate(model.model_dump() | update)

    def shared_out(sides, shards, chunk=256, method="recode", absent=0, beyond=0):
        items = []
        for side, count in zip(sides, shards, strict=True):
            shape, chunks = (64 * count, side, side), (1, chunk, chunk)
            sides = {"shape": shape, "chunks": chunks}
            source = changed(item.source, sides)
            target = changed(item.target, sides | {"shards": (64, side + beyond, side)})
            stored = 64 * count * (side // chunk) ** 2 - absent
            about = {"source": source, "target": target, "stop": count, "method": method}
            items.append(changed(item, about | {"stored_chunks": stored}))
        return job_cores.shared_out([batch.model_copy(update={"items": tuple(items)})], 16)

    large = 64 * 2048 * 2048 * 2
    assert shared_out([2048, 512], [6, 6]) == Cores(16, 6, large, in_shares=True)
    half = shared_out([2048, 1024], [6, 6])
    assert half == Cores(16, 6, large, in_shares=True), "the smaller ones end before"
    assert shared_out([2048, 512], [6, 6], method="repack") == Cores(16, in_shares=True)
    assert shared_out([2048, 512], [1, 6]) == Cores(11, 8, large, in_shares=True)
    edges = shared_out([2048, 512], [6, 6], beyond=256)
    assert edges == Cores(16, 6, large, in_shares=True), "what a shard has inside the array"
    assert shared_out([2048, 512], [16, 16]) == Cores(16), "even"
    assert shared_out([2048, 512], [1024, 1]) == Cores(16), "many"
    assert shared_out([2048], [10**9], absent=1) == Cores(16), "looked at without a list of all"
    most = shared_out([2048, 2048], [6, 1], chunk=2048)
    assert most == Cores(16, 2, large, in_shares=True), "no memory for more"

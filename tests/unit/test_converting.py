"""Batches carried out by one process or several: the same bytes, kills cost little, counts."""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.reduction import ForkingPickler

import google_crc32c
import numpy as np
import psutil
import pytest
import zarr

from support.images import multiscales, write_array, write_image, write_json
from support.steps import SCRIPTS, Conversion
from support.workflow import contents
from uplift.batches import converting, portions
from uplift.batches import cores as job_cores
from uplift.batches.context import Place, Settings
from uplift.batches.converting import convert_batches
from uplift.batches.cores import Cores
from uplift.batches.portions import portions_of
from uplift.batches.work import Assignment, carry_out
from uplift.codecs.chunks import ChunkEncoder
from uplift.errors import SourceError, WorkerError
from uplift.work.folder import WorkFolder
from uplift.work.journal import Journal

PLANS = {
    "repack": '{"shards": {"z": 5, "y": 64, "x": 64}}',
    "recode": '{"shards": {"z": 5, "y": 48, "x": 80}, "chunks": {"z": 1, "y": 24, "x": 40}}',
    "unsharded": '{"shards": "none"}',
    "large": '{"shards": {"z": 4, "y": 256, "x": 256}}',  # found again in shares
}
ONE_SHARD = {
    "repack": '{"shards": [4, 128, 128]}',
    "recode": '{"shards": [4, 128, 128], "codec": "zstd"}',
}
OTHER_CHUNKS = '{"shards": [4, 144, 144], "chunks": [1, 24, 48]}'
COSTS = ("wall_seconds", "cpu_seconds", "peak_memory_bytes", "threads", "started")


@pytest.fixture
def small_portions(monkeypatch):
    """Everything is worth a process, and an array of a few shards is cut."""
    monkeypatch.setattr(portions, "PORTION_BYTES", 2**16)
    monkeypatch.setattr(job_cores, "_ALONE_BYTES", 2**16)
    monkeypatch.setattr(job_cores, "ALONE_ARRAYS", 4)


def claimed(root, plan, size=128):
    """A dataset that is ready to be converted."""
    if not (root / "in.zarr").exists():
        write_image(root / "in.zarr", size=size, chunk=32, depth=4)
    made = Conversion(str(root / "in.zarr"), str(root / "out.zarr"), root / "w", plan_settings=plan)
    for step in (made.inspect, made.plan, made.claim):
        step()
    return made


def carried_out(made, cores=1, **settings):
    place = Place(made.source, made.output, made.path("claim.json"))
    convert_batches(
        made.in_force().batches, WorkFolder(made.work), place, Settings(**settings), cores=cores
    )


def found(made):
    """What was recorded, without costs and times."""
    records = {}
    for path in sorted(made.path("records").glob("*.json")):
        record = json.loads(path.read_text())
        for one in (record, *record["items"]):
            for cost in (*COSTS, "objects_sha256", "generation", "fingerprint"):
                one.pop(cost, None)
        records[path.name] = record
        records[f"{path.stem}.digests"] = path.with_suffix(".digests").read_bytes()
    return records


@pytest.mark.parametrize("plan", PLANS)
def test_the_same_bytes_with_any_number_of_processes(tmp_path, small_portions, plan):
    results = []
    for cores in (1, 3):
        root = tmp_path / str(cores)
        root.mkdir()
        made = claimed(root, PLANS[plan])
        assert job_cores.shared_out(made.in_force().batches, cores).processes == cores
        carried_out(made, cores)
        results.append((contents(root / "out.zarr"), found(made)))
        results[-1][0].pop(".ngff-uplift.lock")
    assert results[0][0] == results[1][0]
    assert results[0][1] == results[1][1]
    compared = [
        i for name, r in results[0][1].items() if name.endswith(".json") for i in r["items"]
    ]
    assert sum(one["chunks_compared"] for one in compared) > 100
    assert all(r["findings"] == [] for n, r in results[0][1].items() if n.endswith(".json"))


def one_shard(root, plan):
    """A dataset of one array that becomes one object; some of its chunks are absent."""
    values = np.random.default_rng(0).integers(0, 4000, (4, 128, 128), dtype="<u2")
    write_json(root / "in.zarr" / ".zgroup", {"zarr_format": 2})
    write_json(root / "in.zarr" / ".zattrs", {"multiscales": multiscales(1, "zyx")})
    write_array(root / "in.zarr" / "0", values, (1, 32, 32), keep=lambda i: sum(i) % 5 != 3)
    return claimed(root, plan)


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
    (finding,) = (f for n, r in records[0].items() if n.endswith(".json") for f in r["findings"])
    assert finding["code"] in ("chunk.bytes_differ", "pixels.differ", "reader.refuses")


def damaged(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "absent":
        path.unlink()
        return
    if kind == "a chunk":
        data[len(data) // 2] ^= 1
    elif kind == "two places":
        index = len(data) - 4 - 16 * 64
        one, other = (slice(index + 16 * cell, index + 16 * (cell + 1)) for cell in (0, 1))
        data[one], data[other] = data[other], data[one]
        data[-4:] = google_crc32c.value(bytes(data[index:-4])).to_bytes(4, "little")
    else:
        data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("verify", ["once", "reread"])
@pytest.mark.parametrize("kind", ["a chunk", "two places", "index", "absent"])
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
    place = Place(made.source, made.output, None)
    lines = Journal(WorkFolder(made.work).journal(batch.batch)).done
    (portion,) = portions_of(batch, lines)
    reports = []
    for in_shares in (False, True):
        context = place.open(Settings(in_shares=in_shares, verify=verify))
        (result,) = carry_out(context, Assignment([[portion]]))
        assert len(result.shares) == (2 if in_shares else 0)
        results = [result]
        for share in result.shares:
            results += carry_out(
                context, Assignment(share=ForkingPickler.loads(ForkingPickler.dumps(share)))
            )
        found = sorted((f.code, f.path, f.message) for one in results for f in one.findings)
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


def test_what_is_done_is_not_done_again(tmp_path):
    made = claimed(tmp_path, PLANS["repack"])
    carried_out(made)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    carried_out(made)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == times


def test_a_chunk_changed_since_it_was_listed_ends_the_job(tmp_path):
    made = claimed(tmp_path, PLANS["repack"])
    chunk = next(
        p for p in (tmp_path / "in.zarr" / "0").rglob("*") if p.name == "1" and p.is_file()
    )
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(SourceError, match="changed since the source was inspected"):
        carried_out(made)


JOB = """
import pickle, sys
sys.path[:0] = sys.argv[1:2]
from uplift.running import command  # first of all, as programs do
from uplift.batches import converting, cores, portions
from uplift.batches.context import Place, Settings
from uplift.batches.records import BatchRun
from uplift.batches.validating import Validation
from uplift.work.folder import WorkFolder
portions.PORTION_BYTES = cores._ALONE_BYTES = 2**16
if __name__ == "__main__":
    batches, work, place, given, again = pickle.loads(sys.stdin.buffer.read())
    shares, take = [], BatchRun.shares_of
    BatchRun.shares_of = lambda run, result: shares.extend(found := take(run, result)) or found
    work = WorkFolder(work)
    if again:
        with Validation(batches, work, place, Settings(verify="reread"), cores=given) as validation:
            validation.validate_again({(i.path, i.start): "" for b in batches for i in b.items})
    else:
        converting.convert_batches(batches, work, place, Settings(), cores=given)
    print(len(shares))
"""


def job_of(made, script, cores=3, *, again=False):
    place = Place(made.source, made.output, None if again else made.path("claim.json"))
    script.write_text(JOB)
    job = subprocess.Popen(
        [sys.executable, str(script), str(SCRIPTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    job.stdin.write(pickle.dumps((made.in_force().batches, made.work, place, cores, again)))
    job.stdin.close()
    job.stdin = None
    return job


def killed(made, script, victim, after_s):
    """Start a job and kill it, or a worker of it; whether it was still at work."""
    job = job_of(made, script)
    time.sleep(after_s)
    group = [p for p in psutil.process_iter() if is_of_group(p, job.pid)]
    workers = [p for p in group if p.ppid() == job.pid]
    if victim == "worker" and workers:
        random.choice(workers).kill()
    elif job.poll() is None:
        os.kill(job.pid, signal.SIGKILL)
    job.communicate(timeout=60)
    code = job.returncode
    _, alive = psutil.wait_procs(group, timeout=10)
    assert not alive, "workers outlive their job"
    return code != 0


@pytest.mark.parametrize(
    ("plan", "victim"), [("repack", "worker"), ("recode", "job"), ("large", "worker")]
)
def test_killed_with_its_workers_under_way(tmp_path, plan, victim):
    """Killed again and again, a job ends with the bytes of one that was left alone."""
    whole = tmp_path / "whole"
    whole.mkdir()
    made = claimed(whole, PLANS[plan], size=256)
    began = time.monotonic()
    whole_job = job_of(made, tmp_path / "job.py")
    whole_job.communicate(timeout=60)
    assert whole_job.returncode == 0
    seconds = time.monotonic() - began
    expected, records = contents(whole / "out.zarr"), found(made)
    rng = random.Random(f"{plan} {victim}")
    for attempt in range(8):  # a job that was done before it could be killed shows nothing
        root = tmp_path / f"killed {attempt}"
        root.mkdir()
        (root / "in.zarr").symlink_to(whole / "in.zarr")
        made = claimed(root, PLANS[plan])
        moments = [rng.uniform(0.2, 0.8) * seconds for _ in range(3)]
        if sum(killed(made, tmp_path / "job.py", victim, after_s) for after_s in moments):
            break
    else:
        pytest.fail("no job was killed in time")
    carried_out(made)
    made_now = contents(root / "out.zarr")
    for listed in (expected, made_now):
        listed.pop(".ngff-uplift.lock", None)
    assert {k: v for k, v in made_now.items() if ".uplift-tmp." not in k} == expected
    for name, record in found(made).items():
        if name.endswith(".digests"):
            assert record == records[name]
        else:
            assert record["findings"] == []
            assert [i["chunks_compared"] for i in record["items"]] == [
                i["chunks_compared"] for i in records[name]["items"]
            ]


def is_of_group(process, group):
    try:
        return os.getpgid(process.pid) == group
    except ProcessLookupError:
        return False


def test_a_worker_that_is_killed_is_one_line(tmp_path, small_portions, monkeypatch):
    made = claimed(tmp_path, PLANS["repack"])
    monkeypatch.setattr(converting, "carry_out", die)
    with pytest.raises(WorkerError, match="killed"):
        carried_out(made, cores=2)


def die(context, job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_values_are_those_of_the_source(tmp_path, small_portions):
    made = claimed(tmp_path, PLANS["recode"])
    made.convert()
    made.migrate()
    before = zarr.open_array(tmp_path / "in.zarr" / "0", mode="r")[...]
    assert np.array_equal(before, zarr.open_array(tmp_path / "out.zarr" / "0", mode="r")[...])

"""Batches carried out by one process or several: the same bytes, kills cost little, counts."""

import os
import random
import signal
import time

import numpy as np
import psutil
import pytest
import zarr

from support.converting import PLANS, carried_out, claimed, cut_small, found, job_of
from support.workflow import contents
from uplift.batches import converting
from uplift.batches import cores as job_cores
from uplift.errors import SourceError, WorkerError


@pytest.fixture
def small_portions(monkeypatch):
    cut_small(monkeypatch)


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
    monkeypatch.setattr(converting, "run_assignment", die)
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

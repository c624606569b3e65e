"""A job that outlived its Snakemake, and the plan it works for, harms nothing that comes after."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from support.images import write_image
from support.steps import SCRIPTS, Conversion, StepError
from support.workflow import contents
from uplift.work import job_lock

OLD = '{"shards": {"z": 1, "y": 256, "x": 256}}'
BATCHES = '{"batch_mib": 1}'
SURVIVOR = """
import contextlib, os, signal, sys
sys.path[:0] = {path!r}
from support.steps import run
from uplift.storage.local import LocalStore

original, calls = LocalStore.writer, []

@contextlib.contextmanager
def writer(self, key):
    with original(self, key) as stream:
        yield stream
        calls.append(key)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGSTOP)  # all written, nothing in its place yet

LocalStore.writer = writer
run("convert_batch", **{options!r})
"""


@pytest.fixture
def conversion(tmp_path):
    source = write_image(tmp_path / "in.zarr", size=1024, depth=2, chunk=128, labels=False)
    made = Conversion(
        str(source),
        str(tmp_path / "out.zarr"),
        tmp_path / "work",
        plan_settings=OLD,
        batch_settings=BATCHES,
        threads=1,
    )
    for step in (made.inspect, made.plan, made.split, made.claim):
        step()
    return made


def stopped_job(conversion, batch):
    """Start a job that stops amid its second shard, and wait until it does."""
    options = {
        "batch": str(conversion.path("batches", f"{batch}.json")),
        "claim": str(conversion.path("claim.json")),
        "record": str(conversion.path("records", f"{batch}.json")),
        "journal": str(conversion.path("journal", f"{batch}.jsonl")),
        "threads": 1,
    }
    path = [str(SCRIPTS), str(SCRIPTS.parent / "tests")]
    code = SURVIVOR.format(path=path, options=options)
    job = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    _, status = os.waitpid(job.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    return job


def edit(conversion):
    plan = json.loads(conversion.path("plan.json").read_text())
    for array in plan["arrays"]:
        array["shards"] = [1, 2, 1024, 1024]
    conversion.path("plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize("position", [0, -1], ids=["planned otherwise", "no more"])
def test_the_plan_is_edited(conversion, position, tmp_path):
    batches = conversion.batches()
    assert len(batches) > 3
    batch = [name for name in batches if name.startswith("0.")][position]
    job = stopped_job(conversion, batch)
    edit(conversion)
    conversion.plan()
    split = threading.Thread(target=conversion.split)
    split.start()
    time.sleep(1.0)
    assert split.is_alive(), "the new plan is not in force while a job of the old one writes"
    job.send_signal(signal.SIGCONT)
    _, said = job.communicate(timeout=60)
    split.join()
    assert job.returncode != 0
    assert "no longer of this job" in said
    assert (batch in conversion.batches()) == (position == 0)
    conversion.claim()
    conversion.convert()
    for step in (conversion.migrate, conversion.write_crate, conversion.validate):
        step()
    conversion.publish()

    alone = replace(conversion, output=str(tmp_path / "alone.zarr"), work=tmp_path / "alone")
    alone.inspect()
    alone.plan()
    edit(alone)
    alone.before_validation()
    alone.validate()
    alone.publish()
    found = [contents(tmp_path / name) for name in ("out.zarr", "alone.zarr")]
    made, expected = ({k: v for k, v in one.items() if "ro-crate" not in k} for one in found)
    assert made == expected


def test_a_job_that_does_not_end_is_named(conversion, capfd, monkeypatch):
    monkeypatch.setattr(job_lock, "PATIENCE_S", 0.5)
    batch = conversion.batches()[0]
    job = stopped_job(conversion, batch)
    edit(conversion)
    conversion.plan()
    capfd.readouterr()
    with pytest.raises(StepError):
        conversion.split()
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"{batch}.lock: a job of an earlier run still works on this" in errors[0]
    job.kill()
    job.communicate()
    conversion.split()


def test_the_same_plan_again(conversion, tmp_path):
    """The next job of the batch waits, and finds that everything is done."""
    batch = conversion.batches()[0]
    job = stopped_job(conversion, batch)
    again = threading.Thread(target=conversion.convert_one, args=(batch,))
    again.start()
    time.sleep(1.0)
    assert again.is_alive()
    job.send_signal(signal.SIGCONT)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 0, said
    again.join()
    record = json.loads(conversion.path("records", f"{batch}.json").read_text())
    assert all(item["objects_written"] == 0 for item in record["items"])
    assert sum(item["objects_resumed"] for item in record["items"]) > 2

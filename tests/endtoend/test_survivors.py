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
def writer(self, key, expected=0):
    with original(self, key, expected) as stream:
        yield stream
        calls.append(key)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGSTOP)  # all written, nothing in its place yet

LocalStore.writer = writer
run("convert", **{options!r})
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
    for step in (made.inspect, made.plan, made.claim):
        step()
    return made


def stopped_job(conversion):
    """Start a job that stops within its second shard, and wait until it does."""
    options = {key: str(value) for key, value in conversion.convert_options(1).items()}
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
    assert len(conversion.batches()) > 3
    conversion.slices = 2 if position else 1
    batch = conversion.in_force().slice(1, conversion.slices)[0].batch
    job = stopped_job(conversion)
    edit(conversion)
    conversion.plan()
    new = threading.Thread(target=conversion.convert)
    new.start()
    time.sleep(1.0)
    assert new.is_alive(), "nothing is written for the new plan while a job of the old one writes"
    job.send_signal(signal.SIGCONT)
    _, said = job.communicate(timeout=60)
    new.join()
    assert job.returncode != 0
    assert "no longer of this job" in said or "was edited while this job ran" in said
    assert batch in conversion.batches()
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
    job = stopped_job(conversion)
    edit(conversion)
    conversion.plan()
    capfd.readouterr()
    with pytest.raises(StepError):
        conversion.convert()
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"{batch}.lock: a job of an earlier run still works on this" in errors[0]
    job.kill()
    job.communicate()
    conversion.convert()


def test_the_same_plan_again(conversion, tmp_path):
    """The next job waits for each batch that the first works on, and does none of them twice."""
    batches = conversion.batches()
    job = stopped_job(conversion)
    again = threading.Thread(target=conversion.convert)
    again.start()
    time.sleep(1.0)
    assert again.is_alive()
    job.send_signal(signal.SIGCONT)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 0, said
    again.join()
    records = [json.loads(conversion.path("records", f"{b}.json").read_text()) for b in batches]
    items = [item for record in records for item in record["items"]]
    assert all(item["objects_resumed"] == 0 for item in items), "kept as the first job left them"

"""A fault that meets all datasets stops the run in one line; bad datasets never do."""

import errno
import logging
import os
from types import SimpleNamespace

import pytest

from uplift.errors import remedy_for
from uplift.storage.failures import failure
from uplift.workflow.attempts import common_reason, error_in
from uplift.workflow.faults import ENOUGH, FaultWatch

FULL = "error: out/a.zarr/0/c/0: cannot write it: No space left on device; free some space there"
THEIRS = "error: in/a.zarr: no such dataset, or an empty one; check the path"


class Running:
    """A watched run: jobs of datasets that start, finish and fail."""

    def __init__(self, folder):
        self.scheduler = SimpleNamespace(keepgoing=True)
        self.watch = FaultWatch(self)
        self.folder = folder
        self.jobs = 0

    def job(self, dataset, error=None, step="convert", part="1-of-1"):
        self.jobs += 1
        log = self.folder / dataset / "logs" / step / f"{part}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"python {step}.py\nworking\n{error or 'done'}\n")
        self.tell("job_info", jobid=self.jobs, rule_name=step)
        if error:
            self.tell("job_error", jobid=self.jobs, log=[str(log)])
        else:
            self.tell("job_finished", job_id=self.jobs)

    def tell(self, event, **about):
        record = logging.makeLogRecord({"event": event, "levelno": logging.INFO, **about})
        self.watch.handle(record)


@pytest.fixture
def running(tmp_path):
    return Running(tmp_path)


def test_three_datasets_with_one_fault_stop_the_run_in_one_line(running, capsys):
    for number in range(ENOUGH - 1):
        running.job(f"d{number}", FULL)
    assert running.scheduler.keepgoing
    assert capsys.readouterr().err == ""
    running.job("last", FULL)
    assert not running.scheduler.keepgoing
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: 3 datasets failed since the disk is full: no further job was ")
    assert line.endswith(FULL.removeprefix("error: "))
    running.job("still running", FULL)
    assert capsys.readouterr().err == "", "said once"


def test_faults_of_the_datasets_stop_nothing(running):
    for number in range(50):
        running.job(f"d{number}", THEIRS)
    assert running.scheduler.keepgoing


def test_slices_of_one_dataset_are_one_dataset(running):
    for part in range(20):
        running.job("d", FULL, part=f"{part}-of-20")
    assert running.scheduler.keepgoing


def test_a_group_of_jobs_that_failed(running):
    for number in range(ENOUGH):
        running.jobs += 1
        log = running.folder / f"d{number}" / "logs" / "claim.log"
        log.parent.mkdir(parents=True)
        log.write_text(FULL)
        running.tell("job_info", jobid=running.jobs, rule_name="claim")
        other = {"jobid": -1, "log": [str(log.with_name("validate.log"))]}
        running.tell(
            "group_error", job_error_info=[other, {"jobid": running.jobs, "log": [str(log)]}]
        )
    assert not running.scheduler.keepgoing


def test_a_few_private_ones_among_public_ones_stop_nothing(running):
    denied = "error: s3://b/a.zarr: cannot list it: AccessDenied: no permission; check the"
    for number in range(10):
        running.job(f"private{number}", denied, step="inspect_source")
        running.job(f"other{number}", step="plan")
        running.job(f"public{number}", step="inspect_source")
    assert running.scheduler.keepgoing
    for number in range(ENOUGH):
        running.job(f"more{number}", denied, step="inspect_source")
        running.job(f"another{number}", step="plan")
    assert not running.scheduler.keepgoing, "now none gets through"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "access is denied"),
        (errno.EROFS, "access is denied"),
        (errno.EIO, None),
        (errno.ENOENT, None),
    ],
)
def test_reasons_of_the_system(number, reason):
    error = OSError(number, os.strerror(number))
    text = f"error: out/a.zarr: cannot write it: {error.strerror}; {remedy_for(error)}"
    assert common_reason(text) == reason


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ConnectionError("connection refused"), "the server does not answer"),
        (TimeoutError("timed out"), "the server does not answer"),
        (OSError("status code: 503"), "the server does not answer"),
        (OSError("name or service not known"), "the server does not answer"),
        (OSError("invalidcertificate"), "the server does not answer"),
        (OSError("status code: 403"), "access is denied"),
        (OSError("status code: 401"), "access is denied"),
        (OSError("<Code>AccessDenied</Code>"), "access is denied"),
        (OSError("<Code>ExpiredToken</Code>"), "access is denied"),
        (OSError("<Code>InvalidAccessKeyId</Code>"), "access is denied"),
        (OSError("<Code>QuotaExceeded</Code>"), "the disk is full"),
        (OSError("<Code>NoSuchBucket</Code>"), None),
    ],
)
def test_reasons_of_stores_in_their_own_words(raised, reason):
    assert common_reason(str(failure(raised, "s3://b/a.zarr", "read"))) == reason


@pytest.mark.parametrize("name", ["idr0403/503.zarr", "quota/connection.zarr", "forbidden.zarr"])
def test_names_are_no_reasons(name):
    assert common_reason(f"error: {name}: no such dataset, or an empty one; check it") is None


def test_the_last_error_of_a_log(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"error: first\n\xff\nerror: second\nTraceback\n")
    assert error_in(log) == "error: second"
    log.write_text("nothing")
    assert error_in(log) == ""

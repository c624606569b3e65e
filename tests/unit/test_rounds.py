"""Snakemake's looks for jobs to start do not multiply."""

import inspect
import threading
import time
from types import SimpleNamespace

from snakemake.scheduling.job_scheduler import JobScheduler

from uplift.workflow import rounds


def test_names_of_snakemake():
    source = inspect.getsource(JobScheduler)
    assert "self._schedule_reevalutation(self.job_rate_limiter.timespan)" in source
    assert "if self.job_rate_limiter is not None:" in source
    assert "self._open_jobs.release()" in inspect.getsource(JobScheduler._schedule_reevalutation)


def test_here_only_jobs_that_end_are_a_reason_to_look():
    scheduler = SimpleNamespace(job_rate_limiter=object())
    rounds.schedule_less_often(scheduler, is_local=True)
    assert scheduler.job_rate_limiter is None


def test_on_a_cluster_one_look_waits_at_a_time():
    scheduler = SimpleNamespace(job_rate_limiter=object(), _open_jobs=threading.Semaphore(0))
    rounds.schedule_less_often(scheduler, is_local=False)
    assert scheduler.job_rate_limiter is not None
    for _ in range(5):
        scheduler._schedule_reevalutation(0.05)
    assert scheduler._open_jobs.acquire(timeout=10)
    time.sleep(0.3)
    assert not scheduler._open_jobs.acquire(blocking=False)
    scheduler._schedule_reevalutation(0.05)
    assert scheduler._open_jobs.acquire(timeout=10), "the next one is asked for after that"

"""SIGTERM reaches a Snakemake that is busy."""

import subprocess
import sys

from uplift.workflow import job_server

BUSY = """
import os, signal, threading, time
import snakemake.cli
from snakemake.scheduling.job_scheduler import JobScheduler
from uplift.workflow import ending

scheduler = JobScheduler.__new__(JobScheduler)
scheduler._lock, scheduler._open_jobs = threading.Lock(), threading.Semaphore(0)
scheduler._user_kill = None
signal.signal(signal.SIGTERM, scheduler.exit_gracefully)  # as Snakemake does
ending.end_from_a_thread(scheduler)
with scheduler._lock:  # as while it looks at a job that has ended
    print("busy", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
assert scheduler._open_jobs.acquire(timeout=30)
print(scheduler._user_kill)
"""


def test_sigterm_while_a_job_ends():
    done = subprocess.run(
        [sys.executable, "-c", BUSY],
        env={"PYTHONPATH": str(job_server.SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["busy", "graceful"]

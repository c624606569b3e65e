"""How often Snakemake's scheduler runs.

It limits how many jobs start in a second (``--max-jobs-per-timespan``), and so runs again a second
after each run in which jobs wait. Each job that ends causes one more run, and each of these is
followed by another one without end: after a thousand jobs it runs a thousand times a second.
"""

import threading
from typing import Any


def schedule_less_often(scheduler: Any, *, is_local: bool) -> None:
    """Have the scheduler run when a job has ended; on a cluster, once more each second.

    Parameters
    ----------
    scheduler
        Snakemake's.
    is_local
        Whether all jobs run on this computer: cores limit how many start, and no limit is needed.
    """
    if is_local:
        scheduler.job_rate_limiter = None
        return
    waiting = threading.Lock()

    def schedule_again(delay: float) -> None:
        if waiting.acquire(blocking=False):
            timer = threading.Timer(delay, schedule)
            timer.daemon = True  # else Snakemake waits for it at its end
            timer.start()

    def schedule() -> None:
        waiting.release()
        scheduler._open_jobs.release()

    scheduler._schedule_reevalutation = schedule_again

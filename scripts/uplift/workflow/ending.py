"""What SIGTERM does to Snakemake: batch systems, services and containers send it."""

import _thread
import signal
from typing import Any


def end_from_a_thread(scheduler: Any) -> None:
    """Have Snakemake take note of SIGTERM in a thread.

    Its handler waits for the scheduler's lock, and runs in the thread that may hold it: while a job
    that ended is looked at, that would wait for ever.

    Parameters
    ----------
    scheduler
        Snakemake's.
    """
    if signal.getsignal(signal.SIGTERM) == scheduler.exit_gracefully:
        # not `threading.Thread`, which waits for a lock of its own when it starts
        signal.signal(
            signal.SIGTERM, lambda *_: _thread.start_new_thread(scheduler.exit_gracefully, ())
        )

"""What signals do to Snakemake: SIGTERM of batch systems, services and containers, and others."""

import _thread
import signal
import threading
from typing import Any


def end_from_a_thread(scheduler: Any) -> None:
    """Have Snakemake take note of SIGTERM in a thread, and of a terminal that was closed as well.

    Its handler waits for the scheduler's lock, and runs in the thread that may hold it: while a job
    that ended is looked at, that would wait for ever. SIGHUP, which Snakemake does not know, would
    end it with its lock in place; who started it with ``nohup`` wants neither.

    Parameters
    ----------
    scheduler
        Snakemake's.
    """
    if signal.getsignal(signal.SIGTERM) == scheduler.exit_gracefully:
        # not `threading.Thread`, which waits for a lock of its own when it starts
        def end(*_: Any) -> None:
            _thread.start_new_thread(scheduler.exit_gracefully, ())

        signal.signal(signal.SIGTERM, end)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            signal.signal(signal.SIGHUP, end)


def interrupt_once() -> None:
    """Have Ctrl-C do nothing more: Snakemake ends its jobs, which takes some seconds.

    People press it again meanwhile, and Snakemake ended with a traceback then.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: None)

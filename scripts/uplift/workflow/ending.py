"""How Snakemake handles signals: SIGTERM of batch systems, services and containers, and others."""

import _thread
import signal
import threading
from typing import Any


def end_from_a_thread(scheduler: Any) -> None:
    """Have Snakemake handle SIGTERM in a thread, and SIGHUP of a closed terminal as well.

    Its own handler waits for the scheduler's lock, in the thread that may hold it: while a finished
    job is processed, that is a deadlock. SIGHUP, which Snakemake does not handle, would kill it and
    leave its lock behind; with ``nohup`` it stays ignored.

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
    """Ignore further Ctrl-C: Snakemake ends its jobs, which takes some seconds.

    Users press it again meanwhile, and then Snakemake would end with a traceback.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: None)

"""What processes that a job starts have in common: how they begin, and how they end."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from uplift.errors import WorkerError, is_little_memory

_END_S = 1.0
"""For a process whose end of a pipe is closed to be gone, so that its exit code is known."""


def ended_by_itself(process: Any) -> WorkerError:
    """What to raise where a process ended without an answer."""
    process.join(_END_S)
    return WorkerError(
        f"a worker process ended by itself (exit code {process.exitcode}; -9, killed, and "
        "-6, aborted: most often there is not enough memory); lower threads or plan "
        "smaller chunks, then run again",
        killed=process.exitcode in (-signal.SIGKILL, -signal.SIGABRT),
    )


def hand_over(
    connection: Connection, answer: tuple[int, Any, Exception | None], spent: Any
) -> None:
    """Send the parent what a call returned or raised; it waits for an answer in any case.

    What cannot be pickled, and an error that cannot be made again of what was pickled, goes as its
    text.

    Parameters
    ----------
    connection
        To the parent, which may be gone.
    answer
        Number of the call; what it returned; what it raised.
    spent
        What it used.
    """
    ticket, _, error = answer
    try:
        data = ForkingPickler.dumps((*answer, spent))
        if error is not None:
            ForkingPickler.loads(data)
    except Exception as problem:
        said = " ".join(f"{type(error or problem).__name__}: {error or problem}".split())
        sent: Exception = (
            problem if is_little_memory(problem) else WorkerError(f"in a worker process: {said}")
        )
        data = ForkingPickler.dumps((ticket, None, sent, spent))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send_bytes(data)


def end_with_parent() -> None:
    """A job that was killed leaves no worker behind that writes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def has_one_thread() -> bool:
    """Whether a fork of this process is whole: threads of libraries count."""
    tasks = Path("/proc/self/task")
    return sys.platform == "linux" and tasks.is_dir() and len(list(tasks.iterdir())) == 1


@contextlib.contextmanager
def hidden_main() -> Iterator[None]:
    """Keep workers from importing the main program: Snakemake's scripts are not modules."""
    main = sys.modules["__main__"].__dict__
    kept: dict[str, Any] = {
        name: main.pop(name) for name in ("__file__", "__spec__") if name in main
    }
    main["__spec__"] = None
    try:
        yield
    finally:
        del main["__spec__"]
        main.update(kept)


@contextlib.contextmanager
def no_interrupts() -> Iterator[None]:
    """The server and what is forked from it ignore Ctrl-C from the start."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

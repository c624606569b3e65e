"""A single call in a fork, while the job goes on with something else."""

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from uplift.running.children import (
    end_with_parent,
    ended_by_itself,
    hand_over,
    has_one_thread,
    no_interrupts,
)

B = TypeVar("B")


@contextlib.contextmanager
def meanwhile(
    call: Callable[[], B], *, cores: int, spent: tuple[Callable[[], Any], Callable[[Any], None]]
) -> Iterator[Callable[[], B]]:
    """Have a fork of this process make a call while this one goes on with something else.

    With one core, or where the process has threads, which survive no fork, this process makes the
    call as soon as the result is asked for.

    Parameters
    ----------
    call
        Returns what can be pickled. What it changes in memory is lost with the fork.
    cores
        That the job was given.
    spent
        As in :class:`uplift.running.processes.Workers`.

    Yields
    ------
    Callable
        Waits for the result, and returns it; raises what the call raises.

    Raises
    ------
    WorkerError
        The fork was killed.
    """
    if cores < 2 or not has_one_thread():
        yield call
        return
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(ours, theirs, call, spent[0]), daemon=True)
    with no_interrupts():
        process.start()
    theirs.close()

    def wait() -> B:
        try:
            _, value, error, used = ours.recv()
        except (EOFError, OSError):
            raise ended_by_itself(process) from None
        process.join()  # before that the system has not added up what it used
        spent[1](used)
        if error is not None:
            raise error
        found: B = value
        return found

    try:
        yield wait
    finally:
        process.kill()
        process.join()
        ours.close()


def _answer(
    theirs: Connection, ours: Connection, call: Callable[[], B], take: Callable[[], Any]
) -> None:
    """Make a call and hand over its result."""
    theirs.close()
    take()  # what the job has used until now is counted there
    threading.Thread(target=end_with_parent, daemon=True).start()
    found: Any
    try:
        found = (call(), None)
    except Exception as error:
        found = (None, error)
    hand_over(ours, (0, *found), take())

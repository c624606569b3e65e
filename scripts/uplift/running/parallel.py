"""Map over a pool with a bounded number of calls under way; threads of one process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_order(
    pool: Executor | None, function: Callable[[A], B], inputs: Iterable[A], window: int
) -> Iterator[B]:
    """Yield results in the order of `inputs`, at most `window` under way; no pool: in turn.

    `inputs` is read as far ahead. A caller that stops reading cancels what has not started.

    Parameters
    ----------
    pool
        Where `function` runs; None: here, one after the other.
    function
        Called with each input.
    inputs
        Read `window` ahead.
    window
        Calls under way at the most: what bounds the memory of results that wait.

    Yields
    ------
    B
        Results, in the order of `inputs`.
    """
    if pool is None:
        yield from map(function, inputs)
        return
    waiting: deque[Future[B]] = deque()
    try:
        for value in inputs:
            waiting.append(pool.submit(function, value))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def as_done(
    pool: Executor, function: Callable[[A], B], inputs: Iterable[A], window: int
) -> Iterator[B]:
    """Yield results as they come, at most `window` calls under way.

    Parameters
    ----------
    pool
        Where `function` runs.
    function
        Called with each input.
    inputs
        Read `window` ahead.
    window
        Calls under way at the most.

    Yields
    ------
    B
        Results, as they come.
    """
    under_way: set[Future[B]] = set()
    try:
        for value in inputs:
            under_way.add(pool.submit(function, value))
            if len(under_way) >= window:
                ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in ready)
        while under_way:
            ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)
    finally:
        for future in under_way:
            future.cancel()


def at_once(calls: Sequence[Callable[[], Any]], *, threads: bool = True) -> list[Any]:
    """Results of a few calls that wait for a server, made side by side.

    Parameters
    ----------
    calls
        What to call.
    threads
        Whether each gets a thread; no: one after the other, as for files.

    Returns
    -------
    list[Any]
        What they returned, in order. The first one's error counts.
    """
    return started(calls, threads=threads)()


def started(calls: Sequence[Callable[[], Any]], *, threads: bool = True) -> Callable[[], list[Any]]:
    """Start a few calls that wait for a server, so that other things go on meanwhile.

    Parameters
    ----------
    calls
        What to call.
    threads
        As in :func:`at_once`; no: they are made when they are waited for.

    Returns
    -------
    Callable
        Waits for what they return; see :func:`at_once`.
    """
    if not threads:
        return lambda: [call() for call in calls]
    pool = ThreadPoolExecutor(len(calls))
    answers = [pool.submit(call) for call in calls]
    pool.shutdown(wait=False)  # the threads end with their calls
    return lambda: [one.result() for one in answers]


class Turn:
    """A thread's turn; see :class:`Turns`. As a context manager, it ends there at the latest."""

    def __init__(self, free: threading.Semaphore | None = None) -> None:
        self._free = free

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let another thread go on, once."""
        free, self._free = self._free, None
        if free is not None:
            free.release()

    def until_taken(self, inputs: Iterable[A]) -> Iterator[A]:
        """Yield inputs; when the last one is taken, the turn ends."""
        yield from inputs
        self.end()


class Turns:
    """Lets a few threads at once do what the others wait for.

    Parameters
    ----------
    count
        Threads; 0: nobody waits.
    """

    def __init__(self, count: int = 0) -> None:
        self._free = threading.BoundedSemaphore(count) if count else None

    def taken(self) -> Turn:
        """Wait for a turn."""
        if self._free is not None:
            self._free.acquire()
        return Turn(self._free)


NO_TURNS = Turns()


class Helpers:
    """Threads of a process, for one shard: codecs release Python's lock while they encode.

    What is left holds it. Two threads encode 1.7 times as fast as one.

    Parameters
    ----------
    count
        Threads; 1: everything is done by the caller, and nothing is started.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count) if count > 1 else None

    def map(self, function: Callable[[A], B], inputs: Iterable[A]) -> Iterator[B]:
        """Yield results in the order of `inputs`, which is read twice `count` ahead at most."""
        return in_order(self._pool, function, inputs, 2 * self.count)


ALONE = Helpers()

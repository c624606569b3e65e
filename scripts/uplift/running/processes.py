"""Worker processes: Python threads share one lock, so cores are kept busy by processes.

They are forks of the job, which has imported what they need, as long as it has a single thread.
Else they are forked from a server that is started fresh (``forkserver``) and imports all that
again: clients of object stores have threads and connections of their own, which no fork survives.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from uplift.running.children import (
    end_with_parent,
    ended_by_itself,
    hand_over,
    has_one_thread,
    hidden_main,
    no_interrupts,
)

C = TypeVar("C")
A = TypeVar("A")
B = TypeVar("B")

Count = Callable[[int], None]


class Inputs(Iterator[A]):
    """Inputs to which results add: what they bring comes first, its data still in the page cache.

    Parameters
    ----------
    others
        What there is to do without that.
    """

    def __init__(self, others: Iterable[A]) -> None:
        self._first: deque[A] = deque()
        self._others = iter(others)

    def __next__(self) -> A:
        """Take one; where there is none, one may come with the next result."""
        return self._first.popleft() if self._first else next(self._others)

    def add(self, values: Iterable[A]) -> None:
        """Add inputs, which come next."""
        self._first.extend(values)


_TICK_S = 1.0
"""Between looks at what is due meanwhile (flushing, a line on progress)."""
_PATIENCE_S = 2.0
"""After an error: long enough for most calls that are under way, short for those who wait."""


class Workers(Generic[C]):
    """Calls functions with a context that each process opens once; a context manager.

    Parameters
    ----------
    count
        Processes; 1: this one, and nothing is started.
    open_context
        Makes the first argument of every call, in the process that calls; can be pickled. It gets
        a function that counts bytes, whose sum is :meth:`counted`.
    preload
        Modules that are imported once for all.
    spent
        A function that a worker process calls after each call, and one that takes its result here.
    capacity
        Weight of the calls that one process has under way, in threads. 1: one call at a time. What
        waits for answers of a server takes more, and the next call begins as soon as one ends.
    apart
        Whether one process is started even where `count` is 1, as a fork: this one then makes the
        next input while the call for one is under way. Not where this process has threads.
    """

    def __init__(
        self,
        count: int,
        open_context: Callable[[Count], C],
        preload: Sequence[str] = (),
        spent: tuple[Callable[[], Any], Callable[[Any], None]] | None = None,
        *,
        capacity: int = 1,
        apart: bool = False,
    ) -> None:
        self._spent = spent
        self._capacity = capacity
        self._open = open_context
        self._here: C | None = None
        self._workers: dict[Connection, Any] = {}
        self._counts: Any = [0]
        if count > 1 or (apart and has_one_thread()):
            self._start(count, preload)

    def __enter__(self) -> Workers[C]:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for connection in self._workers:
            connection.close()  # an idle worker ends when it reads this, others when they answer
        for process in self._workers.values():
            process.join(None if kind is None else _PATIENCE_S)
            if process.is_alive():
                process.kill()
                process.join()
        self._workers.clear()

    def as_done(
        self,
        function: Callable[[C, A], B],
        inputs: Iterable[A],
        tick: Callable[[], None] = lambda: None,
        weigh: Callable[[A], int] = lambda _: 1,
    ) -> Iterator[B]:
        """Yield what ``function(context, input)`` returns, as it comes.

        Parameters
        ----------
        function
            Of a module; raises what can be pickled.
        inputs
            Taken one by one, when a process is idle; asked again after each result where there was
            none any more, since a result may bring more to do.
        tick
            Called about once a second, and after each result.
        weigh
            Weight of the call for an input, at most the capacity of a process.

        Returns
        -------
        Iterator[B]
            Results in the order in which they come.

        Raises
        ------
        WorkerError
            A process was killed.
        """
        if not self._workers:
            if self._here is None:
                self._here = self._open(partial(_add, self._counts, 0))
            call = partial(function, self._here)
            for result in _called(call, inputs, tick, weigh, self._capacity):
                tick()
                yield result
            return
        waiting = iter(inputs)
        free = dict.fromkeys(self._workers, self._capacity)
        under_way: dict[int, tuple[Connection, int]] = {}
        value, ticket = next(waiting, _END), 0
        while True:
            while value is not _END:
                weight = min(weigh(value), self._capacity)
                connection = max(free, key=lambda one: free[one])
                if free[connection] < weight:
                    break
                ticket += 1
                free[connection] -= weight
                under_way[ticket] = connection, weight
                _send(connection, (ticket, function, value))
                value = next(waiting, _END)
            if not under_way:
                return
            ready: list[Any] = list(wait({one for one, _ in under_way.values()}, _TICK_S))
            for connection in ready:
                done, result = self._received(connection)
                free[connection] += under_way.pop(done)[1]
                yield result
            if value is _END:
                value = next(waiting, _END)
            tick()

    def counted(self) -> int:
        """Sum of all that was counted so far, by calls that are under way, too."""
        return sum(self._counts)

    def _start(self, count: int, preload: Sequence[str]) -> None:
        is_fork = has_one_thread()
        context: Any = multiprocessing.get_context("fork" if is_fork else "forkserver")
        if is_fork:
            for module in preload:
                importlib.import_module(module)
        else:
            context.set_forkserver_preload([__name__, *preload])
        self._counts = context.RawArray("Q", count)
        with contextlib.nullcontext() if is_fork else hidden_main(), no_interrupts():
            for number in range(count):
                ours, theirs = context.Pipe()
                take = None if self._spent is None else self._spent[0]
                # a fork has copies of these, and others would not see the job's end
                inherited = [*self._workers, ours] if is_fork else []
                shared = (self._open, self._counts, number, take, inherited, self._capacity)
                process = context.Process(target=_serve, args=(theirs, *shared), daemon=True)
                process.start()
                theirs.close()
                self._workers[ours] = process

    def _received(self, connection: Connection) -> Any:
        try:
            ticket, value, error, spent = connection.recv()
        except (EOFError, OSError):
            raise ended_by_itself(self._workers[connection]) from None
        if self._spent is not None:
            self._spent[1](spent)
        if error is not None:
            raise error
        return ticket, value


def _called(
    call: Callable[[A], B],
    inputs: Iterable[A],
    tick: Callable[[], None],
    weigh: Callable[[A], int],
    capacity: int,
) -> Iterator[B]:
    """Yield results of calls in this process, in threads where its capacity is larger than 1."""
    if capacity == 1:
        yield from map(call, inputs)
        return
    under_way: dict[Future[B], int] = {}
    waiting, free = iter(inputs), capacity
    value: Any = next(waiting, _END)
    with ThreadPoolExecutor(capacity) as pool:
        while value is not _END or under_way:
            while value is not _END and (weight := min(weigh(value), capacity)) <= free:
                under_way[pool.submit(call, value)] = weight
                free -= weight
                value = next(waiting, _END)
            ended, _ = wait_for(under_way, _TICK_S, FIRST_COMPLETED)
            for future in ended:
                free += under_way.pop(future)
                yield future.result()
            tick()


_END: Any = object()


def _send(connection: Connection, message: Any) -> None:
    # A worker that is dead is noticed when its answer is read.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(message)


def _add(counts: Any, number: int, count: int) -> None:
    counts[number] += count


def _serve(
    connection: Connection,
    open_context: Callable[[Count], C],
    counts: Any,
    number: int,
    take: Callable[[], Any] | None,
    inherited: Sequence[Connection],
    capacity: int,
) -> None:
    """Answer calls until the other side is gone."""
    for other in inherited:
        other.close()
    gc.freeze()  # what the job has made stays: it need not be looked through again and again
    if inherited and take is not None:
        take()  # what the job has used until now is counted there
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the job, which ends its workers
    threading.Thread(target=end_with_parent, daemon=True).start()
    context: C | None = None
    # one thread opens the context, the others wait for that; and their answers do not mix
    opening, answering = threading.Lock(), threading.Lock()

    def opened() -> C:
        nonlocal context
        with opening:
            if context is None:
                context = open_context(partial(_add, counts, number))
            return context

    def answer(ticket: int, function: Callable[[C, A], B], value: A) -> None:
        found: Any
        try:
            found = (function(opened(), value), None)
        except Exception as error:
            found = (None, error)
        with answering:
            hand_over(connection, (ticket, *found), None if take is None else take())

    pool = ThreadPoolExecutor(capacity) if capacity > 1 else None
    if pool is not None:
        pool.submit(opened)  # round trips while there is no work yet; an error is met again there
    with contextlib.suppress(EOFError, ConnectionResetError):
        while True:
            call = connection.recv()
            if pool is None:
                answer(*call)
            else:
                pool.submit(answer, *call)

"""Read objects side by side, in order, within a budget of memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from uplift.parallel import in_order
from uplift.storage import tuning

A = TypeVar("A")
K = TypeVar("K")


class ReadAhead:
    """A pool of `concurrency` requests shared by all readers of one store."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def map(
        self, read: Callable[[K], bytes | None], keys: Iterable[K], expected_bytes: int = 0
    ) -> Iterator[bytes | None]:
        """Yield ``read(key)`` in the order of `keys` with a bounded number under way.

        The window is wider than the pool: what is read already waits for its turn in it. It grows
        from a few requests on, unless the size to expect of an object is known.
        """
        waiting: deque[Future[bytes | None]] = deque()
        largest = 1
        window = min(tuning.FIRST_WINDOW, self._concurrency)
        if expected_bytes:
            window = self._window(expected_bytes)
        pool = self._started()
        source = iter(keys)
        try:
            for key in source:
                waiting.append(pool.submit(read, key))
                if len(waiting) < window:
                    continue
                data = waiting.popleft().result()
                largest = max(largest, len(data or b""))
                window = min(self._window(largest), 2 * window)
                yield data
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def ask(self, question: Callable[[K], A], keys: Iterable[K]) -> Iterator[A]:
        """Yield ``question(key)``, whose answers are small, in the order of `keys`."""
        return in_order(self._started(), question, keys, 2 * self._concurrency)

    def _window(self, object_bytes: int) -> int:
        return max(2, min(2 * self._concurrency, tuning.WINDOW_BYTES // object_bytes))

    def _started(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="read")
            return self._pool

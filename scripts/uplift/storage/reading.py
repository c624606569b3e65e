"""What all stores share in reading: whole objects, ranges, buffers, and many in parallel."""

import hashlib
import heapq
import itertools
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from uplift.errors import ChangedError
from uplift.running.parallel import in_order
from uplift.storage import tuning
from uplift.storage.protocol import (
    Buffer,
    ObjectInfo,
    OpenObject,
    Range,
    Store,
    Wanted,
    key_of,
    refuse_changed,
)

A = TypeVar("A")
K = TypeVar("K")
Data = bytes | bytearray | memoryview


class ReadAhead:
    """A pool of `concurrency` requests shared by all readers of one store.

    The reader that came first is served first; the others get the requests that it leaves. So a
    shard that was read is sent and read back while the next one is read: if several went on in
    parallel, all would be sent at the same time, and no request would be under way meanwhile.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()  # the first two readers would each start a pool
        self._readers, self._requests = itertools.count(), itertools.count()
        # what is wanted, by reader and then in order; threads of the pool take it, readers add
        self._wanted: list[tuple[int, int, Future[Any], Callable[[Any], Any], Any]] = []
        self._taking = threading.Lock()

    def map(
        self, read: Callable[[K], bytes | None], keys: Iterable[K], expected_bytes: int = 0
    ) -> Iterator[bytes | None]:
        """Yield ``read(key)`` in the order of `keys` with a bounded number under way.

        The first ones are asked for at once, before the iterator is: several readers that are made
        one after the other wait for the server together. The window is wider than the pool: what
        is read already waits for its turn in it. It grows from a few requests on, unless the size
        to expect of an object is known.

        Parameters
        ----------
        read
            Called with each key, in threads.
        keys
            In the order in which they are wanted.
        expected_bytes
            Of one object; 0: not known.

        Returns
        -------
        Iterator[bytes | None]
            What was read; None where an object is absent.
        """
        window = min(tuning.FIRST_WINDOW, self._concurrency)
        if expected_bytes:
            window = self._window(expected_bytes)
        source, reader = iter(keys), next(self._readers)
        ask = partial(self._submit, reader, read)
        first = map(ask, itertools.islice(source, window - 1))
        return self._in_order(ask, source, deque(first), window)

    def _in_order(
        self,
        ask: Callable[[K], Future[bytes | None]],
        source: Iterator[K],
        waiting: deque[Future[bytes | None]],
        window: int,
    ) -> Iterator[bytes | None]:
        largest = 1
        try:
            for key in source:
                waiting.append(ask(key))
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

    def _submit(self, reader: int, read: Callable[[K], A], key: K) -> Future[A]:
        """Have a thread of the pool read, after what earlier readers asked for."""
        future: Future[A] = Future()
        with self._taking:
            heapq.heappush(self._wanted, (reader, next(self._requests), future, read, key))
        self._started().submit(self._read_next)
        return future

    def _read_next(self) -> None:
        with self._taking:
            _, _, future, read, key = heapq.heappop(self._wanted)
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(read(key))
        except BaseException as error:
            future.set_exception(error)
            del future  # the error's traceback refers to this frame

    def ask(self, question: Callable[[K], A], keys: Iterable[K]) -> Iterator[A]:
        """Yield ``question(key)``, whose answers are small, in the order of `keys`."""
        return in_order(self._started(), question, keys, 2 * self._concurrency)

    @property
    def concurrency(self) -> int:
        """Requests under way at the most."""
        return self._concurrency

    @property
    def pool(self) -> ThreadPoolExecutor:
        """Threads that make them; started with the first one."""
        return self._started()

    def _window(self, object_bytes: int) -> int:
        return max(2, min(2 * self._concurrency, tuning.WINDOW_BYTES // object_bytes))

    def _started(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="read")
            return self._pool


class ReadableStore(ABC):
    """The reading half of :class:`~uplift.storage.protocol.Store`, made of one method."""

    url: str
    repeated_reads: AbstractSet[str] = frozenset()
    """Keys of objects of which a read failed and was repeated."""
    _ahead: ReadAhead | None = None
    """None where reading ahead does not pay, as with files: the page cache does it."""

    @property
    def reads_ahead(self) -> bool:
        """Whether each read is a round trip, so that many are under way at once."""
        return self._ahead is not None

    @abstractmethod
    def _read(self, wanted: Wanted, start: int, length: int | None) -> Data | None:
        """Read an object, or `length` bytes from `start` (negative: from the end)."""

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one object, or None when absent or a folder."""

    def get(self, wanted: Wanted) -> bytes | None:
        """Return the whole object, or None when absent."""
        data = self._read(wanted, 0, None)
        return None if data is None else bytes(data)

    def split_tree(self, prefix: str, wanted: int) -> tuple[list[str], list[ObjectInfo]] | None:
        """Nothing to split: see :meth:`uplift.storage.protocol.Store.split_tree`."""
        return None

    def get_range(self, wanted: Wanted, start: int, length: int) -> bytes | None:
        """Return `length` bytes from `start` (negative: from the end), or None when absent.

        Result and parameters as :meth:`uplift.storage.protocol.Store.get_range`.
        """
        data = self._read(wanted, start, length)
        return None if data is None else bytes(data)

    def read_into(
        self,
        wanted: Wanted,
        buffer: Buffer,
        at: int = 0,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> int | None:
        """Read an object, or a range of it, into a buffer; see :class:`Store`.

        Result and parameters as :meth:`uplift.storage.protocol.Store.read_into`.
        """
        data = self._read(wanted, start, length)
        if data is None:
            return None
        with view_in_buffer(buffer, at, len(data)) as view:
            view[:] = data
        return len(data)

    def open_object(self, wanted: Wanted) -> OpenObject | None:
        """Describe an object; each read of it is a request that refuses another one."""
        info = self.stat(key_of(wanted))
        if info is None:
            return None
        refuse_changed(wanted, info.size, info.stamp, self.url)
        return _Described(self, info)

    def read_many(
        self, objects: Iterable[Wanted], expected_bytes: int = 0
    ) -> Iterator[bytes | None]:
        """Yield whole objects in the order of `objects`."""
        if self._ahead is None:
            return map(self.get, objects)
        return self._ahead.map(self.get, objects, expected_bytes)

    def read_ranges(self, ranges: Iterable[Range]) -> Iterator[bytes | None]:
        """Yield parts of objects in the order of `ranges`."""
        if self._ahead is None:
            return itertools.starmap(self.get_range, ranges)
        return self._ahead.map(lambda part: self.get_range(*part), ranges)

    def stat_many(self, keys: Iterable[str]) -> Iterator[ObjectInfo | None]:
        """Yield what `stat` returns, in order."""
        return map(self.stat, keys) if self._ahead is None else self._ahead.ask(self.stat, keys)


class _Described:
    """An object of a store that keeps nothing open."""

    def __init__(self, store: ReadableStore, info: ObjectInfo) -> None:
        self.info = info
        self._store = store

    def read_into(
        self, buffer: Buffer, at: int = 0, *, start: int = 0, length: int | None = None
    ) -> int:
        count = self._store.read_into(self.info, buffer, at, start=start, length=length)
        return self._there(count)

    def read(self, start: int, length: int) -> bytes:
        return self._there(self._store.get_range(self.info, start, length))

    def refuse_changed(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def _there(self, found: A | None) -> A:
        if found is None:
            raise ChangedError(
                f"{self._store.url}/{self.info.key}: is gone since it was opened; let nothing "
                "write there, then run again"
            )
        return found


def view_in_buffer(buffer: Buffer, at: int, length: int) -> memoryview:
    """Return the part of a buffer that takes `length` bytes from `at`; it grows where it can.

    Parameters
    ----------
    buffer
        That is used again and again.
    at
        Bytes from its start.
    length
        Bytes that are wanted.

    Returns
    -------
    memoryview
        A view of these bytes.

    Raises
    ------
    ValueError
        It is too small and cannot grow.
    """
    missing = at + length - len(buffer)
    if missing > 0:
        if not isinstance(buffer, bytearray):
            raise ValueError(f"a buffer of {len(buffer)} bytes cannot hold {at} + {length}")
        buffer.extend(bytes(missing))
    return memoryview(buffer)[at : at + length]


def pieces_of(store: Store, listed: ObjectInfo) -> Iterator[bytes]:
    """Yield an object's bytes, a few MiB at a time.

    Raises
    ------
    ChangedError
        It is gone, or not the one that was listed.
    """
    size = tuning.PIECE_BYTES
    for at in range(0, listed.size or 1, size):
        wanted = min(size, listed.size - at)
        is_whole = wanted == listed.size
        piece = store.get(listed) if is_whole else store.get_range(listed, at, wanted)
        if piece is None or len(piece) != wanted:
            how = (
                "is gone" if piece is None else f"{len(piece)} bytes came for {wanted}: it changed"
            )
            raise ChangedError(
                f"{store.url}/{listed.key}: {how} since it was listed; let nothing write there, "
                "then run again"
            )
        yield piece


def sha256_of(pieces: Iterable[bytes]) -> str:
    """Digest of an object that comes in pieces."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()

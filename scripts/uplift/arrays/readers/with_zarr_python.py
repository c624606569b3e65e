"""One array through zarr-python, over the project's own storage."""

import asyncio
import functools
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.api.asynchronous import open_array
from zarr.core.buffer import Buffer, BufferPrototype

from uplift.arrays.readers.protocol import reader_error
from uplift.storage.protocol import Store, join

T = TypeVar("T")

_REQUESTS = 64
"""Requests at the same time; the store's cap may allow fewer."""
_ENDS_KEPT = 64
"""Indexes of shards of one remote array: of 4,096 chunks each has 64 KiB."""
_opening = threading.Lock()
"""Filters of warnings are those of the whole process: two threads would undo each other's."""


class ZarrReader:
    """One array through zarr-python."""

    name = "zarr-python"

    def __init__(
        self, store: Store, path: str, document: bytes | None = None, *, zarr_format: int = 3
    ) -> None:
        try:
            laid_over = {join(path, "zarr.json"): document}
            if document is None:
                laid_over = _documents(store, path, zarr_format)
            with _opening, warnings.catch_warnings():
                # It warns about data types and codecs that are not in the core specification.
                warnings.simplefilter("ignore")
                self._array: Any = _awaited(
                    open_array(
                        store=_ReadOnlyStore(store, laid_over),
                        path=path,
                        mode="r",
                        zarr_format=2 if zarr_format == 2 else 3,
                    )
                )
        except Exception as error:
            raise reader_error(self.name, error) from error
        self.shape = tuple(self._array.shape)

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements."""
        try:
            found: Any = _awaited(self._array.getitem(region))
            if isinstance(found, np.ndarray):
                return _bytes_alone(found) if self._array.dtype.hasobject else found
            return np.array(found, dtype=self._array.dtype)  # a text alone would lose its length
        except Exception as error:
            raise reader_error(self.name, error) from error

    def begin(self, region: tuple[slice, ...]) -> Callable[[], NDArray[Any]]:
        """Read when the elements are waited for."""
        return functools.partial(self.read, region)


def _bytes_alone(found: NDArray[Any]) -> NDArray[Any]:
    """Bytes of any length, which zarr-python gives with a length of their own where no axis is.

    NumPy gives even none of them the length 1, so a single zero byte reads as none.
    """
    if found.dtype.kind != "S" or found.ndim:
        return found
    return np.array(found.tobytes() if found.itemsize > 1 else found.item(), dtype=object)


class _DirectExecutor(ThreadPoolExecutor):
    """Executor that calls a function immediately, in the calling thread."""

    def submit(self, function: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(function(*given, **named))
        except Exception as error:
            done.set_exception(error)
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to do: each event loop calls it when it is closed."""


_DIRECT = _DirectExecutor()


def _awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine in a loop of this thread.

    With zarr-python's own loop in one thread, and its decoders in others, more than half of the
    time went into communication between these. Regions are read in parallel by threads of this
    project.
    """
    loop = asyncio.new_event_loop()
    try:
        loop.set_default_executor(_DIRECT)
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def _documents(store: Store, path: str, zarr_format: int) -> dict[str, bytes | None]:
    """Documents of an array of a remote store, read before the lock on opening is taken."""
    if store.is_local:
        return {}
    names = (".zarray", ".zattrs") if zarr_format == 2 else ("zarr.json",)
    keys = [join(path, name) for name in names]
    return dict(zip(keys, store.read_many(keys), strict=True))


@functools.cache
def _requests() -> ThreadPoolExecutor:
    """Threads that wait for remote stores."""
    return ThreadPoolExecutor(_REQUESTS, thread_name_prefix="zarr")


class _ReadOnlyStore(ZarrStore):
    """The project's storage as zarr-python uses it, with documents that are not written yet."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, store: Store, documents: Mapping[str, bytes | None]) -> None:
        super().__init__(read_only=True)
        self._store = store
        self._documents = documents
        # several regions of a shard need its index at the same time: it is requested once
        self._ends: dict[tuple[str, int], Future[bytes | None]] = {}
        self._lock = threading.Lock()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReadOnlyStore) and other._store is self._store

    def __hash__(self) -> int:
        return id(self._store)

    def __str__(self) -> str:
        return self._store.url

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object or a part of one."""
        data = await self._done(self._read, key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    def _read(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        if key in self._documents:
            return self._documents[key]
        if byte_range is None:
            return self._store.get(key)
        if isinstance(byte_range, RangeByteRequest):
            length = byte_range.end - byte_range.start
            return self._store.get_range(key, byte_range.start, length)
        if isinstance(byte_range, OffsetByteRequest):
            info = self._store.stat(key)
            length = info.size - byte_range.offset if info is not None else 0
            return self._store.get_range(key, byte_range.offset, length)
        return self._last_bytes(key, byte_range.suffix)

    def _last_bytes(self, key: str, length: int) -> bytes | None:
        """Last bytes of an object, such as a shard's index; kept where the store is remote."""
        if self._store.is_local:
            return self._store.get_range(key, -length, length)
        with self._lock:
            known = self._ends.get((key, length))
            if known is None:
                if len(self._ends) >= _ENDS_KEPT:
                    self._ends.clear()
                own = self._ends[key, length] = Future[bytes | None]()
        if known is not None:
            return known.result()
        try:
            own.set_result(self._store.get_range(key, -length, length))
        except BaseException as error:
            with self._lock:  # a later request may succeed
                self._ends.pop((key, length), None)
            own.set_exception(error)
        return own.result()

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Read parts of objects."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return await self._done(self._store.stat, key) is not None

    async def _done(self, function: Callable[..., T], *given: Any) -> T:
        """Make a request; those to a remote store are made in parallel."""
        if self._store.is_local and not self._store.reads_ahead:
            return function(*given)
        return await asyncio.get_running_loop().run_in_executor(_requests(), function, *given)

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse."""
        self._refuse()

    async def delete(self, key: str) -> None:
        """Refuse."""
        self._refuse()

    def list(self) -> AsyncIterator[str]:
        """Refuse."""
        self._refuse()

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse."""
        self._refuse()

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError("opened for reading known keys only")

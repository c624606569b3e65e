"""Other people's Zarr v3 readers, on one array of the output.

tensorstore reads local arrays of the core data types; zarr-python everything else, through the
project's own storage.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import math
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NoReturn, Protocol

import numpy as np
import tensorstore
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import Buffer, BufferPrototype

from uplift.errors import StorageError, is_little_memory
from uplift.models.arrays import TargetArray
from uplift.storage.protocol import Store, join
from uplift.zarr_metadata.data_types import is_raw_bytes
from uplift.zarr_metadata.v3 import array_document

log = logging.getLogger(__name__)

_CACHE_BYTES = 64 * 2**20
"""Of tensorstore: neighbouring regions of one shard read its index and chunks once."""
_REQUESTS = 64
"""Of zarr-python under way at once; the store holds back those that a job may not have."""
_opening = threading.Lock()
"""Filters of warnings are those of the whole process: two threads would undo each other's."""


class ReaderError(Exception):
    """A reader refuses the array, or fails on a region of it; one line."""

    def __init__(self, reader: str, error: Exception) -> None:
        text = " ".join(str(error).split()) or type(error).__name__
        super().__init__(f"{reader} refuses it: {text[:300]}")


def _reader_error(reader: str, error: Exception) -> Exception:
    """Word an error of a reader; a failed request or want of memory says nothing of the array."""
    if isinstance(error, StorageError):
        return error
    return MemoryError() if is_little_memory(error) else ReaderError(reader, error)


class Reader(Protocol):
    """Reads regions of one array."""

    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements.

        Raises
        ------
        ReaderError
            The reader cannot.
        """

    def begin(self, region: tuple[slice, ...]) -> Callable[[], NDArray[Any]]:
        """Begin to read elements; what is returned waits for them, and raises as `read` does."""


def open_reader(
    store: Store, path: str, root_document: bytes | None = None, version: Literal[2, 3] = 3
) -> Reader:
    """Open an array by its own document, with the first reader that supports it.

    Parameters
    ----------
    store
        Either side.
    path
        Path of the array.
    root_document
        The document of an array at the root, which is not at its place before publishing.
    version
        Zarr format of the array.

    Returns
    -------
    Reader
        An open array; regions are read in elements.

    Raises
    ------
    ReaderError
        None does; the reason is the last one's.
    """
    if not path and root_document is not None:
        return ZarrReader(store, path, root_document)
    return begin_reader(store, path, version)()


def begin_reader(
    store: Store, path: str, version: Literal[2, 3] = 3, *, whole: bool = False
) -> Callable[[], Reader]:
    """Begin to open an array, as :func:`open_reader` does; what is returned waits for it.

    Parameters
    ----------
    store
        Either side.
    path
        Path of the array.
    version
        Zarr format of the array.
    whole
        Whether it will be read with one call: then nothing of it is kept.

    Returns
    -------
    Callable
        Gives the open array, or raises as :func:`open_reader` does.
    """
    other = functools.partial(ZarrReader, store, path, zarr_format=version)
    root, driver = _root_of(store), "zarr" if version == 2 else "zarr3"
    if root is None:
        return other
    return _attempt(lambda: TensorstoreReader(root, path, driver=driver, whole=whole), other)


def open_planned(store: Store, path: str, target: TargetArray) -> Reader:
    """Open an array of the output whose document is not written yet: as it is planned.

    Parameters
    ----------
    store
        That holds the array's objects.
    path
        Of the array, from the root of the output.
    target
        What the plan makes of it.

    Returns
    -------
    Reader
        A reader of its elements.

    Raises
    ------
    ReaderError
        No reader supports it.
    """
    return begin_planned(store, path, target)()


def begin_planned(
    store: Store,
    path: str,
    target: TargetArray,
    *,
    zarr_python: bool = False,
    whole: bool = False,
) -> Callable[[], Reader]:
    """Begin to open an array as :func:`open_planned` does; what is returned waits for it.

    Parameters
    ----------
    store
        That holds the array's objects.
    path
        Of the array, from the root of the output.
    target
        What the plan makes of it.
    zarr_python
        Whether zarr-python is to read it in any case.
    whole
        Whether it will be read with one call: then nothing of it is kept.

    Returns
    -------
    Callable
        Gives the open array, or raises as :func:`open_planned` does.
    """
    document = array_document(target, {}, None)
    root = _root_of(store)
    other = functools.partial(ZarrReader, store, path, json.dumps(document).encode())
    # tensorstore ends the whole process over a document with raw bytes that it takes as given
    if root is None or zarr_python or is_raw_bytes(target.data_type):
        return other
    return _attempt(lambda: TensorstoreReader(root, path, document, whole=whole), other)


def _attempt(
    begin: Callable[[], TensorstoreReader], other: Callable[[], Reader]
) -> Callable[[], Reader]:
    """Begin with tensorstore; where it refuses the array, another reader opens it."""
    try:
        reader = begin()
    except ReaderError as error:
        log.debug("%s", error)
        return other

    def wait() -> Reader:
        try:
            return reader.opened()
        except ReaderError as error:
            log.debug("%s", error)
            return other()

    return wait


def _root_of(store: Store) -> str | None:
    """Folder of a store of files; a held output has the one of its store."""
    root = getattr(store, "root", None) if store.is_local else None
    return root if isinstance(root, str) else None


class TensorstoreReader:
    """One array through tensorstore's own file access; opening begins at once.

    Parameters
    ----------
    root
        Folder of a local store.
    path
        Path of the array.
    document
        What to take for its document; None: the one that is there.
    driver
        ``zarr3``, or ``zarr`` for Zarr v2.
    whole
        Whether it is read with one call: then nothing of it is kept.
    """

    name = "tensorstore"

    def __init__(
        self,
        root: str,
        path: str,
        document: dict[str, Any] | None = None,
        *,
        driver: str = "zarr3",
        whole: bool = False,
    ) -> None:
        spec: dict[str, Any] = {
            "driver": driver,
            "kvstore": {"driver": "file", "path": f"{join(root, path)}/"},
            "recheck_cached_data": "open",
        }
        if document is not None:
            spec |= {"metadata": document, "assume_metadata": True}
        # a document that is given is not looked for
        must_exist = None if document is not None else True
        self._context = _context(0 if whole else _CACHE_BYTES)
        with _refusals():
            self._opening = tensorstore.open(
                spec, read=True, open=must_exist, context=self._context
            )

    def opened(self) -> TensorstoreReader:
        """Wait until the array is open.

        Raises
        ------
        ReaderError
            The reader refuses it.
        """
        if self._array.dtype.name in ("byte", "char"):  # an element becomes one more dimension
            raise ReaderError(self.name, ValueError("it has no data type for bytes"))
        return self

    @functools.cached_property
    def _array(self) -> Any:
        with _refusals():
            return self._opening.result()

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return tuple(self._array.shape)

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements."""
        return self.begin(region)()

    def begin(self, region: tuple[slice, ...]) -> Callable[[], NDArray[Any]]:
        """Begin to read elements; tensorstore has threads of its own."""
        pending = self._array[region].read()

        def wait() -> NDArray[Any]:
            with _refusals():
                return np.asarray(pending.result())

        return wait

    def begin_whole(self, room: Room) -> Callable[[], NDArray[Any]]:
        """Begin to read all elements into memory that is used again: a fresh one costs page faults.

        They are valid until the next array is read into it.
        """
        dtype = self._array.dtype.numpy_dtype
        if dtype.kind not in "biufc":
            return self.begin(tuple(slice(0, n) for n in self.shape))
        values = room.array(self.shape, dtype)
        pending = tensorstore.array(values, context=self._context).write(self._array)

        def wait() -> NDArray[Any]:
            with _refusals():
                pending.result()
            return values

        return wait


class Room:
    """Memory for the values of one array after the other."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Lend it as an array, whose values are undefined."""
        nbytes = math.prod(shape) * dtype.itemsize
        if len(self._bytes) < nbytes:
            self._bytes = np.empty(nbytes, np.uint8)
        lent: NDArray[Any] = self._bytes[:nbytes].view(dtype).reshape(shape)
        return lent


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (ValueError, NotImplementedError, OSError, RuntimeError) as error:
        raise _reader_error(TensorstoreReader.name, error) from error


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
                self._array = zarr.open_array(
                    store=_ReadOnlyStore(store, laid_over),
                    path=path,
                    mode="r",
                    zarr_format=2 if zarr_format == 2 else 3,
                )
        except Exception as error:
            raise _reader_error(self.name, error) from error
        self.shape = tuple(self._array.shape)

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements."""
        try:
            found: Any = self._array[region]
            if isinstance(found, np.ndarray):
                return found
            return np.array(found, dtype=self._array.dtype)  # a text alone would lose its length
        except Exception as error:
            raise _reader_error(self.name, error) from error

    def begin(self, region: tuple[slice, ...]) -> Callable[[], NDArray[Any]]:
        """Read when the elements are waited for."""
        return functools.partial(self.read, region)


def _documents(store: Store, path: str, zarr_format: int) -> dict[str, bytes | None]:
    """Documents of an array of a remote store, read before the lock on opening is taken."""
    if store.is_local:
        return {}
    names = (".zarray", ".zattrs") if zarr_format == 2 else ("zarr.json",)
    keys = [join(path, name) for name in names]
    return dict(zip(keys, store.read_many(keys), strict=True))


@functools.cache
def _requests() -> ThreadPoolExecutor:
    """Threads that wait for remote stores; zarr-python's own are few, as they are for decoding."""
    return ThreadPoolExecutor(_REQUESTS, thread_name_prefix="zarr")


@functools.cache
def _context(cache_bytes: int) -> Any:
    """One thread each: the cores are busy with other processes."""
    return tensorstore.Context(
        {
            "cache_pool": {"total_bytes_limit": cache_bytes},
            "data_copy_concurrency": {"limit": 1},
            "file_io_concurrency": {"limit": 1},
        }
    )


class _ReadOnlyStore(ZarrStore):
    """The project's storage as zarr-python wants it, documents that are not there laid over."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, store: Store, documents: Mapping[str, bytes | None]) -> None:
        super().__init__(read_only=True)
        self._store = store
        self._documents = documents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReadOnlyStore) and other._store is self._store

    def __hash__(self) -> int:
        return id(self._store)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object or a part of one."""
        pool = None if self._store.is_local else _requests()
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(pool, self._read, key, byte_range)
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
        return self._store.get_range(key, -byte_range.suffix, byte_range.suffix)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Read parts of objects."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return await asyncio.to_thread(self._store.stat, key) is not None

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

"""One array through tensorstore's own file access."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from io import FileIO
from typing import Any, NamedTuple

import numpy as np
import tensorstore
from numpy.typing import NDArray

from uplift.arrays.readers.protocol import ReaderError, reader_error
from uplift.models.arrays import TargetArray
from uplift.models.once import once_each
from uplift.storage.tuning import NETWORK_FILES
from uplift.zarr_metadata.v3 import array_document

_CACHE_BYTES = 64 * 2**20
"""Neighbouring regions of one shard read its index and chunks once."""
_MOST_ALIKE = 256
_alike: dict[tuple[str, bytes | None], Any] = {}
"""What opens an array, by its driver and its document, as tensorstore itself has read that once."""


class _Kind(NamedTuple):
    """How arrays are read."""

    cache_bytes: int
    reads_at_once: int


class TensorstoreReader:
    """One array through tensorstore's own file access; opening begins at once.

    Parsing what describes an array takes longer than opening it. So it is done once for all arrays
    that are alike.

    Parameters
    ----------
    root
        Folder of a local store.
    path
        Path of the array.
    target
        The array as it is planned, whose document is not read; None: it is as its document says.
    driver
        ``zarr3``, or ``zarr`` for Zarr v2.
    whole
        Whether it is read with one call: then none of it is cached.
    waits
        Whether each read is a round trip: then many are in progress at the same time.
    """

    name = "tensorstore"

    def __init__(
        self,
        root: str,
        path: str,
        target: TargetArray | None = None,
        *,
        driver: str = "zarr3",
        whole: bool = False,
        waits: bool = False,
    ) -> None:
        kind = _Kind(0 if whole else _CACHE_BYTES, NETWORK_FILES if waits else 1)
        self._context = _context(kind)
        self._document = None
        must_exist = None
        with _REFUSALS:
            if target is not None:
                spec = _planned(target)
            else:
                self._document = driver, _read_document(root, path, driver)
                known = _alike.get(self._document)
                spec = _spec(driver) if known is None else known
                must_exist = True if known is None else None
            kvstore = _store(root, kind) + (f"{path}/" if path else "")
            self._opening = tensorstore.open(
                spec, read=True, open=must_exist, kvstore=kvstore, context=self._context
            )

    def opened(self) -> TensorstoreReader:
        """Wait until the array is open.

        Raises
        ------
        ReaderError
            The reader refuses it.
        """
        with _REFUSALS:
            self._array = array = self._opening.result()
        if array.dtype.name in ("byte", "char"):  # an element becomes one more dimension
            raise ReaderError.of(self.name, ValueError("it has no data type for bytes"))
        if self._document is not None and self._document not in _alike:
            if len(_alike) >= _MOST_ALIKE:
                _alike.clear()
            driver, metadata = self._document[0], array.spec().to_json()["metadata"]
            _alike[self._document] = _spec(driver, metadata)
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return tuple(self._array.shape)

    def read(self, region: tuple[slice, ...]) -> NDArray[Any]:
        """Read elements."""
        return self.begin(region)()

    def begin(self, region: tuple[slice, ...]) -> Callable[[], NDArray[Any]]:
        """Begin to read elements; tensorstore has threads of its own."""
        with _REFUSALS:
            pending = self._array[region].read()

        def wait() -> NDArray[Any]:
            with _REFUSALS:
                return np.asarray(pending.result())

        return wait

    def begin_whole(self, buffer: ReusedBuffer) -> Callable[[], NDArray[Any]]:
        """Begin to read all elements into memory that is reused: fresh memory costs page faults.

        They are valid until the next array is read into it.
        """
        dtype = self._array.dtype.numpy_dtype
        if dtype.kind not in "biufc":
            return self.begin(tuple(slice(0, n) for n in self.shape))
        values = buffer.array(self.shape, dtype)
        pending = tensorstore.array(values, context=self._context).write(self._array)

        def wait() -> NDArray[Any]:
            with _REFUSALS:
                pending.result()
            return values

        return wait


class ReusedBuffer:
    """Memory for the values of one array after the other."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return it as an array, whose values are undefined."""
        nbytes = math.prod(shape) * dtype.itemsize
        if len(self._bytes) < nbytes:
            self._bytes = np.empty(nbytes, np.uint8)
        lent: NDArray[Any] = self._bytes[:nbytes].view(dtype).reshape(shape)
        return lent


_REFUSED = (IndexError, ValueError, NotImplementedError, OSError, RuntimeError)


class _Refusals:
    """Turns what tensorstore raises into an error of this reader."""

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, _REFUSED):
            raise reader_error(TensorstoreReader.name, error) from error


_REFUSALS = _Refusals()
"""One for all: a generator for each call takes as long as some of the calls."""


def _spec(driver: str, metadata: Any = None) -> Any:
    """Spec that opens arrays with this metadata at any URL, without reading their documents."""
    given = {} if metadata is None else {"metadata": metadata, "assume_metadata": True}
    return tensorstore.Spec({"driver": driver, "recheck_cached_data": "open", **given})


@once_each
def _planned(target: TargetArray) -> Any:
    return _spec("zarr3", array_document(target, {}, None))


def _read_document(root: str, path: str, driver: str) -> bytes | None:
    """Document of an array; None: tensorstore reads it, and says what is wrong with it."""
    name = ".zarray" if driver == "zarr" else "zarr.json"
    try:
        with FileIO(f"{root}/{path}/{name}") as file:
            return file.readall()
    except OSError:
        return None


@functools.cache
def _store(root: str, kind: _Kind) -> Any:
    spec = {"driver": "file", "path": f"{root.rstrip('/')}/"}
    return tensorstore.KvStore.open(spec, context=_context(kind)).result()


@functools.cache
def _context(kind: _Kind) -> Any:
    """One thread for work: the cores are busy with other processes."""
    return tensorstore.Context(
        {
            "cache_pool": {"total_bytes_limit": kind.cache_bytes},
            "data_copy_concurrency": {"limit": 1},
            "file_io_concurrency": {"limit": kind.reads_at_once},
        }
    )

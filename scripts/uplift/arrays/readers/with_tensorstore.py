"""One array through tensorstore's own file access."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorstore
from numpy.typing import NDArray

from uplift.arrays.readers.protocol import ReaderError, reader_error
from uplift.storage.protocol import join

_CACHE_BYTES = 64 * 2**20
"""Neighbouring regions of one shard read its index and chunks once."""


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
        raise reader_error(TensorstoreReader.name, error) from error


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

"""Other people's readers of Zarr, on one array of either side.

tensorstore reads local arrays of the core data types; zarr-python everything else, through the
project's own storage.
"""

import functools
import json
import logging
from collections.abc import Callable
from typing import Literal

from uplift.arrays.readers.protocol import Reader, ReaderError
from uplift.arrays.readers.with_tensorstore import TensorstoreReader
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.models.arrays import TargetArray
from uplift.storage.protocol import Store
from uplift.zarr_metadata.data_types import is_raw_bytes
from uplift.zarr_metadata.v3 import array_document

log = logging.getLogger(__name__)


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
        The document of an array at the root, which is not at the output before publishing.
    version
        Zarr format of the array.

    Returns
    -------
    Reader
        An open array; regions are read in elements.

    Raises
    ------
    ReaderError
        No reader supports it; the reason is that of the last one.
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
        Whether it will be read with one call: then none of it is cached.

    Returns
    -------
    Callable
        Gives the open array, or raises as :func:`open_reader` does.
    """
    other = functools.partial(ZarrReader, store, path, zarr_format=version)
    root, driver = _root_of(store), "zarr" if version == 2 else "zarr3"
    if root is None:
        return other
    return _attempt(
        lambda: TensorstoreReader(root, path, driver=driver, whole=whole, waits=store.reads_ahead),
        other,
    )


def open_planned(store: Store, path: str, target: TargetArray) -> Reader:
    """Open an array of the output whose document is not written yet: as it is planned.

    Parameters
    ----------
    store
        That holds the array's objects.
    path
        Of the array, from the root of the output.
    target
        The array as it is planned.

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
        The array as it is planned.
    zarr_python
        Whether zarr-python is to read it in any case.
    whole
        Whether it will be read with one call: then none of it is cached.

    Returns
    -------
    Callable
        Gives the open array, or raises as :func:`open_planned` does.
    """
    root = _root_of(store)

    def other() -> Reader:
        return ZarrReader(store, path, json.dumps(array_document(target, {}, None)).encode())

    # tensorstore aborts the whole process where metadata of raw bytes are passed to it
    if root is None or zarr_python or is_raw_bytes(target.data_type):
        return other
    return _attempt(
        lambda: TensorstoreReader(root, path, target, whole=whole, waits=store.reads_ahead), other
    )


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

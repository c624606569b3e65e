"""Processes that list the folders of large local arrays in parallel.

A million chunks take one process ten seconds, on a network file system minutes: as long as all
cores take to convert them.
"""

from __future__ import annotations

import itertools
import math
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import NamedTuple

from uplift import grid
from uplift.inspect_source.array_keys import Keys, sorted_keys
from uplift.inspect_source.recent import Newest
from uplift.models.arrays import SourceArray
from uplift.running.children import has_one_thread
from uplift.running.processes import Workers
from uplift.running.progress import Progress
from uplift.storage.protocol import ObjectInfo, Store
from uplift.work import usage
from uplift.zarr_metadata.v3 import object_grid

ALONE_OBJECTS = 10_000
"""An array of up to this many is listed by one process: that takes a tenth of a second, and
starting others some hundredths."""
_PARTS = 8
"""Parts for each process, so that they end together; sending each folder would take longer."""


class _Part(NamedTuple):
    """Folders of an array, with all that is below them."""

    folders: list[str]
    path: str
    source: SourceArray
    other: SourceArray | None


class Listers:
    """Starts processes with the first array that is large.

    Parameters
    ----------
    reopen
        Opens the source in each of them.
    cores
        Number of processes.
    """

    def __init__(self, reopen: Callable[[], Store], cores: int) -> None:
        self._reopen, self._cores = reopen, cores
        self._workers: Workers[Store] | None = None
        # on a network file system threads read several arrays; each gets all processes in turn
        self._one_array = threading.Lock()
        self._ending = threading.Lock()  # of the workers: one thread ends them
        self._is_closed = False

    def sorted(
        self,
        store: Store,
        path: str,
        source: SourceArray,
        other: SourceArray | None,
        newest: Newest,
        listed: Progress,
    ) -> Keys | None:
        """Sort the objects of an array; None where one process is faster.

        Parameters
        ----------
        store
            The source.
        path, source, other, newest, listed
            As in :func:`sorted_keys`.

        Returns
        -------
        Keys or None
            Of the array.

        Raises
        ------
        CancelledError
            The walk has failed meanwhile.
        """
        if self._cores < 2 or math.prod(object_grid(source)) <= ALONE_OBJECTS:
            return None
        # starting processes that are no forks takes longer than listing, except over a network
        if self._workers is None and not (has_one_thread() or store.reads_ahead):
            return None
        split = store.split_tree(path, _PARTS * self._cores)
        if split is None:
            return None
        with self._one_array:
            if self._is_closed:  # the walk has failed: nobody waits for this array
                raise CancelledError
            try:
                return self._sorted_together(*split, path, source, other, newest, listed)
            except BaseException:
                # what they still answer about this array is no answer about the next one
                self._end_workers()
                raise

    def _sorted_together(
        self,
        folders: list[str],
        others: list[ObjectInfo],
        path: str,
        source: SourceArray,
        other: SourceArray | None,
        newest: Newest,
        listed: Progress,
    ) -> Keys:
        keys = sorted_keys(others, path, source, other, newest, listed)
        step = grid.ceil_div(len(folders), _PARTS * self._cores) or 1
        starts = range(0, len(folders), step)
        parts = (_Part(folders[i : i + step], path, source, other) for i in starts)
        workers = self._workers
        if workers is None:
            spent = (usage.collect_spent, usage.add_spent)
            workers = Workers(self._cores, partial(_opened, self._reopen), spent=spent)
            self._workers = workers
        for found, last in workers.as_done(_sorted_part, parts):
            keys.add(found)
            listed.add(found.stored + found.foreign + len(found.files))
            newest.add(*last)
        return keys

    def close(self) -> None:
        """End the processes; after an error without waiting for their current work."""
        self._is_closed = True
        self._end_workers()

    def _end_workers(self) -> None:
        with self._ending:
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.__exit__(sys.exc_info()[0])


def _opened(reopen: Callable[[], Store], _: Callable[[int], None]) -> Store:
    return reopen()


def _sorted_part(store: Store, part: _Part) -> tuple[Keys, list[ObjectInfo]]:
    """Keys of some folders, and the object that changed last."""
    newest = Newest()
    objects = itertools.chain.from_iterable(map(store.list_tree, part.folders))
    keys = sorted_keys(objects, part.path, part.source, part.other, newest)
    return keys, [] if newest.object is None else [newest.object]

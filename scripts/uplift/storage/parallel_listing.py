"""List folders of a network file system in parallel: each read there is a round trip.

One by one, the folders of a plate's output take minutes at a millisecond each.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import NamedTuple, TypeVar

from uplift.running.parallel import in_order

A = TypeVar("A")
B = TypeVar("B")
Entry = os.DirEntry[str]

_PAGE = 1000
"""Entries of a folder that are read together: it may have millions, and few pages are in memory."""
_GROUP = 64
"""Files that one call handles, one by one: a call for each file would cost more than a `stat` that
the system answers from the listing."""


class _Page(NamedTuple):
    """Entries of a folder.

    Attributes
    ----------
    rest
        Reads the next page; None: this is the last one.
    """

    folders: list[str]
    files: list[tuple[Entry, str]]
    rest: Callable[[], "_Page"] | None


def files_below(
    pool: Executor, at_once: int, prefix: str, entries: Callable[[str], Iterator[Entry]]
) -> Iterator[tuple[Entry, str]]:
    """Yield every file under the folder `prefix`, with the key of its own folder, in any order.

    Parameters
    ----------
    pool
        Threads that list folders.
    at_once
        How many folders are listed at the same time, at most.
    prefix
        Key of the folder.
    entries
        Lists one folder.

    Yields
    ------
    tuple
        Entry of the file; key of its folder.
    """
    found = [prefix]
    under_way: set[Future[_Page]] = set()
    try:
        while found or under_way:
            while found and len(under_way) < at_once:
                folder = found.pop()
                under_way.add(pool.submit(_page, folder, entries(folder)))
            ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for page in [future.result() for future in ready]:
                found += page.folders
                if page.rest is not None:
                    under_way.add(pool.submit(page.rest))
                yield from page.files
    finally:
        for future in under_way:
            future.cancel()


def _page(folder: str, entries: Iterator[Entry]) -> _Page:
    folders, files = list[str](), list[tuple[Entry, str]]()
    some = list(itertools.islice(entries, _PAGE))
    for entry in some:
        if entry.is_dir():
            folders.append(f"{folder}/{entry.name}" if folder else entry.name)
        else:
            files.append((entry, folder))
    more = len(some) == _PAGE
    return _Page(folders, files, (lambda: _page(folder, entries)) if more else None)


def map_in_groups(
    pool: Executor, at_once: int, describe: Callable[[A], B], wanted: Iterator[A]
) -> Iterator[B]:
    """Yield ``describe(one)`` for each of `wanted`, in order; threads take them in groups.

    Parameters
    ----------
    pool
        Threads that call `describe`.
    at_once
        Threads of the pool.
    describe
        Describes one file.
    wanted
        Files; read some hundreds ahead.

    Yields
    ------
    B
        What `describe` returned.
    """
    groups = iter(lambda: list(itertools.islice(wanted, _GROUP)), [])
    for found in in_order(pool, lambda group: list(map(describe, group)), groups, 2 * at_once):
        yield from found

"""What the rest of the library may ask of a place that holds objects.

Keys are relative to the store's root, separated by ``/``, never starting or ending with one; ``""``
is the root itself. Absence is ``None`` (or ``False``); everything else that goes wrong raises
:class:`~uplift.errors.StorageError` with the URL and what to check. A failed read is never absence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, runtime_checkable


class ObjectInfo(NamedTuple):
    """One object: `stamp` changes when the content does (mtime in ns, or ETag)."""

    key: str
    size: int
    stamp: str


class ObjectWriter(Protocol):
    """Takes an object in pieces; readers see all of it or nothing."""

    def write(self, data: bytes) -> None:
        """Append fresh ``bytes`` (the writer may keep a reference to them)."""


Range = tuple[str, int, int]
"""Key, start (negative: from the end) and length in bytes."""


class Store(Protocol):
    """A root URL and the objects under it."""

    url: str
    """For messages and records: holds no secret."""
    can_list: bool
    """False for plain HTTP: walk by known keys there."""
    is_local: bool

    def get(self, key: str) -> bytes | None:
        """Return the whole object, or None when absent."""

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return `length` bytes from `start` (negative: from the end), or None when absent."""

    def read_many(self, keys: Iterable[str], expected_bytes: int = 0) -> Iterator[bytes | None]:
        """Yield whole objects in the order of `keys`, with bounded read-ahead where that pays.

        `expected_bytes` of one object, where it is known, sets how far ahead reading begins.
        """

    def read_ranges(self, ranges: Iterable[Range]) -> Iterator[bytes | None]:
        """Yield what :meth:`get_range` returns, in order, with bounded read-ahead."""

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one object, or None when absent."""

    def stat_many(self, keys: Iterable[str]) -> Iterator[ObjectInfo | None]:
        """Yield what :meth:`stat` returns, in order, several requests under way where that pays."""

    def list_folder(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        """Names of the folders, and objects (full keys), directly under `prefix`, sorted."""

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, streamed, in no promised order."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old or the new one, never a part."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none; False when there is one already."""

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Write an object in pieces: committed on a clean exit, discarded on an exception."""

    def delete(self, key: str) -> None:
        """Delete one object; no error when absent."""

    def delete_tree(self, prefix: str) -> None:
        """Delete every object under the folder `prefix` (and empty folders, locally)."""

    def flush(self) -> None:
        """Make everything written so far survive a power cut (nothing to do on object stores)."""


@runtime_checkable
class KeepsUnfinished(Protocol):
    """A store in which the unfinished objects of killed writers stay until they are removed."""

    def remove_unfinished(self, key: str | None = None) -> int:
        """Remove what killed writers left of one object, or of all; return how many there were."""


def join(prefix: str, name: str) -> str:
    """Join key segments; either may be empty."""
    return f"{prefix}/{name}" if prefix and name else prefix or name

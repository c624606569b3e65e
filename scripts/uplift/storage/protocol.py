"""What the rest of the library may ask of a location that holds objects.

Keys are relative to the store's root, separated by ``/``, never starting or ending with one; ``""``
is the root itself. Absence is ``None`` (or ``False``); everything else that goes wrong raises
:class:`~uplift.errors.StorageError` with the URL and what to check. A failed read is never absence.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from uplift.errors import ChangedError
from uplift.models.paths import join as join


class ObjectInfo(NamedTuple):
    """One object: `stamp` changes when the content does (mtime in ns, ETag); empty: not known.

    `changed` is when it was last written or replaced, in seconds since 1970; 0: not known.
    """

    key: str
    size: int
    stamp: str
    changed: float = 0.0

    @property
    def leads_nowhere(self) -> bool:
        """Whether it is a link whose target is not there: readers see no object."""
        return self.stamp == LEADS_NOWHERE


LEADS_NOWHERE = "leads nowhere"
"""Stamp of a link in a local source whose target is not there."""


class NotedKey(str):
    """Key of an object to read, with which the store says how the object was when it was read.

    Attributes
    ----------
    info
        None: it was not read, or the store does not know its size and stamp.
    """

    info: ObjectInfo | None = None


Wanted = str | ObjectInfo
"""An object to read: by its key, or as it was listed. The latter guards the read: an object with
another size or stamp raises :class:`~uplift.errors.ChangedError`."""
Buffer = bytearray | memoryview
"""Where an object is read into: a ``bytearray`` grows as needed, a ``memoryview`` cannot."""


Readable = bytes | memoryview
"""Bytes that may be in memory that is reused."""


class ObjectWriter(Protocol):
    """Takes an object in pieces; readers see all of it or nothing."""

    def write(self, data: bytes) -> None:
        """Append fresh ``bytes`` (the writer may keep a reference to them)."""

    def write_all(self, pieces: Sequence[Readable]) -> None:
        """Append pieces whose memory may be used again afterwards."""


Unfinished = Sequence[tuple[str, str]]
"""What killed writers left: key, and the number of the upload (S3; empty: the key is all)."""


class OpenObject(Protocol):
    """An object that is read in parts: described as it was when it was opened."""

    info: ObjectInfo

    def read_into(
        self, buffer: Buffer, at: int = 0, *, start: int = 0, length: int | None = None
    ) -> int:
        """Read it, or a range of it, into a buffer.

        Result and parameters as :meth:`Store.read_into`, but that it is there.
        """

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`."""

    def refuse_changed(self) -> None:
        """Check that it is still as it was; nothing to do where each read checks it."""

    def close(self) -> None:
        """Read no more."""


Range = tuple[Wanted, int, int]
"""Object, start (negative: from the end) and length in bytes."""


def has_round_trips(*stores: "Store") -> bool:
    """Whether each read of one of these stores is a round trip: object store, network file system.

    Then threads read in parallel; on a local disk they would only cost time.
    """
    return any(store.reads_ahead or not store.is_local for store in stores)


class Store(Protocol):
    """A root URL and the objects under it, for reading."""

    url: str
    """For messages and records: holds no secret."""
    can_list: bool
    """False for plain HTTP: walk by known keys there."""
    is_local: bool

    @property
    def repeated_reads(self) -> AbstractSet[str]:
        """Keys of objects of which a read failed and was repeated."""

    @property
    def reads_ahead(self) -> bool:
        """Whether each read is a round trip, so that many are under way at once."""

    def get(self, wanted: Wanted) -> bytes | None:
        """Return the whole object, or None when absent."""

    def get_range(self, wanted: Wanted, start: int, length: int) -> bytes | None:
        """Return `length` bytes from `start` (negative: from the end), or None when absent.

        Fewer where the object ends before.

        Parameters
        ----------
        wanted
            Key, or object as it was listed: then one that changed since is refused.
        start
            First byte; negative: so many before the end.
        length
            Bytes.

        Returns
        -------
        bytes | None
            None: there is no such object.
        """

    def read_into(
        self,
        wanted: Wanted,
        buffer: Buffer,
        at: int = 0,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> int | None:
        """Read an object, or a range of it, into a buffer that is used again and again.

        A fresh ``bytes`` for each chunk costs a page fault for each 4 KiB of it; a buffer that is
        reused costs none. Local files go straight into it; other stores copy once.

        Parameters
        ----------
        wanted
            The object.
        buffer
            A ``bytearray`` grows to what is needed (nothing may hold a view of it then).
        at
            Where in the buffer the first byte goes.
        start, length
            As in :meth:`get_range`; the whole object by default.

        Returns
        -------
        int or None
            Bytes that were read, or None when the object is absent.

        Raises
        ------
        ChangedError
            The object is not the one that was listed, or was cut short while it was read.
        ValueError
            A ``memoryview`` that is too small.
        """

    def open_object(self, wanted: Wanted) -> OpenObject | None:
        """Open an object to read parts of it, or None when absent.

        Raises
        ------
        ChangedError
            It is not the one that was listed.
        """

    def read_many(
        self, objects: Iterable[Wanted], expected_bytes: int = 0
    ) -> Iterator[bytes | None]:
        """Yield whole objects in the order of `objects`, with bounded read-ahead where that pays.

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

    def split_tree(self, prefix: str, wanted: int) -> tuple[list[str], list[ObjectInfo]] | None:
        """Folders below `prefix`, to be listed by several processes, and the objects next to them.

        Parameters
        ----------
        prefix
            Folder.
        wanted
            Folders, at the least; fewer where the tree ends before that.

        Returns
        -------
        tuple of list, or None
            The folders, and the objects next to them; None where listings are not by folder, or
            there are many objects next to them.
        """


class WritableStore(Store, Protocol):
    """A store that may be written to: for outputs alone, which :mod:`uplift.outputs` hands out."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old or the new one, never a part."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none; False when there is one already."""

    def writer(self, key: str, expected: int = 0) -> AbstractContextManager[ObjectWriter]:
        """Write an object in pieces: committed on a clean exit, discarded on an exception.

        `expected`: its size in bytes, where it is known; parts of an upload are as large as
        it needs.
        """

    def delete(self, key: str) -> None:
        """Delete one object; no error when absent."""

    def delete_tree(self, prefix: str) -> None:
        """Delete every object under the folder `prefix` (and empty folders, locally)."""

    def flush(self, *, elsewhere: bool = False) -> None:
        """Make everything written so far survive a power cut (nothing to do on object stores).

        `elsewhere`: what other processes wrote, too.
        """

    def copy_from(self, source: Store, source_key: str, key: str) -> bool:
        """Copy an object without its bytes passing through here; False where that is impossible.

        Shares blocks on a file system that can (reflink); copies inside the server on S3.

        Parameters
        ----------
        source
            Store that has the object.
        source_key, key
            Its key there, and the one here.

        Returns
        -------
        bool
            Whether the object is here now; otherwise nothing was done.
        """

    def find_unfinished(self, key: str | None = None) -> Unfinished:
        """Find what killed writers left of one object, or of all; no reader sees it."""

    def remove_unfinished(self, found: Unfinished) -> int:
        """Remove what :meth:`find_unfinished` found; return how many of it are gone."""


def key_of(wanted: Wanted) -> str:
    """Key of an object to read."""
    return wanted if isinstance(wanted, str) else wanted.key


def refuse_changed(wanted: Wanted, size: int, stamp: str, url: str) -> None:
    """Compare what is read with what was listed; nothing to do for an object named by its key.

    Parameters
    ----------
    wanted
        The object as it was asked for.
    size, stamp
        Of the object that the answer is from: bytes, and mtime in ns or ETag.
    url
        The store's, for the message.

    Raises
    ------
    ChangedError
        They differ.
    """
    if isinstance(wanted, str) or (wanted.size == size and wanted.stamp in ("", stamp)):
        return
    what = f"{wanted.size} bytes then, {size} now" if size != wanted.size else "same size"
    raise ChangedError(
        f"{url}/{wanted.key}: changed since it was listed ({what}); let nothing write there, "
        "then run again"
    )

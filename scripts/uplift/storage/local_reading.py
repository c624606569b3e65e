"""Files below one folder, for reading and listing.

The hot path (one source file a chunk) uses ``os`` calls on strings: 10,000 chunks cost about as
much as the system calls they need.
"""

import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from uplift.errors import ChangedError, SourceError, StorageError, remedy_for
from uplift.storage import tuning
from uplift.storage.files import (
    is_file,
    is_network,
    read_into_buffer,
    read_piece,
    refuse_link_out_of,
)
from uplift.storage.parallel_listing import files_below, map_in_groups
from uplift.storage.protocol import (
    LEADS_NOWHERE,
    Buffer,
    NotedKey,
    ObjectInfo,
    Wanted,
    key_of,
    refuse_changed,
)
from uplift.storage.reading import ReadableStore, ReadAhead
from uplift.work.traffic import TRAFFIC

L = TypeVar("L", bytes, int)


_MOST_LEVELS = 8
"""Folders inside each other that are searched for as many as are wanted: those of chunk keys are as
deep as an array has axes, and a link may lead in a circle."""
_MOST_BESIDE = 1000
"""Files next to them: a flat folder of millions is streamed."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class LocalFiles(ReadableStore):
    """Objects as files below `root`; links out of a source and special files are refused.

    A link that leads nowhere is listed as such (`ObjectInfo.leads_nowhere`).

    Parameters
    ----------
    root
        Folder, which need not exist.
    writable
        Whether it is an output, which may hold anything.
    """

    can_list = True
    is_local = True

    def __init__(self, root: str, *, writable: bool = False) -> None:
        self.root = os.path.abspath(root)
        self.url = self.root
        self._writable = writable
        if is_network(self.root):  # else the page cache reads ahead
            self._ahead = ReadAhead(tuning.NETWORK_FILES)

    def read_into(
        self,
        wanted: Wanted,
        buffer: Buffer,
        at: int = 0,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> int | None:
        """Read a file, or a range of it, straight into a buffer; see :class:`Store`.

        Result and parameters as :meth:`uplift.storage.protocol.Store.read_into`.
        """
        file = self.open_object(wanted)
        if file is None:
            return None
        try:
            return file.read_into(buffer, at, start=start, length=length)
        finally:
            file.close()

    def _read(self, wanted: Wanted, start: int, length: int | None) -> bytes | None:
        file = self.open_object(wanted)
        if file is None:
            return None
        try:
            return file.read(start, length)
        finally:
            file.close()

    def open_object(self, wanted: Wanted) -> "OpenFile | None":
        """Open a file and compare it with what was listed; None when absent."""
        key = key_of(wanted)
        descriptor = -1
        try:
            # a pipe that nobody writes to would be waited for without O_NONBLOCK
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(f"{self.root}/{key}", flags)
            status = os.fstat(descriptor)
            if not is_file(status.st_mode):
                self._refuse_special(key, status.st_mode)
                return None
            info = _info_of(key, status)
            if isinstance(wanted, NotedKey):
                wanted.info = info
            elif wanted is not key:
                refuse_changed(wanted, info.size, info.stamp, self.url)
            opened, descriptor = OpenFile(self, info, descriptor), -1
        except OSError as error:
            if error.errno in ABSENT:
                return None
            if error.errno == errno.ENXIO:  # how a socket answers
                self._refuse_special(key, stat.S_IFSOCK)
            raise self.refused(error, "read", key) from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return opened

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one file, or None when absent or a folder."""
        try:
            status = os.stat(f"{self.root}/{key}")
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise self.refused(error, "look at", key) from error
        if not is_file(status.st_mode):
            self._refuse_special(key, status.st_mode)
            return None
        return _info_of(key, status)

    def list_folder(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        """Names of the folders, and files (full keys), directly under `prefix`, sorted."""
        folders, files = [], []
        for entry in self._entries(prefix):
            if entry.is_dir():
                folders.append(entry.name)
            elif (info := self._describe_entry(entry, prefix)) is not None:
                files.append(info)
        return sorted(folders), sorted(files)

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every file under the folder `prefix`, streamed: a folder may hold millions."""
        found = self._files_below(prefix)
        if self._ahead is None:
            infos: Iterator[ObjectInfo | None] = itertools.starmap(self._describe_entry, found)
        else:
            pool, at_once = self._ahead.pool, self._ahead.concurrency
            infos = map_in_groups(pool, at_once, lambda one: self._describe_entry(*one), found)
        yield from filter(None, infos)

    def split_tree(self, prefix: str, wanted: int) -> tuple[list[str], list[ObjectInfo]] | None:
        """Folders below `prefix` and the files next to them.

        Result and parameters as :meth:`uplift.storage.protocol.Store.split_tree`.
        """
        folders, files = [prefix], list[ObjectInfo]()
        for _ in range(_MOST_LEVELS):
            if not folders or len(folders) >= wanted:
                break
            above, folders = folders, []
            for folder in above:
                for entry in self._entries(folder):
                    if entry.is_dir():
                        folders.append(f"{folder}/{entry.name}" if folder else entry.name)
                    elif (info := self._describe_entry(entry, folder)) is not None:
                        files.append(info)
                        if len(files) > _MOST_BESIDE:
                            return None
        return folders, files

    def _files_below(self, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
        """Every file under the folder `prefix`, and the key of its own folder."""
        if self._ahead is not None:
            at_once = self._ahead.concurrency
            yield from files_below(self._ahead.pool, at_once, prefix, self._entries)
            return
        folders = [prefix]
        while folders:
            folder = folders.pop()
            for entry in self._entries(folder):
                if entry.is_dir():
                    folders.append(f"{folder}/{entry.name}" if folder else entry.name)
                else:
                    yield entry, folder

    def _entries(self, prefix: str) -> Iterator[os.DirEntry[str]]:
        path = f"{self.root}/{prefix}" if prefix else self.root
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if not self._writable and entry.is_symlink():
                        refuse_link_out_of(self.root, entry.path)
                    yield entry
        except OSError as error:
            if error.errno not in ABSENT:
                raise self.refused(error, "list", prefix) from error

    def _describe_entry(self, entry: os.DirEntry[str], prefix: str) -> ObjectInfo | None:
        """Describe a file; None when it is gone from an output since it was listed.

        Another job renamed it into its place, or deleted it.
        """
        key = f"{prefix}/{entry.name}" if prefix else entry.name
        try:
            status = entry.stat()
        except OSError as error:
            if self._writable and error.errno in ABSENT:
                return None
            if error.errno in ABSENT and entry.is_symlink():
                changed = entry.stat(follow_symlinks=False).st_ctime
                return ObjectInfo(key, 0, LEADS_NOWHERE, changed)
            raise self.refused(error, "look at", key) from error
        if not self._writable and not is_file(status.st_mode):
            self._refuse_special(key, status.st_mode)
        return _info_of(key, status)

    def _refuse_special(self, key: str, mode: int) -> None:
        """Refuse what is neither a file nor a folder."""
        if not stat.S_ISDIR(mode):
            raise SourceError(f"{self.root}/{key}: is a pipe, socket or device; remove it")

    def refused(self, error: OSError, action: str, key: str) -> StorageError:
        """Error that names the file that the system refused, and what to do.

        Parameters
        ----------
        error
            Of the system.
        action
            What failed: read, write, list, delete.
        key
            Of the file.

        Returns
        -------
        StorageError
            To raise.
        """
        remedy = remedy_for(error)
        where = f"{self.root}/{key}" if key else self.root
        return StorageError(f"{where}: cannot {action} it: {error.strerror or error}; {remedy}")


class OpenFile:
    """A file that is open for reading; threads may read it at once."""

    __slots__ = ("_descriptor", "_store", "info")

    def __init__(self, store: LocalFiles, info: ObjectInfo, descriptor: int) -> None:
        self._store, self.info, self._descriptor = store, info, descriptor

    def read_into(
        self, buffer: Buffer, at: int = 0, *, start: int = 0, length: int | None = None
    ) -> int:
        """Read it, or a range of it, straight into a buffer.

        Result and parameters as :meth:`uplift.storage.protocol.Store.read_into`.
        """
        return self._filled(start, length, read_into_buffer, buffer, at)

    def read(self, start: int, length: int | None) -> bytes:
        """Return `length` bytes from `start` (negative: from the end), or all that follow."""
        return self._filled(start, length, read_piece)

    def _filled(self, start: int, length: int | None, fill: Callable[..., L], *where: Any) -> L:
        """Read a range that lies within the file as it was opened."""
        size = self.info.size
        start = start if start >= 0 else max(0, size + start)
        rest = max(0, size - start)
        length = rest if length is None else min(length, rest)
        try:
            found = fill(self._descriptor, start, length, *where)
        except OSError as error:
            raise self._store.refused(error, "read", self.info.key) from error
        if (found if isinstance(found, int) else len(found)) != length:
            raise ChangedError(
                f"{self._store.root}/{self.info.key}: was cut short while it was read; let nothing "
                "write there, then run again"
            )
        TRAFFIC.add_read(length)
        return found

    def refuse_changed(self) -> None:
        """Check that nothing was written to it since it was opened."""
        status = os.fstat(self._descriptor)
        refuse_changed(self.info, status.st_size, str(status.st_mtime_ns), self._store.url)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


def _info_of(key: str, status: os.stat_result) -> ObjectInfo:
    # Tools that copy keep the time of the content; that of the file's own change they cannot set.
    return ObjectInfo(key, status.st_size, str(status.st_mtime_ns), status.st_ctime)

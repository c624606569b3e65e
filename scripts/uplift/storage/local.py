"""Objects as files below one folder: each is written whole, under another name, or not at all."""

import contextlib
import errno
import itertools
import os
import shutil
import threading
from collections.abc import Iterator

from uplift.errors import StorageError
from uplift.storage import tuning
from uplift.storage.files import (
    LocalWriter,
    existing_parent,
    is_temporary,
    syncfs,
    temporary_name,
)
from uplift.storage.local_reading import ABSENT, LocalFiles
from uplift.storage.protocol import Store, Unfinished, join
from uplift.work.traffic import TRAFFIC

_UNLESS_THERE = contextlib.suppress(FileExistsError)
_WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)
"""How file systems without hard links answer; some in user space do not have the call."""


class LocalStore(LocalFiles):
    """Objects as files below `root`, for reading and writing.

    Parameters
    ----------
    root
        Folder; created on the first write.
    writable
        A store that is not writable raises on every write: sources are opened so.
    durability
        ``fsync``: :meth:`flush` returns when the data are on disk. ``none``: the system decides.
    """

    def __init__(self, root: str, *, writable: bool = False, durability: str = "fsync") -> None:
        super().__init__(root, writable=writable)
        self._sync = durability == "fsync"
        self._folders: set[str] = set()
        self._unsynced = threading.Event()  # set by threads that write, cleared by the flush
        self._can_clone = True
        self._token = os.urandom(6).hex()  # process ids repeat: other containers, other nodes
        self._counter = itertools.count()

    def put(self, key: str, data: bytes) -> None:
        """Write a file under a temporary name and rename it."""
        with self.writer(key) as writer:
            writer.write(data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write a file only if there is none; False when there is one already."""
        path = self._path_to_write(key)
        temporary = self._write_temporary(path, key, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _WITHOUT_LINKS:
                raise self.refused(error, "write", key) from error
            return self._create_exclusively(path, key, data)
        finally:
            os.unlink(temporary)
        self._unsynced.set()
        return True

    @contextlib.contextmanager
    def writer(self, key: str, expected: int = 0) -> Iterator[LocalWriter]:
        """Write a file in pieces: renamed into place on a clean exit, removed on an exception."""
        path = self._path_to_write(key)
        temporary, descriptor = self._open_temporary(path, key)
        try:
            try:
                writer = LocalWriter(descriptor, to_disk=self._sync)
                yield writer
                writer.flush()
                if self._sync and writer.written >= tuning.SYNC_ALONE_BYTES:
                    os.fsync(descriptor)
                else:
                    self._unsynced.set()
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except OSError as error:
            self._discard(temporary)
            raise self.refused(error, "write", key) from error
        except BaseException:
            self._discard(temporary)
            raise
        self._unsynced.set()
        TRAFFIC.add(objects_written=1, bytes_written=writer.written)

    def copy_from(self, source: Store, source_key: str, key: str) -> bool:
        """Share the blocks of a source file (reflink); False where the file system cannot.

        The two files stay independent: writing to one never changes the other.

        Result and parameters as :meth:`uplift.storage.protocol.WritableStore.copy_from`.
        """
        if not (self._can_clone and isinstance(source, LocalStore)):
            return False
        import fcntl

        ficlone = 0x40049409
        path = self._path_to_write(key)
        temporary, descriptor = self._open_temporary(path, key)
        try:
            with open(f"{source.root}/{source_key}", "rb") as original:
                fcntl.ioctl(descriptor, ficlone, original.fileno())
            if self._sync and os.fstat(descriptor).st_size >= tuning.SYNC_ALONE_BYTES:
                os.fsync(descriptor)  # as the writer does: nobody waits for it later
            os.replace(temporary, path)
        except OSError:
            # Not supported here (EOPNOTSUPP, EXDEV, EINVAL, ENOTTY): the caller writes bytes.
            self._discard(temporary)
            self._can_clone = False
            return False
        finally:
            os.close(descriptor)
        self._unsynced.set()
        TRAFFIC.add(objects_written=1)
        return True

    def delete(self, key: str) -> None:
        """Delete one file and the folders it leaves empty; no error when absent."""
        path = self._path_to_write(key)
        try:
            os.unlink(path)
        except OSError as error:
            if error.errno in ABSENT:
                return
            raise self.refused(error, "delete", key) from error
        self._prune(os.path.dirname(path))

    def delete_tree(self, prefix: str) -> None:
        """Delete the folder `prefix` with all below it; links are removed, not followed."""
        path = self._path_to_write(prefix)
        self._folders.clear()
        try:
            if os.path.islink(path) or os.path.isfile(path):
                os.unlink(path)
            elif os.path.isdir(path):
                shutil.rmtree(path)
        except OSError as error:
            raise self.refused(error, "delete", prefix) from error
        if prefix:
            self._prune(os.path.dirname(path))

    def find_unfinished(self, key: str | None = None) -> Unfinished:
        """Find files that killed writers of one object, or of any, left."""
        if key is None:  # by their names alone: no file is looked at
            found = self._files_below("")
            return [(join(folder, e.name), "") for e, folder in found if is_temporary(e.name)]
        near = self.list_folder(key.rpartition("/")[0])[1]
        return [(info.key, "") for info in near if is_temporary(info.key, key)]

    def remove_unfinished(self, found: Unfinished) -> int:
        """Delete such files; return their number."""
        for leftover, _ in found:
            self.delete(leftover)
        return len(found)

    def flush(self, *, elsewhere: bool = False) -> None:
        """Return when everything written so far is on disk (``durability: fsync``)."""
        if not (self._sync and (elsewhere or self._unsynced.is_set())):
            return
        self._unsynced.clear()
        descriptor = os.open(existing_parent(self.root), os.O_RDONLY | os.O_CLOEXEC)
        try:
            syncfs(descriptor)
        except OSError as error:
            self._unsynced.set()
            raise self.refused(error, "write", "") from error
        finally:
            os.close(descriptor)

    def _path_to_write(self, key: str) -> str:
        if not self._writable:
            raise StorageError(f"{self.root}: opened for reading only; nothing is written there")
        if ".." in key.split("/") or key.startswith("/"):
            raise StorageError(f"{self.root}: refusing to write outside of it: {key!r}")
        return f"{self.root}/{key}" if key else self.root

    def _open_temporary(self, path: str, key: str) -> tuple[str, int]:
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/{temporary_name(name, self._token, next(self._counter))}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for attempt in range(5):  # each time another process would have to remove it just now
            try:
                if attempt:
                    self._folders.clear()
                self._make_folder(folder)
                return temporary, os.open(temporary, flags, 0o666)
            except FileNotFoundError:
                continue  # another process removed the folder it had just emptied
            except OSError as error:
                raise self.refused(error, "write", key) from error
        raise StorageError(f"{path}: cannot create its folder; is something else deleting it?")

    def _make_folder(self, folder: str) -> None:
        """Make a folder and those above it; none that this store made or saw is asked for again."""
        missing = []
        while folder not in self._folders:
            missing.append(folder)
            if len(folder) <= len(self.root):
                os.makedirs(folder, exist_ok=True)
                break
            folder = folder.rpartition("/")[0]
        for one in reversed(missing):
            with _UNLESS_THERE:
                os.mkdir(one)
            self._folders.add(one)

    def _write_temporary(self, path: str, key: str, data: bytes) -> str:
        temporary, descriptor = self._open_temporary(path, key)
        try:
            writer = LocalWriter(descriptor)
            writer.write(data)
            writer.flush()
            if self._sync:
                os.fsync(descriptor)
        except OSError as error:
            self._discard(temporary)
            raise self.refused(error, "write", key) from error
        finally:
            os.close(descriptor)
        TRAFFIC.add(objects_written=1, bytes_written=writer.written)
        return temporary

    def _create_exclusively(self, path: str, key: str, data: bytes) -> bool:
        """Conditional create on file systems without hard links."""
        try:
            with open(path, "xb") as stream:
                try:
                    stream.write(data)
                    stream.flush()
                    if self._sync:
                        os.fsync(stream.fileno())
                except OSError:
                    self._discard(path)
                    raise
        except FileExistsError:
            return False
        except OSError as error:
            raise self.refused(error, "write", key) from error
        self._unsynced.set()
        return True

    def _prune(self, folder: str) -> None:
        while len(folder) > len(self.root):
            self._folders.discard(folder)
            try:
                os.rmdir(folder)
            except OSError:
                return  # not empty, or not ours
            folder = os.path.dirname(folder)

    @staticmethod
    def _discard(temporary: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)

"""What the local store needs of the system: unfinished files, links, reads, writes, syncs."""

import ctypes
import errno
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from uplift.errors import StorageError
from uplift.storage import tuning
from uplift.storage.protocol import Buffer, Readable
from uplift.storage.reading import view_in_buffer

_TEMPORARY = re.compile(r"\.uplift-tmp\.[0-9a-f]{12}\.[0-9]+\.(.+)", re.DOTALL)
_LONGEST_TEMPORARY = 200
"""Bytes, of names that the file system takes alone and not with what is put before them."""


def is_temporary(key: str, of: str | None = None) -> bool:
    """Whether a key's last name is one that :class:`LocalStore` gives to unfinished objects.

    ``.uplift-tmp.<12 hex digits>.<number>.<name>``: no other file is ever taken for a leftover.
    With `of` it must be one of that object.
    """
    last = key.rpartition("/")[2]
    found = _TEMPORARY.fullmatch(last)
    if found is None or of is None:
        return found is not None
    return last == _cut(last.removesuffix(found[1]) + of.rpartition("/")[2])


def _cut(name: str) -> str:
    return name.encode()[:_LONGEST_TEMPORARY].decode(errors="ignore")


_NETWORK = re.compile(
    r"nfs4?|lustre|cifs|smb3?|ceph|gpfs|beegfs|afs|9p|glusterfs|panfs|wekafs|orangefs|fuse(\..+)?"
    r"|autofs"  # a share that is mounted once something below it is looked at
)
_MOUNTS = Path("/proc/self/mountinfo")


def is_network(path: str) -> bool:
    """Whether a path is on a network file system, where each file costs a round trip (Linux)."""
    location = f"{os.path.realpath(path)}/"
    found = [one for one in _mounted(_MOUNTS) if location.startswith(one[0])]
    # the last of equal ones hides the others
    return (
        bool(found) and _NETWORK.fullmatch(max(found, key=lambda one: len(one[0]))[1]) is not None
    )


def _mounted(table: Path) -> list[tuple[str, str]]:
    """Folder, ending in a slash, and kind of each file system; shares come and go at any time."""
    mounts = []
    for line in table.read_text().splitlines() if table.exists() else ():
        head, _, tail = line.partition(" - ")
        folder = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), head.split(" ")[4])
        mounts.append((f"{folder.rstrip('/')}/", tail.split(" ")[0]))
    return mounts[::-1]


class LocalWriter:
    """Collects pieces and writes them together."""

    def __init__(self, descriptor: int, *, to_disk: bool = False) -> None:
        self._descriptor = descriptor
        self._to_disk = to_disk
        self._handed_over = 0
        self._pieces: list[bytes] = []
        self._pending = 0
        self.written = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._pieces.append(data)
        self._pending += len(data)
        if self._pending >= tuning.WRITE_BYTES or len(self._pieces) >= tuning.WRITE_PIECES:
            self.flush()

    def write_all(self, pieces: Sequence[Readable]) -> None:
        """Append pieces at once: their memory may be used again."""
        self.flush()
        for first in range(0, len(pieces), tuning.WRITE_PIECES):
            self._hand_over(list(pieces[first : first + tuning.WRITE_PIECES]))

    def flush(self) -> None:
        """Hand all collected pieces to the system."""
        if self._pieces:
            self._hand_over(list(self._pieces))
            self._pieces.clear()
            self._pending = 0

    def _hand_over(self, pieces: list[Readable]) -> None:
        while pieces:
            done = os.writev(self._descriptor, pieces)
            self.written += done
            if self._to_disk and self.written - self._handed_over >= tuning.BEGIN_BYTES:
                begin_writing(self._descriptor, self._handed_over, self.written - self._handed_over)
                self._handed_over = self.written
            while pieces and done >= len(pieces[0]):
                done -= len(pieces[0])
                pieces.pop(0)
            if done:
                pieces[0] = memoryview(pieces[0])[done:]


def read_piece(descriptor: int, start: int, length: int) -> bytes:
    """Read a piece of an open file.

    Parameters
    ----------
    descriptor
        Of the file.
    start, length
        In bytes.

    Returns
    -------
    bytes
        Fewer where the file ends.
    """
    data = os.pread(descriptor, length, start)
    while len(data) < length and (
        more := os.pread(descriptor, length - len(data), start + len(data))
    ):
        data += more  # Linux gives 2 GiB at once at most
    return data


def read_into_buffer(descriptor: int, start: int, length: int, buffer: Buffer, at: int) -> int:
    """Read a piece of an open file into a buffer.

    Parameters
    ----------
    descriptor
        Of the file.
    start, length
        Of the piece, in bytes.
    buffer
        Gets the piece, from byte `at` on; it grows where it can.
    at
        Bytes from its start.

    Returns
    -------
    int
        Bytes that were read, fewer where the file ends.
    """
    view = view_in_buffer(buffer, at, length)
    done = os.preadv(descriptor, (view,), start)
    while done < length and (more := os.preadv(descriptor, (view[done:],), start + done)):
        done += more  # as above
    return done


def refuse_link_out_of(root: str, path: str) -> None:
    """Refuse a link that leads out of `root`, to itself, or to a folder above itself.

    One that leads nowhere hides nothing: what it means depends on what is listed there.
    """
    target, root = os.path.realpath(path), os.path.realpath(root)
    if Path(target).is_symlink():  # as far as the system could follow it
        problem = "leads to itself; remove it or restore its target"
    elif not Path(target).exists():
        return
    elif not f"{target}/".startswith(f"{root}/"):
        problem = f"leads out of the dataset, to {target}; put the data inside or remove it"
    elif f"{Path(path).parent.resolve()}/".startswith(f"{target}/"):
        problem = "leads to a folder above itself; remove it"
    else:
        return
    raise StorageError(f"{path}: the link {problem}")


def is_file(mode: int) -> bool:
    """Whether the mode of a status is that of a plain file."""
    return (mode & 0o170000) == 0o100000


def existing_parent(path: str) -> str:
    """Nearest folder at or above `path` that there is."""
    current = Path(path)
    while not current.exists():
        current = current.parent
    return str(current)


def syncfs(descriptor: int) -> None:
    """Write out the file system of an open file (syncfs(2)), or all where the system has no such.

    Raises
    ------
    OSError
        Something could not be written: no space, or a disk that fails. It is said once.
    """
    library = _libc()
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        if number != errno.ENOSYS:
            raise OSError(number, os.strerror(number))
        os.sync()


def begin_writing(descriptor: int, start: int, length: int) -> None:
    """Have the system begin to write a range of a file to disk, without waiting for it (Linux).

    Only a hint: what says that the data are on disk is the sync that follows.

    Parameters
    ----------
    descriptor
        Of the open file.
    start, length
        The range, in bytes.
    """
    library = _libc()
    if hasattr(library, "sync_file_range"):
        sync_file_range_write = 2
        offsets = ctypes.c_int64(start), ctypes.c_int64(length)
        library.sync_file_range(descriptor, *offsets, sync_file_range_write)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def temporary_name(name: str, token: str, number: int) -> str:
    """Name of a file while it is written; see :func:`is_temporary`.

    Parameters
    ----------
    name
        Of the file once it is complete.
    token
        Of this process: twelve hexadecimal digits.
    number
        Of the file in this process.

    Returns
    -------
    str
        Name next to that of the complete file.
    """
    return _cut(f".uplift-tmp.{token}.{number}.{name}")

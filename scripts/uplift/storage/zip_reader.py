"""Read a zip archive in place, in any store: its directory once, then ranges of bytes.

Nothing is unpacked and no position is shared, so many threads read at once. Each object that is
read whole is checked against the CRC-32 of the archive's directory.
"""

import bz2
import io
import posixpath
import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from typing import NoReturn

from uplift.errors import InputError, SourceError, StorageError
from uplift.models.litter import is_litter
from uplift.storage import tuning
from uplift.storage.protocol import (
    ObjectInfo,
    Store,
    Wanted,
    join,
    key_of,
    refuse_changed,
)
from uplift.storage.reading import ReadableStore, ReadAhead

METADATA_NAMES = (".zgroup", ".zattrs", ".zarray", "zarr.json")
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_UTF8 = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


class ArchiveStore(ReadableStore):
    """Objects in an archive, for reading.

    When all of the archive is in one folder, that folder is the root.

    Parameters
    ----------
    url
        Of the archive, for messages (holds no secret).
    store, name
        The store that holds the archive, and its key there.
    concurrency
        Reads of a remote archive under way at once.

    Raises
    ------
    InputError
        No archive, a damaged one, or one with names that lead out of it.
    """

    can_list = True

    def __init__(self, url: str, store: Store, name: str, *, concurrency: int) -> None:
        self.url = url
        self.is_local = False
        self._store = store
        found = store.stat(name)
        if found is None:
            raise InputError(f"{self.url}: no such archive; check the path")
        self._archive = found
        self._ahead = None if store.is_local else ReadAhead(concurrency)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._folders: dict[str, tuple[dict[str, None], list[str]]] = {"": ({}, [])}
        self._lock = threading.Lock()  # of `_inflated`, a pair that threads replace
        self._inflated: tuple[str, bytes] = ("", b"")
        entries = self._directory()
        root = _root_of(entries)
        for entry in entries:
            if entry.filename.startswith(root) and not entry.is_dir():
                self._entries[entry.filename[len(root) :]] = entry
        for key in self._entries:
            self._place_in_folders(key)

    def _read(self, wanted: Wanted, start: int, length: int | None) -> bytes | None:
        key = key_of(wanted)
        entry = self._entries.get(key)
        if entry is None:
            return None
        refuse_changed(wanted, entry.file_size, _stamp(entry), self.url)
        if (start, length) == (0, None):
            return self._whole(key, entry)
        if start < 0:
            start = max(0, entry.file_size + start)
        rest = max(0, entry.file_size - start)
        length = rest if length is None else min(length, rest)
        if length == 0:
            return b""
        if entry.compress_type == zipfile.ZIP_STORED:
            length_of_header = _LOCAL_HEADER.size + len(_name_in(entry))
            header = self._bytes_at(key, entry.header_offset, length_of_header)
            return self._bytes_at(key, self._data_offset(key, entry, header) + start, length)
        with self._lock:
            name, data = self._inflated
        if name != key:
            data = self._whole(key, entry)
            with self._lock:
                self._inflated = (key, data)
        return data[start : start + length]

    def _whole(self, key: str, entry: zipfile.ZipInfo) -> bytes:
        data = self._content(key, entry)
        if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
            self._corrupt(key, "its check sum is wrong")
        return data

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one object, or None when absent."""
        entry = self._entries.get(key)
        return None if entry is None else _info(key, entry)

    def list_folder(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        """Names of the folders, and objects (full keys), directly under `prefix`, sorted."""
        folders, keys = self._folders.get(prefix, ({}, []))
        return sorted(folders), sorted(_info(key, self._entries[key]) for key in keys)

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`."""
        waiting = [prefix]
        while waiting:
            folder = waiting.pop()
            folders, keys = self._folders.get(folder, ({}, []))
            yield from (_info(key, self._entries[key]) for key in keys)
            waiting.extend(join(folder, name) for name in folders)

    def verify(self) -> int:
        """Read every entry and check it against the directory; the number of entries.

        Raises
        ------
        SourceError
            An entry is damaged.
        """
        for key, entry in self._entries.items():
            crc = 0
            for start in range(0, entry.file_size, tuning.PIECE_BYTES):
                crc = zlib.crc32(self.get_range(key, start, tuning.PIECE_BYTES) or b"", crc)
            if crc != entry.CRC:
                self._corrupt(key, "its check sum is wrong")
        return len(self._entries)

    def _directory(self) -> list[zipfile.ZipInfo]:
        """Entries in the order of the archive; of two with one name, the last one counts."""
        stream = io.BufferedReader(
            _Ranges(self._store, self._archive, self.url), tuning.ARCHIVE_BUFFER_BYTES
        )
        try:
            with zipfile.ZipFile(stream) as archive:
                named = archive.infolist()
        except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError) as error:
            raise InputError(
                f"{self.url}: not a zip archive, or a damaged one: {error}; restore it from a copy"
            ) from None
        for entry in named:
            entry.filename = entry.filename.removeprefix("./")  # as some programs begin all names
        entries = list({entry.filename: entry for entry in named if entry.filename}.values())
        for entry in entries:
            _refuse_unsafe(entry, self.url)
        return entries

    def _place_in_folders(self, key: str) -> None:
        folder, _, name = key.rpartition("/")
        new = folder not in self._folders
        self._folders.setdefault(folder, ({}, []))[1].append(key)
        while new and folder:
            above, _, name = folder.rpartition("/")
            new = above not in self._folders
            self._folders.setdefault(above, ({}, []))[0][name] = None
            folder = above

    def _content(self, key: str, entry: zipfile.ZipInfo) -> bytes:
        """Header and data in one read."""
        expected = (
            _LOCAL_HEADER.size
            + len(_name_in(entry))
            + len(entry.extra)
            + tuning.ARCHIVE_SPARE_BYTES
        )
        start, length = entry.header_offset, expected + entry.compress_size
        found = self._store.get_range(self._archive, start, length) or b""
        offset = self._data_offset(key, entry, found) - start
        data = found[offset : offset + entry.compress_size]
        if len(data) != entry.compress_size:
            data = self._bytes_at(key, start + offset, entry.compress_size)
        if entry.compress_type == zipfile.ZIP_STORED:
            return data
        return self._expanded(key, entry, data)

    def _expanded(self, key: str, entry: zipfile.ZipInfo, data: bytes) -> bytes:
        """Expand to at most one byte more than the directory promises."""
        limit = entry.file_size + 1
        try:
            if entry.compress_type == zipfile.ZIP_BZIP2:
                return bz2.BZ2Decompressor().decompress(data, limit)
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)
        except (zlib.error, OSError, EOFError) as error:
            self._corrupt(key, str(error))

    def _data_offset(self, key: str, entry: zipfile.ZipInfo, header: bytes) -> int:
        if len(header) < _LOCAL_HEADER.size:
            self._corrupt(key, "the archive ends before it")
        magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(header)
        if magic != b"PK\3\4":
            self._corrupt(key, "its header is not where the archive's directory says")
        if header[_LOCAL_HEADER.size :][:name_bytes] != _name_in(entry):
            self._corrupt(key, "its header has another name than the archive's directory")
        return entry.header_offset + _LOCAL_HEADER.size + int(name_bytes) + int(extra_bytes)

    def _bytes_at(self, key: str, start: int, length: int) -> bytes:
        data = self._store.get_range(self._archive, start, length)
        if data is None or len(data) != length:
            self._corrupt(key, "the archive ends before it does")
        return data

    def _corrupt(self, key: str, reason: str) -> NoReturn:
        raise SourceError(
            f"{self.url}/{key}: damaged in the archive: {reason}; restore it from a copy"
        )


class _Ranges(io.RawIOBase):
    """The archive as a file; its end, where the directory is, is fetched once."""

    def __init__(self, store: Store, archive: ObjectInfo, url: str) -> None:
        self._store, self._archive, self._size, self._url = store, archive, archive.size, url
        self._at = 0
        self._tail_start = max(0, self._size - tuning.ARCHIVE_TAIL_BYTES)
        self._tail = self._fetch(self._tail_start, self._size - self._tail_start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._at, self._size)[whence]
        if base + offset < 0:
            raise OSError("before the start of the archive")  # what ZipFile expects of a file
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        length = max(0, min(len(buffer), self._size - self._at))
        skip = self._at - self._tail_start
        piece = self._tail[skip : skip + length] if skip >= 0 else self._fetch(self._at, length)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetch(self, start: int, length: int) -> bytes:
        data = self._store.get_range(self._archive, start, length) if length else b""
        if data is None or len(data) != length:
            raise StorageError(
                f"{self._url}: a range of bytes was asked for and {len(data or b'')} instead of "
                f"{length} came; if the server cannot send ranges, download the archive first"
            )
        return data


def _refuse_unsafe(entry: zipfile.ZipInfo, url: str) -> None:
    name = entry.filename.removesuffix("/")
    shown = repr(name[:100])
    if re.search(r"[\\\x00]", entry.orig_filename) or re.match(r"[A-Za-z]:", name):
        raise InputError(f"{url}: the name {shown} is not a path of a zip archive; pack it again")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError(f"{url}: the name {shown} leads out of the archive; pack it again")
    if entry.flag_bits & _ENCRYPTED:
        raise InputError(f"{url}: {shown} is encrypted; pack it again without a password")
    if entry.compress_type not in _METHODS:
        raise InputError(
            f"{url}: {shown} is packed with method {entry.compress_type}; pack it again, stored "
            "or deflated"
        )


def _name_in(entry: zipfile.ZipInfo) -> bytes:
    """Name as the archive has it."""
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")


def _root_of(entries: list[zipfile.ZipInfo]) -> str:
    """Return the folder, with a slash, that holds everything but litter; empty when there is none.

    Of folders in folders, as ``home/ann/img.zarr``, it is the first one that ends in ``.zarr``.
    """
    names = [name for name in (entry.filename for entry in entries) if not is_litter(name)]
    folders = {name.rpartition("/")[0] for name in names}
    shared = posixpath.commonpath(folders).split("/") if folders else [""]
    if not shared[0] or shared[0] in METADATA_NAMES or shared[0] in names:
        return ""
    ends = (depth for depth, name in enumerate(shared, 1) if name.lower().endswith(".zarr"))
    return "/".join(shared[: next(ends, 1)]) + "/"


def _info(key: str, entry: zipfile.ZipInfo) -> ObjectInfo:
    return ObjectInfo(key, entry.file_size, _stamp(entry))


def _stamp(entry: zipfile.ZipInfo) -> str:
    return f"crc32:{entry.CRC:08x}"

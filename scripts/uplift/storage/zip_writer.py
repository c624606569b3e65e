"""Write a zip archive front to back: ZIP64, not compressed, no times (APPNOTE.TXT 6.3.10).

The standard library has to seek back, or to put sizes behind the data; streams to object stores
cannot do the one, and readers of a stream the other. Here size and CRC-32 are known beforehand.
"""

import struct
import zlib
from collections.abc import Iterable

from uplift.storage.protocol import ObjectWriter

_VERSION = 45
"""ZIP64."""
_UNIX = 3 << 8
_UTF8 = 0x800
"""The name is UTF-8 (APPNOTE 4.4.4, bit 11)."""
_FIRST_DAY = 0x21
"""1 January 1980 as MS-DOS counts; the time is 0."""
_MODE = 0o100644 << 16
_FULL = 0xFFFFFFFF
"""The value is in the ZIP64 field."""
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END_64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4sHHHHIIH")
_EXTRA_64, _EXTRA_64_CENTRAL = struct.Struct("<HHQQ"), struct.Struct("<HHQQQ")


def archive_bytes(entries: Iterable[tuple[str, int]], comment: bytes) -> int:
    """Bytes of an archive of entries with these names and sizes."""
    total = _END_64.size + _LOCATOR.size + _END.size + len(comment)
    each = _LOCAL.size + _EXTRA_64.size + _CENTRAL.size + _EXTRA_64_CENTRAL.size
    return total + sum(each + 2 * len(name.encode()) + size for name, size in entries)


class ZipWriter:
    """Appends entries to a stream; :meth:`finish` writes the archive's directory.

    Attributes
    ----------
    bytes_written
        So far.
    """

    def __init__(self, stream: ObjectWriter) -> None:
        self._stream = stream
        self._entries: list[tuple[bytes, int, int, int]] = []
        self.bytes_written = 0

    def add(self, name: str, size: int, crc: int, pieces: Iterable[bytes]) -> None:
        """Append one entry of `size` bytes.

        Parameters
        ----------
        name
            Of the entry.
        size
            Bytes of it; nothing is compressed.
        crc
            CRC-32 of its bytes.
        pieces
            Its bytes, in turn.

        Raises
        ------
        ValueError
            `pieces` are not what `size` and `crc` say.
        """
        encoded = name.encode()
        self._entries.append((encoded, size, crc, self.bytes_written))
        extra = _EXTRA_64.pack(1, 16, size, size)
        fixed = (_VERSION, _UTF8, 0, 0, _FIRST_DAY, crc, _FULL, _FULL, len(encoded), len(extra))
        self._write(_LOCAL.pack(b"PK\3\4", *fixed) + encoded + extra)
        written = found = 0
        for piece in pieces:
            self._write(piece)
            written += len(piece)
            found = zlib.crc32(piece, found)
        if (written, found) != (size, crc):
            raise ValueError(name)

    def finish(self, comment: bytes) -> None:
        """Write the directory of the archive and its comment."""
        start = self.bytes_written
        for name, size, crc, offset in self._entries:
            extra = _EXTRA_64_CENTRAL.pack(1, 24, size, size, offset)
            fixed = (_UNIX | _VERSION, _VERSION, _UTF8, 0, 0, _FIRST_DAY, crc, _FULL, _FULL)
            rest = (len(name), len(extra), 0, 0, 0, _MODE, _FULL)
            self._write(_CENTRAL.pack(b"PK\1\2", *fixed, *rest) + name + extra)
        end, count = self.bytes_written, len(self._entries)
        size = end - start
        self._write(
            _END_64.pack(
                *(b"PK\6\6", _END_64.size - 12, _UNIX | _VERSION, _VERSION, 0, 0),
                *(count, count, size, start),
            )
            + _LOCATOR.pack(b"PK\6\7", 0, end, 1)
            + _END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, _FULL, _FULL, len(comment))
            + comment
        )

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self.bytes_written += len(data)

"""Compressed streams: how they are recognized, where they end, and decoding of bounded size."""

import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from uplift.codecs.codec import Decoded, DecodeError, Encoded

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
ZSTD_BLOCK_BYTES = 128 * 1024
"""Most bytes that a block decodes to (RFC 8878, 3.1.1.2.4)."""
BLOSC_HEADER = struct.Struct("<BBBBIII")
BLOSC_FORMATS = ("blosclz", "lz4", "snappy", "zlib", "zstd")
MAX_STREAMS = 4096
"""Streams one after the other: each may decode to nothing, so that the size alone sets no bound."""


class Decompressor(Protocol):
    """What ``zlib``, ``bz2`` and ``lzma`` decompressor objects have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def unused_data(self) -> bytes:
        """Bytes after the end of the stream."""

    def decompress(self, data: Encoded, max_length: int, /) -> bytes:
        """Decode at most `max_length` bytes."""


@dataclass(frozen=True, slots=True)
class ZstdFrame:
    """One frame: `content` bytes declared (or None), `least` and `most` that its blocks allow."""

    start: int
    content: int | None
    least: int
    most: int


def looks_like(data: Encoded) -> str | None:
    """Name the container that `data` starts like, or None."""
    head = bytes(data[:16])
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:4] == ZSTD_MAGIC:
        return "zstd"
    if head[:3] == b"BZh":
        return "bz2"
    if head[:6] == b"\xfd7zXZ\x00":
        return "xz (lzma)"
    if is_blosc(data):
        return "blosc"
    if is_zlib(data):
        return "zlib"
    if head.lstrip()[:1] == b"<":
        return "XML or HTML text"
    return None


def seen(data: Encoded) -> str:
    """What `data` are, for a message that says what they are not."""
    found = looks_like(data)
    return f", it looks like {found}" if found else "" if data else ": it is empty"


def is_zlib(data: Encoded) -> bool:
    """Whether `data` starts with a valid zlib header (RFC 1950)."""
    return (
        len(data) > 5
        and data[0] & 0x0F == 8
        and data[0] >> 4 <= 7
        and not ((data[0] << 8) | data[1]) % 31
    )


def is_blosc(data: Encoded) -> bool:
    """Whether `data` is as long as the blosc header at its start says."""
    if len(data) < BLOSC_HEADER.size:
        return False
    version, _, _, _, _, _, encoded = BLOSC_HEADER.unpack_from(data)
    return bool(version == 2 and encoded == len(data))


def decompress_streams(
    new: Callable[[], Decompressor], data: Encoded, limit: int, name: str, *, several: bool = True
) -> Decoded:
    """Decode streams that follow one another; bytes after the last sound one are left out.

    Parameters
    ----------
    new
        Makes the decompressor of one stream.
    limit
        Most bytes that may come out of all of them.
    several
        Whether the format lets streams follow one another.

    Returns
    -------
    Decoded
        Bytes of all streams, and where the last one ends.

    Raises
    ------
    DecodeError
        Damaged or cut short, or longer than `limit`.
    """
    parts: list[bytes] = []
    total = 0
    rest: Encoded = data
    while rest and (several or not parts):
        try:
            stream = new()
            part = stream.decompress(rest, limit + 1 - total)
        except (zlib.error, OSError, lzma.LZMAError, TypeError, ValueError) as error:
            if parts:
                break
            raise DecodeError(f"the {name} stream is damaged ({error})") from None
        total += len(part)
        if total > limit:
            raise DecodeError(f"decodes to more than the {limit} bytes expected")
        if not stream.eof:
            if parts:
                break
            raise DecodeError(f"the {name} stream is cut short")
        parts.append(part)
        rest = stream.unused_data
        if len(parts) > MAX_STREAMS:
            raise DecodeError(f"holds more than {MAX_STREAMS} {name} streams")
    if not parts:
        raise DecodeError("is empty")
    note = f"holds {len(parts)} {name} streams one after the other" if len(parts) > 1 else None
    return Decoded(parts[0] if len(parts) == 1 else b"".join(parts), len(data) - len(rest), note)


def walk_zstd(data: Encoded) -> tuple[list[ZstdFrame], int]:
    """Find the frames of a zstd stream from their headers, without decoding (RFC 8878, 3.1.1).

    Skippable frames (3.1.2) may precede each, as pzstd writes them.

    Returns
    -------
    frames, end
        Complete frames that follow one another (one at least), and where the last one ends.

    Raises
    ------
    DecodeError
        The first frame is cut short or damaged, or there is none.
    """
    frames: list[ZstdFrame] = []
    end = 0
    while True:
        start = _after_skippable(data, end)
        if data[start : start + 4] != ZSTD_MAGIC:
            if frames:
                break
            raise DecodeError(f"is not a zstd stream{seen(data)}")
        try:
            frame, position = _zstd_frame(data, start + 4)
            if position > len(data):
                raise IndexError
        except (DecodeError, IndexError) as error:
            if frames:
                break
            if isinstance(error, DecodeError):
                raise
            raise DecodeError("the zstd stream is cut short") from None
        frames.append(frame)
        end = position
    return frames, end


def _after_skippable(data: Encoded, position: int) -> int:
    """Where the next frame with data begins, if there is one."""
    while data[position + 1 : position + 4] == _ZSTD_SKIPPABLE and data[position] >> 4 == 5:
        position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
    return position


def _zstd_frame(data: Encoded, position: int) -> tuple[ZstdFrame, int]:
    """Read one frame's headers, and where it ends; IndexError where the data end before."""
    start = position - 4
    descriptor = data[position]
    position += 1
    single = bool(descriptor & 0x20)
    window = None
    if not single:
        exponent, mantissa = data[position] >> 3, data[position] & 7
        window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
        position += 1
    position += (0, 1, 2, 4)[descriptor & 3]
    size_bytes = (int(single), 2, 4, 8)[descriptor >> 6]
    content = None
    if size_bytes:
        content = int.from_bytes(data[position : position + size_bytes], "little")
        content += 256 if size_bytes == 2 else 0
        position += size_bytes
    block_bytes = min(ZSTD_BLOCK_BYTES, ZSTD_BLOCK_BYTES if window is None else window)
    least = most = 0
    last = False
    while not last:
        header = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        last, kind, size = bool(header & 1), (header >> 1) & 3, header >> 3
        if kind == 3 or size > ZSTD_BLOCK_BYTES:
            raise DecodeError("the zstd stream is damaged (bad block header)")
        least += 0 if kind == 2 else size
        most += block_bytes if kind == 2 else size
        position += 3 + (1 if kind == 1 else size)
    position += 4 if descriptor & 4 else 0
    return ZstdFrame(start, content, least, most), position


def lz4_end(data: bytes, start: int, decoded: int) -> int | None:
    """Find where an LZ4 block that decodes to `decoded` bytes ends; None when it is damaged.

    A block is sequences of literals and a match, the last one without a match (LZ4 block format).

    Parameters
    ----------
    data
        Bytes that hold the block.
    start
        Of the block, in bytes.
    decoded
        Bytes that it decodes to.

    Returns
    -------
    int | None
        Bytes from the start of `data` to the end of the block, or None.
    """
    position, made = start, 0
    try:
        while True:
            token = data[position]
            literals, position = _lz4_length(data, position + 1, token >> 4)
            position += literals
            made += literals
            if made >= decoded:
                return position if made == decoded and position <= len(data) else None
            match, position = _lz4_length(data, position + 2, token & 15)
            made += match + 4
    except IndexError:
        return None


def _lz4_length(data: bytes, position: int, length: int) -> tuple[int, int]:
    """Read a length that goes on in further bytes when it is 15, and the position after it."""
    more = 255 if length == 15 else 0
    while more == 255:
        more = data[position]
        position += 1
        length += more
    return length, position

"""Compressed streams: what they look like, where they end, and decoding that cannot run away.

Every decoder here takes the most bytes it may produce and stops one byte after that.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from uplift.errors import SourceError

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_BLOCK_BYTES = 128 * 1024
BLOSC_HEADER = struct.Struct("<BBBBIII")
BLOSC_FORMATS = ("blosclz", "lz4", "snappy", "zlib", "zstd")
MAX_STREAMS = 4096
LZMA_MEMORY_BYTES = 1 << 30


class DecodeError(SourceError):
    """A chunk that cannot be decoded; `reason` says why, the caller knows which chunk."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Decompressor(Protocol):
    """What ``zlib``, ``bz2`` and ``lzma`` decompressor objects have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def unused_data(self) -> bytes:
        """Bytes after the end of the stream."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Decode at most `max_length` bytes."""


@dataclass(frozen=True, slots=True)
class Inflated:
    """Outcome of decoding one or more streams that follow one another."""

    data: bytes
    streams: int
    trailing_bytes: int


@dataclass(frozen=True, slots=True)
class ZstdFrame:
    """One frame: `content` bytes declared (or None), `least` and `most` that its blocks allow."""

    content: int | None
    least: int
    most: int


def looks_like(data: bytes) -> str | None:
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


def is_zlib(data: bytes) -> bool:
    """Whether `data` starts with a valid zlib header (RFC 1950)."""
    return (
        len(data) > 5
        and data[0] & 0x0F == 8
        and data[0] >> 4 <= 7
        and not ((data[0] << 8) | data[1]) % 31
    )


def is_blosc(data: bytes) -> bool:
    """Whether `data` is as long as the blosc header at its start says."""
    if len(data) < BLOSC_HEADER.size:
        return False
    version, _, _, _, _, _, encoded = BLOSC_HEADER.unpack_from(data)
    return bool(version == 2 and encoded == len(data))


def decompress_streams(
    new: Callable[[], Decompressor], data: bytes, limit: int, name: str, *, several: bool = True
) -> Inflated:
    """Decode streams that follow one another, at most `limit` bytes in all.

    Raises
    ------
    DecodeError
        Damaged or cut short, or longer than `limit`.
    """
    parts: list[bytes] = []
    total, streams, rest = 0, 0, data
    while rest:
        try:
            stream = new()
            part = stream.decompress(rest, limit + 1 - total)
        except (zlib.error, OSError, lzma.LZMAError, TypeError, ValueError) as error:
            if streams:
                break
            raise DecodeError(f"the {name} stream is damaged ({error})") from None
        total += len(part)
        if total > limit:
            raise DecodeError(f"decodes to more than the {limit} bytes expected")
        if not stream.eof:
            if streams:
                break
            raise DecodeError(f"the {name} stream is cut short")
        parts.append(part)
        streams += 1
        rest = stream.unused_data
        if not several:
            break
        if streams > MAX_STREAMS:
            raise DecodeError(f"holds more than {MAX_STREAMS} {name} streams")
    if not streams:
        raise DecodeError("is empty")
    return Inflated(parts[0] if streams == 1 else b"".join(parts), streams, len(rest))


def inflate(data: bytes, limit: int) -> Inflated:
    """Decode gzip members or a zlib stream, whichever `data` is."""
    if data[:2] == b"\x1f\x8b":
        return decompress_streams(lambda: zlib.decompressobj(31), data, limit, "gzip")
    return decompress_streams(zlib.decompressobj, data, limit, "zlib", several=False)


def unbzip2(data: bytes, limit: int) -> Inflated:
    """Decode bz2 streams."""
    return decompress_streams(bz2.BZ2Decompressor, data, limit, "bz2")


def unlzma(data: bytes, limit: int, config: Mapping[str, Any]) -> Inflated:
    """Decode lzma streams in the format (xz by default) and with the filters of `config`."""
    form = config.get("format", lzma.FORMAT_XZ)

    def new() -> Decompressor:
        if form == lzma.FORMAT_RAW:
            return lzma.LZMADecompressor(form, None, config.get("filters"))
        return lzma.LZMADecompressor(form, LZMA_MEMORY_BYTES)

    return decompress_streams(new, data, limit, "lzma")


def walk_zstd(data: bytes) -> list[ZstdFrame]:
    """Find the frames of a zstd stream from their headers, without decoding (RFC 8878, 3.1.1).

    Raises
    ------
    DecodeError
        Something that is no frame, or a frame that is cut short.
    """
    frames, position = [], 0
    try:
        while position < len(data):
            if data[position : position + 4] != ZSTD_MAGIC:
                raise DecodeError(
                    f"has {len(data) - position} bytes that are no zstd frame at byte {position}"
                )
            frame, position = _walk_zstd_frame(data, position + 4)
            frames.append(frame)
    except IndexError:
        position = len(data) + 1
    if position != len(data):
        raise DecodeError("the zstd stream is cut short")
    if not frames:
        raise DecodeError("is empty")
    return frames


def _walk_zstd_frame(data: bytes, position: int) -> tuple[ZstdFrame, int]:
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
    return ZstdFrame(content, least, most), position

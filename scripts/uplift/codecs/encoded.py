"""Check chunks that are to be kept as they are: right length, one stream, no surprise.

For blosc, zstd and raw data this reads headers only; gzip and zlib are inflated once. Everything
else is decoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from uplift.codecs import stages, streams
from uplift.codecs.pipeline import ChunkDecoder
from uplift.codecs.streams import BLOSC_FORMATS, BLOSC_HEADER, DecodeError
from uplift.errors import SourceError
from uplift.models.arrays import SourceArray

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class BadEncoding(SourceError):  # noqa: N818 -- read as a verdict on the bytes, not a crash
    """Chunk bytes that cannot be kept as they are; decoding them may still succeed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EncodedCheck:
    """Checks the chunks of one source array without decoding where that is possible.

    Attributes
    ----------
    check
        Takes a chunk as stored; raises :class:`BadEncoding` when its bytes cannot be kept.
    """

    check: Callable[[bytes], None]

    def __init__(self, source: SourceArray) -> None:
        self._decoder = ChunkDecoder(source)
        filters = [config["id"] for config in self._decoder.chain.filters]
        if filters and filters[-1] == "crc32c" and source.zarr_format == 3:
            self.check = self._check_crc32c
            self._inner = self._check_for(filters[:-1])
        else:
            self.check = self._check_for(filters)

    def _check_for(self, filters: list[str]) -> Callable[[bytes], None]:
        nbytes = self._decoder.nbytes
        if nbytes is None or len(filters) > 1:
            return self._check_by_decoding
        if not filters:
            return _raw_check(nbytes)
        if filters[0] == "blosc":
            return _blosc_check(nbytes)
        if filters[0] == "zstd":
            return self._check_zstd
        return self._check_by_decoding

    def _check_crc32c(self, data: bytes) -> None:
        try:
            body = stages.strip_crc32c(data)
        except DecodeError as error:
            raise BadEncoding(error.reason) from error
        if self._inner == self._check_by_decoding:
            self._check_by_decoding(data)
        else:
            self._inner(body)

    def _check_by_decoding(self, data: bytes) -> None:
        try:
            note = self._decoder.read(data)[1]
        except DecodeError as error:
            raise BadEncoding(error.reason) from error
        if note is not None:
            raise BadEncoding(note)

    def _check_zstd(self, data: bytes) -> None:
        if data[:4] != streams.ZSTD_MAGIC:
            self._check_by_decoding(data)
        try:
            frames = streams.walk_zstd(data)
        except DecodeError as error:
            raise BadEncoding(error.reason) from error
        if len(frames) > 1:
            raise BadEncoding(f"holds {len(frames)} zstd frames one after the other")
        nbytes = self._decoder.nbytes or 0
        content = frames[0].content
        if content is None:
            self._check_by_decoding(data)
        elif content != nbytes or not frames[0].least <= nbytes <= frames[0].most:
            raise BadEncoding(f"decodes to {content} bytes, {nbytes} expected")


def zlib_to_gzip(data: bytes, nbytes: int) -> bytes:
    """Wrap the deflate body of a zlib stream (RFC 1950) as one gzip member (RFC 1952).

    The stream is inflated once, for its CRC-32, and checked by that: no separate check is needed.

    Parameters
    ----------
    data
        One zlib stream.
    nbytes
        Decoded bytes it has to have.

    Raises
    ------
    BadEncoding
        Not exactly one sound zlib stream of that length, or one with a preset dictionary.
    """
    if not streams.is_zlib(data):
        seen = streams.looks_like(data)
        raise BadEncoding("is no zlib stream" + (f", it looks like {seen}" if seen else ""))
    if data[1] & 0x20:
        raise BadEncoding("is a zlib stream with a preset dictionary")
    try:
        found = streams.inflate(data, nbytes)
    except DecodeError as error:
        raise BadEncoding(error.reason) from error
    if found.trailing_bytes:
        raise BadEncoding(f"has {found.trailing_bytes} bytes after its zlib stream")
    if len(found.data) != nbytes:
        raise BadEncoding(f"decodes to {len(found.data)} bytes, {nbytes} expected")
    trailer = struct.pack("<II", zlib.crc32(found.data), nbytes & 0xFFFFFFFF)
    return GZIP_HEADER + data[2:-4] + trailer


def _raw_check(nbytes: int) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        if len(data) != nbytes:
            seen = streams.looks_like(data)
            like = f"; it looks like {seen}" if seen else ""
            raise BadEncoding(f"has {len(data)} bytes, {nbytes} expected{like}")

    return check


def _blosc_check(nbytes: int) -> Callable[[bytes], None]:
    unpack, header_bytes = BLOSC_HEADER.unpack_from, BLOSC_HEADER.size

    def check(data: bytes) -> None:
        size = len(data)
        if size < header_bytes:
            raise BadEncoding(f"has {size} bytes, too few for blosc data")
        version, _, flags, typesize, decoded, block, encoded = unpack(data)
        if version != 2 or encoded != size:
            raise BadEncoding(_blosc_mismatch(data, version, encoded))
        if decoded != nbytes:
            raise BadEncoding(f"decodes to {decoded} bytes, {nbytes} expected")
        kind = flags >> 5
        stored = flags & 2
        if (
            typesize == 0
            or (flags & 5) == 5
            or not 0 < block <= decoded
            or (stored and encoded != decoded + header_bytes)
            or (not stored and (kind == 2 or kind >= len(BLOSC_FORMATS)))
        ):
            raise BadEncoding("its blosc header is damaged")

    return check


def _blosc_mismatch(data: bytes, version: int, encoded: int) -> str:
    seen = streams.looks_like(data)
    if seen:
        return f"is no blosc data, it looks like {seen}"
    if version != 2:
        return f"is no blosc data of format version 2 (its first byte is {version})"
    return f"has {len(data)} bytes, but its blosc header says {encoded}"

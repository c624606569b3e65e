"""One byte filter each: a function that undoes it within a size limit, or applies it.

``numcodecs`` is imported on first need, so that packing chunks as they are does not pay for it.
"""

from __future__ import annotations

import bz2
import functools
import importlib
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from uplift.codecs import streams
from uplift.codecs.chain import CHECKSUMS, Config
from uplift.codecs.streams import DecodeError
from uplift.errors import UnsupportedError

Buffer = bytes | NDArray[Any]
Undo = Callable[[bytes, list[str]], Buffer]
Apply = Callable[[Buffer], bytes]

UNKNOWN_LIMIT_BYTES = 2**30
"""Most bytes a filter may produce where only the data say how many (strings)."""


def undo_of(config: Config, limit_bytes: int | None) -> Undo:
    """Build the decoder of one filter; it appends oddities it forgave to its second argument."""
    limit = UNKNOWN_LIMIT_BYTES if limit_bytes is None else limit_bytes
    kind = config["id"]
    if kind in ("gzip", "zlib"):
        return functools.partial(_inflate, kind, limit)
    if kind == "bz2":
        return lambda data, notes: _noting(streams.unbzip2(_raw(data), limit), "bz2", notes)
    if kind == "lzma":
        return lambda data, notes: _noting(streams.unlzma(_raw(data), limit, config), "lzma", notes)
    if kind in _BOUNDED:
        decode = _BOUNDED[kind]
        return lambda data, _notes: decode(data, limit)
    if kind == "crc32c" and config.get("location", "end") == "end":
        return lambda data, _notes: strip_crc32c(data)
    return functools.partial(_undo_numcodecs, numcodec(config), kind)


def apply_of(config: Config) -> Apply:
    """Build the encoder of one filter: the same bytes for the same input, on one thread."""
    kind = config["id"]
    if kind == "blosc":
        return functools.partial(_to_blosc, dict(config))
    if kind == "zstd":
        level, checksum = config.get("level", 0), bool(config.get("checksum", False))
        return lambda data: bytes(_numcodecs("zstd").compress(_view(data), level, checksum))
    if kind in ("gzip", "zlib"):
        return functools.partial(_deflate, config.get("level", 1), 31 if kind == "gzip" else 15)
    if kind == "bz2":
        return lambda data: bz2.compress(_view(data), config.get("level", 1))
    if kind == "lzma":
        return functools.partial(_to_lzma, dict(config))
    if kind == "crc32c" and config.get("location", "end") == "end":
        return lambda data: add_crc32c(_raw(data))
    codec = numcodec(config)
    return lambda data: _raw(codec.encode(data))


def strip_crc32c(data: bytes) -> bytes:
    """Remove and verify the checksum of the v3 ``crc32c`` codec.

    Raises
    ------
    DecodeError
        The checksum is wrong or missing.
    """
    body = _raw(data)[:-4]
    if len(data) < 4 or struct.unpack("<I", _raw(data)[-4:])[0] != google_crc32c.value(body):
        raise DecodeError("its crc32c checksum is wrong")
    return body


def add_crc32c(body: bytes) -> bytes:
    """Append the checksum of the v3 ``crc32c`` codec."""
    return body + struct.pack("<I", google_crc32c.value(body))


def numcodec(config: Config) -> Any:
    """Build a numcodecs filter.

    Raises
    ------
    UnsupportedError
        A configuration that numcodecs refuses.
    """
    import numcodecs

    # astype and dtype may be given as None; numcodecs wants them left out
    given = {key: value for key, value in config.items() if value is not None}
    try:
        return numcodecs.get_codec(given)
    except Exception as error:
        raise UnsupportedError(
            f'codec "{config["id"]}" with {_settings(config)} is not supported: {_line(error)}'
        ) from error


@functools.cache
def _numcodecs(module: str) -> Any:
    loaded: Any = importlib.import_module(f"numcodecs.{module}")
    if module == "blosc":
        # with several threads blosc gives different bytes on every run
        loaded.use_threads = False
    return loaded


def _raw(data: Buffer) -> bytes:
    return data if isinstance(data, bytes) else bytes(_view(data))


def _view(data: Buffer) -> Any:
    """Bytes of a contiguous buffer without a copy."""
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return data


def _settings(config: Config) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in config.items() if key != "id")


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _noting(result: streams.Inflated, kind: str, notes: list[str]) -> bytes:
    if result.streams > 1:
        notes.append(f"holds {result.streams} {kind} streams one after the other")
    if result.trailing_bytes:
        notes.append(f"has {result.trailing_bytes} bytes after its {kind} stream")
    return result.data


def _inflate(kind: str, limit: int, data: bytes, notes: list[str]) -> bytes:
    data = _raw(data)
    found = "gzip" if data[:2] == b"\x1f\x8b" else "zlib" if streams.is_zlib(data) else None
    if found is None:
        raise DecodeError(f"is no {kind} stream{_seen(data)}")
    if found != kind:
        notes.append(f"is labelled {kind}, but is a {found} stream")
    return _noting(streams.inflate(data, limit), found, notes)


def _seen(data: bytes) -> str:
    seen = streams.looks_like(data)
    return f", it looks like {seen}" if seen else "" if data else ": it is empty"


def _undo_numcodecs(codec: Any, kind: str, data: bytes, _notes: list[str]) -> Buffer:
    if kind in CHECKSUMS and len(data) < 4:
        raise DecodeError(f"is too short for a {kind} checksum")
    try:
        with np.errstate(all="ignore"):
            return np.asarray(codec.decode(data))
    except MemoryError:  # says nothing about the data
        raise
    except Exception as error:
        raise DecodeError(f'filter "{kind}" cannot be undone ({_line(error)})') from error


def _from_blosc(data: bytes, limit: int) -> bytes:
    if not streams.is_blosc(data):
        raise DecodeError(_no_blosc(data))
    decoded = streams.BLOSC_HEADER.unpack_from(data)[4]
    if decoded > limit:
        raise DecodeError(f"decodes to {decoded} bytes, {limit} expected")
    try:
        return bytes(_numcodecs("blosc").decompress(data))
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"the blosc data are damaged ({_line(error)})") from error


def _no_blosc(data: bytes) -> str:
    if len(data) >= 16 and data[0] == 2 and streams.looks_like(data) is None:
        encoded = streams.BLOSC_HEADER.unpack_from(data)[6]
        return f"has {len(data)} bytes, but its blosc header says {encoded}"
    return f"is no blosc data{_seen(data)}"


def _from_zstd(data: bytes, limit: int) -> Buffer:
    data = _raw(data)
    if data[:4] != streams.ZSTD_MAGIC:
        raise DecodeError(f"is no zstd stream{_seen(data)}")
    frames = streams.walk_zstd(data)
    least = sum(max(frame.content or 0, frame.least) for frame in frames)
    most = sum(frame.most if frame.content is None else frame.content for frame in frames)
    if least > limit:
        raise DecodeError(f"decodes to at least {least} bytes, {limit} expected")
    decompress = _numcodecs("zstd").decompress
    try:
        if most <= 2 * limit + streams.ZSTD_BLOCK_BYTES:
            return bytes(decompress(data))
        return np.asarray(decompress(data, np.empty(limit, dtype=np.uint8)))
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"the zstd stream is damaged ({_line(error)})") from error


def _from_lz4(data: bytes, limit: int) -> bytes:
    data = _raw(data)
    if len(data) < 5:
        raise DecodeError(f"is too short for lz4 data ({len(data)} bytes)")
    decoded = struct.unpack_from("<I", data)[0]
    if decoded > limit:
        raise DecodeError(f"decodes to {decoded} bytes as lz4, {limit} expected{_seen(data)}")
    try:
        return bytes(_numcodecs("lz4").decompress(data))
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"the lz4 data are damaged ({_line(error)})") from error


_BOUNDED: dict[str, Callable[[bytes, int], Buffer]] = {
    "blosc": _from_blosc,
    "zstd": _from_zstd,
    "lz4": _from_lz4,
}


def _to_blosc(config: Config, data: Buffer) -> bytes:
    name = str(config.get("cname", "lz4")).encode()
    settings = (config.get("clevel", 5), config.get("shuffle", 1), config.get("blocksize", 0))
    typesize = config.get("typesize")
    return bytes(_numcodecs("blosc").compress(_view(data), name, *settings, typesize))


def _deflate(level: int, window_bits: int, data: Buffer) -> bytes:
    stream = zlib.compressobj(level, zlib.DEFLATED, window_bits)
    return stream.compress(_view(data)) + stream.flush()


def _to_lzma(config: Config, data: Buffer) -> bytes:
    return lzma.compress(
        _view(data),
        config.get("format", lzma.FORMAT_XZ),
        config.get("check", -1),
        config.get("preset"),
        config.get("filters"),
    )

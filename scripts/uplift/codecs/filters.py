"""Checksums, and filters of elements as numcodecs has them."""

import re
import struct
from typing import Any

import google_crc32c
import numpy as np

from uplift.codecs.codec import Buffer, Config, Decoded, DecodeError, first_line, raw
from uplift.errors import UnsupportedError

CHECKSUM_BYTES = 4
_BUILT: dict[str, Any] = {}
"""Filters of numcodecs by the text of their configuration: to build one takes as long as a small
chunk, and a process meets few of them."""


def decode_crc32c(data: Buffer, config: Config, limit: int) -> Decoded:
    """Remove and verify the checksum at the end (Zarr v3) or the start (an option of v2).

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    data = raw(data)
    front = config.get("location", "end") == "start"
    body = data[CHECKSUM_BYTES:] if front else data[:-CHECKSUM_BYTES]
    found = data[:CHECKSUM_BYTES] if front else data[-CHECKSUM_BYTES:]
    if len(data) < CHECKSUM_BYTES or found != struct.pack("<I", google_crc32c.value(body)):
        raise DecodeError("its crc32c checksum is wrong")
    return Decoded(body)


def encode_crc32c(data: Buffer, config: Config) -> bytes:
    """Add the checksum, at the end unless the settings say otherwise."""
    body = raw(data)
    checksum = struct.pack("<I", google_crc32c.value(body))
    return checksum + body if config.get("location") == "start" else body + checksum


def decode_checksum(data: Buffer, config: Config, limit: int) -> Decoded:
    """Remove and verify a checksum of numcodecs.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    if len(raw(data)) < CHECKSUM_BYTES:
        raise DecodeError(f"is too short for a {config['id']} checksum")
    return decode_numcodecs(data, config, limit)


def decode_numcodecs(data: Buffer, config: Config, limit: int) -> Decoded:
    """Undo a filter of numcodecs; none of them makes its input much larger.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    try:
        with np.errstate(all="ignore"):
            return Decoded(np.asarray(numcodecs_codec(config).decode(data)))
    except MemoryError:  # says nothing about the data
        raise
    except Exception as error:
        text = f'filter "{config["id"]}" cannot be undone ({first_line(error)})'
        raise DecodeError(text) from error


def encode_numcodecs(data: Buffer, config: Config) -> bytes:
    """Apply a filter of numcodecs."""
    return raw(numcodecs_codec(config).encode(data))


def numcodecs_problem(config: Config) -> str | None:
    """Say why numcodecs refuses a configuration."""
    try:
        numcodecs_codec(config)
    except UnsupportedError as error:
        return str(error)
    return None


def typed_problem(config: Config) -> str | None:
    """Say what is wrong with a filter of numbers: types that are missing or are not of numbers."""
    kind = config["id"]
    for key in ("dtype", "astype", "encode_dtype", "decode_dtype"):
        if config.get(key) is not None and not _is_number_type(config[key]):
            return f'codec "{kind}" with {key} {config[key]!r} is not supported'
    needed = {"delta": ("dtype",), "fixedscaleoffset": ("dtype", "offset", "scale")}
    needed |= {"astype": ("encode_dtype", "decode_dtype")}
    for key in needed.get(kind, ()):
        if config.get(key) is None:
            return f'codec "{kind}" has no "{key}"'
    return numcodecs_problem(config)


def shuffle_problem(config: Config) -> str | None:
    """Say what is wrong with the settings of the shuffle filter."""
    element_bytes = config.get("elementsize", 4)
    if type(element_bytes) is not int or element_bytes < 1:
        return f'codec "shuffle" with elementsize {element_bytes!r} is not supported'
    return numcodecs_problem(config)


def numcodecs_codec(config: Config) -> Any:
    """Build a numcodecs filter.

    Raises
    ------
    UnsupportedError
        A configuration that numcodecs refuses.
    """
    key = repr(config)
    if key in _BUILT:
        return _BUILT[key]
    import numcodecs

    # astype and dtype may be given as None; numcodecs accepts them only where they are left out
    given = {key: value for key, value in config.items() if value is not None}
    try:
        return _BUILT.setdefault(key, numcodecs.get_codec(given))
    except Exception as error:
        settings = ", ".join(f"{key} {value!r}" for key, value in config.items() if key != "id")
        raise UnsupportedError(
            f'codec "{config["id"]}" with {settings} is not supported: {first_line(error)}'
        ) from error


def size_with_checksum(config: Config, size: int, dtype: np.dtype[Any]) -> int:
    """Bytes after a checksum was added.

    Result and parameters as :class:`~uplift.codecs.codec.Codec` says of `size_after`.
    """
    return size + CHECKSUM_BYTES


def size_packed(config: Config, size: int, dtype: np.dtype[Any]) -> int:
    """Bytes after packbits: one bit an element, and a count of unused ones.

    Result and parameters as :class:`~uplift.codecs.codec.Codec` says of `size_after`.
    """
    return 1 + -(-size // 8)


def size_of_type(config: Config, size: int, dtype: np.dtype[Any]) -> int:
    """Bytes after the elements became another type.

    Result and parameters as :class:`~uplift.codecs.codec.Codec` says of `size_after`.
    """
    if config["id"] == "astype":
        before, after = np.dtype(config["decode_dtype"]), np.dtype(config["encode_dtype"])
    else:
        before = np.dtype(config.get("dtype") or dtype)
        after = np.dtype(config.get("astype") or before)
    return size // before.itemsize * after.itemsize


def keeps_type(config: Config, dtype: np.dtype[Any]) -> bool:
    """Whether a rounding filter stores the elements' own type: decoding then changes nothing."""
    same = np.dtype(config.get("astype") or config.get("dtype") or dtype)
    return bool(same == np.dtype(config.get("dtype") or dtype) == dtype)


def decode_pcodec(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode numbers of pcodec, whose type is the array's.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    from pcodec import standalone

    dtype = np.dtype(config["elements"])
    numbers = np.empty(limit // dtype.itemsize, dtype=dtype)
    try:
        progress = standalone.simple_decompress_into(raw(data), numbers)
    except (RuntimeError, TypeError) as error:
        raise DecodeError(f"the pcodec data are damaged ({first_line(error)})") from None
    if not progress.finished:
        raise DecodeError(f"decodes to more than the {limit} bytes expected")
    return Decoded(numbers[: progress.n_processed])


def pcodec_problem(config: Config) -> str | None:
    """Say which data types pcodec does not support."""
    elements = config["elements"]
    if re.fullmatch("<[iu][248]|<f[248]", elements):
        return None
    return f'codec "pcodec" does not go with elements "{elements}"'


def _is_number_type(value: Any) -> bool:
    try:
        return isinstance(value, str) and np.dtype(value).kind in "biufc"
    except (TypeError, ValueError):
        return False

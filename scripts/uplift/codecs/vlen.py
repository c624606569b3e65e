"""The ``vlen-utf8`` and ``vlen-bytes`` layout: a count, then each item after its length.

Count and lengths are little-endian uint32.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.codecs.streams import DecodeError
from uplift.zarr_metadata.fill_values import Vlen

_LENGTH = struct.Struct("<I")


def count_vlen(data: bytes) -> int:
    """Items that a buffer says it holds.

    Raises
    ------
    DecodeError
        The buffer is too short to hold them.
    """
    if len(data) < 4:
        raise DecodeError("is too short for a list of strings")
    count: int = _LENGTH.unpack_from(data)[0]
    if 4 + 4 * count > len(data):
        raise DecodeError(f"says it holds {count} strings, but has only {len(data)} bytes")
    return count


def decode_vlen(data: bytes, vlen: Vlen) -> NDArray[Any]:
    """Decode a buffer to a 1-d object array of ``str`` or ``bytes``.

    Raises
    ------
    DecodeError
        Lengths that contradict the buffer, or text that is no UTF-8.
    """
    items = np.empty(count_vlen(data), dtype=object)
    position = 4
    for index in range(len(items)):
        if position + 4 > len(data):
            raise DecodeError(f"ends before string {index} of {len(items)}")
        start = position + 4
        position = start + _LENGTH.unpack_from(data, position)[0]
        if position > len(data):
            raise DecodeError(f"ends inside string {index} of {len(items)}")
        item = data[start:position]
        items[index] = _text(item, index) if vlen == "string" else item
    if position != len(data):
        raise DecodeError(f"has {len(data) - position} bytes after its last string")
    return items


def encode_vlen(items: Iterable[str | bytes]) -> bytes:
    """Encode strings or bytes in the order given."""
    parts = [item.encode() if isinstance(item, str) else bytes(item) for item in items]
    body = b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))
    return _LENGTH.pack(len(parts)) + body


def _text(item: bytes, index: int) -> str:
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"string {index} is not UTF-8 ({error.reason})") from None

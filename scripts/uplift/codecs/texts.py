"""Arrays of texts or bytes of variable length: their buffers to object arrays and back.

``vlen-utf8`` and ``vlen-bytes`` are a count, then each item after its length, all little-endian
uint32. ``json2`` and ``msgpack2`` are numcodecs' lists of the items, NumPy type and shape; of what
they can hold only texts have a data type in Zarr v3.
"""

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.codecs.codec import Buffer, Config, Decoded, DecodeError, ElementError, first_line, raw

_LENGTH = struct.Struct("<I")


def problem(config: Config) -> str | None:
    """Say when the elements are not those that a codec of texts or bytes holds."""
    held = "bytes" if config["id"] == "vlen-bytes" else "string"
    if config["elements"] == held:
        return None
    return f'codec "{config["id"]}" does not go with the data type'


def decode_vlen(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode to a 1-d object array of at most `limit` items, ``str`` or ``bytes``.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    data = raw(data)
    items = np.empty(_item_count(data, limit), dtype=object)
    position = 4
    for index in range(len(items)):
        if position + 4 > len(data):
            raise DecodeError(f"ends before string {index} of {len(items)}")
        start = position + 4
        position = start + _LENGTH.unpack_from(data, position)[0]
        if position > len(data):
            raise DecodeError(f"ends inside string {index} of {len(items)}")
        item = data[start:position]
        items[index] = _text(item, index) if config["id"] == "vlen-utf8" else item
    if position != len(data):
        raise DecodeError(f"has {len(data) - position} bytes after its last string")
    return Decoded(items)


def encode_vlen(items: Buffer, config: Config) -> bytes:
    """Encode an object array of strings or bytes, in C order."""
    listed: list[str | bytes] = np.asarray(items).ravel().tolist()
    parts = [item.encode() if isinstance(item, str) else bytes(item) for item in listed]
    body = b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))
    return _LENGTH.pack(len(parts)) + body


def decode_json(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode a list in JSON to a 1-d object array of at most `limit` texts.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    try:
        listed = json.loads(raw(data).decode(config.get("encoding", "utf-8")))
    except (ValueError, LookupError, RecursionError) as error:
        raise DecodeError(f"is not JSON ({first_line(error)})") from None
    return Decoded(_texts_of(listed, limit))


def decode_msgpack(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode a list in MessagePack to a 1-d object array of at most `limit` texts.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    import msgpack

    try:
        listed = msgpack.unpackb(raw(data), raw=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise DecodeError(f"is not MessagePack ({first_line(error)})") from None
    return Decoded(_texts_of(listed, limit))


def _item_count(data: bytes, limit: int) -> int:
    """Number of items that a buffer declares, where it can hold them and the limit allows it."""
    if len(data) < 4:
        raise DecodeError("is too short for a list of strings")
    count: int = _LENGTH.unpack_from(data)[0]
    if 4 + 4 * count > len(data):
        raise DecodeError(f"says it holds {count} strings, but has only {len(data)} bytes")
    if count > limit:
        raise DecodeError(f"holds {count} strings, {limit} expected")
    return count


def _text(item: bytes, index: int) -> str:
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"string {index} is not UTF-8 ({error.reason})") from None


def _texts_of(listed: Any, limit: int) -> NDArray[Any]:
    """Texts of a list that ends with its NumPy type and shape, nested once for each axis."""
    if not isinstance(listed, list) or len(listed) < 2 or not isinstance(listed[-1], list):
        raise DecodeError("is not a list of texts with their type and shape")
    *items, _, shape = listed
    for _ in shape[1:]:
        if not all(isinstance(item, list) for item in items):
            raise DecodeError(f"is not a list of texts nested as its shape {shape} says")
        items = [item for inner in items for item in inner]
    if len(items) > limit:
        raise DecodeError(f"holds {len(items)} strings, {limit} expected")
    for index, item in enumerate(items):
        if not isinstance(item, str):
            found = "null" if item is None else type(item).__name__
            raise ElementError(f"item {index} is not a text but {found}")
    texts = np.empty(len(items), dtype=object)
    texts[:] = items
    return texts

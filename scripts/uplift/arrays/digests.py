"""Fast digests of chunks: of bytes as stored, and of decoded values.

XXH3-128 (xxhash.com), sixteen bytes in canonical, big-endian order: quicker than memory is read, so
that every chunk can be looked at again. It finds accidents; it keeps nobody from forging data.
"""

import base64
import binascii
import json
import struct
import sys
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from uplift.storage.protocol import Readable

ALGORITHM = "xxh3-128"
_IS_LITTLE = sys.byteorder == "little"
ROW = np.dtype([("object", "<u8"), ("chunk", "<u8"), ("digest", "V16")])
"""What convert read: the object that takes it and the source chunk, both as C-order linear indices
in their grids, and the digest. Of a repack it is of the encoded bytes (of a rewrap, of the deflate
body; of a chunk that had to be recoded, of its values); of a recode, of the values that the object
takes of the chunk."""

_NUMBERS = struct.Struct("<QQ")

NO_OBJECT = 2**64 - 1
"""In place of an object: the digest is of all values of the chunk, which several objects share."""

PIXEL_ROW = np.dtype([("index", "<u8"), ("digest", "V16")])
"""What validation found: C-order linear index of a source chunk, and the digest of its values."""

Digests = dict[tuple[int, int], bytes]
"""Digest by object and chunk."""

digest_of = xxhash.xxh3_128_digest
"""Digest of a buffer, 16 bytes."""


def canonical_bytes(values: NDArray[Any]) -> Readable:
    """Little-endian C-order bytes; for strings of variable length their JSON list."""
    if values.dtype.hasobject or values.dtype.kind == "T":
        items = [
            v.decode("latin-1") if isinstance(v, bytes) else v for v in values.ravel().tolist()
        ]
        return json.dumps(items, ensure_ascii=True, separators=(",", ":")).encode()
    seen = viewed_bytes(values)
    if seen is not None:
        return seen
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    return little.reshape(-1).view(np.uint8).data


def viewed_bytes(values: NDArray[Any]) -> memoryview | None:
    """Canonical bytes of an array whose memory holds them as they are; else None."""
    if values.flags.c_contiguous and values.dtype.isnative and _IS_LITTLE:
        return values.reshape(-1).view(np.uint8).data
    return None


def digest_of_values(values: NDArray[Any]) -> bytes:
    """Digest of an array's values, whatever their byte order and layout in memory."""
    return digest_of(canonical_bytes(values))


def rewrapped_body(data: Readable) -> Readable:
    """Deflate body of a gzip member with the shortest header (RFC 1952)."""
    return memoryview(data)[10:-8]


def row(position: int, chunk: int, digest: bytes) -> bytes:
    """Row of :data:`ROW`.

    Parameters
    ----------
    position
        Of the chunk's object in the object grid, in C order.
    chunk
        Position of the chunk in its object, in C order.
    digest
        Of the chunk, 16 bytes.

    Returns
    -------
    bytes
        Bytes of one row.
    """
    return _NUMBERS.pack(position, chunk) + digest


def rows_to_text(rows: bytes) -> str:
    """Write rows for a line of JSON."""
    return base64.b64encode(rows).decode("ascii")


def digests_in(rows: bytes) -> Digests:
    """Digests of rows."""
    table = np.frombuffer(rows, dtype=ROW)
    pairs = zip(table["object"].tolist(), table["chunk"].tolist(), strict=True)
    return dict(zip(pairs, map(bytes, table["digest"]), strict=True))


def digests_in_text(text: str) -> Digests:
    """Digests of what :func:`rows_to_text` made; none when it is damaged."""
    try:
        return digests_in(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return {}


def pixel_row(chunk: int, digest: bytes) -> bytes:
    """Row of :data:`PIXEL_ROW`."""
    return chunk.to_bytes(8, "little") + digest


def sorted_pixel_rows(rows: bytes) -> bytes:
    """Put rows in grid order."""
    table = np.frombuffer(rows, dtype=PIXEL_ROW)
    return table[np.argsort(table["index"], kind="stable")].tobytes()

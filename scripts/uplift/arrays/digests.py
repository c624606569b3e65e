"""Fast digests of chunks: of bytes as stored, and of decoded values.

XXH3-128 (xxhash.com), sixteen bytes in canonical, big-endian order: faster than memory can be read,
so that every chunk can be checked again. It detects accidental changes; it does not protect from
forgery.
"""

import base64
import binascii
import functools
import json
import math
import struct
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from uplift import grid
from uplift.models.batch import BatchItem
from uplift.storage.protocol import Readable

ALGORITHM = "xxh3-128"
_IS_LITTLE = sys.byteorder == "little"
_ROW = struct.Struct("<qq16s")
"""What convert read: the object that takes it and the source chunk, both as C-order linear indices
in their grids (of more bytes where a grid needs them: :func:`linear_index_bytes`), and the digest.
Of a repack it is of the encoded bytes (of a rewrap, of the deflate body; of a chunk that had to be
recoded, of its values); of a recode, of the values that the object takes of the chunk."""

_NUMBERS = struct.Struct("<qq")
_DIGEST_BYTES = 16
_SHORT = 8
"""Bytes of an index in nearly all arrays."""

NO_OBJECT = -1
"""Instead of an object's index: the digest is of all values of the chunk, which several objects
share."""

NO_CHUNK = -1
"""Instead of a chunk's index: the digest is of the encoded chunks of the object, one after the
other."""

PIXEL_ROW = np.dtype([("index", "<u8"), ("digest", "V16")])
"""What validation found: C-order linear index of a source chunk (of more bytes where its grid needs
them, see :func:`linear_index_bytes`), and the digest of its values."""

Digests = dict[tuple[int, int], bytes]
"""Digest by object and chunk."""

digest_of = xxhash.xxh3_128_digest
"""Digest of a buffer, 16 bytes."""
Digester = xxhash.xxh3_128
"""Makes the same digest of what comes in pieces."""


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


def linear_index_bytes(*counts: int) -> int:
    """Bytes of a linear index in rows about grids of so many cells: 8, or a multiple of that."""
    return _SHORT * (max(counts).bit_length() // (8 * _SHORT) + 1)


def row_index_bytes(item: BatchItem) -> int:
    """Bytes of the indices in rows of what is read of an array."""
    source, target = item.source, item.target
    objects = _cells(target.shape, target.object_shape)
    return linear_index_bytes(_cells(source.shape, source.chunks), objects)


def pixel_index_bytes(item: BatchItem) -> int:
    """Bytes of the index in rows of what is found again of an array."""
    return linear_index_bytes(_cells(item.source.shape, item.source.chunks))


@functools.lru_cache(maxsize=1024)
def _cells(shape: grid.Shape, steps: grid.Shape) -> int:
    return math.prod(grid.grid_shape(shape, steps))


def row(position: int, chunk: int, digest: bytes, width: int = _SHORT) -> bytes:
    """Row of :data:`ROW`.

    Parameters
    ----------
    position
        C-order linear index of the object in its grid, or :data:`NO_OBJECT`.
    chunk
        C-order linear index in the source's chunk grid, or :data:`NO_CHUNK`.
    digest
        Of the values or bytes, 16 bytes.
    width
        Of an index, in bytes.

    Returns
    -------
    bytes
        Bytes of one row.
    """
    if width == _SHORT:
        return _NUMBERS.pack(position, chunk) + digest
    numbers = (one.to_bytes(width, "little", signed=True) for one in (position, chunk))
    return b"".join((*numbers, digest))


def rows_to_text(rows: bytes) -> str:
    """Write rows for a line of JSON."""
    return base64.b64encode(rows).decode("ascii")


def digests_in(rows: bytes, width: int = _SHORT) -> Digests:
    """Digests of rows with indices of so many bytes."""
    if width != _SHORT:
        return dict(_wide_rows(rows, width))
    return {(one, chunk): digest for one, chunk, digest in _ROW.iter_unpack(rows)}


def _wide_rows(rows: bytes, width: int) -> Iterator[tuple[tuple[int, int], bytes]]:
    step = 2 * width + _DIGEST_BYTES
    if len(rows) % step:
        raise ValueError(f"{len(rows)} bytes are not rows of {step}")
    for at in range(0, len(rows), step):
        position, chunk = (
            int.from_bytes(rows[first : first + width], "little", signed=True)
            for first in (at, at + width)
        )
        yield (position, chunk), rows[at + 2 * width : at + step]


def digests_in_text(text: str, width: int = _SHORT) -> Digests:
    """Digests of what :func:`rows_to_text` made; none when it is damaged."""
    try:
        return digests_in(base64.b64decode(text, validate=True), width)
    except (binascii.Error, ValueError, struct.error):
        return {}


def pixel_row(chunk: int, digest: bytes, width: int = _SHORT) -> bytes:
    """Row of :data:`PIXEL_ROW`.

    Parameters
    ----------
    chunk
        C-order linear index in the source's chunk grid.
    digest
        Of its values, 16 bytes.
    width
        Of the index, in bytes.

    Returns
    -------
    bytes
        Bytes of one row.
    """
    return chunk.to_bytes(width, "little") + digest


def sorted_pixel_rows(rows: bytes, width: int = _SHORT) -> bytes:
    """Put rows, with indices of so many bytes, in grid order."""
    if width != _SHORT:
        step = width + _DIGEST_BYTES
        wide = [bytes(rows[at : at + step]) for at in range(0, len(rows), step)]
        wide.sort(key=lambda one: int.from_bytes(one[:width], "little"))
        return b"".join(wide)
    table = np.frombuffer(rows, dtype=PIXEL_ROW)
    return table[np.argsort(table["index"], kind="stable")].tobytes()

"""The ``sharding_indexed`` index: encode and decode (zarr v3 sharding codec, version 1.0).

A shard is its chunks' bytes one after the other, then the index: for every cell in C order a pair
of little-endian uint64 (offset from the start of the object, bytes), then CRC-32C of those pairs.
A cell without a chunk holds 2**64 - 1 twice.
"""

import struct

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from uplift.errors import SourceError

ABSENT = 2**64 - 1


def index_bytes(cells: int) -> int:
    """Size of an encoded index of `cells` cells, in bytes."""
    return 16 * cells + 4


def empty_index(cells: int) -> NDArray[np.uint64]:
    """An index of shape (cells, 2) in which every chunk is absent."""
    return np.full((cells, 2), ABSENT, dtype="<u8")


def encode_index(index: NDArray[np.uint64]) -> bytes:
    """Encode (cells, 2) pairs of (offset, bytes) with their CRC-32C."""
    body = index.astype("<u8", copy=False).tobytes()
    return body + struct.pack("<I", google_crc32c.value(body))


def decode_index(
    data: bytes, cells: int, where: str, *, checksum: bool = True
) -> NDArray[np.uint64]:
    """Decode an index to shape (cells, 2).

    Parameters
    ----------
    data
        The encoded index alone, 16 bytes a cell and the checksum.
    cells
        Chunks of a shard.
    where
        Names the shard in messages.
    checksum
        Whether CRC-32C follows.

    Returns
    -------
    NDArray[np.uint64]
        Offset and bytes of each chunk, shape (cells, 2), cells in C order.

    Raises
    ------
    SourceError
        Wrong size or wrong CRC-32C; `where` names the shard.
    """
    expected = index_bytes(cells) if checksum else 16 * cells
    if len(data) != expected:
        raise SourceError(f"{where}: shard index has {len(data)} bytes, {expected} expected")
    body = data[: 16 * cells]
    if checksum and struct.unpack("<I", data[-4:])[0] != google_crc32c.value(body):
        raise SourceError(f"{where}: the checksum of the shard index is wrong")
    return np.frombuffer(body, dtype="<u8").reshape(cells, 2)

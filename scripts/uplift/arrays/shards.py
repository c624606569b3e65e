"""Shards of either side: the one writer, and the one reader of their indexes (zarr v3 sharding)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uplift.codecs import shard_index
from uplift.storage.protocol import OpenObject, Readable, Store, WritableStore

ShardIndex = NDArray[np.uint64]
"""Offset and length in bytes of each cell's chunk, shape (cells, 2)."""


class Piece(NamedTuple):
    """Encoded chunk of one cell of a shard."""

    cell: int
    data: Readable


class Abandoned(Exception):  # noqa: N818
    """Raised while an object is made: it is discarded, and what was there before stays."""


def write_shard(
    output: WritableStore, key: str, cells: int, blocks: Iterable[Sequence[Piece]]
) -> int:
    """Write chunks one after the other, and their index at the end.

    Parameters
    ----------
    output
        Store to write to.
    key
        Key of the shard.
    cells
        Cells of its index.
    blocks
        Chunks in the order in which they are written; the memory of a block may be used again once
        the next one is asked for. Raises :class:`Abandoned` to discard the shard.

    Returns
    -------
    int
        Bytes of the shard; 0 when there was no chunk, or it was abandoned: nothing is written.

    Raises
    ------
    StorageError
        A write that failed.
    """
    ranges: list[tuple[int, int, int]] = []
    offset = 0
    try:
        with output.writer(key) as writer:
            for block in blocks:
                for cell, data in block:
                    ranges.append((cell, offset, len(data)))
                    offset += len(data)
                writer.write_all([piece.data for piece in block])
            if not ranges:
                raise Abandoned
            index = shard_index.empty_index(cells)
            table = np.array(ranges, dtype=np.uint64)
            index[table[:, 0].astype(np.intp)] = table[:, 1:]
            tail = shard_index.encode_index(index)
            writer.write(tail)
    except Abandoned:
        return 0
    return offset + len(tail)


def read_index(
    store: Store,
    key: str,
    cells: int,
    *,
    size: int | None = None,
    opened: OpenObject | None = None,
    at_start: bool = False,
    checksum: bool = True,
) -> ShardIndex | None:
    """Read the index of a shard; None when there is no such object.

    Parameters
    ----------
    store
        Store to read from.
    key
        Key of the shard.
    cells
        Cells of its index.
    size
        Bytes of the shard, where they are known: not every server counts from the end.
    opened
        The shard, where it is open.
    at_start
        Whether the index lies before the chunks (``index_location: start``).
    checksum
        Whether CRC-32C of the index follows it.

    Returns
    -------
    ShardIndex | None
        Offset and bytes of each chunk, shape (cells, 2).

    Raises
    ------
    SourceError
        Wrong length or checksum.
    StorageError
        A read that failed.
    """
    length = shard_index.index_bytes(cells) if checksum else 16 * cells
    start = 0 if at_start else -length if size is None else max(0, size - length)
    if opened is not None:
        data: bytes | None = opened.read(start, length)
    else:
        data = store.get_range(key, start, length)
    if data is None:
        return None
    return shard_index.decode_index(data, cells, f"{store.url}/{key}", checksum=checksum)

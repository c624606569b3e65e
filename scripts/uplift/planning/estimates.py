"""What a conversion will cost: objects and bytes stored, memory of a recode. Integers only."""

import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from uplift import grid
from uplift.codecs import shard_index
from uplift.grid import Shape
from uplift.models.arrays import Method, SourceArray, TargetArray
from uplift.models.batch import BatchItem
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.once import once_each
from uplift.models.plan import Estimate, Planning, Totals
from uplift.zarr_metadata import data_types

MIB = 2**20
VLEN_ELEMENT_BYTES = 16
"""Guess for one string of variable length."""

RECODE_BLOCK_BYTES = 128 * MIB
"""Decoded target chunks that a recode works on together (one chunk at least); the engine takes the
number from here. Large enough that most source chunks are decoded once."""

RECODE_WINDOW = 8
"""Chunks of either side that a recode is allowed for in memory, decoded and encoded. The engine has
one at work (see `costs`); the bound is kept, since existing plans were proposed with it."""

RECODE_MEMORY_MIB = Planning().recode_memory_mib
"""Default of the setting ``recode_memory_mib``."""

_GZIP_MINUS_ZLIB_BYTES = 12
"""Header and trailer of gzip (10 + 8 bytes) in place of those of zlib (2 + 4)."""
_SERIALIZERS = frozenset({"bytes", "transpose"})

Targets = Mapping[str, tuple[TargetArray, Method]]
"""Array path to target and method."""


@once_each
def element_bytes(source: SourceArray) -> int:
    """Decoded bytes of one element (a guess for strings of variable length)."""
    dtype = data_types.numpy_dtype(source)
    return VLEN_ELEMENT_BYTES if dtype.hasobject else dtype.itemsize


def decoded_bytes(source: SourceArray, extent: Shape) -> int:
    """Decoded bytes of a region of `extent` elements along each axis."""
    return math.prod(extent) * element_bytes(source)


def stored_decoded_bytes(entry: InventoryArray) -> int:
    """Decoded bytes of the chunks that exist in the source."""
    return entry.stored_chunks * decoded_bytes(entry.source, entry.source.chunks)


def recode_memory_bytes(source: SourceArray, target: TargetArray) -> int:
    """Upper bound of the memory that recoding one stored object takes.

    A shard is made in blocks of whole target chunks; up to `RECODE_WINDOW` chunks on either side
    exist decoded and encoded as well. Unsharded, that many objects are made at once.
    """
    chunk_bytes = decoded_bytes(source, target.chunks)
    object_bytes = decoded_bytes(source, target.object_shape)
    source_bytes = decoded_bytes(source, source.chunks)
    at_once = min(RECODE_WINDOW, math.prod(grid.grid_shape(source.shape, source.chunks)))
    made = min(RECODE_WINDOW, math.prod(grid.grid_shape(target.shape, target.chunks)))
    copies = 2 * at_once * source_bytes + 2 * made * chunk_bytes
    if target.shards is None:
        return copies + made * chunk_bytes
    return copies + max(chunk_bytes, min(RECODE_BLOCK_BYTES, object_bytes))


def stored_objects(entry: InventoryArray | BatchItem, target: TargetArray) -> int:
    """Chunk or shard objects that the output will have (an upper bound for sparse arrays)."""
    source = entry.source
    objects = math.prod(target.object_grid)
    return min(objects, entry.stored_chunks * _overlap(source.chunks, target.object_shape))


def predicted(entry: InventoryArray | BatchItem, target: TargetArray, method: Method) -> Totals:
    """Objects and bytes of one array at the output, without its ``zarr.json``.

    Bytes are exact for a repack or rewrap whose objects are known, and for uncompressed chunks of
    a dense array; otherwise recoded chunks are taken to need as many bytes as in the source.

    Parameters
    ----------
    entry
        The array at the source, or a part of it.
    target
        What becomes of it.
    method
        How.

    Returns
    -------
    Totals
        Objects, and bytes as stored.
    """
    objects = stored_objects(entry, target)
    stored = entry.stored_bytes
    if method == "rewrap":
        stored += _GZIP_MINUS_ZLIB_BYTES * entry.stored_chunks
    elif method == "recode" and {codec["name"] for codec in target.codecs} <= _SERIALIZERS:
        cells = math.prod(grid.grid_shape(target.shape, target.chunks))
        chunks = min(cells, entry.stored_chunks * _overlap(entry.source.chunks, target.chunks))
        stored = chunks * decoded_bytes(entry.source, target.chunks)
    if target.shards is not None:
        cells = math.prod(grid.chunks_per_shard(target.shards, target.chunks))
        stored += objects * shard_index.index_bytes(cells)
    return Totals(objects=objects, bytes=stored)


def estimate_of(inventory: Inventory, targets: Targets) -> Estimate:
    """Objects and bytes of a dataset before and after, for the targets of a plan in force.

    Metadata documents count as objects; their bytes, small and not yet known, do not count.
    """
    entries = [entry for entry in inventory.arrays if entry.path in targets]
    arrays = [predicted(entry, *targets[entry.path]) for entry in entries]
    files = Totals(objects=len(inventory.files), bytes=sum(file.bytes for file in inventory.files))
    documents = len(inventory.groups) + len(arrays)
    return Estimate(
        before=_before(inventory, files),
        after=Totals(
            objects=documents + files.objects + sum(one.objects for one in arrays),
            bytes=files.bytes + sum(one.bytes for one in arrays),
        ),
        methods=dict(sorted(Counter(targets[entry.path][1] for entry in entries).items())),
    )


def _before(inventory: Inventory, files: Totals) -> Totals:
    documents = len(inventory.arrays) + sum(group.explicit for group in inventory.groups)
    if inventory.zarr_format == 2:
        documents += sum(entry.attributes_sha256 is not None for entry in inventory.arrays)
        documents += sum(group.attributes_sha256 is not None for group in inventory.groups)
    return Totals(
        objects=documents
        + files.objects
        + len(inventory.dropped)
        + sum(entry.stored_chunks for entry in inventory.arrays),
        bytes=files.bytes
        + sum(file.bytes for file in inventory.dropped)
        + sum(entry.stored_bytes for entry in inventory.arrays),
    )


@lru_cache(maxsize=256)
def _overlap(chunks: Shape, others: Shape) -> int:
    """Most regions of the grid of `others` that one region of the grid of `chunks` can touch."""
    return math.prod(
        1 if other % chunk == 0 else (chunk + other - 2) // other + 1
        for chunk, other in zip(chunks, others, strict=True)
    )

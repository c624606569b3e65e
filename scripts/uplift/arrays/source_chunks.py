"""Encoded chunks of one source array, whatever objects hold them (Zarr v2, v3, v3 sharded)."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uplift import grid
from uplift.codecs import shard_index
from uplift.codecs.chunks import ChunkDecoder
from uplift.errors import SourceError
from uplift.grid import Index
from uplift.models.arrays import SourceArray
from uplift.storage.protocol import ObjectInfo, Store, join
from uplift.zarr_metadata.v3 import ChunkKeys, chunk_key

_KEPT_INDEXES = 64

Region = tuple[tuple[int, int], ...]


class ListingDigest:
    """Digest of the stored objects of an array by key, size and stamp, in whatever order."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, key: str, info: ObjectInfo) -> None:
        """Count one object; `key` is its key below the array's path."""
        text = f"{key}\0{info.size}\0{info.stamp}".encode()
        self._sum += int.from_bytes(hashlib.sha256(text).digest(), "little")

    def hexdigest(self) -> str:
        """Digest of all objects so far (their digests' sum modulo 2**256)."""
        return f"{self._sum % 2**256:064x}"


class ChunkSource:
    """Reads encoded chunks by their index in the source's chunk grid.

    Attributes
    ----------
    grid
        Chunks along each axis, length ndim.
    """

    def __init__(self, store: Store, path: str, source: SourceArray) -> None:
        self.store = store
        self.path = path
        self.source = source
        self.grid = grid.grid_shape(source.shape, source.chunks)
        self._keys = ChunkKeys(source)
        self._indexes = _ShardIndexes(self) if source.shards is not None else None

    def key_of(self, index: Index) -> str:
        """Key of the object that holds a chunk."""
        if self._indexes is not None:
            index = self._indexes.shard_of(index)
        return join(self.path, chunk_key(self.source, index))

    def read(self, indices: Iterable[Index]) -> Iterator[bytes | None]:
        """Yield encoded chunks in the order of `indices`; None for a chunk that is absent.

        Raises
        ------
        StorageError
            Anything but absence.
        SourceError
            A shard index of the source that cannot be trusted.
        """
        if self._indexes is not None:
            return self._indexes.read(indices)
        prefix, source = join(self.path, ""), self.source
        prefix = f"{prefix}/" if prefix else ""
        keys = (prefix + chunk_key(source, index) for index in indices)
        return self.store.read_many(keys, self._chunk_bytes)

    @cached_property
    def _chunk_bytes(self) -> int:
        """Decoded bytes of a chunk, most often more than it has as stored; 0 when unknown."""
        return ChunkDecoder(self.source).nbytes or 0

    def stored_in(self, region: Region) -> list[Index]:
        """Indices of the chunks that exist inside half-open ranges, in C order.

        A store that cannot list is asked for each of them.
        """
        if self._indexes is not None:
            return self._indexes.stored_in(region)
        if not self.store.can_list:
            indices, again = itertools.tee(grid.indices_in(region))
            answers = self.store.stat_many(map(self.key_of, again))
            return [i for i, info in zip(indices, answers, strict=True) if info is not None]
        found = []
        skip = len(self.path) + 1 if self.path else 0
        for info in self.store.list_tree(join(self.path, self.folder_of(region))):
            index = self._keys.index_of(info.key[skip:])
            if index is not None and _inside(index, region):
                found.append(index)
        return sorted(found)

    def listing_sha256(self, region: Region = ()) -> str:
        """Digest of what is stored now; inspect noted the one of then.

        With a region, of what is stored in the folders that it lies in.
        """
        digest = ListingDigest()
        skip = len(self.path) + 1 if self.path else 0
        for info in self.store.list_tree(join(self.path, self.folder_of(region))):
            key = info.key[skip:]
            if self._keys.index_of(key) is not None:
                digest.add(key, info)
        return digest.hexdigest()

    def cells_in(self, shard: Index) -> int:
        """Chunks that a shard of a sharded v3 source holds."""
        return 0 if self._indexes is None else self._indexes.count(shard)

    def folder_of(self, region: Region) -> str:
        """Longest folder, relative to the array, below which all keys of a region lie."""
        if self._indexes is not None or any(a >= b for a, b in region) or not region:
            return ""
        first = chunk_key(self.source, tuple(a for a, _ in region)).split("/")
        last = chunk_key(self.source, tuple(b - 1 for _, b in region)).split("/")
        common = []
        for one, other in zip(first[:-1], last[:-1], strict=True):
            if one != other:
                break
            common.append(one)
        return "/".join(common)


class _ShardIndexes:
    """Locates inner chunks of a sharded v3 source; keeps the index of the shard last used."""

    def __init__(self, chunks: ChunkSource) -> None:
        source = chunks.source
        assert source.shards is not None  # noqa: S101
        self._chunks = chunks
        self._per_shard = grid.chunks_per_shard(source.shards, source.chunks)
        self._cells = math.prod(self._per_shard)
        self._shard_grid = grid.grid_shape(source.shape, source.shards)
        self._kept: dict[Index, NDArray[np.uint64] | None] = {}

    def shard_of(self, index: Index) -> Index:
        return tuple(i // k for i, k in zip(index, self._per_shard, strict=True))

    def locate(self, index: Index) -> tuple[int, int] | None:
        """Offset and length in bytes of an inner chunk, or None when absent."""
        table = self._table(self.shard_of(index))
        if table is None:
            return None
        cell = tuple(i % k for i, k in zip(index, self._per_shard, strict=True))
        offset, length = table[grid.linear_index(cell, self._per_shard)]
        return None if offset == shard_index.ABSENT else (int(offset), int(length))

    def count(self, shard: Index) -> int:
        table = self._table(shard)
        return 0 if table is None else int((table[:, 0] != shard_index.ABSENT).sum())

    def read(self, indices: Iterable[Index]) -> Iterator[bytes | None]:
        chunks = self._chunks
        wanted = list(indices)
        places = [self.locate(index) for index in wanted]
        found = chunks.store.read_ranges(
            (chunks.key_of(index), *place)
            for index, place in zip(wanted, places, strict=True)
            if place is not None
        )
        for index, place in zip(wanted, places, strict=True):
            data = None if place is None else next(found)
            if place is not None and (data is None or len(data) != place[1]):
                raise SourceError(
                    f"{chunks.store.url}/{chunks.key_of(index)}: the shard ends before chunk "
                    f"{index} does; restore it from a good copy"
                )
            yield data

    def stored_in(self, region: Region) -> list[Index]:
        ranges = tuple(
            (a // k, grid.ceil_div(b, k)) for (a, b), k in zip(region, self._per_shard, strict=True)
        )
        found = []
        for shard in grid.indices_in(ranges):
            if self._table(shard) is None:
                continue
            inside = grid.chunk_region(shard, self._per_shard, self._chunks.grid)
            found += [
                i
                for i in grid.indices_in(inside)
                if _inside(i, region) and self.locate(i) is not None
            ]
        return sorted(found)

    def _table(self, shard: Index) -> NDArray[np.uint64] | None:
        if shard in (kept := self._kept):
            return kept[shard]
        table = self._fetch(shard)
        # A new mapping each time: threads that read the old one are not disturbed.
        self._kept = {**(kept if len(kept) < _KEPT_INDEXES else {}), shard: table}
        return table

    def _fetch(self, shard: Index) -> NDArray[np.uint64] | None:
        source, store = self._chunks.source, self._chunks.store
        key = join(self._chunks.path, chunk_key(source, shard))
        checksum = any(codec["name"] == "crc32c" for codec in source.index_codecs or ())
        size = shard_index.index_bytes(self._cells) if checksum else 16 * self._cells
        start = 0 if source.index_location == "start" else -size
        data = store.get_range(key, start, size)
        if data is None:
            return None
        return shard_index.decode_index(data, self._cells, f"{store.url}/{key}", checksum=checksum)


def _inside(index: Index, region: Region) -> bool:
    return all(a <= i < b for i, (a, b) in zip(index, region, strict=True))

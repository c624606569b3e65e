"""Inner chunks of a sharded source array (Zarr v3), found by the indexes of its shards."""

import math
from collections.abc import Iterable, Iterator

from uplift import grid
from uplift.arrays.shards import ShardIndex, read_index
from uplift.codecs import shard_index
from uplift.errors import SourceError
from uplift.grid import Index, Region
from uplift.models.arrays import SourceArray
from uplift.storage.protocol import Store, join
from uplift.zarr_metadata.v3 import chunk_key

_KEPT_INDEXES = 64
"""Shard indexes held at once: of 4,096 chunks each has 64 KiB."""


class ShardIndexes:
    """Locates and reads inner chunks; keeps the indexes of the shards that were used last."""

    def __init__(self, store: Store, path: str, source: SourceArray) -> None:
        if source.shards is None:
            raise ValueError(f"{path}: an array without shards has no shard indexes")
        self._store, self._path, self._source = store, path, source
        self._grid = grid.grid_shape(source.shape, source.chunks)
        self._per_shard = grid.chunks_per_shard(source.shards, source.chunks)
        self._cells = math.prod(self._per_shard)
        self._kept: dict[Index, ShardIndex | None] = {}

    def key_of(self, index: Index) -> str:
        """Key of the shard that holds a chunk."""
        return self._key(self._shard_of(index))

    def count(self, shard: Index) -> int:
        """How many chunks a shard holds."""
        table = self._table(shard)
        return 0 if table is None else int((table[:, 0] != shard_index.ABSENT).sum())

    def read(self, indices: Iterable[Index]) -> Iterator[bytes | None]:
        """Yield encoded chunks in the order of `indices`; None for a chunk that is absent.

        Raises
        ------
        StorageError
            Anything but absence.
        SourceError
            A shard index that cannot be trusted, or a shard that is cut short.
        """
        wanted = list(indices)
        ranges = [self._locate(index) for index in wanted]
        found = self._store.read_ranges(
            (self.key_of(index), *found_at)
            for index, found_at in zip(wanted, ranges, strict=True)
            if found_at is not None
        )
        for index, found_at in zip(wanted, ranges, strict=True):
            data = None if found_at is None else next(found)
            if found_at is not None and (data is None or len(data) != found_at[1]):
                raise SourceError(
                    f"{self._store.url}/{self.key_of(index)}: the shard ends before chunk "
                    f"{index} does; restore it from a good copy"
                )
            yield data

    def stored_in(self, region: Region, shards: Iterable[Index] | None) -> Iterator[Index]:
        """Chunks that exist inside a region; `shards` that there are, where that is known."""
        ranges = tuple(
            (a // k, grid.ceil_div(b, k)) for (a, b), k in zip(region, self._per_shard, strict=True)
        )
        for shard in grid.indices_in(ranges) if shards is None else shards:
            if not grid.holds(ranges, shard) or self._table(shard) is None:
                continue
            for index in grid.indices_in(grid.chunk_region(shard, self._per_shard, self._grid)):
                if grid.holds(region, index) and self._locate(index) is not None:
                    yield index

    def _shard_of(self, index: Index) -> Index:
        return tuple(i // k for i, k in zip(index, self._per_shard, strict=True))

    def _locate(self, index: Index) -> tuple[int, int] | None:
        """Offset and length in bytes of an inner chunk, or None when absent."""
        table = self._table(self._shard_of(index))
        if table is None:
            return None
        offset, length = table[grid.cell_of(index, self._per_shard)]
        return None if offset == shard_index.ABSENT else (int(offset), int(length))

    def _table(self, shard: Index) -> ShardIndex | None:
        if shard in (kept := self._kept):
            return kept[shard]
        table = self._fetch(shard)
        # A new mapping each time: threads that read the old one are not disturbed.
        self._kept = {**(kept if len(kept) < _KEPT_INDEXES else {}), shard: table}
        return table

    def _fetch(self, shard: Index) -> ShardIndex | None:
        source = self._source
        return read_index(
            self._store,
            self._key(shard),
            self._cells,
            at_start=source.index_location == "start",
            checksum=any(codec["name"] == "crc32c" for codec in source.index_codecs or ()),
        )

    def _key(self, shard: Index) -> str:
        return join(self._path, chunk_key(self._source, shard))

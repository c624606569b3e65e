"""Encoded chunks of one source array, whatever objects hold them (Zarr v2, v3, v3 sharded)."""

import hashlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from uplift import grid
from uplift.arrays.reused import BUFFER_BYTES, borrowed_buffer, decoder_of
from uplift.arrays.source_shards import ShardIndexes
from uplift.grid import Index, Region
from uplift.models.arrays import SourceArray
from uplift.storage.protocol import NotedKey, ObjectInfo, Readable, Store, Wanted, join
from uplift.zarr_metadata.v3 import ChunkKeys, chunk_key


class ListingDigest:
    """Digest of the stored objects of an array by key, size and stamp, whatever their order."""

    def __init__(self, total: int = 0) -> None:
        self.total = total
        """Sum of the digests of the objects; sums of parts of a listing can be added."""
        self.objects = 0

    def add(self, key: str, info: ObjectInfo) -> None:
        """Count one object; `key` is its key below the array's path."""
        text = f"{key}\0{info.size}\0{info.stamp}".encode()
        self.total += int.from_bytes(hashlib.sha256(text).digest(), "little")
        self.objects += 1

    def hexdigest(self) -> str:
        """Digest of all objects so far (the sum modulo 2**256)."""
        return f"{self.total % 2**256:064x}"


class ChunkSource:
    """Reads encoded chunks by their index in the source's chunk grid.

    Attributes
    ----------
    grid
        Chunks along each axis, length ndim.
    listed
        Objects of chunks as :meth:`survey` found them: reading one that changed since is an error.
    notes
        Whether each file that is read is noted in :attr:`listed`, where it was not listed before.
    sums
        Whether the objects that are read are summed up in :attr:`opened`: of an array with too many
        chunks for :attr:`listed`.
    opened
        Digest of the objects that were read, as they were then. The sum over all parts of the array
        must be that of the listing.
    """

    def __init__(self, store: Store, path: str, source: SourceArray) -> None:
        self.store = store
        self.path = path
        self.source = source
        self.grid = grid.grid_shape(source.shape, source.chunks)
        self.listed: dict[Index, ObjectInfo] = {}
        self.notes = False
        self.sums = False
        self.opened = ListingDigest()
        self._prefix = f"{path}/" if path else ""
        self._keys = ChunkKeys(source)
        self._indexes = ShardIndexes(store, path, source) if source.shards is not None else None

    def key_of(self, index: Index) -> str:
        """Key of the object that holds a chunk."""
        if self._indexes is not None:
            return self._indexes.key_of(index)
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
        return self.store.read_many(map(self._wanted, indices), self._chunk_bytes)

    def blocks(self, indices: Iterable[Index]) -> Iterator[list[tuple[Index, Readable | None]]]:
        """Yield encoded chunks in the order of `indices`, as :meth:`read` does, block by block.

        What a block holds is valid until the next one is asked for: files are read into the same
        few MiB again and again, since fresh memory costs a page fault every 4 KiB. Those of a
        network file system are read ahead, except for the few of an array that is not listed.
        """
        if self.are_files and (self.notes or not self.store.reads_ahead):
            yield from self._file_blocks(indices)
            return
        ahead, wanted = itertools.tee(indices)
        if self._indexes is not None or not self.sums:
            for index, data in zip(wanted, self.read(ahead), strict=True):
                yield [(index, data)]
            return
        asked = deque[NotedKey]()

        def keys() -> Iterator[NotedKey]:
            for index in ahead:
                asked.append(NotedKey(self._prefix + chunk_key(self.source, index)))
                yield asked[-1]

        found = self.store.read_many(keys(), self._chunk_bytes)
        for index, data in zip(wanted, found, strict=True):
            info = asked.popleft().info
            if info is not None:
                self.opened.add(info.key[len(self._prefix) :], info)
            yield [(index, data)]

    @property
    def are_files(self) -> bool:
        """Whether each chunk is a file."""
        return self._indexes is None and self.store.is_local

    def _file_blocks(
        self, indices: Iterable[Index]
    ) -> Iterator[list[tuple[Index, Readable | None]]]:
        with borrowed_buffer() as buffer:
            likely = min(self._chunk_bytes, BUFFER_BYTES // 2)
            at, spans = 0, list[tuple[Index, int, int | None]]()
            for index in indices:
                if spans and at + likely > BUFFER_BYTES:
                    yield _views(buffer, spans)
                    at, spans = 0, []
                file = self.store.open_object(self._wanted(index))
                if file is None:
                    spans.append((index, at, None))
                    continue
                try:
                    count = file.read_into(buffer, at)
                except BufferError:  # it has to grow while views of the last block exist
                    buffer = bytearray(buffer[:at])
                    count = file.read_into(buffer, at)
                finally:
                    file.close()
                if self.notes:
                    self.listed[index] = file.info
                elif self.sums:
                    self.opened.add(file.info.key[len(self._prefix) :], file.info)
                spans.append((index, at, count))
                at += count
            if spans:
                yield _views(buffer, spans)

    def _wanted(self, index: Index) -> Wanted:
        """Object of a chunk: as it was listed, where that is known."""
        return self.listed.get(index) or self._prefix + chunk_key(self.source, index)

    @cached_property
    def _chunk_bytes(self) -> int:
        """Decoded bytes of a chunk, most often more than it has as stored; 0 when unknown."""
        return decoder_of(self.source).nbytes or 0

    def stored_in(self, region: Region) -> Iterator[Index]:
        """Indices of the chunks that exist inside half-open ranges, in any order.

        A store that cannot list is asked for each of them.
        """
        if self._indexes is not None:
            yield from self._indexes.stored_in(region, self._listed_shards())
        elif self.listed:
            yield from (index for index in self.listed if grid.holds(region, index))
        elif not self.store.can_list:
            indices, again = itertools.tee(grid.indices_in(region))
            answers = self.store.stat_many(map(self.key_of, again))
            yield from (i for i, info in zip(indices, answers, strict=True) if info is not None)
        else:
            skip = len(self.path) + 1 if self.path else 0
            for info in self.store.list_tree(join(self.path, self.folder_of(region))):
                index = self._keys.index_of(info.key[skip:])
                if index is not None and grid.holds(region, index):
                    yield index

    def _listed_shards(self) -> list[Index] | None:
        """Shards that there are, in order; None where the store cannot list."""
        if not self.store.can_list:
            return None
        keys = (info.key[len(self._prefix) :] for info in self.store.list_tree(self.path))
        return sorted(index for index in map(self._keys.index_of, keys) if index is not None)

    def survey(self, *, keep: bool) -> str:
        """List what is stored now; return the listing's digest, to compare with the inventory's.

        Parameters
        ----------
        keep
            Whether to remember each object in :attr:`listed`: of arrays with few chunks.
        """
        digest, skip = ListingDigest(), len(self._prefix)
        for info in self.store.list_tree(self.path):
            key = info.key[skip:]
            index = self._keys.index_of(key)
            if index is not None:
                digest.add(key, info)
                if keep and self._indexes is None:
                    self.listed[index] = info
        return digest.hexdigest()

    def noted_sha256(self) -> str:
        """What :meth:`survey` would return if what is in :attr:`listed` were all there is."""
        digest, skip = ListingDigest(), len(self._prefix)
        for info in self.listed.values():
            digest.add(info.key[skip:], info)
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


def _views(
    buffer: bytearray, spans: list[tuple[Index, int, int | None]]
) -> list[tuple[Index, Readable | None]]:
    view = memoryview(buffer)
    return [(i, None if count is None else view[at : at + count]) for i, at, count in spans]


def inside_part(values: NDArray[Any], chunk: Index, source: SourceArray) -> NDArray[Any]:
    """Elements of a decoded chunk that lie inside the array.

    Parameters
    ----------
    values
        Elements of a whole chunk, in the chunk's shape.
    chunk
        Index of the chunk in the chunk grid, length ndim.
    source
        The array, for its shape and its chunks.

    Returns
    -------
    NDArray[Any]
        A view, cut at the array's edge.
    """
    parts = grid.element_slices(chunk, source.chunks, source.shape)
    # The ellipsis keeps an array an array when it has no axes.
    cut: Any = (..., *(slice(part.stop - part.start) for part in parts))
    part: NDArray[Any] = values[cut]
    return part

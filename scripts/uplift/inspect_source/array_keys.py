"""Keys of one array, sorted: stored chunks are counted, everything else is kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from uplift.arrays.source_chunks import ChunkSource, ListingDigest
from uplift.errors import SourceError
from uplift.grid import Index
from uplift.inspect_source.nodes import METADATA_V3
from uplift.inspect_source.recent import Newest
from uplift.models.arrays import SourceArray
from uplift.models.once import once_each
from uplift.running.parallel import in_order
from uplift.running.progress import Progress
from uplift.storage.protocol import ObjectInfo, Store
from uplift.zarr_metadata.v3 import chunk_keys_of

REQUESTS_AT_ONCE = 32
"""Requests about single objects of a remote source at the same time."""
_SORTED_AT_ONCE = 1000
"""Objects of an array: each costs time, and there may be millions. As many as a page of S3 has."""


@dataclass(frozen=True)
class Chunks:
    """What is stored of one array; `listing_sha256` is a digest in no particular order."""

    stored: int
    bytes: int
    listing_sha256: str


@dataclass
class Keys:
    """Objects of one array, or of some of its folders; of chunks only a sum is kept.

    Attributes
    ----------
    stored, bytes
        Objects of chunks, and their bytes as stored.
    digest
        Of the listing of these.
    shards
        Their indices, where they are shards.
    files
        Objects that are not chunks, except the array's own documents.
    foreign
        Chunk keys with the other separator.
    both
        There are documents of Zarr v2 and of v3.
    """

    stored: int = 0
    bytes: int = 0
    digest: ListingDigest = field(default_factory=ListingDigest)
    shards: list[Index] = field(default_factory=list)
    files: list[ObjectInfo] = field(default_factory=list)
    foreign: int = 0
    both: bool = False

    def count(self, key: str, index: Index, info: ObjectInfo, *, sharded: bool) -> None:
        """Count one object of chunks.

        Parameters
        ----------
        key
            Below the array's path.
        index
            In the grid of stored objects, length ndim.
        info
            As the listing has it.
        sharded
            Whether it is a shard.
        """
        self.stored += 1
        self.bytes += info.size
        self.digest.add(key, info)
        if sharded:
            self.shards.append(index)

    def add(self, other: Keys) -> None:
        """Add those of other folders of the same array."""
        self.stored += other.stored
        self.bytes += other.bytes
        self.digest.total += other.digest.total
        self.shards += other.shards
        self.files += other.files
        self.foreign += other.foreign
        self.both |= other.both

    def total(
        self, store: Store, path: str, source: SourceArray, pool: ThreadPoolExecutor | None
    ) -> Chunks:
        """Sum up; the chunks in the shards of a sharded array are counted now.

        Parameters
        ----------
        store
            The source.
        path, source
            The array.
        pool
            For requests, side by side; None: one after the other.

        Returns
        -------
        Chunks
            Of the array.
        """
        stored = self.stored
        if source.shards is not None:
            count = partial(_cells, store, path, source)
            stored = sum(in_order(pool, count, self.shards, 2 * REQUESTS_AT_ONCE))
        return Chunks(stored, self.bytes, self.digest.hexdigest())


def _cells(store: Store, path: str, source: SourceArray, shard: Index) -> int:
    # A reader of its own: the indexes that one keeps are not made for several threads.
    return ChunkSource(store, path, source).cells_in(shard)


def sorted_keys(
    objects: Iterable[ObjectInfo],
    path: str,
    source: SourceArray,
    other: SourceArray | None,
    newest: Newest,
    listed: Progress | None = None,
) -> Keys:
    """Sort objects below an array's folder.

    Parameters
    ----------
    objects
        As they are listed.
    path, source
        The array.
    other
        The array with the other separator, whose chunk keys are counted; None: they are files.
    newest
        Where to note the object that changed last.
    listed
        Where to count objects.

    Returns
    -------
    Keys
        Of these objects.

    Raises
    ------
    SourceError
        A link that leads nowhere.
    """
    own = (METADATA_V3,) if source.zarr_format == 3 else (".zarray", ".zattrs")
    forbidden = ".zarray" if source.zarr_format == 3 else METADATA_V3
    skip, sharded = len(path) + 1 if path else 0, source.shards is not None
    keys = Keys()
    index_of = chunk_keys_of(source).index_of
    foreign = None if other is None else chunk_keys_of(other).index_of
    waiting = iter(objects)
    while page := list(itertools.islice(waiting, _SORTED_AT_ONCE)):
        if listed is not None:
            listed.add(len(page))
        newest.add(*page)
        for info in page:
            key = info.key[skip:]
            if info.leads_nowhere:  # it may stand for a chunk, or for a folder of them
                raise SourceError(
                    f"{info.key}: the link leads nowhere; remove it or restore its target"
                )
            index = index_of(key)
            if index is not None:
                keys.count(key, index, info, sharded=sharded)
            elif key == forbidden:
                keys.both = True
                keys.files.append(info)
            elif foreign is not None and foreign(key) is not None:
                keys.foreign += 1
            elif key not in own:
                keys.files.append(info)
    return keys


@once_each
def other_separator(source: SourceArray) -> SourceArray | None:
    """Return the array with the separator that it does not declare; None where there is one form.

    Some writers of Zarr v2 leave out ``dimension_separator``, or copy arrays from one form of keys
    to the other without changing it.
    """
    if source.zarr_format != 2 or len(source.shape) < 2:
        return None
    return source.model_copy(update={"separator": "." if source.separator == "/" else "/"})

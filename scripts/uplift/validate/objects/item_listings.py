"""Digests of the listings of batch items: objects that changed since they were validated."""

import bisect
from collections.abc import Iterable

from uplift.arrays.source_chunks import ListingDigest
from uplift.models.batch import Batch
from uplift.storage.protocol import ObjectInfo


class ItemListings:
    """Digests of the listings of batch items, from one listing of the output."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._starts: dict[str, list[int]] = {}
        self._digests: dict[tuple[str, int], ListingDigest] = {}
        for batch in batches:
            for item in batch.items:
                bisect.insort(self._starts.setdefault(item.path, []), item.start)
                self._digests[item.path, item.start] = ListingDigest()

    def add(self, path: str, position: int, info: ObjectInfo) -> None:
        """Count one object.

        Parameters
        ----------
        path
            Of the array.
        position
            Of the object in the object grid, in C order.
        info
            As the listing has it.
        """
        starts = self._starts[path]
        at = bisect.bisect_right(starts, position) - 1
        if at >= 0:
            self._digests[path, starts[at]].add(info.key, info)

    def digests(self) -> dict[tuple[str, int], str]:
        """Digest of each item, by path and first object."""
        return {key: digest.hexdigest() for key, digest in self._digests.items()}

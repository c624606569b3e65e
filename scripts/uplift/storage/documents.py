"""Metadata documents of a source, of which some may be in its ``.zmetadata`` alone."""

from collections.abc import Iterable, Iterator

from uplift.models.inventory import Inventory
from uplift.storage.protocol import Store, join
from uplift.storage.tuning import DOCUMENT_BYTES
from uplift.zarr_metadata.consolidated import KEY_V2, documents_v2


class SourceDocuments:
    """Reads documents as inspect read them."""

    def __init__(self, inventory: Inventory, store: Store) -> None:
        self._store = store
        self._held: dict[str, bytes] = {}
        holders = ("",) if inventory.consolidated else ()
        for path in (*holders, *(inventory.consolidated_below or ())):
            found = documents_v2(store.get(join(path, KEY_V2)) or b"", path)
            self._held = {**found, **self._held}

    def read_many(self, keys: Iterable[str]) -> Iterator[bytes | None]:
        """Yield documents in the order of their keys; None where there is none."""
        wanted = list(keys)
        # asked for at once, before the first is wanted
        found = self._store.read_many(wanted, DOCUMENT_BYTES)
        return (
            self._held.get(key) if data is None else data
            for key, data in zip(wanted, found, strict=True)
        )

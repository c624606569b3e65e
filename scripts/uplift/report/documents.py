"""Documents of a published dataset, each read once for a picture."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from uplift.storage.protocol import Store, join


class Documents:
    """``zarr.json`` of groups and arrays; a picture needs those of an image several times.

    Parameters
    ----------
    store
        Where the dataset is.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[str, bytes | None] = {}

    def ask(self, paths: Iterable[str]) -> None:
        """Read those of some nodes, side by side where each is a round trip."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self._read]
        found = self.store.read_many(join(path, "zarr.json") for path in wanted)
        self._read.update(zip(wanted, found, strict=True))

    def text(self, path: str) -> bytes | None:
        """Document of a node; None where there is none."""
        self.ask([path])
        return self._read[path]

    def ome(self, path: str) -> Mapping[str, Any]:
        """OME attributes of a group, empty where there are none."""
        text = self.text(path)
        ome = {} if text is None else json.loads(text).get("attributes", {}).get("ome", {})
        return ome if isinstance(ome, Mapping) else {}

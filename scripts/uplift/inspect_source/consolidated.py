"""Consolidated metadata (``.zmetadata``) of a Zarr v2 source, next to the documents themselves."""

import json
import logging
from collections.abc import Iterator
from typing import Any

from uplift.models.findings import Finding, warning
from uplift.storage.protocol import ObjectInfo, Store
from uplift.zarr_metadata.consolidated import KEY_V2, documents_v2

log = logging.getLogger(__name__)

LARGEST = 32 * 2**20
"""Largest ``.zmetadata`` that is read, in bytes: parsed, it takes several times that in memory."""


class Consolidated:
    """Documents in ``.zmetadata``: absent documents are read from it, others are compared.

    zarr-python opens such a source by ``.zmetadata`` alone. Each image of a plate may have its own;
    where two have the same document, the one closer to the root counts, which is read first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, bytes] = {}
        self._below: dict[str, str] = {}
        """Keys of documents that a group below the root holds, and its path."""
        self._asked: set[str] = set()
        self._used: set[str] = set()
        self._different: set[str] = set()

    def load(self, info: ObjectInfo | None) -> None:
        """Read it, if it exists and is not too large."""
        if info is not None and info.size <= LARGEST:
            self.add(self._store.get(info.key), info.key.rpartition("/")[0])
        elif info is not None:
            log.info("%s has %d MiB: not looked into", info.key, info.size >> 20)

    def add(self, data: bytes | None, path: str = "") -> None:
        """Note the content of the group's at `path`; None: it has none."""
        for key, document in documents_v2(data or b"", path).items():
            if self._held.setdefault(key, document) is document and path:
                self._below[key] = path

    @property
    def used(self) -> bool:
        """Whether a document was read from that of the root."""
        return not self._used <= self._below.keys()

    @property
    def used_below(self) -> tuple[str, ...]:
        """Groups below the root from whose own one a document was read."""
        return tuple(sorted({self._below[key] for key in self._used if key in self._below}))

    def names(self, prefix: str) -> Iterator[str]:
        """Names of the documents of one node, whose keys begin with `prefix`."""
        return (name for name in (".zarray", ".zgroup", ".zattrs") if prefix + name in self._held)

    def document(self, key: str) -> bytes | None:
        """Return a document that is not at the source itself."""
        self._asked.add(key)
        if key not in self._held:
            return None
        folder = key[: -len(key.rpartition("/")[2])]
        if self._store.stat(f"{folder}zarr.json") is not None:  # newer than .zmetadata
            return None
        self._used.add(key)
        return self._held[key]

    def compare(self, key: str, document: dict[str, Any]) -> None:
        """Note an existing document that differs from that in ``.zmetadata``."""
        self._asked.add(key)
        held = self._held.get(key)
        if held is not None and _normal(json.loads(held)) != _normal(document):
            self._different.add(key)
        if key in self._below:  # of a plate with a hundred thousand there is no need to keep it
            del self._held[key], self._below[key]

    def findings(self) -> Iterator[Finding]:
        """Findings about it, once all documents were read."""
        if self._used:
            text = f"documents that are not there are read from {KEY_V2}: {_some(self._used)}"
            yield warning("source.repaired", "", text)
        if self._different:
            text = (
                f"{KEY_V2} has other words than the documents: {_some(self._different)}; the "
                "documents count, and readers of consolidated metadata saw the others"
            )
            yield warning("zarr.consolidated", "", text)
        named = {key for key in self._held if not key.endswith(".zattrs")} - self._asked
        if named:
            text = (
                f"{KEY_V2} names nodes that are not there: {_some(named)}; they are not converted, "
                "and readers of consolidated metadata saw them without data"
            )
            yield warning("zarr.consolidated", "", text)


def _normal(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _some(keys: set[str]) -> str:
    first, more = min(keys), len(keys) - 1
    return f"{first} (and {more} more)" if more else first

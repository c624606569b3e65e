"""Read a source that cannot be listed, such as one behind plain HTTP, by requesting known names.

Names come from consolidated metadata, and from the levels, labels, wells, fields and series that
each group lists; chunks are requested one by one.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from uplift import grid
from uplift.errors import UnsupportedError
from uplift.inspect_source.array_keys import REQUESTS_AT_ONCE, Keys, other_separator
from uplift.inspect_source.consolidated import Consolidated
from uplift.inspect_source.listing import Folder
from uplift.inspect_source.nodes import (
    METADATA_V2,
    METADATA_V3,
    Document,
    Node,
    checked_document,
    node_of,
    read_document,
)
from uplift.models.arrays import SourceArray
from uplift.models.crate import CRATE_KEY
from uplift.ngff.detect import Context, multiscales_of, ome_of, roles_of
from uplift.ngff.paths import checked_path, is_plain
from uplift.ngff.reading import as_read
from uplift.running.progress import Progress
from uplift.storage.protocol import Store, join
from uplift.zarr_metadata.consolidated import KEY_V2
from uplift.zarr_metadata.v3 import chunk_key, object_grid

ROOT_FILES = (CRATE_KEY, KEY_V2)
OME_FILES = ("METADATA.ome.xml",)
"""Files that have a fixed name: the only ones that can be found without a listing."""
MOST_ASKED = 2**32
"""Requests for the chunks of one array: at 10,000 a second these take five days."""


class UnlistedSource:
    """A source that cannot be listed; has the methods of ``ListedSource``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(REQUESTS_AT_ONCE)
        self._below: dict[str, dict[str, None]] = {}
        self._arrays: set[str] = set()
        self.consolidated = Consolidated(store)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def expect(self, path: str, node: Node | None, attributes: Mapping[str, Any]) -> None:
        """Note what the node at `path` names: levels, labels, wells, fields, series.

        Parameters
        ----------
        path
            Of the node, from the root.
        node
            What is there; None: no metadata.
        attributes
            Its attributes, as they are read.
        """
        if node is None:
            return
        if not path:
            self._expect_consolidated(node.zarr_format)
        roles = roles_of(path, attributes, Context())
        for multiscale in multiscales_of(attributes):
            self._name(path, [*multiscale.levels, "labels"])
            self._arrays.update(join(path, level) for level in multiscale.levels)
        listed = Context().below(path, attributes, roles).listed
        self._name("", listed)
        if "bioformats2raw" in roles:
            self._name(path, ["OME", *self._series(path, node.zarr_format)])

    def names_below(self, folder: Folder) -> list[str]:
        """Names of the nodes that may be below a folder."""
        return list(self._below.get(folder.path, ()))

    def read(self, path: str, zarr_format: int | None) -> Folder:
        """Look for the documents of a folder, and for the chunks of an array."""
        node = self._node(path, zarr_format)
        if not path and (node is None or (node.zarr_format == 2 and not node.attributes)):
            self.consolidated.add(self._store.get(KEY_V2))
            node = self._node(path, zarr_format)
        if node is not None and node.array is not None:
            return self._read_array(path, node, node.array)
        names = ROOT_FILES if not path else OME_FILES if path.endswith("OME") else ()
        found = (self._store.stat(join(path, name)) for name in names)
        return Folder(path, node, files=[info for info in found if info is not None])

    def _read_array(self, path: str, node: Node, source: SourceArray) -> Folder:
        counted = self._ask_for_chunks(path, source)
        other = None if counted.stored else other_separator(source)
        if other is not None:
            tried = self._ask_for_chunks(path, other)
            if tried.stored:
                node = replace(node, array=other)
                chunks = tried.total(self._store, path, other, self._pool)
                return Folder(path, node, chunks=chunks, other_separator="read")
        return Folder(path, node, chunks=counted.total(self._store, path, source, self._pool))

    def _ask_for_chunks(self, path: str, source: SourceArray) -> Keys:
        counted, sharded = Keys(), source.shards is not None
        objects = math.prod(object_grid(source))
        if objects > MOST_ASKED:
            raise UnsupportedError(
                f"{join(self._store.url, path)}: may have {objects} chunks, and each would have to "
                "be asked for, since this source cannot be listed; convert a copy on disk or in a "
                "bucket"
            )
        asked = Progress(f"{path or 'array'}: asked for %d objects")
        indices, again = itertools.tee(grid.all_indices(object_grid(source)))
        keys = (join(path, chunk_key(source, index)) for index in again)
        for index, info in zip(indices, self._store.stat_many(keys), strict=True):
            asked.add()
            if info is not None:
                counted.count(chunk_key(source, index), index, info, sharded=sharded)
        return counted

    def _name(self, path: str, names: Iterable[str]) -> None:
        """Note paths relative to `path` at which there may be a node."""
        for name in names:
            here = path
            for part in name.split("/"):
                self._below.setdefault(here, {})[part] = None
                here = join(here, part)

    def _series(self, path: str, zarr_format: int) -> list[str]:
        """Paths of a bioformats2raw collection's images: as listed, else counted from 0."""
        ome = self._node(join(path, "OME"), zarr_format)
        words = as_read(ome.attributes, join(path, "OME")) if ome is not None else {}
        listed = ome_of(words).get("series")
        if isinstance(listed, list):
            return [name for name in listed if isinstance(name, str) and is_plain(name)]
        names: list[str] = []
        while self._node(join(path, str(len(names))), zarr_format) is not None:
            names.append(str(len(names)))
        return names

    def _expect_consolidated(self, zarr_format: int) -> None:
        """Get the names of all nodes from consolidated metadata, if there are any."""
        key = METADATA_V3 if zarr_format == 3 else KEY_V2
        data = self._store.get(key)
        document = checked_document(data, f"{self._store.url}/{key}") if data is not None else {}
        if zarr_format == 3:
            document = document.get("consolidated_metadata") or {}
        else:
            self.consolidated.add(data)
        metadata = document.get("metadata") if isinstance(document, dict) else None
        for name in metadata if isinstance(metadata, dict) else ():
            path = name if zarr_format == 3 else name.rpartition("/")[0]
            if not path:
                continue
            path = checked_path(path, f"{self._store.url}/{key}: the path of a node")
            self._name("", [path])
            if name.endswith("/.zarray"):
                self._arrays.add(path)

    def _node(self, path: str, zarr_format: int | None) -> Node | None:
        documents: dict[str, Document] = {}
        for names in self._names_to_try(path, zarr_format):
            for name in names:
                key = join(path, name)
                document = read_document(self._store, key)
                if document is not None:
                    self.consolidated.compare(key, document)
                elif (held := self.consolidated.document(key)) is not None:
                    document = checked_document(held, f"{self._store.url}/{KEY_V2} ({key})")
                if document is not None:
                    documents[name] = document
            if any(name in documents for name in (METADATA_V3, ".zgroup", ".zarray")):
                break
        return node_of(documents, join(self._store.url, path))

    def _names_to_try(self, path: str, zarr_format: int | None) -> tuple[tuple[str, ...], ...]:
        """Names of metadata documents, the likely ones first."""
        if zarr_format is None:
            return (METADATA_V3,), METADATA_V2
        # a node of the other format may be below: that is asked for last, most often in vain
        if zarr_format == 3:
            likely = ".zarray" if path in self._arrays else ".zgroup"
            return (METADATA_V3,), (likely, ".zattrs")
        if path in self._arrays:
            return (".zarray", ".zattrs"), (".zgroup",), (METADATA_V3,)
        return (".zgroup", ".zattrs"), (".zarray",), (METADATA_V3,)

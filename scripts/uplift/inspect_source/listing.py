"""Read the folders of a source by listing them: nodes, files, and stored chunks of arrays."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from uplift.errors import SourceError
from uplift.inspect_source.array_keys import (
    REQUESTS_AT_ONCE,
    Chunks,
    Keys,
    other_separator,
    sorted_keys,
)
from uplift.inspect_source.consolidated import Consolidated
from uplift.inspect_source.listers import Listers
from uplift.inspect_source.nodes import (
    METADATA,
    METADATA_V2,
    METADATA_V3,
    Document,
    Node,
    checked_document,
    node_of,
    read_document,
    two_formats,
)
from uplift.inspect_source.recent import Newest
from uplift.models.arrays import SourceArray
from uplift.ngff.detect import multiscales_of
from uplift.running.progress import Progress
from uplift.storage.protocol import ObjectInfo, Store, join
from uplift.storage.tuning import DOCUMENT_BYTES
from uplift.zarr_metadata.consolidated import KEY_V2
from uplift.zarr_metadata.data_types import data_type_v3
from uplift.zarr_metadata.v3 import ChunkKeys

FOLDERS_AT_ONCE = 32
"""Folders of a remote source, or on a network file system, that are read at the same time. With
three requests each they use the 64 that a job may make; one page of each listing is 64 MB in all at
most."""


@dataclass(frozen=True)
class Folder:
    """One folder of the source.

    Attributes
    ----------
    node
        None: no metadata here.
    folders
        Names of the folders below; empty for an array.
    files
        Objects directly here that are not metadata of the node; of an array, all objects below
        that are not chunks.
    chunks
        Of an array.
    older
        Documents and chunks of the same node in Zarr v2, where it is also one of v3, which counts.
    other_separator
        Chunk keys with another separator than the array declares: ``"read"`` where only such
        exist (`node` has the one that is used), ``"strays"`` where both do.
    """

    path: str
    node: Node | None
    folders: list[str] = field(default_factory=list)
    files: list[ObjectInfo] = field(default_factory=list)
    chunks: Chunks | None = None
    older: list[ObjectInfo] = field(default_factory=list)
    other_separator: Literal["read", "strays"] | None = None


class ListedSource:
    """A source that can be listed. An array's folder is streamed once, whatever it holds.

    Parameters
    ----------
    store
        The source.
    listers
        Processes that list the folders of large arrays in parallel; None: there are none.
    """

    def __init__(self, store: Store, listers: Listers | None = None) -> None:
        self._store, self._listers = store, listers
        # a remote answer takes as long as a thousand local ones: documents are fetched together
        self._pool = None if store.is_local else ThreadPoolExecutor(REQUESTS_AT_ONCE)
        self._levels: set[str] = set()
        self._listings: dict[str, Future[Iterator[ObjectInfo]]] = {}
        """Arrays whose documents are being read."""
        self.newest = Newest()
        self.consolidated = Consolidated(store)

    def expect(self, path: str, node: Node | None, attributes: Mapping[str, Any]) -> None:
        """Note which arrays the node at `path` names: those folders are not listed as groups.

        Parameters
        ----------
        path
            Of the node.
        node
            What is there.
        attributes
            Of the node, as they are read.
        """
        for multiscale in multiscales_of(attributes):
            self._levels.update(join(path, level) for level in multiscale.levels)

    def names_below(self, folder: Folder) -> list[str]:
        """Names of the folders below a folder that was read."""
        return folder.folders

    def read(self, path: str, zarr_format: int | None) -> Folder:
        """Read a folder; `zarr_format` is that of the group above, if there is one.

        Raises
        ------
        SourceError
            Metadata that contradict themselves, circular links, or something that is not a file.
        """
        if self._store.is_local:
            _refuse_circle(self._store.url, path)
        documents: dict[str, Document] = {}
        listing: Future[tuple[list[str], list[ObjectInfo]]] | None = None
        if self._pool is not None and path not in self._levels:
            # most often a group: what it has is asked for with its documents, not after them
            listing = self._pool.submit(self._store.list_folder, path)
            if path:
                names = (METADATA_V3,) if zarr_format == 3 else (".zgroup", ".zattrs")
                self._read_documents(path, names, documents)
        if self._store.is_local or path in self._levels or not path:
            name = METADATA_V3 if zarr_format == 3 else ".zarray"
            array = self._probe(path, name, documents)
            if array is not None:
                return array
        self._listings.pop(path, None)
        folders, objects = listing.result() if listing else self._store.list_folder(path)
        self.newest.add(*objects)
        stored = {info.key.rpartition("/")[2]: info for info in objects}
        _refuse_lost_documents(self._store.url, stored)
        if METADATA_V3 not in stored:
            self.consolidated.load(stored.get(KEY_V2))
        files = [info for name, info in stored.items() if name not in METADATA]
        wanted = {*stored, *self.consolidated.names(f"{path}/" if path else "")}
        self._read_documents(
            path, [one for one in METADATA if one in wanted and one not in documents], documents
        )
        node = node_of(documents, join(self._store.url, path))
        if node is not None and node.array is not None:
            return self._read_array(path, node, node.array)
        older: list[ObjectInfo] = []
        if node is not None and node.zarr_format == 3:
            found = [i for i in objects if i.key.rpartition("/")[2] in METADATA_V2]
            older, files = (found, files) if ".zgroup" in documents else ([], files + found)
        return Folder(path, node, folders, files, older=older)

    def _probe(self, path: str, name: str, documents: dict[str, Document]) -> Folder | None:
        """Read an array by its documents, without listing its folder as one of a group.

        With a remote store all its possible documents and its listing are requested together.
        """
        if self._pool is not None:
            if path:
                self._listings[path] = self._pool.submit(_pending, self._store.list_tree(path))
            names = [name, ".zattrs"] if path and name == ".zarray" else [name]
            self._read_documents(path, names if path else METADATA, documents)
        else:
            self._read_documents(path, [name], documents)
        document = documents.get(name)
        if document is None:
            return None
        if name == METADATA_V3 and document.get("node_type") != "array":
            return None
        own = (name, ".zattrs") if name == ".zarray" else (name,)
        if len(own) > 1 and self._pool is None:
            self._read_documents(path, own[1:], documents)
        found = {one: documents[one] for one in own if one in documents}
        node = node_of(found, join(self._store.url, path))
        if node is None or node.array is None:
            return None
        return self._read_array(path, node, node.array)

    def _read_documents(
        self, path: str, names: Sequence[str], documents: dict[str, Document]
    ) -> None:
        """Add the existing documents of a folder, requested at the same time."""
        keys = [join(path, name) for name in names]
        found = self._store.read_many(keys, DOCUMENT_BYTES)
        for name, key, data in zip(names, keys, found, strict=True):
            if data is not None:
                documents[name] = checked_document(data, f"{self._store.url}/{key}")
                self.consolidated.compare(key, documents[name])
            elif (held := self.consolidated.document(key)) is not None:
                documents[name] = checked_document(held, f"{self._store.url}/{KEY_V2} ({key})")

    def _listed(self, path: str) -> Iterator[ObjectInfo]:
        """All objects of an array, whose listing may have started."""
        pending = self._listings.pop(path, None)
        return self._store.list_tree(path) if pending is None else pending.result()

    def _read_array(self, path: str, node: Node, source: SourceArray) -> Folder:
        keys = self._sort_keys(path, source)
        if keys.both:
            return self._read_both(path)
        other = other_separator(source)
        if not keys.foreign or other is None:
            return self._array_folder(path, node, keys)
        if keys.stored:
            keys = self._sort_keys(path, source, keep_foreign=True)
            return self._array_folder(path, node, keys, "strays")
        return self._array_folder(
            path, replace(node, array=other), self._sort_keys(path, other), "read"
        )

    def _read_both(self, path: str) -> Folder:
        """Read an array with documents of Zarr v2 and of v3, as after an upgrade in place."""
        where = join(self._store.url, path)
        read = {name: read_document(self._store, join(path, name)) for name in METADATA}
        documents = {name: found for name, found in read.items() if found is not None}
        old = {name: found for name, found in documents.items() if name != METADATA_V3}
        nodes = [node_of(old, where), node_of(documents, where)]
        older, newer = (None if node is None else node.array for node in nodes)
        node = nodes[1]
        if node is None or older is None or newer is None or not _same_array(older, newer):
            raise two_formats(where)
        keys = self._sort_keys(path, newer)
        skip = len(path) + 1 if path else 0
        forms = [older, other_separator(older)]
        chunks = [ChunkKeys(form).index_of for form in forms if form is not None]
        own = (".zarray", ".zattrs")
        left, files, stored = list[ObjectInfo](), list[ObjectInfo](), 0
        for info in keys.files:
            key = info.key[skip:]
            chunk = any(index_of(key) is not None for index_of in chunks)
            stored += chunk
            (left if chunk or key in own else files).append(info)
        if stored and not keys.stored:
            raise SourceError(
                f"{where}: zarr.json has no chunks, and .zarray has {stored}; remove the document "
                "that is wrong"
            )
        keys.files[:] = files
        return replace(self._array_folder(path, node, keys), older=left)

    def _array_folder(
        self, path: str, node: Node, keys: Keys, other: Literal["read", "strays"] | None = None
    ) -> Folder:
        assert node.array is not None  # noqa: S101
        chunks = keys.total(self._store, path, node.array, self._pool)
        return Folder(path, node, files=keys.files, chunks=chunks, other_separator=other)

    def _sort_keys(self, path: str, source: SourceArray, *, keep_foreign: bool = False) -> Keys:
        """List an array's folder; keys with the other separator are counted, or kept as files."""
        listed = Progress(f"{path or 'array'}: %d objects listed")
        other = None if keep_foreign else other_separator(source)
        keys = None
        if self._listers is not None:
            keys = self._listers.sorted(self._store, path, source, other, self.newest, listed)
        if keys is None:
            keys = sorted_keys(self._listed(path), path, source, other, self.newest, listed)
        keys.files.sort()  # findings name the first one
        return keys

    def close(self) -> None:
        """End the threads and the processes."""
        if self._listers is not None:
            self._listers.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _pending(listing: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
    """Wait for the first page of a listing."""
    first = next(listing, None)
    return listing if first is None else itertools.chain([first], listing)


def _same_array(older: SourceArray, newer: SourceArray) -> bool:
    types = (data_type_v3(older), data_type_v3(newer))
    return older.shape == newer.shape and types[0] == types[1]


def _refuse_lost_documents(root: str, stored: Mapping[str, ObjectInfo]) -> None:
    """Refuse links that lead nowhere and have the name of a document."""
    for name in METADATA:
        if name in stored and stored[name].leads_nowhere:
            raise SourceError(
                f"{root}/{stored[name].key}: the link leads nowhere, and metadata belong there; "
                "restore its target, or remove the link"
            )


def _refuse_circle(root: str, path: str) -> None:
    """Refuse a linked folder that is, under another name, one of the folders above it."""
    if not path or not os.path.islink(f"{root}/{path}"):  # noqa: PTH114 - cheap, for each node
        return
    folder = Path(root, path)
    above, top = folder.parent, Path(root).parent
    while above != top:
        if above.resolve() == folder.resolve():
            raise SourceError(f"{folder}: the link leads to a folder above itself; remove it")
        above = above.parent

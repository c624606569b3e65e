"""The output's metadata documents, each with the source's."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from uplift.models.findings import Findings
from uplift.models.inventory import Inventory, InventoryArray, InventoryGroup
from uplift.models.json_text import document_bytes
from uplift.ngff.detect import ome_below
from uplift.ngff.documents import document_key, unknown_keys
from uplift.storage.documents import SourceDocuments
from uplift.storage.protocol import Store, join
from uplift.storage.tuning import DOCUMENT_BYTES

Json = dict[str, Any]
_NONE: Json = {}


@dataclass(frozen=True)
class Node:
    """One group or array.

    Attributes
    ----------
    document
        The output's ``zarr.json``; None when it is absent or unreadable (a finding says so).
    source_document
        The source's ``.zarray``, or its ``zarr.json``; None for a v2 group.
    source_attributes
        As in the source.
    """

    entry: InventoryGroup | InventoryArray
    kind: Literal["group", "array"]
    document: Json | None
    source_document: Json | None
    source_attributes: Json

    @property
    def path(self) -> str:
        """Path of the node; ``""`` is the root."""
        return self.entry.path

    @property
    def attributes(self) -> Json:
        """Attributes of the output, empty where there are none."""
        return _attributes(self.document)

    @property
    def ome(self) -> Json | None:
        """OME metadata of the output, None where there is none."""
        found = ome_below(self.attributes)
        return None if found is None else dict(found)


class Documents:
    """Reads documents of both sides; the root's is the staged one.

    Equal documents are parsed once and shared: a plate's arrays have only a few different ones.
    """

    def __init__(
        self,
        inventory: Inventory,
        groups: Sequence[InventoryGroup],
        skipped: set[str],
        source: Store,
        output: Store,
        root_document: bytes,
        findings: Findings,
    ) -> None:
        self._inventory = inventory
        self._groups = groups
        self._skipped = skipped
        self._source = source
        self._output = output
        self._root_document = root_document
        self._parsed_documents: dict[bytes, Json] = {}
        self._as_written: dict[bytes, bool] = {}
        self._findings = findings

    def groups(self) -> Iterator[Node]:
        """Every group, in path order."""
        return self._nodes([*self._groups], "group")

    def arrays(self) -> Iterator[Node]:
        """Every array that was to be converted, in path order."""
        wanted = [one for one in self._inventory.arrays if one.path not in self._skipped]
        return self._nodes([*wanted], "array")

    def _nodes(
        self, entries: list[InventoryGroup | InventoryArray], kind: Literal["group", "array"]
    ) -> Iterator[Node]:
        """Request the documents of both sides; they are parsed when they are needed."""
        old_arrays = [e for e in entries if kind == "array" and e.zarr_format == 2]
        source = SourceDocuments(self._inventory, self._source)
        written = [join(entry.path, "zarr.json") for entry in entries if entry.path]
        return self._side_by_side(
            entries,
            kind,
            iter(self._output.read_many(written, DOCUMENT_BYTES)),
            source.read_many(document_key(entry.path, entry.zarr_format) for entry in entries),
            source.read_many(join(entry.path, ".zarray") for entry in old_arrays),
        )

    def _side_by_side(
        self,
        entries: list[InventoryGroup | InventoryArray],
        kind: Literal["group", "array"],
        after: Iterator[bytes | None],
        before: Iterator[bytes | None],
        shapes: Iterator[bytes | None],
    ) -> Iterator[Node]:
        for entry in entries:
            new, old = next(after) if entry.path else None, next(before)
            v2 = entry.zarr_format == 2
            found = self._parsed(self._source, document_key(entry.path, 2 if v2 else 3), old)
            document = found
            if v2:
                shape = next(shapes) if kind == "array" else None
                document = self._parsed(self._source, join(entry.path, ".zarray"), shape)
            yield Node(
                entry=entry,
                kind=kind,
                document=self._checked(entry, kind, new),
                source_document=document,
                source_attributes=(found or _NONE) if v2 else _attributes(found),
            )

    def _checked(
        self, entry: InventoryGroup | InventoryArray, kind: str, data: bytes | None
    ) -> Json | None:
        """Parse a document of the output."""
        path = entry.path
        if not path:
            data = self._root_document
        if data is None:
            label = isinstance(entry, InventoryGroup) and "label image" in entry.roles
            code = "label.missing" if label else f"{kind}.missing"
            self._findings.error(code, path, f"{join(path, 'zarr.json')}: absent")
            return None
        document = self._parsed(self._output, join(path, "zarr.json"), data)
        if document is None:
            return None
        if document.get("zarr_format") != 3 or document.get("node_type") != kind:
            text = f"{join(path, 'zarr.json')}: is not a Zarr v3 {kind}"
            self._findings.error("document.kind", path, text)
            return None
        if path and not self._is_as_written(data, document, kind):
            text = f"{join(path, 'zarr.json')}: was written to since: spaces, ends of lines, the "
            text += "spelling of numbers or keys of others are not those of this project"
            self._findings.error("document.rewritten", path, text)
        return document

    def _is_as_written(self, data: bytes, document: Json, kind: str) -> bool:
        """Whether a document has the bytes that migrate makes of what it says.

        Outputs keep the form in which they were written: a version that writes documents in
        another form has to accept this one as well.
        """
        if data not in self._as_written:
            try:
                same = document_bytes(document) == data and not unknown_keys(document, kind)
            except UnicodeEncodeError:  # half of a surrogate pair, which no document is given
                same = False
            self._as_written[data] = same
        return self._as_written[data]

    def _parsed(self, store: Store, key: str, data: bytes | None) -> Json | None:
        if data is None:
            return None
        if data in self._parsed_documents:
            return self._parsed_documents[data]
        try:
            document = json.loads(data)
        except ValueError as error:
            document = error
        if document in (None, []):  # writers in R have no other empty object
            document = {}
        if isinstance(document, dict):
            return self._parsed_documents.setdefault(data, document)
        text = f"{store.url}/{key}: is not a JSON object"
        self._findings.error("document.unreadable", key, text)
        return None


def _attributes(document: Json | None) -> Json:
    """Attributes of a Zarr v3 node; ``null`` counts as none."""
    found = (document or {}).get("attributes")
    return found if isinstance(found, dict) else _NONE

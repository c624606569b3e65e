"""What the metadata documents of one folder say: a group, an array, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from uplift.codecs.chain import plain_codecs, renamed_codecs
from uplift.errors import SourceError
from uplift.models.arrays import SourceArray
from uplift.ngff.documents import parse_document
from uplift.storage.protocol import Store, join
from uplift.zarr_metadata.v2 import parse_v2, whole
from uplift.zarr_metadata.v3 import parse_v3

METADATA_V2 = (".zarray", ".zgroup", ".zattrs")
METADATA_V3 = "zarr.json"
METADATA = (METADATA_V3, *METADATA_V2)

Document = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A group, or an array when `array` is there.

    Attributes
    ----------
    dimension_names
        As the ``zarr.json`` of a v3 array gives them.
    explicit
        False for a v2 group that has attributes but no ``.zgroup``.
    """

    zarr_format: Literal[2, 3]
    attributes: Document
    array: SourceArray | None = None
    dimension_names: tuple[str | None, ...] | None = None
    explicit: bool = True
    repairs: tuple[str, ...] = ()
    """What the document says in other words than the specification's, and how it is read."""


def node_of(documents: Mapping[str, Document], where: str) -> Node | None:
    """Build the node that documents by name (:data:`METADATA`) describe; None when there are none.

    Raises
    ------
    SourceError
        They contradict each other or their specification; `where` is the folder, for the message.
    """
    if METADATA_V3 in documents:
        if ".zarray" in documents and documents[METADATA_V3].get("node_type") != "array":
            raise two_formats(where)
        both = ".zgroup" in documents or ".zarray" in documents
        if both and documents.get(".zattrs") and not documents[METADATA_V3].get("attributes"):
            raise SourceError(
                f"{where}: .zattrs has attributes and zarr.json has none; remove the document that "
                "is wrong"
            )
        return _node_v3(documents[METADATA_V3], join(where, METADATA_V3))
    attributes = documents.get(".zattrs", {})
    if ".zarray" in documents:
        repairs: list[str] = []
        array = parse_v2(documents[".zarray"], join(where, ".zarray"), repairs)
        return Node(2, attributes, array, repairs=(*repairs, *renamed_codecs(array)))
    if ".zgroup" in documents:
        found = documents[".zgroup"].get("zarr_format", 2)
        if whole(found) != 2:
            raise SourceError(f"{join(where, '.zgroup')}: zarr_format is {found!r}, expected 2")
        return Node(2, attributes, repairs=_format_repair(found))
    return Node(2, attributes, explicit=False) if ".zattrs" in documents else None


def two_formats(where: str) -> SourceError:
    """Build the error for a folder whose nodes of Zarr v2 and of v3 are not the same."""
    return SourceError(
        f"{where}: has both .zarray and zarr.json, and they are not about the same array; keep the "
        "one that is right"
    )


def read_document(store: Store, key: str) -> Document | None:
    """Fetch a metadata document, or None when it is absent.

    Raises
    ------
    SourceError
        It is not a JSON object, or has a key twice.
    StorageError
        It could not be read.
    """
    data = store.get(key)
    if data is None:
        return None
    where = f"{store.url}/{key}"
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise SourceError(
            f"{where}: not JSON but a web page, or XML, came; give the address of the Zarr itself, "
            "not of a page about it, and check whether one has to log in there"
        )
    document = parse_document(data, where)

    def refuse_repeats(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise SourceError(f'{where}: the key "{name}" stands twice; remove one of them')
            seen.add(name)

    json.loads(data.decode("utf-8-sig"), object_pairs_hook=refuse_repeats)
    return document


def axis_names_of(node: Node, source: SourceArray) -> tuple[str, ...] | None:
    """Names of an array's dimensions as far as all of them have one."""
    names: Any = node.dimension_names or node.attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, (list, tuple)) or len(names) != len(source.shape):
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def _node_v3(document: Document, where: str) -> Node:
    if whole(document.get("zarr_format")) != 3:
        raise SourceError(f"{where}: zarr_format is {document.get('zarr_format')!r}, expected 3")
    attributes = document.get("attributes")
    if attributes is None:
        attributes = {}
    if not isinstance(attributes, dict):
        raise SourceError(f"{where}: attributes is not a JSON object; repair it")
    kind = document.get("node_type")
    if kind == "group":
        return Node(3, attributes, repairs=_format_repair(document["zarr_format"]))
    if kind != "array":
        raise SourceError(f'{where}: node_type is {kind!r}, expected "group" or "array"')
    repairs = [*_format_repair(document["zarr_format"])]
    array, renamed = plain_codecs(parse_v3(document, where, repairs))
    names = _dimension_names(document, array, where)
    return Node(3, attributes, array, names, repairs=(*repairs, *renamed))


def _format_repair(found: Any) -> tuple[str, ...]:
    return () if type(found) is int else (f"zarr_format {found!r} is read as {whole(found)}",)


def _dimension_names(
    document: Document, array: SourceArray, where: str
) -> tuple[str | None, ...] | None:
    names = document.get("dimension_names")
    if names is None:
        return None
    if not isinstance(names, list) or not all(n is None or isinstance(n, str) for n in names):
        raise SourceError(f"{where}: dimension_names is not a list of names; repair it")
    if len(names) != len(array.shape):
        raise SourceError(
            f"{where}: {len(names)} dimension_names for {len(array.shape)} dimensions; repair it"
        )
    return tuple(names)

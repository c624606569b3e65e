"""What the metadata documents of one folder say: a group, an array, or nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from uplift.codecs.chain import plain_codecs, renamed_codecs
from uplift.errors import CORRECT, SourceError
from uplift.models.arrays import SourceArray
from uplift.models.changes import Change, respelling
from uplift.models.once import once_each
from uplift.ngff.documents import attributes_of, parse_document, text_of
from uplift.storage.protocol import Store, join
from uplift.zarr_metadata.v2 import parse_v2, whole
from uplift.zarr_metadata.v3 import dimension_names, parse_v3

METADATA_V2 = (".zarray", ".zgroup", ".zattrs")
METADATA_V3 = "zarr.json"
METADATA = (METADATA_V3, *METADATA_V2)

Document = dict[str, Any]


class RepeatedKeys(dict[str, Any]):
    """A document in which keys stand twice: of each the last one, as in other people's readers.

    Attributes
    ----------
    repeated
        Those keys, in order.
    """

    repeated: tuple[str, ...] = ()


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
    words: tuple[Change, ...] = ()
    """Those of the document that are not its specification's, and how they are read."""
    repeated: tuple[str, ...] = ()
    """Which keys stand twice in which document, in words."""


def node_of(documents: Mapping[str, Document], where: str) -> Node | None:
    """Build the node that documents by name (:data:`METADATA`) describe; None when there are none.

    Raises
    ------
    SourceError
        They contradict each other or their specification; `where` is the folder, for the message.
    """
    repeated = tuple(
        f'{name} has the key "{key}" twice; the last one counts, as in other readers'
        for name, document in documents.items()
        if isinstance(document, RepeatedKeys)
        for key in document.repeated
    )
    if not repeated:
        return _node_of(documents, where)
    node = _node_of({name: dict(document) for name, document in documents.items()}, where)
    return None if node is None else replace(node, repeated=repeated)


def _node_of(documents: Mapping[str, Document], where: str) -> Node | None:
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
        document = documents[".zarray"]
        known = _known_array_v2(document) or _array_v2(document, join(where, ".zarray"))
        return Node(2, attributes, known[0], words=known[1])
    if ".zgroup" in documents:
        found = documents[".zgroup"].get("zarr_format", 2)
        if type(whole(found)) is not int:
            raise SourceError(
                f"{join(where, '.zgroup')}: zarr_format is {found!r}, expected 2; {CORRECT}"
            )
        # readers go by the name of the file, which no other version of Zarr has
        is_right = type(found) is int and found == 2
        return Node(2, attributes, words=() if is_right else (respelling("zarr_format", found, 2),))
    return Node(2, attributes, explicit=False) if ".zattrs" in documents else None


@once_each
def _known_array_v2(document: Document) -> tuple[SourceArray, tuple[Change, ...]] | None:
    """What equal documents share; None where a message has to name the file."""
    try:
        return _array_v2(document, "")
    except SourceError:
        return None


def _array_v2(document: Document, where: str) -> tuple[SourceArray, tuple[Change, ...]]:
    words: list[Change] = []
    array = parse_v2(document, where, words)
    return array, (*words, *renamed_codecs(array))


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
        It is not a JSON object.
    StorageError
        It could not be read.
    """
    data = store.get(key)
    return None if data is None else checked_document(data, f"{store.url}/{key}")


def checked_document(data: bytes, where: str) -> Document:
    """Decode a metadata document; `where` is its address, for messages.

    Raises
    ------
    SourceError
        It is not a JSON object.
    """
    known = _parsed_once(data)  # those of a plate's arrays are a handful
    return known if known is not None else _parsed(data, where)


@lru_cache(maxsize=256)
def _parsed_once(data: bytes) -> Document | None:
    """What equal documents share; None where a message has to name the file."""
    try:
        return _parsed(data, "")
    except SourceError:
        return None


def _parsed(data: bytes, where: str) -> Document:
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise SourceError(
            f"{where}: not JSON but a web page, or XML, came; give the address of the Zarr itself, "
            "not of a page about it, and check whether one has to log in there"
        )
    document = parse_document(data, where)
    repeated: dict[str, None] = {}

    def note_repeats(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                repeated[name] = None
            seen.add(name)

    json.loads(text_of(data), object_pairs_hook=note_repeats)
    if not repeated:
        return document
    noted = RepeatedKeys(document)
    noted.repeated = tuple(repeated)
    return noted


def axis_names_of(node: Node, source: SourceArray) -> tuple[str, ...] | None:
    """Names of an array's dimensions as far as all of them have one."""
    names: Any = node.dimension_names or node.attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, (list, tuple)) or len(names) != len(source.shape):
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def _node_v3(document: Document, where: str) -> Node:
    written = document.get("zarr_format")
    if written is None and "node_type" not in document:
        raise SourceError(
            f"{where}: is no document of Zarr v3, and the output keeps one under that name; rename "
            "or remove it"
        )
    if whole(written) != 3:
        raise SourceError(
            f"{where}: zarr_format is {written!r}, expected 3; a draft of Zarr v3 has to be "
            "written again with the program that wrote it"
        )
    words = [*_format_words(written)]
    attributes = attributes_of(document, 3, where)
    kind = document.get("node_type")
    if kind is None:
        kind = "array" if "shape" in document else "group"
        words.append(respelling("node_type", document.get("node_type", ...), kind))
    if kind == "group":
        return Node(3, attributes, words=tuple(words))
    if kind != "array":
        raise SourceError(f'{where}: node_type is {kind!r}, expected "group" or "array"; {CORRECT}')
    array, renamed = plain_codecs(parse_v3({**document, "node_type": kind}, where, words), document)
    names = dimension_names(document, len(array.shape))
    if names is None and document.get("dimension_names") is not None:
        words.append(respelling("dimension_names", document["dimension_names"], ...))
    return Node(3, attributes, array, names, words=(*words, *renamed))


def _format_words(found: Any) -> tuple[Change, ...]:
    return () if type(found) is int else (respelling("zarr_format", found, whole(found)),)

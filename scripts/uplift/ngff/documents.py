"""Attributes in metadata documents: ``.zattrs`` of Zarr v2, ``zarr.json`` of v3."""

import json
import re
import sys
from typing import Any

from uplift.errors import SourceError
from uplift.zarr_metadata.v3 import ARRAY_KEYS

MAX_DEPTH = 200
"""Levels of nesting in a document beyond which it is refused."""

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""A backslash and what it is for: a whole surrogate pair, half of one, or anything else."""
_GROUP_KEYS = {"zarr_format", "node_type", "attributes", "consolidated_metadata"}


def document_key(path: str, zarr_format: int) -> str:
    """Key of the document that holds the attributes of a node."""
    name = ".zattrs" if zarr_format == 2 else "zarr.json"
    return f"{path}/{name}" if path else name


def parse_document(data: bytes | None, where: str) -> dict[str, Any]:
    """Decode a document; an absent one is empty, as are ``null`` and ``[]`` (of writers in R).

    Raises
    ------
    SourceError
        It is not a JSON object, nested too deeply, or holds text that is not Unicode; one line.
    """
    if data is None:
        return {}
    if not data.strip():
        raise SourceError(f"{where}: not JSON: the file is empty; restore it from a copy")
    try:
        value = _decoded(data, where)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{where}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}; "
            "repair it"
        ) from None
    except UnicodeError:
        raise SourceError(
            f"{where}: holds text that is not Unicode, in UTF-8; save it so"
        ) from None
    except ValueError:  # Python's limit, which readers have
        raise SourceError(
            f"{where}: an integer of more than {sys.get_int_max_str_digits()} digits, which "
            "readers do not take; repair it"
        ) from None
    except RecursionError:
        raise SourceError(
            f"{where}: nested more than {MAX_DEPTH} levels deep; make it flatter"
        ) from None
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise SourceError(f"{where}: is {_kind(value)}, expected a JSON object; repair it")
    if _deeper_than(value, MAX_DEPTH):
        raise SourceError(f"{where}: nested more than {MAX_DEPTH} levels deep; make it flatter")
    return value


def _decoded(data: bytes, where: str) -> Any:
    text = text_of(data)
    value = json.loads(text)
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            half = next(one for one in _ESCAPE.finditer(text) if one[1])
            line, column = text.count("\n", 0, half.start()), text.rfind("\n", 0, half.start())
            raise SourceError(
                f"{where}: {half[0]} at line {line + 1}, column {half.start() - column}, is half "
                "of a surrogate pair and no character; write the whole one, or leave it out"
            ) from None
    return value


def text_of(data: bytes) -> str:
    """Text of a document: UTF-8, or UTF-16 and UTF-32, in which programs on Windows save JSON."""
    return data.decode(json.detect_encoding(data))


def attributes_of(document: dict[str, Any], zarr_format: int, where: str) -> dict[str, Any]:
    """Attributes in a decoded document.

    Parameters
    ----------
    document
        ``.zattrs`` of Zarr v2, ``zarr.json`` of v3.
    zarr_format
        2 or 3.
    where
        Names the document in messages.

    Returns
    -------
    dict[str, Any]
        Attributes; empty where there are none.

    Raises
    ------
    SourceError
        They are not a JSON object.
    """
    attributes = document if zarr_format == 2 else document.get("attributes")
    if attributes is None or attributes == []:
        return {}
    if not isinstance(attributes, dict):
        raise SourceError(f"{where}: attributes are {_kind(attributes)}, not an object; repair it")
    return attributes


def unknown_keys(document: dict[str, Any], node: str) -> list[str]:
    """Keys of a v3 document that the core specification does not define."""
    known = _GROUP_KEYS if node == "group" else ARRAY_KEYS
    return sorted(set(document) - known)


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def _deeper_than(value: Any, limit: int) -> bool:
    layer = [value]
    for _ in range(limit):
        inner: list[Any] = []
        for item in layer:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return False
        layer = inner
    return True

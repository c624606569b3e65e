"""Consolidated metadata as zarr-python writes them: inline in a v3 root, ``.zmetadata`` of v2."""

import json
from collections.abc import Mapping
from typing import Any

from uplift.models.paths import join

Document = dict[str, Any]
KEY = "consolidated_metadata"
KEY_V2 = ".zmetadata"
_NAMES_V2 = (".zarray", ".zgroup", ".zattrs")


def documents_v2(data: bytes, path: str = "") -> dict[str, bytes]:
    """Documents in the ``.zmetadata`` of the Zarr v2 group at a path; none where it is malformed.

    Their keys are from the root of the source.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    metadata = found.get("metadata") if isinstance(found, dict) else None
    return {
        join(path, key): json.dumps(value).encode()
        for key, value in (metadata.items() if isinstance(metadata, dict) else ())
        if isinstance(value, dict) and key.rpartition("/")[2] in _NAMES_V2
    }


def consolidate(root: Mapping[str, Any], documents: Mapping[str, Document]) -> Document:
    """Put the documents of all other nodes, by path, into the root group's document."""
    return {**root, KEY: _inline({path: _entry(documents[path]) for path in sorted(documents)})}


def differing(root: Mapping[str, Any], documents: Mapping[str, Document]) -> list[str]:
    """Paths whose document is absent from the root's consolidated metadata, or another one."""
    consolidated = root.get(KEY)
    held = consolidated.get("metadata") if isinstance(consolidated, dict) else None
    if not isinstance(held, dict):
        return [""]
    return sorted(
        path
        for path in {*held, *documents}
        if path not in documents or held.get(path) != _entry(documents[path])
    )


def _entry(document: Document) -> Document:
    """A group inside says that it has nothing of its own: all paths are the root's."""
    return document if document.get("node_type") == "array" else {**document, KEY: _inline({})}


def _inline(metadata: Mapping[str, Any]) -> Document:
    return {"kind": "inline", "must_understand": False, "metadata": dict(metadata)}

"""The source's metadata from the output's and ``migration.json``, by what its schema says alone."""

import copy
import json
from pathlib import Path

from uplift.models.changes import Change
from uplift.models.json_text import without_bare_nan


def undone(value, changes):
    """Take changes back, the last first, as ``Change`` describes them."""
    value = copy.deepcopy(value)
    for change in reversed(changes):
        if change["action"] == "moved":
            value[change["key"]] = value["ome"].pop(change["key"])
        elif change["action"] != "kept":
            holder, key = holder_and_key(value, change["place"])
            if change["action"] == "added":
                del holder[key]
            elif change["action"] == "dropped" and isinstance(holder, list):
                holder.insert(key, change.get("old"))
            else:
                holder[key] = change.get("old")
    return value


def done(value, changes):
    """Make the changes of a document, the first first; each finds the old words there."""
    value = copy.deepcopy(value)
    for change in changes:
        holder, key = holder_and_key(value, change["place"])
        if change["action"] == "added":
            assert key not in holder
        else:
            assert without_bare_nan(holder[key]) == change.get("old")
        if change["action"] == "dropped":
            del holder[key]
        else:
            holder[key] = change.get("new")
    return value


def holder_and_key(value, pointer):
    """What holds the place of a JSON Pointer, and its key there."""
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in above:
        value = value[int(part) if isinstance(value, list) else part]
    return value, int(last) if isinstance(value, list) else last


def nodes_of(work: Path):
    """Node by node: path, kind, changes of its attributes, changes of its document."""
    for node in json.loads((work / "migration.json").read_text())["nodes"]:
        of_document = [change for change in node["changes"] if change.get("in_document")]
        of_attributes = [change for change in node["changes"] if not change.get("in_document")]
        for change in node["changes"]:
            Change.parse(change, "migration.json")
        yield node["path"], node["node"], of_attributes, of_document


def check_undone(source: Path, output: Path, work: Path) -> None:
    """Every node's attributes, and the documents whose words were put right, come back."""
    for path, _, of_attributes, of_document in nodes_of(work):
        document, attributes = as_written(source / path)
        after = json.loads((output / path / "zarr.json").read_text())["attributes"]
        assert undone(after, of_attributes) == without_bare_nan(attributes), path
        plain = done(document, of_document)
        assert undone(plain, of_document) == without_bare_nan(document), path


def as_written(folder: Path):
    """Document of a node, and its attributes, as JSON says."""
    if (folder / "zarr.json").exists():
        document = json.loads((folder / "zarr.json").read_bytes().decode("utf-8-sig"))
        return document, document.get("attributes") or {}
    names = [name for name in (".zarray", ".zgroup") if (folder / name).exists()]
    found = [
        json.loads((folder / name).read_bytes().decode("utf-8-sig"))
        for name in (*names[:1], ".zattrs")
        if (folder / name).exists()
    ]
    attributes = found[-1] if (folder / ".zattrs").exists() else {}
    return (found[0] if names else {}), attributes or {}

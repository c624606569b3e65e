"""ome-zarr-models on documents in memory, one group at a time.

It has no answer for bioformats2raw collections. Its own entry points read each array with
zarr-python, plates three times; its models ask only for shapes, data types and names.
"""

import warnings
from typing import Any

from ome_zarr_models.v05 import Image, ImageLabel, Labels
from ome_zarr_models.v05.hcs import HCSAttrs
from ome_zarr_models.v05.well import WellAttrs
from pydantic import ValidationError

from uplift.ngff.json_kinds import items_of, objects_in, paths_in
from uplift.storage.protocol import join
from uplift.validators.complaints import Complaint, complaints_of
from uplift.validators.documents import Documents, Json

NAME = "ome-zarr-models"


def complaints_about(documents: Documents, path: str) -> list[Complaint]:
    """Everything that the models say about one group; of an image, also about its labels."""
    ome = documents.ome_of(path) or {}
    return [] if "bioformats2raw.layout" in ome else list(complaints_of(_details(documents, path)))


def _details(documents: Documents, path: str) -> list[Any]:
    ome = documents.ome_of(path) or {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _apply(documents, path, ome)
        except ValidationError as error:
            return list(error.errors(include_url=False))
        except Exception as error:  # its checks let any error through
            cause = _cause(error)
            if isinstance(cause, ValidationError):
                return list(cause.errors(include_url=False))
            return [{"type": "invalid", "loc": (), "msg": str(cause)}]
    return []


def _apply(documents: Documents, path: str, ome: Json) -> None:
    for key, attributes in (("plate", HCSAttrs), ("well", WellAttrs)):
        if key in ome:
            attributes.model_validate(ome)
            return
    if "labels" in ome:
        Labels.model_validate(_group(documents, path, _labels(documents, path)))
    elif "image-label" in ome:
        ImageLabel.model_validate(_group(documents, path, _levels(documents, path)))
    elif "multiscales" in ome:
        nodes = _levels(documents, path)
        labels = join(path, "labels")
        if documents.ome_of(labels) is not None:
            nodes["labels"] = _group(documents, labels, _labels(documents, labels))
        Image.model_validate(_group(documents, path, nodes))


def _levels(documents: Documents, path: str) -> dict[str, Json]:
    nodes: dict[str, Json] = {}
    for entry in objects_in((documents.ome_of(path) or {}).get("multiscales")):
        for name in paths_in(entry.get("datasets")):
            document = documents.get(join(path, name))
            if document is not None:
                nodes[name] = _array(document) if _is_array(document) else _bare({})
    return nodes


def _labels(documents: Documents, path: str) -> dict[str, Json]:
    nodes = {}
    for name in items_of((documents.ome_of(path) or {}).get("labels")):
        label = join(path, name) if isinstance(name, str) else ""
        document = documents.get(label) if label else None
        if document and _is_array(document):
            nodes[name] = _array(document)
        elif document:
            nodes[name] = _group(documents, label, _levels(documents, label))
    return nodes


def _group(documents: Documents, path: str, nodes: dict[str, Json]) -> Json:
    """The group as the models take one, with nodes at paths below it."""
    ome = documents.ome_of(path)
    root = _bare({} if ome is None else {"ome": ome})
    for name, node in nodes.items():
        here = root["members"]
        *above, last = name.split("/")
        for part in above:
            here = here.setdefault(part, _bare({})).setdefault("members", {})
        here[last] = node
    return root


def _bare(attributes: Any) -> Json:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes, "members": {}}


def _is_array(document: Json) -> bool:
    return bool(document.get("node_type") == "array")


def _array(document: Json) -> Json:
    shape = document.get("shape") or []
    return {
        "zarr_format": 3,
        "node_type": "array",
        "attributes": {},
        "shape": shape,
        "data_type": document.get("data_type"),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1] * len(shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
        "dimension_names": document.get("dimension_names"),
    }


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error

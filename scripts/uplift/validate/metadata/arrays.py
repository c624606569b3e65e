"""Compare the metadata of arrays on both sides as another library reads them."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from zarr.core.metadata.v2 import ArrayV2Metadata
from zarr.core.metadata.v3 import ArrayV3Metadata

from uplift.models.arrays import SourceArray, TargetArray
from uplift.models.findings import Findings
from uplift.models.json_text import cut
from uplift.models.once import content_of, once_each
from uplift.ngff.lossless import lost_attributes
from uplift.validate.metadata.documents import Json, Node
from uplift.validate.pixels.compare import same_bits
from uplift.zarr_metadata import consolidated
from uplift.zarr_metadata.data_types import (
    fill_of,
    numpy_dtype,
)
from uplift.zarr_metadata.v3 import array_document

_PLANNED = ("shape", "chunk_grid", "chunk_key_encoding", "codecs", "storage_transformers")


Fault = tuple[str, str]
"""Code and message of a finding about an array."""


class ArrayCheck:
    """Checks documents of arrays; those that differ only in their path are checked once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._faults: dict[tuple[Any, ...], list[Fault]] = {}
        # while a document is in here no other one gets its id
        self._seen: list[Node] = []

    def check(
        self,
        node: Node,
        source: SourceArray,
        target: TargetArray,
        names: tuple[str | None, ...] | None,
    ) -> None:
        """Check one array's ``zarr.json``.

        Parameters
        ----------
        node
            Documents of both sides; equal ones are one object.
        source, target
            The array as the inventory has it, and as it is planned.
        names
            The dimension names that it must have, length ndim; None: any.
        """
        if node.document is None:
            return
        documents = node.document, node.source_document, node.source_attributes
        key = (*map(id, documents), names, _content_of_source(source), _content_of_target(target))
        if key not in self._faults:
            self._seen.append(node)
            planned = array_document(target, {}, None)
            self._faults[key] = list(_faults(node, node.document, source, planned, names))
        for code, text in self._faults[key]:
            self._findings.error(code, node.path, text)


@once_each
def _content_of_source(source: SourceArray) -> bytes:
    return content_of([source.zarr_format, source.data_type, source.fill_value])


@once_each
def _content_of_target(target: TargetArray) -> bytes:
    return content_of(array_document(target, {}, None))


def _faults(
    node: Node,
    document: Json,
    source: SourceArray,
    planned: Json,
    names: tuple[str | None, ...] | None,
) -> Iterator[Fault]:
    for key in _PLANNED:
        if document.get(key) != planned.get(key):
            text = f"{key} is {_shown(document.get(key))}, planned {_shown(planned.get(key))}"
            yield "array.document", text
    found = document.get("dimension_names")
    if names is not None and found != list(names):
        text = f"dimension_names are {_shown(found)}, the axes {_shown(list(names))}"
        yield "array.dimension_names", text
    for text in lost_attributes(node.source_attributes, node.attributes):
        yield "attributes.lost", text
    yield from _faults_of_values(node.source_document, document, source)


def check_consolidated(documents: Mapping[str, Json], findings: Findings) -> None:
    """Compare consolidated metadata of the root, if any, with the nodes' own documents."""
    root = documents.get("", {})
    if consolidated.KEY not in root:
        return
    others = {path: document for path, document in documents.items() if path}
    for path in consolidated.differing(root, others):
        text = f"{path or '/'}: the root's {consolidated.KEY} says something else"
        findings.error("root.consolidated", path, text)


def _faults_of_values(
    source_document: Json | None, document: Json, source: SourceArray
) -> Iterator[Fault]:
    """Data type and fill value, read by zarr-python on both sides."""
    with warnings.catch_warnings():
        # It warns about data types and codecs that are not in the core specification.
        warnings.simplefilter("ignore")
        try:
            new = ArrayV3Metadata.from_dict(copy.deepcopy(document))
        except Exception as error:  # it has no exception type of its own
            text = f"zarr-python refuses zarr.json: {' '.join(str(error).split())[:300]}"
            yield "array.document", text
            return
        dtype, fill = _source_values(source_document, source)
    found = new.dtype.to_native_dtype()
    if not _same_type(dtype, found):
        yield "array.data_type", f"is {found}, in the source {dtype}"
    elif not _same_fill(fill, new.fill_value, dtype):
        text = f"fill value is {_shown(new.fill_value)}, in the source {_shown(fill)}"
        yield "array.fill_value", text


def _source_values(document: Json | None, source: SourceArray) -> tuple[Any, Any]:
    """Data type and fill value as zarr-python reads them; as this project does, if it cannot."""
    kind = ArrayV2Metadata if source.zarr_format == 2 else ArrayV3Metadata
    try:
        metadata = kind.from_dict(copy.deepcopy(document or {}))
        fill = metadata.fill_value
        dtype = metadata.dtype.to_native_dtype()
    except Exception:
        fill = fill_of(source)
        dtype = numpy_dtype(source)
    if fill is None and dtype.kind in "mM":
        fill = np.array("NaT", dtype=dtype)[()]
    return dtype, fill


def _same_type(one: Any, other: Any) -> bool:
    if one.kind in "OT" and other.kind in "OT":
        return True
    if one.kind in "US" and other.kind in "OT":
        return False
    return bool(one.newbyteorder("=") == other.newbyteorder("="))


def _same_fill(old: Any, new: Any, dtype: Any) -> bool:
    """Whether two fill values are equal, bit for bit; none (Zarr v2) counts as zero."""
    if dtype.kind in "OT":
        return _text(old) == _text(new)
    native = dtype.newbyteorder("=")
    if old is None:
        return same_bits(np.zeros((), native), np.asarray(new, native))
    return same_bits(np.asarray(old).astype(native), np.asarray(new).astype(native))


def _text(value: Any) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else bytes(value)


def _shown(value: Any) -> str:
    return cut(repr(value.item() if isinstance(value, np.generic) else value), 120)

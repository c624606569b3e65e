"""yaozarrs on documents in memory, one group at a time.

Its own entry point opens a store, follows plates to wells, fields and labels, and builds its models
again for each node. Here a group is checked against its own metadata and the documents just below
it; what is further down is checked as a group of its own.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from yaozarrs import v05
from yaozarrs._storage import StorageErrorType, ValidationResult
from yaozarrs._zarr import ZarrArray, ZarrGroup, ZarrMetadata
from yaozarrs.v05._image import Image
from yaozarrs.v05._labels import LabelImage, LabelsGroup
from yaozarrs.v05._plate import Plate, Well
from yaozarrs.v05._storage import StorageValidatorV05

from uplift.storage.protocol import join
from uplift.validators.complaints import Complaint, complaints_of, line_of
from uplift.validators.documents import Documents

NAME = "yaozarrs"
VERSION = "0.5"


def complaints_about(documents: Documents, path: str) -> list[Complaint]:
    """Everything that yaozarrs says about one group, warnings included."""
    version = (documents.ome_of(path) or {}).get("version")
    if version != VERSION:
        return [("ValueError", f"ome.version is {version!r}, expected {VERSION!r}")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            details: list[Any] = list(_check(_Group(documents, path)))
        except ValidationError as error:
            details = list(error.errors(include_url=False))
        except Exception as error:  # on metadata that it did not expect, whatever Python raises
            details = [{"type": type(error).__name__, "loc": (), "msg": f"gave up: {error}"}]
    texts = {str(one.message) for one in caught if one.category.__name__ == "ValidationWarning"}
    return [*complaints_of(details), *(("warning", line_of(text)) for text in sorted(texts))]


def _check(group: _Group) -> Iterator[Mapping[str, Any]]:
    model, loc, check = group.ome_metadata(), ("ome",), _OneGroup()
    if isinstance(model, LabelImage):
        result = StorageValidatorV05.visit_label_image(check, group, model, loc)
    elif isinstance(model, Image):
        result = StorageValidatorV05.visit_image(check, group, model, loc)
    elif isinstance(model, LabelsGroup):
        result = check.visit_labels_group(group, model, loc)
    elif isinstance(model, Plate):
        result = check.visit_plate(group, model, loc)
    elif isinstance(model, Well):
        result = StorageValidatorV05.visit_well(check, group, model, loc)
    elif isinstance(model, v05.Bf2Raw):
        result = check.visit_bioformats2raw(group, model, loc)
    else:
        return
    yield from result.errors
    yield from result.warnings


class _Group(ZarrGroup):
    """A group whose documents are in memory."""

    __slots__ = ("_documents",)

    def __init__(self, documents: Documents, path: str) -> None:
        self._documents = documents
        self._path = path
        self._metadata = ZarrMetadata.model_validate(dict(documents.get(path) or {}))

    def __getitem__(self, key: str) -> ZarrGroup | ZarrArray:
        path = join(self._path, key)
        document = self._documents.get(path)
        if document is None:
            raise KeyError(key)
        if document.get("node_type") == "group":
            return _Group(self._documents, path)
        seen = {k: document.get(k) for k in ("zarr_format", "node_type", "shape")}
        seen |= {"data_type": str(document.get("data_type"))}
        seen |= {"dimension_names": document.get("dimension_names")}
        return ZarrArray({}, path, ZarrMetadata.model_validate(seen))

    def __contains__(self, key: object) -> bool:
        return self._documents.get(join(self._path, str(key))) is not None

    def __repr__(self) -> str:
        return "<ZarrGroup>"

    def prefetch_children(self, child_keys: Iterable[str]) -> None:
        """Nothing has to be fetched."""

    @property
    def store_path(self) -> str:
        """Where it is, for messages."""
        return f"output.zarr/{self._path}"

    def ome_metadata(self, *, version: str | None = None) -> Any:
        """Model of its OME-Zarr metadata; None where there are none."""
        ome = self._documents.ome_of(self._path)
        return None if ome is None else _adapter().validate_python(ome)


class _OneGroup(StorageValidatorV05):
    """Does not go down: what is below is checked on its own."""

    __slots__ = ()

    def visit_label_image(self, *_: Any) -> ValidationResult:
        return ValidationResult()

    def visit_image(self, *_: Any) -> ValidationResult:
        return ValidationResult()

    def visit_well(self, *_: Any) -> ValidationResult:
        return ValidationResult()

    def _validate_labels_image_source(
        self, zarr_group: Any, src_img_rel_path: str, loc_prefix: Any
    ) -> ValidationResult:
        """Look for the source image among the documents."""
        result = ValidationResult()
        documents, path = zarr_group._documents, zarr_group.path
        source = posixpath.normpath(join(path, src_img_rel_path))
        ome = documents.ome_of("" if source == "." else source)
        kind = StorageErrorType.label_image_source_not_found
        if ome is not None:
            if "multiscales" in ome:
                return result
            kind = StorageErrorType.label_image_source_invalid
        result.add_error(
            kind,
            (*loc_prefix, "image_label", "source", "image"),
            f"Label image source {src_img_rel_path!r} is not an image of the dataset",
        )
        return result


@cache
def _adapter() -> TypeAdapter[Any]:
    """Built once: it costs more than all its uses on a small dataset."""
    return TypeAdapter(v05.OMEMetadata)

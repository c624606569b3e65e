"""What was found at the source: ``inventory.json``."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from uplift.models.arrays import SourceArray
from uplift.models.base import Model
from uplift.models.changes import Change
from uplift.models.findings import Finding
from uplift.models.once import one_of
from uplift.models.paths import parents_of

GroupRole = Literal[
    "image",
    "label image",
    "labels",
    "plate",
    "row",
    "well",
    "field",
    "bioformats2raw",
    "OME",
    "group",
]


class InventoryGroup(Model):
    """One group. `roles` may hold several: a plate can be a bioformats2raw collection as well.

    `explicit` is false where the source has no ``.zgroup``/``zarr.json`` of its own there;
    `zarr_format` is that of the document with its attributes; `words` are spellings of the
    document that its specification does not have.
    """

    path: str
    roles: tuple[GroupRole, ...]
    ome_version: str | None = None
    attributes_sha256: str | None = None
    explicit: bool = True
    zarr_format: Literal[2, 3] = 2
    words: tuple[Change, ...] | None = None


_KINDS: dict[bytes, SourceArray] = {}


def _shared(data: Any) -> Any:
    return one_of(_KINDS, data, SourceArray.model_validate)


class InventoryArray(Model):
    """One array with its level in a multiscale, if any.

    Attributes
    ----------
    multiscale, level
        Path of the group that lists it, and its index in ``datasets`` (0 is full resolution).
    axes
        Axis names of the multiscale, length ndim; for other arrays ``_ARRAY_DIMENSIONS`` or
        v3 ``dimension_names`` where present.
    stored_chunks, stored_bytes
        Chunk objects that exist (inside the chunk grid) and their bytes as encoded.
    listing_sha256
        Digest over (key, size, modification stamp) of the stored chunks in key order.
    problem
        Why this array cannot be converted; ``None`` when it can.
    words
        Spellings of the array's document that its specification does not have, as read.
    """

    path: str
    role: Literal["level", "array"]
    multiscale: str | None = None
    level: int | None = None
    axes: tuple[str, ...] | None = None
    source: Annotated[SourceArray, BeforeValidator(_shared)]
    stored_chunks: int
    stored_bytes: int
    listing_sha256: str
    attributes_sha256: str | None = None
    problem: str | None = None
    words: tuple[Change, ...] | None = None

    @property
    def zarr_format(self) -> int:
        """Version of Zarr that the array is of: 2 or 3."""
        return self.source.zarr_format


class InventoryFile(Model):
    """Any object that is neither Zarr metadata nor a chunk; copied byte for byte."""

    path: str
    bytes: int


class Inventory(Model):
    """Everything under the source root: each path is a group, an array, a chunk or a file."""

    schema_: Literal["ngff-uplift/inventory/1"] = Field("ngff-uplift/inventory/1", alias="schema")
    source: str
    zarr_format: Literal[2, 3]
    ome_versions: tuple[str, ...]
    name: str | None = None
    consolidated: Literal[True] | None = None
    """Absent documents are in ``.zmetadata`` at the root."""
    consolidated_below: tuple[str, ...] | None = None
    """Groups below the root whose own ``.zmetadata`` has some documents."""
    groups: tuple[InventoryGroup, ...]
    arrays: tuple[InventoryArray, ...]
    files: tuple[InventoryFile, ...]
    dropped: tuple[InventoryFile, ...] = ()
    """Objects that the output does not need (``.zmetadata``), each listed."""
    findings: tuple[Finding, ...] = ()

    def all_groups(self) -> list[InventoryGroup]:
        """Groups of the output in path order: Zarr v3 has no implicit ones."""
        groups = {group.path: group for group in self.groups}
        arrays = {array.path for array in self.arrays}
        for path in [*groups, *arrays]:
            for parent in parents_of(path):
                if parent not in groups and parent not in arrays:
                    groups[parent] = InventoryGroup(path=parent, roles=("group",), explicit=False)
        return [groups[path] for path in sorted(groups)]

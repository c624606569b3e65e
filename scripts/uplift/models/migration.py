"""What the migrate step did, node by node: ``migration.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from uplift.models.arrays import JsonValue
from uplift.models.base import Model
from uplift.models.findings import Finding
from uplift.models.inventory import InventoryFile


class Change(Model):
    """What became of one attribute; enough to undo it.

    Attributes
    ----------
    key
        Its place for people, e.g. ``multiscales[0].version``; of an OME-Zarr key, below ``ome``.
    action
        ``moved`` (to below ``ome``), ``kept``, ``changed``, ``added`` or ``dropped``.
    place
        JSON Pointer (RFC 6901) into the attributes of the output at the time of the change; absent
        where nothing but the place of the whole key changed. The last change is undone first.
    old, new
        The words before and after; an absent `old` of what was changed or dropped is ``null``, and
        NaN and infinities are texts.
    repair
        Code of the repair, for what the source got wrong; absent where only the version differs.
    """

    key: str
    action: Literal["moved", "kept", "changed", "added", "dropped"]
    detail: str | None = None
    place: str | None = None
    old: JsonValue = None
    new: JsonValue = None
    repair: str | None = None


class MigratedNode(Model):
    """One group or array whose attributes have another place or other words, or stay.

    `ome_version` is that of the source's metadata.
    """

    path: str
    node: Literal["group", "array"]
    ome_version: str | None = None
    changes: tuple[Change, ...]


class CopiedFile(Model):
    """One file copied byte for byte."""

    path: str
    bytes: int
    sha256: str


class Migration(Model):
    """``migration.json``.

    Attributes
    ----------
    spatialdata
        Whether the version texts of the spatialdata library were written.
    root_sha256
        Of the root's document, which is staged.
    documents
        How many ``zarr.json`` there are.
    nodes
        Those that have attributes, in path order: a plate's arrays mostly have none.
    dropped
        Objects of the source that the output does not need.
    skipped
        Array path to reason, for arrays left out by ``unsupported: skip``.
    """

    schema_: Literal["ngff-uplift/migration/1"] = Field("ngff-uplift/migration/1", alias="schema")
    source: str
    output: str
    target_version: str
    root_sha256: str
    documents: int
    spatialdata: bool = False
    nodes: tuple[MigratedNode, ...]
    files: tuple[CopiedFile, ...]
    dropped: tuple[InventoryFile, ...] = ()
    skipped: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

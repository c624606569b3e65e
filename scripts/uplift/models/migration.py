"""What the migrate step did, node by node: ``migration.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from uplift.models.arrays import JsonValue
from uplift.models.base import Model
from uplift.models.findings import Finding
from uplift.models.inventory import GroupRole, InventoryFile


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
    """One group or array with its ``zarr.json``; `sha256` is that of the document's bytes."""

    path: str
    node: Literal["group", "array"]
    roles: tuple[GroupRole, ...] = ()
    ome_version: str | None = None
    """Version of the source's metadata."""
    changes: tuple[Change, ...] = ()
    sha256: str


class CopiedFile(Model):
    """One file copied byte for byte."""

    path: str
    bytes: int
    sha256: str


class Migration(Model):
    """``migration.json``. `nodes` are in path order, the root first; the root's document is staged.

    Attributes
    ----------
    spatialdata
        Whether the version texts of the spatialdata library were written.
    dropped
        Objects of the source that the output does not need.
    skipped
        Array path to reason, for arrays left out by ``unsupported: skip``.
    """

    schema_: Literal["ngff-uplift/migration/1"] = Field("ngff-uplift/migration/1", alias="schema")
    source: str
    output: str
    target_version: str
    spatialdata: bool = False
    nodes: tuple[MigratedNode, ...]
    files: tuple[CopiedFile, ...]
    dropped: tuple[InventoryFile, ...] = ()
    skipped: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def keys(self) -> Iterator[str]:
        """Keys of every object that the step wrote at the output, and of the staged root."""
        for node in self.nodes:
            yield f"{node.path}/zarr.json" if node.path else "zarr.json"
        for file in self.files:
            yield file.path

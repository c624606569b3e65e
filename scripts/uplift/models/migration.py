"""What the migrate step did, node by node: ``migration.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from uplift.models.base import Model
from uplift.models.findings import Finding
from uplift.models.inventory import GroupRole, InventoryFile


class Change(Model):
    """What became of one attribute.

    `action`: ``moved`` (to below ``ome``), ``kept``, ``changed``, ``added`` or ``dropped``. `key`
    is its place in the source (``added``: in the output), e.g. ``multiscales[0].version``.
    """

    key: str
    action: Literal["moved", "kept", "changed", "added", "dropped"]
    detail: str | None = None


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
    dropped
        Objects of the source that the output does not need.
    skipped
        Array path to reason, for arrays left out by ``unsupported: skip``.
    """

    schema_: Literal["ngff-uplift/migration/1"] = Field("ngff-uplift/migration/1", alias="schema")
    source: str
    output: str
    target_version: str
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

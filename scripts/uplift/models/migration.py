"""What the migrate step did, node by node: ``migration.json``."""

from typing import Literal

from pydantic import Field

from uplift.models.base import Model
from uplift.models.changes import Change
from uplift.models.findings import Finding
from uplift.models.inventory import InventoryFile


class MigratedNode(Model):
    """One group or array whose attributes are moved, reworded, or unchanged.

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
        Whether the version strings of the spatialdata library were written.
    root_sha256
        Of the root's document, which is staged.
    documents
        Number of ``zarr.json`` documents.
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

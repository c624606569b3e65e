"""What is known and noted while the attributes of one group are migrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.models.migration import Change

BEFORE_04 = ("0.1", "0.2", "0.3")


@dataclass
class Migration:
    """One migration under way."""

    path: str
    version: str | None
    declared: str | None
    """Version of the source as it is written there."""
    target: str
    arrays: Mapping[str, Shape]
    in_place: bool
    """The source has an ``ome`` object already."""
    changes: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Path of the group, for messages."""
        return self.path or "root"

    def note(self, key: str, action: Any, detail: str | None = None) -> None:
        """Note what becomes of a key."""
        self.changes.append(Change(key=key, action=action, detail=detail))

    def repaired(self, key: str, detail: str) -> None:
        """Note a change that the source should not have needed."""
        self.note(key, "changed", detail)
        self.warn("source.repaired", f"{key}: {detail}")

    def warn(self, code: str, message: str) -> None:
        """Note something that the source should not have said so."""
        finding = Finding(code=code, severity="warning", path=self.path, message=message)
        self.findings.append(finding)

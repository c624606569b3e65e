"""The work files of one dataset: the one place where their names are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SLICE = re.compile(r"([1-9][0-9]*)-of-([1-9][0-9]*)\.json")


@dataclass(frozen=True)
class WorkFolder:
    """``results/<dataset>``."""

    path: Path

    @property
    def run(self) -> Path:
        """Facts of the first run, which outlive a second look at the source."""
        return self.path / "run.json"

    @property
    def inventory(self) -> Path:
        """What inspect_source found."""
        return self.path / "inventory.json"

    @property
    def plan(self) -> Path:
        """The plan in force; its user's, once it was edited."""
        return self.path / "plan.json"

    @property
    def claim(self) -> Path:
        """Says that this run may write to the output."""
        return self.path / "claim.json"

    @property
    def made_from(self) -> Path:
        """Which source the output's data come from."""
        return self.path / "made_from.json"

    @property
    def in_force(self) -> Path:
        """Which plan the jobs of convert work for."""
        return self.path / "convert" / "plan.in_force"

    @property
    def migration(self) -> Path:
        """Documents and files that migrate wrote."""
        return self.path / "migration.json"

    @property
    def root(self) -> Path:
        """The root's document, until publish puts it in its place."""
        return self.path / "root.zarr.json"

    @property
    def crate(self) -> Path:
        """What crate wrote."""
        return self.path / "crate.json"

    @property
    def validation(self) -> Path:
        """The verdict."""
        return self.path / "validation.json"

    @property
    def manifest(self) -> Path:
        """Check sums of the output, where they are asked for."""
        return self.path / "manifest.sha256"

    def is_own_manifest(self, content: bytes | None) -> bool:
        """Whether what stands at the output, if anything, is the manifest that was made here."""
        return (
            content is not None
            and self.manifest.is_file()
            and self.manifest.read_bytes() == content
        )

    @property
    def published(self) -> Path:
        """What stands at the output, since when."""
        return self.path / "published.json"

    def slice(self, number: int, count: int) -> Path:
        """Slice `number` of `count`, both from 1."""
        return self.path / "convert" / f"{number}-of-{count}.json"

    def slices(self) -> list[tuple[int, int, Path]]:
        """Every slice there is: number, count, file."""
        folder = self.path / "convert"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        found = [(match, folder / match[0]) for match in map(_SLICE.fullmatch, names) if match]
        return sorted((int(match[1]), int(match[2]), path) for match, path in found)

    def record(self, batch: str) -> Path:
        """What converting and validating a batch did, found and cost."""
        return self.path / "records" / f"{batch}.json"

    def journal(self, batch: str) -> Path:
        """Which objects of a batch are finished."""
        return self.path / "journal" / f"{batch}.jsonl"

    def digests(self, batch: str) -> Path:
        """Digests of a batch's chunks."""
        return self.path / "records" / f"{batch}.digests"

    def sums(self, batch: str) -> Path:
        """Check sums of a batch's stored objects."""
        return self.path / "records" / f"{batch}.sha256"

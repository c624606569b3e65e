"""The work files of one dataset: the only module that has their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SLICE = re.compile(r"([1-9][0-9]*)-of-([1-9][0-9]*)\.json")


class _File:
    """A file of a fixed name, below the folder."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts

    def __get__(self, folder: WorkFolder, _: type[WorkFolder]) -> Path:
        return folder.path.joinpath(*self._parts)


@dataclass(frozen=True)
class WorkFolder:
    """``results/<dataset>``."""

    path: Path

    run = _File("run.json")
    """Facts of the first run, which are kept when the source is inspected again."""
    inventory = _File("inventory.json")
    """What inspect_source found."""
    plan = _File("plan.json")
    """The plan in force; it belongs to the user once it was edited."""
    proposed = _File("plan.proposed.json")
    """The current proposal, next to an edited plan."""
    claim = _File("claim.json")
    """Says that this run may write to the output."""
    made_from = _File("made_from.json")
    """Which source the output's data come from."""
    in_force = _File("convert", "plan.in_force")
    """Which plan the jobs of convert work for."""
    migration = _File("migration.json")
    """Documents and files that migrate wrote."""
    root = _File("root.zarr.json")
    """The root's document, until publish writes it to the output."""
    crate = _File("crate.json")
    """What crate wrote."""
    validation = _File("validation.json")
    """The verdict."""
    unfinished = _File("unfinished.json")
    """What killed writers left at the output, as validate listed it."""
    manifest = _File("manifest.sha256")
    """Check sums of the output, if they are wanted."""
    published = _File("published.json")
    """What was published at the output, and when."""
    archive = _File("archive.json")
    """The archive that the output was packed into."""
    preview = _File("preview.json")
    """What the pictures of the report show."""

    def is_own_manifest(self, content: bytes | None) -> bool:
        """Whether the output's manifest, if any, is the one that was made here."""
        return (
            content is not None
            and self.manifest.is_file()
            and self.manifest.read_bytes() == content
        )

    def slice(self, number: int, count: int) -> Path:
        """Slice `number` of `count`, both from 1."""
        return self.path / "convert" / f"{number}-of-{count}.json"

    def slices(self) -> list[tuple[int, int, Path]]:
        """Every existing slice: number, count, file."""
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

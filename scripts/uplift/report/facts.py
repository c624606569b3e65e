"""What the work files say about each dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from uplift.errors import UpliftError
from uplift.models.base import Model
from uplift.models.batch import BatchSummary
from uplift.models.findings import Finding, first_error
from uplift.models.inventory import Inventory
from uplift.models.publication import Cost, Published
from uplift.models.record import Record
from uplift.models.validation import ArrayValidation, Validation
from uplift.publish import total_cost
from uplift.settings.columns import Sample
from uplift.storage import is_local
from uplift.work import json_files

M = TypeVar("M", bound=Model)
State = Literal["valid", "invalid", "unfinished"]


MOST_FINDINGS = 100
MOST_ARRAYS = 50
MOST_IMAGES = 24
"""What is kept of one dataset, so that a report on thousands of plates stays small."""


@dataclass(frozen=True)
class Verdict:
    """What the validation found: how much of it, and the first of it (errors before warnings)."""

    severities: Mapping[str, int]
    findings: tuple[Finding, ...]
    array_count: int
    arrays: tuple[ArrayValidation, ...]
    objects: int
    bytes: int

    @classmethod
    def of(cls, validation: Validation) -> Verdict:
        """Keep the first of a validation's findings and arrays."""
        order = ("error", "warning", "info")
        findings = sorted(validation.findings, key=lambda one: order.index(one.severity))
        return cls(
            severities=Counter(finding.severity for finding in findings),
            findings=tuple(findings[:MOST_FINDINGS]),
            array_count=len(validation.arrays),
            arrays=validation.arrays[:MOST_ARRAYS],
            objects=validation.objects,
            bytes=validation.bytes,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a dataset, in a word and in a line."""

    state: State
    message: str
    verdict: Verdict | None = None
    published: Published | None = None


@dataclass(frozen=True)
class SourceFacts:
    """What inspect found.

    Attributes
    ----------
    roles
        How many groups have each role (image, label image, plate, well, ...).
    images
        Paths of images' groups, evenly spread, label images left out.
    """

    ome_versions: tuple[str, ...]
    zarr_format: int
    array_count: int
    roles: Mapping[str, int]
    image_count: int
    images: tuple[str, ...]

    @classmethod
    def of(cls, inventory: Inventory) -> SourceFacts:
        """Count what an inventory lists."""
        roles = Counter(str(role) for group in inventory.groups for role in group.roles)
        roles.pop("group", None)
        groups = inventory.groups
        images = [g.path for g in groups if "image" in g.roles and "label image" not in g.roles]
        step = max(1.0, len(images) / MOST_IMAGES)
        spread = [images[int(n * step)] for n in range(min(len(images), MOST_IMAGES))]
        return cls(
            ome_versions=inventory.ome_versions,
            zarr_format=inventory.zarr_format,
            array_count=len(inventory.arrays),
            roles=dict(roles),
            image_count=len(images),
            images=tuple(spread),
        )


@dataclass(frozen=True)
class Facts:
    """One dataset of the report.

    Attributes
    ----------
    summary
        Objects and bytes before and after, as planned; None before there was a plan in force.
    cost
        Of the convert jobs that ended; None when none did.
    """

    sample: Sample
    folder: Path
    outcome: Outcome
    summary: BatchSummary | None = None
    cost: Cost | None = None
    source: SourceFacts | None = None


def gather(samples: Iterable[Sample], results: Path) -> list[Facts]:
    """Collect the facts of all datasets; a damaged work file becomes that dataset's message."""
    return [_facts(sample, results / sample.dataset) for sample in samples]


def outcome_of(folder: Path, sample: Sample) -> Outcome:
    """Tell from a dataset's work files what became of it."""
    try:
        return _outcome(folder, sample)
    except UpliftError as error:
        return Outcome("unfinished", str(error))


def _facts(sample: Sample, folder: Path) -> Facts:
    outcome = outcome_of(folder, sample)
    try:
        summary = _read(folder / "batches" / "summary.json", BatchSummary)
        inventory = _read(folder / "inventory.json", Inventory)
        cost = _cost(folder, summary)
    except UpliftError as error:
        return Facts(sample, folder, Outcome("unfinished", str(error)))
    source = None if inventory is None else SourceFacts.of(inventory)
    return Facts(sample, folder, outcome, summary, cost, source)


def _cost(folder: Path, summary: BatchSummary | None) -> Cost | None:
    if summary is None:
        return None
    files = [folder / "records" / f"{batch}.json" for batch in summary.batches]
    done = [json_files.read_model(file, Record) for file in files if file.is_file()]
    return total_cost(done) if done else None


def _read(file: Path, model: type[M]) -> M | None:
    return json_files.read_model(file, model) if file.is_file() else None


def _outcome(folder: Path, sample: Sample) -> Outcome:
    verdict, publication = folder / "validation.json", folder / "published.json"
    validation = json_files.read_model(verdict, Validation) if verdict.is_file() else None
    if publication.is_file() and validation is not None:
        published = json_files.read_model(publication, Published)
        error = _latest_error(folder / "logs", since=publication.stat().st_mtime)
        stopped = f"; a later run stopped before it began: {error}" if error else ""
        text = f"{_published(published, validation, sample, verdict)}{stopped}"
        return Outcome("valid", text, Verdict.of(validation), published)
    if validation is not None:
        first = first_error(validation.findings)
        if validation.verdict == "invalid" and first is not None:
            text = f"invalid, not published: {first.code} at {first.path or '/'}: {first.message}"
            return Outcome("invalid", text, Verdict.of(validation))
    error = _latest_error(folder / "logs")
    text = f"not finished: {error}" if error else "not finished"
    return Outcome("unfinished", text, None if validation is None else Verdict.of(validation))


def _published(published: Published, validation: Validation, sample: Sample, verdict: Path) -> str:
    compared = sum(array.bytes_compared for array in validation.arrays)
    warnings = sum(finding.severity == "warning" for finding in validation.findings)
    plural = "" if warnings == 1 else "s"
    arrays = f"{len(validation.arrays)} array{'' if len(validation.arrays) == 1 else 's'}"
    noted = f", {warnings} warning{plural} (see {verdict})" if warnings else ""
    here = is_local(sample.output) and str(Path(sample.output).absolute()) == published.output
    place = sample.output if here else published.output
    return (
        f"{published.verdict}, {arrays} with every pixel compared "
        f"({size_text(compared)} decoded), {published.objects} objects "
        f"({size_text(published.bytes)}) in {place}{noted}"
    )


def _latest_error(logs: Path, since: float = 0.0) -> str | None:
    """Return the error that the newest failed job ended with, and its log."""
    newest = sorted(((path.stat().st_mtime, path) for path in logs.rglob("*.log")), reverse=True)
    for stamp, path in newest:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if stamp > since and lines and lines[-1].startswith("error: "):
            return f"{lines[-1].removeprefix('error: ')} ({path})"
    return None


def size_text(count: int) -> str:
    """Spell a number of bytes for people (1 kB is 1000 bytes)."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"

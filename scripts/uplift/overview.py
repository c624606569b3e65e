"""All datasets of the sheet at a glance: what stands at their outputs, and what became of them."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from uplift import records
from uplift.errors import UpliftError
from uplift.models.publication import Published
from uplift.models.validation import Validation
from uplift.publication import LOCK_KEY, ROOT_KEY, first_error
from uplift.samples import Sample
from uplift.schema_check import MistakesError
from uplift.storage import is_local, local_path

_ROOT_DOCUMENTS = (".zattrs", ".zgroup", ".zarray", ".zmetadata", "zarr.json", "OME/.zattrs")


def source_state(url: str) -> str | None:
    """Digest of the metadata at the root of a local source; None for a remote one.

    Cheap enough for every start of the workflow; a changed chunk alone does not show here.
    """
    root = _local_path(url)
    if root is None:
        return None
    digest = hashlib.sha256()
    if root.is_file():  # an archive
        status = root.stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    for name in _ROOT_DOCUMENTS:
        path = root / name
        if path.is_file():
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def refuse_gone_outputs(samples: Mapping[str, Sample], results: str) -> None:
    """Stop when an output that was begun here is no longer there.

    Snakemake does not know the outputs, so it would take their conversion for done.

    Raises
    ------
    MistakesError
        One line for each dataset, with the command that converts it again.
    """
    lines = []
    for dataset, sample in samples.items():
        claim = Path(results, dataset, "claim.json")
        place = _local_path(sample.output)
        if place is None or not claim.is_file():
            continue
        if not (place / LOCK_KEY).exists() and not (place / ROOT_KEY).exists():
            lines.append(
                f"{sample.output}: the output of dataset {dataset!r} is gone; put it back, take "
                f"the dataset out of the sheet, or convert it again after: "
                f"rm {shlex.quote(str(claim))}"
            )
    if lines:
        raise MistakesError(lines)


def forget_unpublished(samples: Mapping[str, Sample], results: str) -> None:
    """Remove ``published.json`` of datasets that an interrupted run has hidden again."""
    for dataset, sample in samples.items():
        place = _local_path(sample.output)
        if place is not None and (place / LOCK_KEY).exists() and not (place / ROOT_KEY).exists():
            Path(results, dataset, "published.json").unlink(missing_ok=True)


def summary_lines(samples: Mapping[str, Sample], results: str) -> Iterator[str]:
    """One line for each dataset: verdict, what was compared, where it is or why it is not."""
    for dataset, sample in samples.items():
        folder = Path(results, dataset)
        try:
            yield f"{dataset}: {_summary(folder, sample)}"
        except UpliftError as error:
            yield f"{dataset}: {error}"


def _summary(folder: Path, sample: Sample) -> str:
    verdict, publication = folder / "validation.json", folder / "published.json"
    if publication.is_file() and verdict.is_file():
        published = records.read_model(publication, Published)
        validation = records.read_model(verdict, Validation)
        error = _latest_error(folder / "logs", since=publication.stat().st_mtime)
        stopped = f"; a later run stopped before it began: {error}" if error else ""
        return f"{_published(published, validation, sample, verdict)}{stopped}"
    if verdict.is_file():
        validation = records.read_model(verdict, Validation)
        first = first_error(validation.findings)
        if validation.verdict == "invalid" and first is not None:
            return f"invalid, not published: {first.code} at {first.path or '/'}: {first.message}"
    error = _latest_error(folder / "logs")
    return f"not finished: {error}" if error else "not finished"


def _published(published: Published, validation: Validation, sample: Sample, verdict: Path) -> str:
    compared = sum(array.bytes_compared for array in validation.arrays)
    warnings = sum(finding.severity == "warning" for finding in validation.findings)
    plural = "" if warnings == 1 else "s"
    noted = f", {warnings} warning{plural} (see {verdict})" if warnings else ""
    return (
        f"{published.verdict}, {len(validation.arrays)} arrays with every pixel compared "
        f"({_size(compared)} decoded), {published.objects} objects ({_size(published.bytes)}) "
        f"in {sample.output}{noted}"
    )


def _latest_error(logs: Path, since: float = 0.0) -> str | None:
    """Return the error that the newest failed job ended with, and its log."""
    newest = sorted(((path.stat().st_mtime, path) for path in logs.rglob("*.log")), reverse=True)
    for stamp, path in newest:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if stamp > since and lines and lines[-1].startswith("error: "):
            return f"{lines[-1].removeprefix('error: ')} ({path})"
    return None


def _local_path(url: str) -> Path | None:
    return Path(local_path(url)) if is_local(url) else None


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"

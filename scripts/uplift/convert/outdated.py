"""Forget what was done for a plan that is no longer in force.

An edit may be taken back, or followed by another, before everything was converted. Snakemake then
finds batches of the plan before last, with records that fit them; but the output has objects of the
plan in between. So records go as soon as their batch is planned otherwise, or is no more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from uplift.convert.item import Resume
from uplift.errors import InputError
from uplift.models.batch import Batch
from uplift.models.record import Record
from uplift.work import json_files
from uplift.work.job_lock import only_job
from uplift.work.journal import Journal

log = logging.getLogger(__name__)

_RESULTS = {
    "records": (".json",),
    "validation": (".json", ".digests", ".sha256", ".standing"),
    "journal": (".jsonl", ".lock"),
}
"""What jobs leave for a batch, by folder, with the endings of the files."""


def forget_outdated(work: Path, batches: Iterable[Batch]) -> None:
    """Delete, in a dataset's work folder, whatever does not belong to these batches.

    Of journals only the lines that count no longer. Jobs that outlived an earlier run and still
    write for a plan that is no more find their journal gone or taken over, and are waited for.

    Raises
    ------
    OutputError
        Such a job does not end.
    """
    planned = {batch.batch: batch for batch in batches}
    made = sorted(_made(work))
    gone = [name for name in made if name not in planned]
    changed = [n for n in made if n in planned and not _is_record_of(work, planned[n])]
    for name in (*gone, *changed):
        _take_over(work / "journal" / f"{name}.jsonl", planned.get(name))
    for name in (*gone, *changed):
        with only_job(work / "journal" / f"{name}.jsonl", beside=False):
            for folder in ("records", "validation"):
                for ending in _RESULTS[folder]:
                    (work / folder / f"{name}{ending}").unlink(missing_ok=True)
    if gone:
        log.info("forgot %d batches of an older plan", len(gone))


def _made(work: Path) -> set[str]:
    """Names of all batches that jobs left something for."""
    return {
        path.name.removesuffix(ending)
        for folder, endings in _RESULTS.items()
        for ending in endings
        for path in (work / folder).glob(f"*{ending}")
    }


def _is_record_of(work: Path, batch: Batch) -> bool:
    path = work / "records" / f"{batch.batch}.json"
    if not path.is_file():
        return False
    try:
        record = json_files.read_model(path, Record)
    except InputError as error:
        log.info("%s", error)
        return False
    asked = [(item.path, item.start, item.stop, item.fingerprint) for item in batch.items]
    return asked == [(one.path, one.start, one.stop, one.fingerprint) for one in record.items]


def _take_over(path: Path, batch: Batch | None) -> None:
    """Tell a job that still writes to a journal to stop; keep the lines that count."""
    if batch is None:
        path.unlink(missing_ok=True)
    elif path.is_file():
        journal = Journal(path)
        journal.start(Resume(batch, journal).kept)

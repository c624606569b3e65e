"""The files that splitting writes and later steps read: ``batches/``, and the plan's backup.

Batches are always read in the order of ``summary.json``, never by listing the folder: a batch of
an older plan may still lie there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from uplift.models import json_text
from uplift.models.batch import Batch, BatchSummary
from uplift.work import json_files

SUMMARY = "summary.json"


def load_summary(folder: Path) -> BatchSummary:
    """Read ``summary.json``: the batches of the plan in force, in order.

    Raises
    ------
    InputError
        It is absent or malformed.
    """
    return json_files.read_model(folder / SUMMARY, BatchSummary)


def load_batches(folder: Path) -> list[Batch]:
    """Read every batch of the plan in force, in order.

    Raises
    ------
    InputError
        A file is absent or malformed.
    """
    return [
        json_files.read_model(folder / f"{batch}.json", Batch)
        for batch in load_summary(folder).batches
    ]


def write_batches(folder: Path, batches: Iterable[Batch], summary: BatchSummary) -> int:
    """Write the batches that changed, remove those of an older plan, write the summary last.

    Returns
    -------
    int
        Number of batch files written.
    """
    written = 0
    for batch in batches:
        path = folder / f"{batch.batch}.json"
        text = json_text.readable_json(batch.to_json()) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            json_files.write_text(path, text)
            written += 1
    wanted = {SUMMARY, *(f"{batch}.json" for batch in summary.batches)}
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    json_files.write_json(folder / SUMMARY, summary)
    return written


def keep_backup(plan: Path) -> None:
    """Copy an edited plan to ``plan.json~``, a file that Snakemake does not know or delete."""
    backup = plan.with_name(f"{plan.name}~")
    text = plan.read_text(encoding="utf-8")
    if not backup.is_file() or backup.read_text(encoding="utf-8") != text:
        json_files.write_text(backup, text)

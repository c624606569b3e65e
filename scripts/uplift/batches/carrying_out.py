"""Carry out the batches of one job, one after the other, and keep those that are done already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uplift.convert.batch import convert_batch
from uplift.convert.item import ConvertSettings
from uplift.errors import InputError
from uplift.models.batch import Batch
from uplift.models.publication import Claim
from uplift.models.record import Record
from uplift.outputs import HeldOutput
from uplift.storage.protocol import Store
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.job_lock import only_job
from uplift.work.journal import Journal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where batches are converted from and to."""

    source: Store
    output: HeldOutput


def carry_out(
    batches: Sequence[Batch],
    work: WorkFolder,
    place: Place,
    settings: ConvertSettings,
    refuse_outdated: Callable[[], None],
) -> None:
    """Convert every batch that is not done, and write its record.

    Parameters
    ----------
    batches
        Of the plan in force.
    refuse_outdated
        Raises when the plan is no longer in force; asked before each batch, once nobody else can
        begin it.

    Raises
    ------
    UpliftError
        A source that cannot be read, an output that another run holds, a plan that was edited.
    """
    for batch in batches:
        # a job that outlived its run may be at this batch: it ends first
        with only_job(work.journal(batch.batch)):
            refuse_outdated()
            if is_done(batch, work, place.output.claim, settings):
                log.info("%s: done already", batch.batch)
                continue
            log.info("%s: converting %d arrays", batch.batch, len(batch.items))
            journal = Journal(work.journal(batch.batch))
            record = convert_batch(batch, place.source, place.output, journal, settings)
            record = record.model_copy(update={"generation": place.output.claim.generation})
            json_files.write_json(work.record(batch.batch), record)


def is_done(batch: Batch, work: WorkFolder, claim: Claim, settings: ConvertSettings) -> bool:
    """Whether there is a record of this batch as it is planned, at the output as it is claimed."""
    record = read_record(work, batch)
    if record is None or record.generation != claim.generation:
        return False
    filled = any(bad.action == "filled" for item in record.items for bad in item.bad_chunks)
    return settings.fill_bad_chunks or not filled


def read_record(work: WorkFolder, batch: Batch) -> Record | None:
    """Read the record of a batch; None when it is absent, damaged or of another plan."""
    path = work.record(batch.batch)
    if not path.is_file():
        return None
    try:
        record = json_files.read_model(path, Record)
    except InputError as error:
        log.info("%s", error)
        return None
    asked = [(item.path, item.start, item.stop, item.fingerprint) for item in batch.items]
    done = [(one.path, one.start, one.stop, one.fingerprint) for one in record.items]
    return record if asked == done else None

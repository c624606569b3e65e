"""Validate batches one after the other; those that stand as they were compared are not read."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from uplift.models.batch import Batch
from uplift.models.record import Record
from uplift.storage.protocol import Store
from uplift.validate.objects.manifest import batch_sums, spell
from uplift.validate.pixels.digests import write_digests
from uplift.validate.pixels.items import CheckSettings, validate_batch
from uplift.validate.pixels.standing import Standing
from uplift.work import json_files
from uplift.work.folder import WorkFolder

log = logging.getLogger(__name__)


def validate_batches(
    batches: Sequence[Batch],
    work: WorkFolder,
    source: Store,
    output: Store,
    settings: CheckSettings,
    *,
    with_sums: bool = False,
) -> None:
    """Compare every chunk and element of the batches with the source, and write what was found.

    Parameters
    ----------
    with_sums
        Whether to write check sums of the stored objects, too.

    Raises
    ------
    InputError
        A batch was not converted, or was for another plan.
    StorageError
        A read that failed.
    """
    for batch in batches:
        name = batch.batch
        record = json_files.read_model(work.record(name), Record)
        results = [work.findings(name), work.digests(name)]
        results += [work.sums(name)] if with_sums else []
        note = work.standing(name)
        standing = Standing(note, results, batch, record, source, output, settings)
        if standing.holds():
            log.info("%s: both sides are as they were when they were compared", name)
            continue
        note.unlink(missing_ok=True)
        validation, rows = validate_batch(batch, record, source, output, settings)
        write_digests(work.digests(name), rows)
        if with_sums:
            sums = batch_sums(batch, output, settings.threads)
            json_files.write_text(work.sums(name), spell(sums))
        json_files.write_json(work.findings(name), validation)
        standing.remember(validation)

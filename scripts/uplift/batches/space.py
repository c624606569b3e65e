"""Whether the batches of a job fit where the output is."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from uplift.errors import OutputError
from uplift.models.batch import Batch
from uplift.outputs.space import refuse_little_space
from uplift.planning.space import space_of_batches
from uplift.work.folder import WorkFolder

log = logging.getLogger(__name__)


def look_for_space(
    batches: Iterable[Batch], work: WorkFolder, output: str, *, warn: bool = False
) -> None:
    """Refuse batches that have not started yet and do not fit.

    Parameters
    ----------
    batches
        Of one job.
    work
        Work folder of the dataset.
    output
        URL or folder of the output.
    warn
        Whether to say so only.

    Raises
    ------
    OutputError
        They need more bytes than are free.
    """
    left = [
        one
        for one in batches
        if not work.record(one.batch).exists() and not work.journal(one.batch).exists()
    ]
    try:
        refuse_little_space(output, space_of_batches(left))
    except OutputError as error:
        if not warn:
            raise
        log.warning("%s", error)

"""Delete the results of plans that are no longer in force.

An edit may be undone, or followed by another, before everything was converted. Snakemake then finds
slices of the plan before last, with matching records; but the output has objects of the plan in
between. So the first job of a new plan deletes the slices of all other plans, and the records of
batches that are planned differently now, or no longer exist.
"""

import json
import logging
from collections.abc import Sequence

from uplift.batches.converting import read_record
from uplift.batches.records import kept_lines
from uplift.errors import InputError, OutputError
from uplift.models.batch import Batch
from uplift.models.slices import Slice
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.job_lock import only_job
from uplift.work.journal import Journal

log = logging.getLogger(__name__)

_RESULTS = {
    "records": (".json", ".digests", ".sha256"),
    "journal": (".jsonl", ".lock"),
}
"""Files that jobs write for a batch: folder and endings."""


class PlanInForce:
    """The plan that jobs of a work folder work for.

    The order matters: a job of an older plan takes the lock of a batch before it checks which plan
    is in force, and the first job of a new plan changes that before it looks for locks. So either
    the older job notices, or the new job waits for it.
    """

    def __init__(self, work: WorkFolder, sha256: str) -> None:
        self._work = work
        self._sha256 = sha256

    def begin(self, batches: Sequence[Batch]) -> None:
        """Put this plan in force, whose batches these are, and delete results of others, once.

        Raises
        ------
        OutputError
            A job of an older plan still works and does not end.
        """
        with only_job(self._work.in_force, overlap=False):
            if self._read() == {"plan": self._sha256, "ready": True}:
                return
            json_files.write_json(self._work.in_force, {"plan": self._sha256, "ready": False})
            self._forget_slices()
            forget_outdated(self._work, batches)
            json_files.write_json(self._work.in_force, {"plan": self._sha256, "ready": True})

    def refuse_other(self) -> None:
        """Check that this plan is still in force.

        Raises
        ------
        OutputError
            It is not: another job has started with an edited one.
        """
        found = self._read()
        if found is None or found.get("plan") != self._sha256:
            raise OutputError(
                f"{self._work.plan}: was edited while this job ran, which writes nothing more; "
                "run again"
            )

    def _read(self) -> dict[str, object] | None:
        try:
            found = json.loads(self._work.in_force.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _forget_slices(self) -> None:
        for _, _, path in self._work.slices():
            try:
                if json_files.read_model(path, Slice).in_force_sha256 == self._sha256:
                    continue
            except InputError as error:
                log.info("%s", error)
            path.unlink(missing_ok=True)


def forget_outdated(work: WorkFolder, batches: Sequence[Batch]) -> None:
    """Delete, in a dataset's work folder, whatever does not belong to these batches.

    Of journals only the lines that no longer count. Jobs that outlived an earlier run and still
    write for an older plan find that their journal is gone or taken over; this waits for them.

    Raises
    ------
    OutputError
        Such a job does not end.
    """
    planned = {batch.batch: batch for batch in batches}
    made = sorted(_batches_with_files(work))
    gone = [name for name in made if name not in planned]
    changed = [n for n in made if n in planned and read_record(work, planned[n]) is None]
    for name in (*gone, *changed):
        _take_over(work, name, planned.get(name))
    for name in (*gone, *changed):
        with only_job(work.journal(name), overlap=False):
            for ending in _RESULTS["records"]:
                (work.path / "records" / f"{name}{ending}").unlink(missing_ok=True)
    if gone:
        log.info("forgot %d batches of an older plan", len(gone))


def _batches_with_files(work: WorkFolder) -> set[str]:
    """Names of all batches that have such files."""
    return {
        path.name.removesuffix(ending)
        for folder, endings in _RESULTS.items()
        for ending in endings
        for path in (work.path / folder).glob(f"*{ending}")
    }


def _take_over(work: WorkFolder, name: str, batch: Batch | None) -> None:
    """Tell a job that still writes to a journal to stop; keep the lines that count."""
    path = work.journal(name)
    if batch is None:
        path.unlink(missing_ok=True)
    elif path.is_file():
        journal = Journal(path)
        journal.start(kept_lines(batch, journal))

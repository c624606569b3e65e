"""One bad dataset never stops the others; a fault that concerns all of them stops the run.

Snakemake stops at the first failed job unless ``--keep-going`` is set. That is set here, however
the workflow is used: with any profile, from another folder, and as a module. When :data:`ENOUGH`
datasets in a row fail for a reason that is not their own (a full disk, no permission, a server that
is down), no further job is started.
"""

import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uplift.workflow import attempts, console
from uplift.workflow.attempts import common_reason, error_in

ENOUGH = 3
"""Datasets that may fail for one such reason: each costs little, and one would prove too little."""


class FaultWatch(logging.Handler):
    """Takes Snakemake's events and finds out why jobs failed.

    Datasets that fail for one reason, in one step, are counted until one passes that step: a few
    private datasets among public ones are mistakes in rows, not a fault that concerns all.
    """

    def __init__(self, workflow: Any) -> None:
        super().__init__(logging.INFO)
        self._workflow = workflow
        self._rules: dict[int, str] = {}
        self._failed: dict[tuple[str, str], set[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note which jobs start, which finish, and why others fail."""
        event, about = str(getattr(record, "event", None)), record.__dict__
        if event == "job_info":
            self._rules[about["jobid"]] = str(about["rule_name"])
        elif event == "job_finished":
            done = self._rules.pop(about["job_id"], "")
            self._failed = {key: names for key, names in self._failed.items() if key[1] != done}
        elif event == "job_error":
            self._count_error(about)
        elif event == "group_error":
            for one in about.get("job_error_info") or ():
                self._count_error(one)

    def _count_error(self, about: Mapping[str, Any]) -> None:
        rule = self._rules.get(about["jobid"], "")
        for log in about.get("log") or ():
            self._count_failure(Path(str(log)), rule)

    def _count_failure(self, log: Path, rule: str) -> None:
        """Count a failed job; stop when enough datasets failed for the same reason."""
        text = error_in(log)
        reason = common_reason(text)
        if reason is None:
            return
        datasets = self._failed.setdefault((reason, rule), set())
        before = len(datasets)
        datasets.add(str(attempts.dataset_folder(log) or log.parent))
        if before < len(datasets) == ENOUGH:
            self._workflow.scheduler.keepgoing = False
            said = f"{ENOUGH} datasets failed since {reason}: no further job was started"
            shown = console.active()
            if shown is not None:
                shown.add_error(said)
            else:
                last = text.partition("error: ")[2]
                sys.stderr.write(f"error: {said}; the last one said: {last}\n")


def watch(workflow: Any) -> None:
    """Continue after failed jobs, but not after a fault that concerns all datasets.

    A job that failed for a transient reason is repeated: twice, unless ``--retries`` says more.
    """
    settings = workflow.execution_settings
    settings.retries = settings.retries or attempts.RETRIES
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.environ[attempts.RUN_VARIABLE] = f"{now} {settings.retries}"
    workflow.scheduler.keepgoing = True
    logging.getLogger("snakemake.logging").addHandler(FaultWatch(workflow))


def note_refusal(workflow: Any, text: str) -> None:
    """Note that SLURM refused a job; after :data:`ENOUGH` for one reason no more are submitted."""
    shown = console.active()
    if shown is not None:
        shown.note_refusal(text)
    _refused[text] += 1
    if _refused[text] == ENOUGH:
        workflow.scheduler.keepgoing = False
        if shown is not None:
            shown.add_error(f"SLURM refused {ENOUGH} jobs: no further job was sent")


_refused: Counter[str] = Counter()

"""One bad dataset never stops the others; a fault that meets all of them stops the run.

Snakemake stops at the first failed job unless it is set to go on. That is set here, in every
way in: with any profile, from elsewhere, and as a module. After :data:`ENOUGH` datasets failed one
after the other for a reason that has nothing to do with them (a full disk, no permission, a server
that is down), no further job is started.
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
"""Datasets that may fail for one such reason; each costs little, and three prove more than one."""


class FaultWatch(logging.Handler):
    """Takes Snakemake's events and looks why jobs failed.

    Datasets that fail for one reason, in one step, count until one gets through that step: a few
    private ones among public ones are rows that are wrong, not a fault of all.
    """

    def __init__(self, workflow: Any) -> None:
        super().__init__(logging.INFO)
        self._workflow = workflow
        self._rules: dict[int, str] = {}
        self._failed: dict[tuple[str, str], set[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note which jobs there are, which finished, and why others failed."""
        event, about = str(getattr(record, "event", None)), record.__dict__
        if event == "job_info":
            self._rules[about["jobid"]] = str(about["rule_name"])
        elif event == "job_finished":
            done = self._rules.pop(about["job_id"], "")
            self._failed = {key: names for key, names in self._failed.items() if key[1] != done}
        elif event == "job_error":
            self._take_error(about)
        elif event == "group_error":
            for one in about.get("job_error_info") or ():
                self._take_error(one)

    def _take_error(self, about: Mapping[str, Any]) -> None:
        rule = self._rules.get(about["jobid"], "")
        for log in about.get("log") or ():
            self._count(Path(str(log)), rule)

    def _count(self, log: Path, rule: str) -> None:
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
    """Go on after failed jobs, but not after a fault that meets all datasets.

    A job that failed for a reason that may pass is repeated: twice, unless ``--retries`` says more.
    """
    settings = workflow.execution_settings
    settings.retries = settings.retries or attempts.RETRIES
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.environ[attempts.RUN_VARIABLE] = f"{now} {settings.retries}"
    workflow.scheduler.keepgoing = True
    logging.getLogger("snakemake.logging").addHandler(FaultWatch(workflow))


def take_refusal(workflow: Any, text: str) -> None:
    """Note that SLURM did not take a job; after :data:`ENOUGH` for one reason no more are sent."""
    shown = console.active()
    if shown is not None:
        shown.take_refusal(text)
    _refused[text] += 1
    if _refused[text] == ENOUGH:
        workflow.scheduler.keepgoing = False
        if shown is not None:
            shown.add_error(f"SLURM refused {ENOUGH} jobs: no further job was sent")


_refused: Counter[str] = Counter()

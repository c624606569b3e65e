"""One bad dataset never stops the others; a fault that meets all of them stops the run.

Snakemake stops at the first failed job unless it is set to go on. That is set here, in every
way in: with any profile, from elsewhere, and as a module. After :data:`ENOUGH` datasets failed for
a reason that has nothing to do with them (a full disk, no permission, a server that is down), no
further job is started.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uplift.workflow import job

ENOUGH = 3
"""Datasets that may fail for one such reason; each costs little, and proves more than one would."""

RETRIES = 2
"""Of jobs that the system killed (memory, time, preemption), or whose storage was out of reach."""

_REASONS = {
    "the disk is full": r"no space left|too little space|quota|EDQUOT|disk full",
    "access is denied": r"permission|access ?denied|forbidden|credentials|not authorized|403",
    "the server does not answer": r"connection|cannot be reached|timed out|time-out|503|no host",
}


class FaultWatch(logging.Handler):
    """Takes Snakemake's events and looks why jobs failed."""

    def __init__(self, workflow: Any) -> None:
        super().__init__(logging.INFO)
        self._workflow = workflow
        self._failed: dict[str, set[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Count a failed job; stop when enough failed for the same reason."""
        if str(getattr(record, "event", None)) != "job_error":
            return
        logs = [Path(str(log)) for log in getattr(record, "log", None) or () if Path(log).is_file()]
        for log in logs:
            text = last_error(log)
            reason = common_reason(text)
            if reason is None:
                continue
            datasets = self._failed.setdefault(reason, set())
            datasets.add(str(job.dataset_folder(log) or log.parent))
            if len(datasets) == ENOUGH:
                self._workflow.scheduler.keepgoing = False
                sys.stderr.write(
                    f"error: {ENOUGH} datasets failed since {reason}: no further job is started; "
                    f"the last one said: {text}\n"
                )


def watch(workflow: Any) -> None:
    """Go on after failed jobs, but not after a fault that meets all datasets.

    A job that failed for a reason that may pass is repeated, :data:`RETRIES` times unless
    ``--retries`` says otherwise.
    """
    settings = workflow.execution_settings
    settings.retries = settings.retries or RETRIES
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.environ[job.RUN_VARIABLE] = f"{now} {settings.retries}"
    workflow.scheduler.keepgoing = True
    logging.getLogger("snakemake.logging").addHandler(FaultWatch(workflow))


def common_reason(text: str) -> str | None:
    """What is wrong with more than one dataset, going by an error's line; None for all else."""
    found = (why for why, words in _REASONS.items() if re.search(words, text, re.IGNORECASE))
    return next(found, None)


def last_error(log: Path) -> str:
    """Error that a job's log ends with."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if "error: " in line), "")

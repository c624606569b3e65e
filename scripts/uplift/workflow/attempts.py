"""Attempts at a job: how often it is repeated, how earlier ones ended, and why.

Snakemake can only repeat every job that failed. So a job that failed for good ends its further
attempts at once, and one that was killed, or whose storage was out of reach, is really repeated.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from uplift.errors import TransientError
from uplift.work import ledger

RUN_VARIABLE = "NGFF_UPLIFT_RUN"
"""When this run of the workflow began, and how often it repeats a failed job: ``<time> <number>``.

Jobs inherit it, those of a cluster too. Without it nothing is known of earlier attempts.
"""
RETRIES = 2
"""Of jobs that the system killed (memory, time, preemption), or whose storage was out of reach."""

_REASONS = {
    "the disk is full": r"no space left on|quota is used up|quota exceeded|too little space",
    "access is denied": (
        r"permission denied|no permission|read-only file system|HTTP 40[13]|the credentials|"
        r"(access|secret) key is|session token is"
    ),
    "the server does not answer": (
        r"server does not answer|the server answers \w+ again|no host has that name|"
        r"certificate is not trusted"
    ),
}
"""Words of our own messages and of the system's, each longer than a name in a path would be."""


def exit_codes(log: Path) -> list[int]:
    """Exit codes of a job's attempts in this run, by its log; a killed one has left none."""
    found = os.environ.get(RUN_VARIABLE, "").split()
    folder = logs_folder(log)
    if len(found) != 2 or folder is None:
        return []
    step, part = name_of(log, folder)
    return [
        spent.exit_code
        for spent in ledger.read(folder.parent / ledger.NAME)
        if (spent.step, spent.job) == (step, part) and spent.started >= found[0]
    ]


def is_for_good(code: int) -> bool:
    """Whether a job that ended so would end so again."""
    return code not in (0, TransientError.exit_code)


def retries() -> int:
    """How often this run repeats a failed job."""
    found = os.environ.get(RUN_VARIABLE, "").split()
    return int(found[1]) if len(found) == 2 else 0


def next_attempt(attempt: int, most: int, logs: Sequence[str], otherwise: str) -> str:
    """Say that a job is repeated, and why.

    Parameters
    ----------
    attempt
        That has just failed, from 1.
    most
        Attempts at the most.
    logs
        Of the job.
    otherwise
        Why, where the logs say nothing.

    Returns
    -------
    str
        Empty where that was the last attempt, or the others would end as it did.
    """
    ended = exit_codes(Path(logs[0])) if logs else []
    if attempt >= most or (ended and is_for_good(ended[-1])):
        return ""
    said = next(filter(None, map(error_in, logs)), "")
    why = common_reason(said) or otherwise
    return f"{why}; trying again ({attempt + 1} of {most})"


def common_reason(text: str) -> str | None:
    """What is wrong with more than one dataset, going by an error's line; None for all else."""
    found = (why for why, words in _REASONS.items() if re.search(words, text, re.IGNORECASE))
    return next(found, None)


def text_of(log: str | Path) -> str:
    """What a job's log holds; nothing where there is none."""
    path = Path(log)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def error_in(log: str | Path) -> str:
    """Error that a job's log ends with; empty where there is none."""
    lines = text_of(log).splitlines()
    return next((line for line in reversed(lines) if "error: " in line), "")


def first_error(logs: Iterable[str]) -> str:
    """What the first log with an error ends with, and its path."""
    found = ((error_in(log), log) for log in logs)
    return next((f"{text.partition('error: ')[2]} ({log})" for text, log in found if text), "")


def dataset_folder(log: Path) -> Path | None:
    """Work folder of the dataset that a job's log is about; None for a job of all datasets."""
    logs = logs_folder(log)
    return None if logs is None else logs.parent


def logs_folder(log: Path) -> Path | None:
    """Folder of all logs of a dataset, by one of them."""
    return next((parent for parent in log.parents if parent.name == "logs"), None)


def name_of(log: Path, folder: Path) -> tuple[str, str]:
    """Step and part of a job whose log is ``<dataset>/logs/<step>[/<part>].log``."""
    step, *part = log.relative_to(folder).with_suffix("").parts
    return step, "/".join(part)

"""Attempts at a job: how often it is repeated, how earlier ones ended, and why.

Snakemake can only repeat every job that failed. So a job that would fail again ends its further
attempts immediately; one that was killed, or whose storage was unreachable, is really repeated.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from uplift.errors import TransientError
from uplift.work import ledger

RUN_VARIABLE = "NGFF_UPLIFT_RUN"
"""Start of this run of the workflow, and how often it repeats a failed job: ``<time> <number>``.

Jobs inherit it, including those of a cluster. Without it earlier attempts are unknown.
"""
RETRIES = 2
"""For jobs that the system killed (memory, time, preemption), or whose storage was unreachable."""

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
    """Exit codes of a job's attempts in this run, by its log; a killed attempt has none."""
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
    """Whether a job that ended with this code would end with it again."""
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
        Number of the failed attempt, from 1.
    most
        Maximal number of attempts.
    logs
        Of the job.
    otherwise
        Reason to give where the logs have none.

    Returns
    -------
    str
        Empty where that was the last attempt, or where others would end in the same way.
    """
    ended = exit_codes(Path(logs[0])) if logs else []
    if attempt >= most or (ended and is_for_good(ended[-1])):
        return ""
    said = next(filter(None, map(error_in, logs)), "")
    why = common_reason(said) or otherwise
    return f"{why}; trying again ({attempt + 1} of {most})"


def common_reason(text: str) -> str | None:
    """Reason in an error's line that concerns more than one dataset; None for others."""
    found = (why for why, words in _REASONS.items() if re.search(words, text, re.IGNORECASE))
    return next(found, None)


def text_of(log: str | Path) -> str:
    """Text of a job's log; empty where there is none."""
    path = Path(log)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def error_in(log: str | Path) -> str:
    """Error that a job's log ends with; empty where there is none."""
    lines = text_of(log).splitlines()
    return next((line for line in reversed(lines) if "error: " in line), "")


def first_error(logs: Iterable[str]) -> str:
    """The error at the end of the first log that has one, with the log's path."""
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

"""Which datasets have failed jobs in this run, and why: one line for each."""

import os
from collections import Counter
from collections.abc import Iterable, KeysView
from pathlib import Path
from typing import Any

from uplift.errors import INTERRUPTED
from uplift.report.outcomes import STOPPED
from uplift.workflow.attempts import error_in, first_error, next_attempt, text_of


class Failures:
    """Failed jobs, by what they are for: a dataset, or ``rule <name>`` of another workflow.

    A job that is repeated counts as failed until an attempt at it succeeds.

    Attributes
    ----------
    is_interrupted
        Whether Ctrl-C was pressed.
    is_ending
        Whether Snakemake was asked to end, and waits for the jobs that run.
    has_any
        Whether any job failed, even if a later attempt succeeded.
    refusal
        Why a cluster did not take a job, which has no log then.
    """

    def __init__(self, workflow: Any) -> None:
        self.is_interrupted = self.is_ending = self.has_any = False
        self.refusal = ""
        self._workflow = workflow
        self._failed: dict[str, tuple[str, list[str]]] = {}
        """Rule and logs of the job that says why."""
        self._attempts: Counter[tuple[str, ...]] = Counter()
        self._repeated: set[str] = set()

    @property
    def names(self) -> KeysView[str]:
        """Datasets, and rules of another workflow, that have failed."""
        return self._failed.keys()

    def add(
        self, name: str, rule: str, logs: list[str], reported_logs: list[str], otherwise: str
    ) -> str:
        """Note a failed attempt at a job.

        Parameters
        ----------
        name
            What the job is for.
        rule, logs
            Of the job.
        reported_logs
            Those that Snakemake names with the error, for a job without logs of its own.
        otherwise
            Why the job is repeated, where its logs do not say it.

        Returns
        -------
        str
            What to print about it now; empty where that was said of an earlier job.
        """
        self.has_any = True
        again = self._next_attempt((name, rule, *logs), logs, otherwise)
        text = again
        if not again and (name not in self._failed or name in self._repeated):
            ended = self.is_ending and not any(map(error_in, logs))
            is_interrupted = ended or self._was_interrupted(logs)
            text = "interrupted" if is_interrupted else "failed; more at the end"
        (self._repeated.add if again else self._repeated.discard)(name)
        self._failed.setdefault(name, (rule, logs))
        logs = logs or reported_logs
        # of a job of several steps Snakemake names all: the one that says why it failed matters
        _, known = self._failed[name]
        if any(map(error_in, logs)) or not any(map(error_in, known)):
            self._failed[name] = rule, logs
        return text

    def settle(self, name: str, rule: str, logs: Iterable[str]) -> None:
        """Forget a failed job of which a later attempt has succeeded.

        Parameters
        ----------
        name, rule, logs
            Of the job that succeeded: one with other logs is another slice of the same rule.
        """
        failed, its_logs = self._failed.get(name, ("", []))
        if failed == rule and (not its_logs or set(logs) & set(its_logs)):
            del self._failed[name]

    def reason(self, dataset: str, outcome: str) -> str:
        """Why a dataset failed; `outcome` is the message of its outcome."""
        rule, logs = self._failed[dataset]
        text = outcome.removeprefix("not finished: ").removeprefix(STOPPED)
        text = text.replace(f"{Path.cwd()}/", "")  # findings name their paths in full
        if any(log in text for log in logs) or (text.startswith("invalid") and rule == "publish"):
            return text
        if text.startswith("invalid") and (said := first_error(logs)):  # by an earlier run
            return said
        if self._was_interrupted(logs) or self.is_ending:
            return INTERRUPTED
        if self.refusal:
            return f"SLURM refused the job: {self.refusal}; see slurm in docs/SLURM.md"
        log = f"; see {logs[0]}" if logs else ""
        return f"{rule} stopped without a message (was it killed, or out of memory?){log}"

    def reason_of_other_rule(self, name: str) -> str:
        """Where to look for why a rule of another workflow failed."""
        logs = self._failed[name][1] or self._workflow.logger_manager.get_logfile()
        return f"failed; see {', '.join(os.path.relpath(log) for log in logs)}"

    def _was_interrupted(self, logs: Iterable[str]) -> bool:
        """Whether Ctrl-C ended a job: Snakemake says so, or the job did."""
        return self.is_interrupted or any(
            text_of(log).endswith(f"error: {INTERRUPTED}\n") for log in logs
        )

    def _next_attempt(self, job: tuple[str, ...], logs: list[str], otherwise: str) -> str:
        """What to say of a job that Snakemake repeats; nothing where this was its last attempt."""
        self._attempts[job] += 1
        if self.is_ending or self.is_interrupted:
            return ""
        most = 1 + (self._workflow.execution_settings.retries or 0)
        return next_attempt(self._attempts[job], most, logs, otherwise)

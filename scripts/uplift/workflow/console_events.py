"""What the console prints of Snakemake's events: few lines, when they matter."""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from uplift.inspect_source.recent import MARK, RECENT_S
from uplift.models.words import counted
from uplift.report.outcomes import Outcome
from uplift.work.folder import WorkFolder
from uplift.workflow import ending, snakemake_errors
from uplift.workflow.attempts import text_of
from uplift.workflow.display import Display, display_for
from uplift.workflow.failures import Failures
from uplift.workflow.last_words import (
    as_asked,
    dry_run_lines,
    error_lines,
    kept_plan_line,
    listed,
    recent_line,
    warning_lines,
)
from uplift.workflow.running_jobs import Job, RunningJobs
from uplift.workflow.snakemake_words import (
    ENDING,
    HIDDEN,
    INTERRUPTING,
    SHOWN,
    STEPS,
    own_name,
)


class Console(logging.Handler):
    """Takes Snakemake's events and prints what matters about datasets (thread-safe).

    Attributes
    ----------
    replaced
        Snakemake's own handler.
    """

    def __init__(self, workflow: Any, replaced: logging.Handler) -> None:
        super().__init__(logging.INFO)
        self._workflow, self.replaced = workflow, replaced
        self._display: Display = display_for(sys.stderr)
        self._lines = threading.RLock()
        self._jobs = RunningJobs()
        self._left: Counter[str] = Counter()
        """How many jobs of each dataset are still to end."""
        self._finished: dict[str, Outcome] = {}
        self._failures = Failures(workflow)
        self._warned: set[str] = set()
        self._errors: dict[str, None] = {}  # each once, in their order
        self._is_started = False
        self._results = Path("results")
        self._outcome: Callable[[str], Outcome] = lambda _: Outcome("new", "")
        self._changing: dict[str, float] = {}
        self._kept_plans: list[str] = []
        self._datasets: list[str] = []

    def configure(
        self, datasets: Iterable[str], results: str, outcome: Callable[[str], Outcome]
    ) -> None:
        """Set the datasets of the workflow, once the config is read.

        Parameters
        ----------
        datasets, results
            Names of all datasets, and the folder of their work files.
        outcome
            Function that returns the outcome of a dataset.
        """
        self._datasets, self._results, self._outcome = list(datasets), Path(results), outcome

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message or an event."""
        event = str(getattr(record, "event", None) or "")
        take = getattr(self, f"_on_{event}", None)
        try:
            with self._lines:
                if take is not None:
                    take(record.__dict__)
                elif not event or record.levelno >= logging.WARNING:
                    self._on_text(record)
        except Exception:  # as every handler does: logging never stops the work
            self.handleError(record)

    def conclude(self) -> list[str]:
        """Stop the display, and print what failed: all last lines except that on the report.

        Returns
        -------
        list of str
            Datasets (and rules of another workflow) that failed.
        """
        with self._lines:
            self._display.stop()
            self._is_started = False
            if changing := [name for name in self._changing if name in self._finished]:
                self._display.warned(recent_line(self._in_order(changing)))
            if self._kept_plans:
                kept = self._in_order(self._kept_plans)
                self._display.warned(kept_plan_line(kept, self._results))
                self._kept_plans.clear()
            finished = {name: self._finished[name] for name in self._in_order(self._finished)}
            self._finished.clear()
            for line in warning_lines(finished):
                self._display.warned(line)
            failed = self._in_order(self._failures.names)
            for line in error_lines({name: self._reason(name) for name in failed}):
                self._display.failed(line)
            for text in self._errors:
                self._print_error(text)
            self._errors.clear()
            waiting = set(self._left) - set(finished) - set(failed)
            if (failed or self._failures.is_ending) and waiting:
                self._display.note(
                    f"{counted(len(waiting), 'dataset')} not finished: run the same command again"
                )
            return failed

    def note_refusal(self, text: str) -> None:
        """Note why a cluster did not accept a job, which then has no log."""
        with self._lines:
            self._failures.refusal = text

    def note_queued(self, jobs: Collection[int]) -> None:
        """Note which of the submitted jobs wait in a cluster's queue, by their numbers."""
        with self._lines:
            for dataset in self._jobs.queue(jobs):
                self._show(dataset)

    def add_error(self, text: str) -> None:
        """Keep an error to print at the end, after those of the datasets."""
        with self._lines:
            self._errors[text] = None

    def close(self) -> None:
        """Restore the terminal, and print what was not printed yet (as with ``--no-hooks``)."""
        if self._is_started:
            self.conclude()
        self._display.stop()
        super().close()

    def _reason(self, name: str) -> str:
        if name in self._datasets:
            return self._failures.reason(name, self._outcome(name).message)
        return self._failures.reason_of_other_rule(name)

    def _on_run_info(self, _about: Mapping[str, Any]) -> None:
        jobs = list(self._workflow.dag.needrun_jobs())
        named = (self._dataset_of(job.rule.name, job.wildcards_dict) for job in jobs)
        self._left = Counter(filter(None, named))
        self._is_started = not self._workflow.dryrun
        rules = {own_name(job.rule.name) for job in jobs}
        if not self._left or self._workflow.dryrun:
            return
        if self._workflow.touch:
            what = f"the work files of {counted(len(self._left), 'dataset')}"
            self._display.note(f"Marking {what} as up to date: nothing is converted or looked at")
            return
        names = [name for name in self._datasets if self._left[name]]
        verb = "Planning" if rules <= {"inspect_source", "plan", "plans"} else "Converting"
        done = len(self._datasets) - len(self._left)
        already = f"; {done} {'is' if done == 1 else 'are'} done" if done > 0 else ""
        self._display.note(
            f"{verb} {counted(len(self._left), 'dataset')}: {listed(names)}{already}"
        )
        self._show_count()
        self._display.start(self._results)

    def _show_count(self) -> None:
        """Show how many of several datasets are done."""
        if len(self._left) > 1:
            count = len(self._failures.names)
            failed = f", {count} failed" if count else ""
            text = f"{len(self._finished)} of {counted(len(self._left), 'dataset')} done{failed}"
            self._display.count(text)

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """Datasets in the order of the sheet, then the rest."""
        there = dict.fromkeys(names)
        return [*(name for name in self._datasets if name in there),
                *(name for name in there if name not in self._datasets)]  # fmt: skip

    def _on_job_info(self, about: Mapping[str, Any]) -> None:
        rule = own_name(str(about["rule_name"]))
        dataset = self._dataset_of(rule, about.get("wildcards") or {})
        self._jobs.add(about["jobid"], Job(rule, dataset, list(about.get("log") or [])))
        if dataset:
            self._show(dataset)

    def _on_job_finished(self, about: Mapping[str, Any]) -> None:
        rule, dataset, logs = self._jobs.get(about["job_id"])
        if not dataset or self._workflow.touch:
            return
        self._note_recent_change(rule, dataset, logs)
        # the plan may have been kept by the run before, as by the target plans
        if rule in ("plan", "publish"):
            self._kept_plans += self._with_proposal([dataset])
        self._ended(about["job_id"], dataset)
        self._failures.settle(dataset, rule, logs)
        self._left[dataset] -= 1
        if self._left[dataset] <= 0 and dataset not in self._failures.names:
            plan = WorkFolder(self._results / dataset).plan
            outcome = as_asked(self._outcome(dataset), rule, plan)
            if outcome.state != "interrupted" and dataset not in self._finished:
                self._finished[dataset] = outcome
                self._display.done(f"{dataset}: {outcome.message}")
        self._show_count()

    def _note_recent_change(self, rule: str, dataset: str, logs: Iterable[str]) -> None:
        """Note that a source may still be written to, until it has not changed for long enough.

        Converting ends with a check whether the source is still the one that was inspected.
        """
        if rule == "inspect_source" and any(MARK in text_of(log) for log in logs):
            self._changing[dataset] = time.monotonic()
        elif rule == "convert" and time.monotonic() - self._changing.get(dataset, 0) > RECENT_S:
            self._changing.pop(dataset, None)

    def _on_job_error(self, about: Mapping[str, Any]) -> None:
        name = own_name(str(about["rule_name"]))
        rule, dataset, logs = self._jobs.get(about["jobid"], name)
        if dataset:
            self._ended(about["jobid"], dataset)
        name = dataset or f"rule {rule}"
        is_new = name not in self._failures.names
        otherwise = "a job was killed, or could not go on" if name in self._datasets else "failed"
        text = self._failures.add(name, rule, logs, list(about.get("log") or []), otherwise)
        if text:
            self._display.stumbled(f"{name}: {text}")
        if is_new:
            self._show_count()

    def _on_group_error(self, about: Mapping[str, Any]) -> None:
        for job in about.get("job_error_info") or ():
            self._on_job_error(job)

    def _on_error(self, about: Mapping[str, Any]) -> None:
        self._report_error(str(about.get("msg") or ""))

    def _report_error(self, text: str) -> None:
        """Keep an error for the end; before and after the jobs print it immediately."""
        if self._is_started:
            self._errors[text] = None
        else:
            self._print_error(text)

    def _print_error(self, text: str) -> None:
        failures = self._failures
        is_known = failures.has_any or failures.is_ending
        if is_known and snakemake_errors.is_consequence(text):
            return
        files = {name: WorkFolder(self._results / name).published for name in self._datasets}
        line = snakemake_errors.one_line(text, self._workflow, files)
        if failures.has_any and not failures.names:  # a further attempt did it
            self._display.note(f"warning: {line}")
        else:
            self._display.failed(f"error: {line}")

    def _dataset_of(self, rule: str, wildcards: Mapping[str, Any]) -> str:
        """Dataset of a job; empty for rules of another workflow, whatever their wildcards."""
        dataset = str(wildcards.get("dataset", ""))
        return dataset if own_name(rule) in STEPS and dataset in self._datasets else ""

    def _ended(self, job: int, dataset: str) -> None:
        self._jobs.end(job)
        self._show(dataset)

    def _show(self, dataset: str) -> None:
        self._display.show(dataset, self._jobs.text(dataset))

    def _on_text(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if "This was a dry-run" in text:
            self._print_dry_run()
        elif text.startswith("Nothing to be done"):
            self._print_nothing_to_do()
        elif record.levelno >= logging.ERROR or text.startswith("Error: "):
            self._report_error(text)
        elif text.startswith(HIDDEN):
            return
        elif record.levelno >= logging.WARNING:
            self._warn_once(f"warning: {snakemake_errors.one_line(text, self._workflow)}")
        elif text.startswith(INTERRUPTING):
            self._failures.is_interrupted = True
            ending.interrupt_once()
            self._display.note(text)
        elif text.startswith(ENDING):
            if not self._failures.is_ending:
                self._display.note("Snakemake is to end, and waits for the jobs that run")
            self._failures.is_ending = True
        elif text.startswith(SHOWN) or self._workflow.execution_settings is None:
            self._display.note(text)  # the answer of --summary and its like

    def _print_nothing_to_do(self) -> None:
        valid = sum(self._outcome(name).message.startswith("valid") for name in self._datasets)
        self._display.note(
            f"Nothing to be done: valid when published, {valid} of {len(self._datasets)} "
            "(-R validate looks at the outputs again)"
        )
        if kept := self._with_proposal(self._datasets):
            self._display.warned(kept_plan_line(kept, self._results))

    def _warn_once(self, line: str) -> None:
        """Print a warning of Snakemake once; some are repeated for each job."""
        if line not in self._warned:
            self._display.warned(line)
        self._warned.add(line)

    def _with_proposal(self, names: Iterable[str]) -> list[str]:
        """Datasets with an edited plan and a different proposal next to it."""
        return [name for name in names if WorkFolder(self._results / name).proposed.exists()]

    def _print_dry_run(self) -> None:
        jobs = self._jobs.counts()
        others = jobs.pop("", Counter())
        for line in dry_run_lines({one: jobs[one] for one in self._in_order(jobs)}, others):
            self._display.note(line)

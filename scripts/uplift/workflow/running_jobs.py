"""The jobs that Snakemake has started, and which of them the console shows for each dataset."""

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import NamedTuple

from uplift.workflow.snakemake_words import QUEUED, STEPS


class Job(NamedTuple):
    """A job of Snakemake.

    Attributes
    ----------
    rule
        Name of its rule, without a module's prefix.
    dataset
        Empty for a rule of another workflow.
    logs
        Paths of its log files.
    """

    rule: str
    dataset: str
    logs: list[str]


class RunningJobs:
    """Jobs by their numbers: those that were started, those that run, those in a queue."""

    def __init__(self) -> None:
        self._started: dict[int, Job] = {}
        self._running: dict[str, dict[int, str]] = defaultdict(dict)
        """Rule of each job of a dataset, by the job's number."""
        self._queued: set[int] = set()

    def add(self, number: int, job: Job) -> None:
        """Note that a job was started, or submitted."""
        self._started[number] = job
        if job.dataset:
            self._running[job.dataset][number] = job.rule

    def get(self, number: int, rule: str = "") -> Job:
        """Return a job that was started; of another one no more than its rule is known."""
        return self._started.get(number) or Job(rule, "", [])

    def end(self, number: int) -> None:
        """Note that a job has ended."""
        self._running[self.get(number).dataset].pop(number, None)

    def queue(self, numbers: Collection[int]) -> set[str]:
        """Note which jobs wait in a cluster's queue; return the datasets where that changed."""
        changed, self._queued = self._queued.symmetric_difference(numbers), set(numbers)
        return {self.get(number).dataset for number in changed} - {""}

    def text(self, dataset: str) -> str:
        """What is done for a dataset now, as its line shows it; empty where no job runs."""
        running = self._running[dataset]
        at_work = {rule: None for number, rule in running.items() if number not in self._queued}
        steps = [text for rule, text in STEPS.items() if rule in at_work]
        steps += [rule for rule in at_work if rule not in STEPS]
        if len(steps) > 3:  # of one job of a cluster
            steps = [f"{steps[0]} to {steps[-1]}"]
        if len(at_work) == 0 < len(running):
            steps = [QUEUED]
        return ", ".join(steps)

    def counts(self) -> dict[str, Counter[str]]:
        """How many jobs of each rule were started, by dataset."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for job in self._started.values():
            found[job.dataset][job.rule] += 1
        return found

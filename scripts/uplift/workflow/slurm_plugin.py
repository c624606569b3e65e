"""Changes to how Snakemake's plugin for SLURM behaves.

Unchanged, it starts a second Snakemake inside each job. It submits jobs that ask for more time than
their partition allows, which wait for ever. It polls less and less often while no job ends, up to
every three minutes, so that the next job of a dataset would wait for as long. And it waits for
ever: for all running jobs, when the controller is unreachable during one poll; for a job that was
preempted and not requeued; for one that was cancelled, where sacct says by whom; and for one that
is no longer listed.
"""

import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

log = logging.getLogger("snakemake.logging")
_AT_ONCE = 1000
"""Jobs in one command line."""
_ASK_S = 60.0
"""For an answer of SLURM's controller, which a cycle of its scheduler holds up."""

States = dict[str, str]
"""State of each job of a run, by its number."""
Answer = tuple[States | None, float | None]
"""States and how long the answer took, in seconds; nothing where there was none."""

# sacct's database may lag behind for a moment, after a restart too
_UNLISTED_LOOKS = 3


_REFUSED = re.compile(r"The error message was '(.+?)'\.\n", re.DOTALL)
"""What the plugin says about a job that sbatch refused."""


def adapt(
    executor: Any,
    seconds: float,
    is_stopped: Callable[[], bool] = lambda: False,
    on_refused: Callable[[str], None] = lambda _: None,
    longest: int | None = None,
    on_queued: Callable[[set[int]], None] = lambda _: None,
    partition: str | None = None,
) -> None:
    """Have an executor start Snakemake once a job, poll often, and not wait for ended jobs.

    Parameters
    ----------
    seconds
        Longest time between two polls. One poll asks for all jobs of a run.
    is_stopped
        Whether no further job may start: those that SLURM has not started yet are then cancelled.
    on_refused
        Called with sbatch's message about a job that it refused.
    longest
        Minutes that a job of the partition may ask for; None: any number.
    on_queued
        Called after each poll with the numbers that Snakemake gives to the waiting jobs.
    partition
        The partition of the jobs; None: they name none, and get the site's default.
    """
    kind = type(executor)
    if partitions_are_chosen(executor):
        longest = None
    if not hasattr(kind, "next_seconds_between_status_checks"):
        return
    # not by classes to mix in: an object changes its class for one with the same bases alone
    within = kind if longest is None else _within_limits(kind, longest, partition)
    closely = _looking_closely(_telling_refusals(within, on_refused), seconds, is_stopped)
    states: States = {}
    executor.__class__ = _telling_queued(_without_job_steps(closely), states, on_queued)
    plugin: Any = sys.modules[kind.__module__]
    if hasattr(plugin, "query_job_status"):
        plugin.query_job_status = with_lost_jobs_named(plugin.query_job_status, states.update)


def partitions_are_chosen(executor: Any) -> bool:
    """Whether the plugin chooses a partition for each job, by a file of the user's."""
    settings = getattr(getattr(executor, "workflow", None), "executor_settings", None)
    return bool(getattr(settings, "partition_config", None))


def _without_job_steps(kind: Any) -> Any:
    class WithoutJobSteps(kind):  # type: ignore[misc]
        def additional_general_args(self) -> str:
            # a job step of another Snakemake; arrays of jobs are what it takes apart
            return str(super().additional_general_args()) if self.array_jobs else ""

    return WithoutJobSteps


def _within_limits(kind: Any, longest: int, partition: str | None) -> Any:
    warned: list[int] = []

    class WithinLimits(kind):  # type: ignore[misc]
        def run_jobs(self, jobs: list[Any]) -> None:
            for job in jobs:
                asked = job.resources.get("runtime")
                elsewhere = (job.resources.get("slurm_partition") or None) != partition
                if isinstance(asked, int) and asked > longest and not elsewhere:
                    found = job._resources  # of a group a dict; a list with names takes none twice
                    less = {**dict(found.items()), "runtime": longest}
                    is_group = isinstance(found, dict)
                    job._resources = less if is_group else type(found)(fromdict=less)
                    if not warned:
                        warned.append(asked)
                        log.warning(
                            "a job would ask for %d minutes and gets %d, the limit of the "
                            "partition; one that does not end in time is sent again and goes on "
                            "where it was",
                            asked,
                            longest,
                        )
            super().run_jobs(jobs)

    return WithinLimits


def _telling_refusals(kind: Any, on_refused: Callable[[str], None]) -> Any:
    class TellingRefusals(kind):  # type: ignore[misc]
        def report_job_error(self, job_info: Any, msg: str | None = None, **more: Any) -> None:
            if text := refusal_in(msg or ""):
                on_refused(text)
            super().report_job_error(job_info, msg, **more)

    return TellingRefusals


def _looking_closely(kind: Any, seconds: float, is_stopped: Callable[[], bool]) -> Any:
    seen: set[int] = set()

    class LookingClosely(kind):  # type: ignore[misc]
        @property
        def next_seconds_between_status_checks(self) -> float:
            return float(min(seconds, super().next_seconds_between_status_checks))

        @next_seconds_between_status_checks.setter
        def next_seconds_between_status_checks(self, value: float) -> None:
            kind.next_seconds_between_status_checks.fset(self, value)

        async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncIterator[Any]:
            seen.clear()
            if is_stopped():  # at each look: jobs may be submitted while the run is stopped
                cancel_waiting(active_jobs)
            async for active in super().check_active_jobs(active_jobs):
                seen.add(id(active))
                yield active
            for unknown in active_jobs:
                if id(unknown) not in seen:
                    yield unknown

        def report_job_success(self, job_info: Any) -> None:
            seen.add(id(job_info))
            super().report_job_success(job_info)

        def report_job_error(self, job_info: Any, msg: str | None = None, **more: Any) -> None:
            seen.add(id(job_info))
            super().report_job_error(job_info, msg, **more)

    return LookingClosely


def _telling_queued(
    kind: Any, states: Mapping[str, str], on_queued: Callable[[set[int]], None]
) -> Any:
    class TellingQueued(kind):  # type: ignore[misc]
        async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncIterator[Any]:
            async for active in super().check_active_jobs(active_jobs):
                yield active
            if states:
                on_queued(queued_of(active_jobs, states))

    return TellingQueued


def queued_of(active_jobs: Iterable[Any], states: Mapping[str, str]) -> set[int]:
    """Numbers that Snakemake gives to the waiting jobs, each job of a group on its own.

    Parameters
    ----------
    active_jobs
        As Snakemake's executors keep them.
    states
        By SLURM's numbers.

    Returns
    -------
    set of int
        Of jobs that have not started.
    """
    waiting = (one.job for one in active_jobs if states.get(str(one.external_jobid)) == "PENDING")
    return {job.jobid for one in waiting for job in (one.jobs if one.is_group() else [one])}


def refusal_in(text: str) -> str:
    """Why sbatch refused a job, from the first line of its message; empty where it did not."""
    found = _REFUSED.search(text)
    return "" if found is None else found[1].splitlines()[0].removeprefix("sbatch: error: ")


def cancel_waiting(active_jobs: Iterable[Any]) -> None:
    """Cancel the jobs that SLURM has not started; running jobs end by themselves."""
    numbers = [str(one.external_jobid) for one in active_jobs if one.external_jobid is not None]
    for first in range(0, len(numbers), _AT_ONCE):
        command = ["scancel", "--quiet", "--state=PENDING", *numbers[first : first + _AT_ONCE]]
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=_ASK_S)
        except (OSError, subprocess.TimeoutExpired) as error:  # the next look tries again
            log.warning("waiting jobs could not be cancelled: %s", error)
            return


def with_lost_jobs_named(
    ask: Callable[..., Awaitable[Answer]], note: Callable[[States], None] = lambda _: None
) -> Callable[..., Awaitable[Answer]]:
    """Ask for states, and return CANCELLED or UNKNOWN for each job that will not end any more.

    A preempted job runs again where the site requeues it: then it is PREEMPTED for a moment, and
    otherwise for ever.

    A job is no longer listed when it ended longer ago than MinJobAge, as after a night in which
    the login node slept, or when the controller lost its state. The plugin treats an UNKNOWN job
    as ended, and Snakemake checks whether its files exist.

    Parameters
    ----------
    ask
        The plugin's own.
    note
        Called with all states.

    Returns
    -------
    Callable
        To be called instead of it.
    """
    preempted: set[str] = set()
    unlisted: dict[str, int] = {}

    async def asked(*arguments: Any) -> Answer:
        states, took = await ask(*arguments)
        if states is None:
            return states, took
        states = {job: state.partition(" by ")[0] for job, state in states.items()}
        now = {job for job, state in states.items() if state == "PREEMPTED"}
        gone = now & preempted
        preempted.clear()
        preempted.update(now)
        unlisted.update({job: times + 1 for job, times in unlisted.items() if job not in states})
        unlisted.update(dict.fromkeys(states, 0))
        states |= {job: "UNKNOWN" for job, times in unlisted.items() if times >= _UNLISTED_LOOKS}
        states = {job: "CANCELLED" if job in gone else state for job, state in states.items()}
        note(states)
        return states, took

    return asked

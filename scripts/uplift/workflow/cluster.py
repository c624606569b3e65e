"""Jobs on a cluster: which steps share one, and what its nodes have.

A dataset of one slice is one job from its first step to its last. One of several slices is a job
that gets it ready, a job for each slice, and a job that finishes it. Snakemake calls jobs that
share one a group, and puts several datasets into one where ``group-components`` says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

LOOK, DATASET, SMALL, FINISH = "look", "dataset", "small", "finish"
"""Names of groups, for ``group-components``."""

SMALL_BYTES = 2**30
"""Stored bytes of a small dataset: a minute or two of one core."""

_ASK_S = 10.0
"""For an answer of SLURM's controller: without one, jobs are sized by the plans alone."""


def group_of(step: str, slices: int, *, is_sized: bool, size: int | None) -> str | None:
    """Name of the group that a step of a dataset is in; None: a job of its own.

    Parameters
    ----------
    slices
        Of the dataset.
    is_sized
        Whether a plan, or the sheet, says how large the dataset is. Where nothing does, a job of
        its own makes the plan, and the others ask for what the plan says.
    size
        Stored bytes by the plan, when there is one.

    Returns
    -------
    str | None
        The same for steps that are to be one job of the cluster.
    """
    first = step in ("inspect_source", "plan")
    if slices > 1:
        ready = first or step == "claim"
        return LOOK if ready else None if step == "convert" else FINISH
    if not is_sized:
        return LOOK if first else DATASET
    return SMALL if (size or 0) <= SMALL_BYTES else DATASET


@dataclass(frozen=True)
class Nodes:
    """What jobs may ask for.

    Attributes
    ----------
    cores
        Of the smallest node: SLURM keeps a job that asks for more waiting without a word.
    memory_mb
        Of the largest node.
    """

    cores: int
    memory_mb: int


def nodes_of(partition: str | None) -> Nodes | None:
    """Ask SLURM what the nodes of a partition have; None where there is no answer.

    Parameters
    ----------
    partition
        None: the default one. Several are separated by commas.
    """
    if shutil.which("sinfo") is None:
        return None
    asked = ["sinfo", "--noheader", "--exact", "--format=%P %c %m"]
    try:
        done = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=_ASK_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return nodes_in(done.stdout, partition)


def nodes_in(answer: str, partition: str | None) -> Nodes | None:
    """Read lines of partition (a star marks the default), cores and memory in MB."""
    wanted = None if partition is None else partition.split(",")
    rows = [line.split() for line in answer.splitlines()]
    found = [
        (int(cores), int(memory))
        for name, cores, memory in rows
        if (name.endswith("*") if wanted is None else name.rstrip("*") in wanted)
    ]
    if not found:
        return None
    return Nodes(min(cores for cores, _ in found), max(memory for _, memory in found))


def allotted_cores(variables: Mapping[str, str] = os.environ) -> int | None:
    """Cores that the job of this process has; None where nothing says so."""
    text = variables.get("SLURM_CPUS_PER_TASK", "")
    return int(text) if text.isdigit() else None


def watch_closely(executor: Any, seconds: float) -> None:
    """Make an executor start Snakemake once a job, look after jobs often, and forget none of them.

    SLURM's plugin starts a second Snakemake inside each job, as a job step that has all of the job.
    It looks less and less often while no job ends, up to every three minutes, so that
    the next job of a dataset would wait for as long. And it loses all jobs that run, and waits for
    ever, when the controller is away for the length of one look.

    Parameters
    ----------
    seconds
        Between two looks at most. One look asks for all jobs of a run.
    """
    kind = type(executor)
    if not hasattr(kind, "next_seconds_between_status_checks"):
        return
    seen: set[int] = set()

    class Closely(kind):  # type: ignore[misc, valid-type]
        def additional_general_args(self) -> str:
            # arrays of jobs are what the plugin's job step takes apart
            return str(super().additional_general_args()) if self.array_jobs else ""

        @property
        def next_seconds_between_status_checks(self) -> float:
            return float(min(seconds, super().next_seconds_between_status_checks))

        @next_seconds_between_status_checks.setter
        def next_seconds_between_status_checks(self, value: float) -> None:
            kind.next_seconds_between_status_checks.fset(self, value)

        async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncIterator[Any]:
            seen.clear()
            async for active in super().check_active_jobs(active_jobs):
                seen.add(id(active))
                yield active
            for unknown in active_jobs:
                if id(unknown) not in seen:
                    yield unknown

        def report_job_success(self, job_info: Any) -> None:
            seen.add(id(job_info))
            super().report_job_success(job_info)

        def report_job_error(self, job_info: Any, *about: Any, **more: Any) -> None:
            seen.add(id(job_info))
            super().report_job_error(job_info, *about, **more)

    executor.__class__ = Closely

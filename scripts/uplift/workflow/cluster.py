"""Jobs on a cluster: which steps share a job, and what the nodes have.

A dataset of one slice is one job from its first step to its last. One of several slices is a job
of the steps before convert, a job for each slice, and a job of the steps after it. Snakemake calls
steps that share a job a group, and puts several datasets into one if ``group-components`` says so.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

LOOK, DATASET, SMALL, FINISH = "look", "dataset", "small", "finish"
"""Names of groups, for ``group-components``."""

SMALL_BYTES = 2**30
"""Stored bytes of a small dataset: a minute or two of one core."""

_ASK_S = 10.0
"""To wait for SLURM's controller: without its answer, jobs are sized by the plans alone."""


def group_of(step: str, slices: int, *, is_sized: bool, size: int | None) -> str | None:
    """Name of the group that a step of a dataset is in; None: a job of its own.

    Parameters
    ----------
    slices
        Of the dataset.
    is_sized
        Whether a plan, or the sheet, says how large the dataset is. Otherwise a separate job
        makes the plan, and the other jobs request what the plan says.
    size
        Stored bytes by the plan, when there is one.

    Returns
    -------
    str | None
        The same for all steps of one job of the cluster.
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
    """What jobs may request.

    Attributes
    ----------
    cores
        Of the smallest node: SLURM keeps a job that requests more waiting, without a message.
    memory_mb
        Of the largest node.
    minutes
        Time limit of a job, in the partition that allows most; None: no limit.
    """

    cores: int
    memory_mb: int
    minutes: int | None = None


def nodes_of(partition: str | None) -> Nodes | None:
    """Ask SLURM what the nodes of a partition have; None where there is no answer.

    Parameters
    ----------
    partition
        None: the default one. Several are separated by commas.
    """
    if shutil.which("sinfo") is None:
        return None
    asked = ["sinfo", "--noheader", "--exact", "--format=%P %c %m %l"]
    try:
        done = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=_ASK_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return nodes_in(done.stdout, partition)


def nodes_in(answer: str, partition: str | None) -> Nodes | None:
    """Read lines of partition (a star marks the default), cores, memory in MB and time limit."""
    wanted = None if partition is None else partition.split(",")
    rows = [line.split() for line in answer.splitlines()]
    found = [
        (int(cores), int(memory), minutes_in(limit))
        for name, cores, memory, limit in rows
        if (name.endswith("*") if wanted is None else name.rstrip("*") in wanted)
    ]
    if not found:
        return None
    cores, memory, limits = zip(*found, strict=True)
    finite = [limit for limit in limits if limit is not None]
    minutes = max(finite) if len(finite) == len(limits) else None
    return Nodes(min(cores), max(memory), minutes)


def minutes_in(limit: str) -> int | None:
    """Minutes of a time as SLURM writes it, ``[[days-]hours:]minutes:seconds``; None: any.

    Whole minutes, at least one: zero would mean no limit to SLURM.
    """
    days, _, clock = limit.rpartition("-")
    parts = [days or "0", *clock.split(":")]
    if not all(part.isdigit() for part in parts):  # infinite, n/a
        return None
    hours, minutes, _ = map(int, ["0", *parts[1:]][-3:])
    return max(1, int(parts[0]) * 24 * 60 + hours * 60 + minutes)


def allotted_cores(variables: Mapping[str, str] = os.environ) -> int | None:
    """Cores of the job that this process belongs to; None where that is unknown."""
    text = variables.get("SLURM_CPUS_PER_TASK", "")
    return int(text) if text.isdigit() else None

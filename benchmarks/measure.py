"""Run a command and measure what it cost, its children included."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class FailedError(Exception):
    """A measured command failed."""


@dataclass(frozen=True)
class Cost:
    """Times in seconds, memory in MiB.

    `cpu` is user and system time of the command and of all its children that ended; `memory` is
    the peak of the largest single process among them.
    """

    wall: float
    cpu: float
    memory: float


def run_measured(
    command: Sequence[str], log: Path, folder: Path | None = None, expected: int = 0
) -> Cost:
    """Run `command` in `folder`, its output going to the end of `log`.

    Raises
    ------
    FailedError
        It ended with another exit code than `expected`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(command)}\n".encode())
        stream.flush()
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected:
        raise FailedError(f"{command[0]} ended with exit code {process.returncode}; see {log}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def total(costs: Sequence[Cost]) -> Cost:
    """Costs of commands that ran one after the other."""
    return Cost(
        sum(cost.wall for cost in costs),
        sum(cost.cpu for cost in costs),
        max(cost.memory for cost in costs),
    )


def median(costs: Sequence[Cost]) -> Cost:
    """Median of each quantity by itself."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.memory for cost in costs),
    )

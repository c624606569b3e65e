"""CPU, memory and storage traffic of this process, its workers and their children."""

from __future__ import annotations

import os
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uplift.work.traffic import TRAFFIC, Traffic

_BLOCK_BYTES = 512
"""Unit of `ru_inblock` on Linux, whatever the file system's; NFS is counted, too."""


@dataclass(frozen=True)
class Used:
    """CPU, memory and disk reads of processes; units as in :class:`~uplift.work.ledger.Spent`."""

    cpu_seconds: float = 0.0
    disk_bytes_read: int = 0

    def __add__(self, other: Used) -> Used:
        """Both together."""
        return Used(
            self.cpu_seconds + other.cpu_seconds, self.disk_bytes_read + other.disk_bytes_read
        )

    def __sub__(self, other: Used) -> Used:
        """Difference to an earlier one."""
        return Used(
            self.cpu_seconds - other.cpu_seconds, self.disk_bytes_read - other.disk_bytes_read
        )


@dataclass(frozen=True)
class Elsewhere:
    """What a worker process used since the last call; `parent` is the process that started it."""

    parent: int
    used: Used
    peak_memory_bytes: int
    traffic: Traffic


_taken: list[Any] = [Used(), Traffic()]
_elsewhere: list[Any] = [Used(), 0]


def collect_spent() -> Elsewhere:
    """Return, in a worker process, what it used since the last call."""
    used, traffic = _used(resource.RUSAGE_SELF), TRAFFIC.copy()
    spent = Elsewhere(os.getppid(), used - _taken[0], peak_memory_bytes(), traffic.since(_taken[1]))
    _taken[:] = [used, traffic]
    return spent


def add_spent(spent: Elsewhere) -> None:
    """Add, in the job, what one of its worker processes used."""
    TRAFFIC.add(**asdict(spent.traffic))
    if spent.parent != os.getpid():  # the system adds up what children used
        _elsewhere[0] += spent.used
    _elsewhere[1] = max(_elsewhere[1], spent.peak_memory_bytes)


def used_so_far() -> Used:
    """What this process, the children that it waited for and their workers used."""
    elsewhere: Used = _elsewhere[0]
    return _used(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) + elsewhere


def _used(*processes: int) -> Used:
    """What this process, and its children that it waited for, used until now."""
    usages = [resource.getrusage(who) for who in processes]
    return Used(
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        sum(usage.ru_inblock for usage in usages) * _BLOCK_BYTES,
    )


def peak_memory_bytes() -> int:
    """Bytes of the largest process."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return max(children, own_peak_memory_bytes(), int(_elsewhere[1]))


def own_peak_memory_bytes() -> int:
    """Largest resident size of this process; `ru_maxrss` would include the parent's at a fork."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(own.split()[1]) * 1024

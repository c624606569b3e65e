"""What a dataset cost: ``costs.jsonl``, a line for each job that ended, never rewritten.

A job that is repeated, after a failure or an edit of the plan, adds a line; so sums are what the
dataset has cost in all. A killed job has no line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uplift import __version__
from uplift.work.traffic import TRAFFIC, TRAFFIC_COUNTS
from uplift.work.usage import Used, peak_memory_bytes, used_so_far

NAME = "costs.jsonl"
_COUNTS_DISKS = sys.platform == "linux"
"""Elsewhere `ru_inblock` counts reads of any size."""
_LIBRARIES = ("numcodecs", "numpy", "obstore", "tensorstore", "zarr", "zarrs")


@dataclass
class Spent:
    """One job: a line of the ledger. Times in seconds, sizes in bytes.

    Attributes
    ----------
    step, job
        Rule, and the part of the dataset where a rule has several jobs.
    started
        UTC.
    cpu_seconds
        Of the process from its start (of a fork of the job server, without imports), and of the
        children that it waited for.
    peak_memory_bytes
        Of the largest process.
    disk_bytes_read
        Delivered by a disk or a file server; the rest was in memory already. None: the system does
        not count them, or the line is of an earlier version.
    exit_code
        As of the step's program; 0 is done.
    """

    step: str
    job: str = ""
    started: str = ""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    threads: int = 1
    requests: int = 0
    objects_read: int = 0
    bytes_read: int = 0
    disk_bytes_read: int | None = None
    objects_written: int = 0
    bytes_written: int = 0
    exit_code: int = 1
    host: str = ""
    versions: dict[str, str] = field(default_factory=dict)


_counted: Used | None = None
"""What earlier lines have counted of this process: several steps may run in one."""


@contextlib.contextmanager
def measured(file: Path, step: str, job: str = "", threads: int = 1) -> Iterator[Spent]:
    """Measure a job and add its line to the ledger when it ends, however it ends.

    Parameters
    ----------
    file
        ``costs.jsonl`` of the dataset.
    step, job, threads
        As in :class:`Spent`.

    Yields
    ------
    Spent
        Its `exit_code` is to be set by the caller; it counts as failed otherwise.
    """
    global _counted  # what the process itself has used
    started = _process_start() if _counted is None else time.time()
    traffic = TRAFFIC.copy()
    spent = Spent(step, job, threads=threads, host=platform.node())
    try:
        yield spent
    finally:
        used = used_so_far()
        for name, count in asdict(TRAFFIC.since(traffic)).items():
            setattr(spent, name, count)
        new = used - (_counted or Used())
        spent.cpu_seconds = round(new.cpu_seconds, 3)
        spent.disk_bytes_read = new.disk_bytes_read if _COUNTS_DISKS else None
        spent.started = datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
        spent.wall_seconds = round(time.time() - started, 3)
        spent.peak_memory_bytes = peak_memory_bytes()
        spent.versions = _versions()
        _counted = used
        append(file, spent)


def append(file: Path, spent: Spent) -> None:
    """Add a line; lines of jobs that end at the same time on several hosts do not mix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(spent), ensure_ascii=False) + "\n"
    with file.open("ab") as stream:
        with contextlib.suppress(OSError):  # no locks there: appending is then all there is
            fcntl.flock(stream, fcntl.LOCK_EX)
        if stream.tell() and not _ends_with_newline(file):
            line = f"\n{line}"  # the line before was cut short by a full disk or a power cut
        stream.write(line.encode())


def read(file: Path) -> list[Spent]:
    """Read the ledger; a line that was cut short is ignored."""
    if not file.is_file():
        return []
    known = {entry.name for entry in fields(Spent)}
    lines = []
    for text in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            data = json.loads(text)
            lines.append(Spent(**{key: data[key] for key in known & data.keys()}))
        except (ValueError, TypeError, AttributeError):
            continue
    return lines


def _headed(head: str) -> Any:
    return field(metadata={"head": head})


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Several jobs added up; `peak_memory_bytes` is that of the largest.

    `core_seconds` are cores times seconds for which they were reserved, as sites charge them.

    ``costs.csv`` has every figure, the report those with a heading.
    """

    jobs: int
    failed: int
    wall_seconds: float = _headed("wall")
    cpu_seconds: float = _headed("CPU")
    core_seconds: float
    peak_memory_bytes: int = _headed("peak memory")
    requests: int = _headed("requests")
    objects_read: int
    bytes_read: int = _headed("read")
    disk_bytes_read: int
    objects_written: int
    bytes_written: int = _headed("written")


def added_up(lines: Iterable[Spent]) -> Sum:
    """Add up jobs."""
    jobs = list(lines)
    totals: dict[str, Any] = {
        **{name: sum(getattr(job, name) for job in jobs) for name in TRAFFIC_COUNTS},
        **{
            name: round(sum(getattr(job, name) for job in jobs), 3)
            for name in ("wall_seconds", "cpu_seconds")
        },
    }
    return Sum(
        jobs=len(jobs),
        failed=sum(job.exit_code != 0 for job in jobs),
        core_seconds=round(sum(job.threads * job.wall_seconds for job in jobs), 3),
        peak_memory_bytes=max((job.peak_memory_bytes for job in jobs), default=0),
        disk_bytes_read=sum(job.disk_bytes_read or 0 for job in jobs),
        **totals,
    )


def by_step(lines: Iterable[Spent]) -> dict[str, Sum]:
    """Add up the jobs of each step, steps in the order of their first job."""
    steps: dict[str, list[Spent]] = {}
    for line in lines:
        steps.setdefault(line.step, []).append(line)
    return {step: added_up(jobs) for step, jobs in steps.items()}


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _process_start() -> float:
    """When this process started (Linux), else now; seconds since the epoch."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return time.time()
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _versions() -> dict[str, str]:
    """Versions of this project, Python, and the libraries that the job has loaded."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _LIBRARIES}
    own = {"ngff-uplift": __version__, "python": platform.python_version()}
    return own | {name: str(version) for name, version in loaded.items() if version}

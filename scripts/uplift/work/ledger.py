"""What was spent on a dataset: ``costs.jsonl``, a line for each job that ended, never rewritten.

A job that is repeated, after a failure or an edit of the plan, adds a line; so sums are what the
dataset has cost in all. Of a killed job there is no line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import resource
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uplift import __version__

NAME = "costs.jsonl"
_COUNTS_DISKS = sys.platform == "linux"
"""Elsewhere `ru_inblock` counts reads of any size."""
_BLOCK_BYTES = 512
"""Its unit on Linux, whatever the file system's; NFS is counted, too."""
_LIBRARIES = ("numcodecs", "numpy", "obstore", "tensorstore", "zarr", "zarrs")


@dataclass
class Traffic:
    """Requests, objects and bytes that went over storage.

    Attributes
    ----------
    requests
        To remote stores; repeated ones count again, an upload in parts once.
    objects_read, bytes_read
        Objects (or ranges of one) that were read, and their bytes as stored; what other people's
        readers fetch by themselves is not among them.
    objects_written, bytes_written
        The same for writing; an object whose blocks were shared or copied by the server counts as
        written.
    """

    requests: int = 0
    objects_read: int = 0
    bytes_read: int = 0
    objects_written: int = 0
    bytes_written: int = 0

    def __getstate__(self) -> dict[str, int]:
        """Counts without the lock, for another process."""
        return asdict(self)

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __post_init__(self) -> None:
        # += is several steps of the interpreter, and stores read from many threads
        self._lock = threading.Lock()

    def add(self, **counts: int) -> None:
        """Add to the counts that are named (thread-safe)."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def add_read(self, count: int) -> None:
        """Add one object that was read, the commonest case."""
        with self._lock:
            self.objects_read += 1
            self.bytes_read += count

    def since(self, before: Traffic) -> Traffic:
        """What was added since a copy was taken."""
        return Traffic(**{n: getattr(self, n) - getattr(before, n) for n in TRAFFIC_COUNTS})

    def copy(self) -> Traffic:
        """Take the counts as they are."""
        return Traffic(**asdict(self))


TRAFFIC_COUNTS = tuple(entry.name for entry in fields(Traffic))
TRAFFIC = Traffic()
"""Counts of this process. Work that is done by child processes is added by their parent."""


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
        That a disk or a file server had to deliver: what else was read was in memory already. None:
        the system does not count them, or the line is of an earlier version.
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


@dataclass(frozen=True)
class Used:
    """What processes took of the computer; units as in :class:`Spent`."""

    cpu_seconds: float = 0.0
    disk_bytes_read: int = 0

    def __add__(self, other: Used) -> Used:
        """Both together."""
        return Used(
            self.cpu_seconds + other.cpu_seconds, self.disk_bytes_read + other.disk_bytes_read
        )

    def __sub__(self, other: Used) -> Used:
        """What came on top of the other."""
        return Used(
            self.cpu_seconds - other.cpu_seconds, self.disk_bytes_read - other.disk_bytes_read
        )


@dataclass(frozen=True)
class Elsewhere:
    """What a worker process used since it was asked last; `parent` is who started it."""

    parent: int
    used: Used
    peak_memory_bytes: int
    traffic: Traffic


_taken: list[Any] = [Used(), Traffic()]
_elsewhere: list[Any] = [Used(), 0]


def take_spent() -> Elsewhere:
    """Take, in a worker process, what it used since the last time."""
    used, traffic = _used(resource.RUSAGE_SELF), TRAFFIC.copy()
    spent = Elsewhere(os.getppid(), used - _taken[0], _peak_memory(), traffic.since(_taken[1]))
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


_counted: Used | None = None
"""What earlier lines have of this process: several steps may run in one."""


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
        spent.peak_memory_bytes = _peak_memory()
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
    """Read the ledger; a line that was cut short is passed over."""
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

    `core_seconds` are cores times seconds that they were taken, busy or not: what sites charge.

    ``costs.csv`` has every figure, the report those with a head.
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


def _used(*processes: int) -> Used:
    """What this process used, and its children that it waited for, as it is asked."""
    usages = [resource.getrusage(who) for who in processes]
    return Used(
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        sum(usage.ru_inblock for usage in usages) * _BLOCK_BYTES,
    )


def _peak_memory() -> int:
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

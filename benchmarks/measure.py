"""Run a command and measure what it cost, all processes that it started included."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
LONGEST_S = 300.0
"""A command that takes longer is killed."""
_ROOM_BYTES = 16 * 2**30
_FORGOTTEN_S = 65.0
"""ext4's `recently_deleted` looks back a minute."""
_FEW_FILES = 500
"""So many are deleted at once: looking at them takes no time that is seen."""


class FailedError(Exception):
    """A measured command failed."""


@dataclass(frozen=True)
class Cost:
    """Times in seconds, memory in MiB.

    `cpu` is user and system time of the command and of all processes that it started; `memory` is
    the peak of the largest single process among them.
    """

    wall: float
    cpu: float
    memory: float


def put_away(folder: Path) -> None:
    """Move what an earlier turn left out of the way, in place of deleting it.

    ext4 gives no inode away that was freed in the last minute, and looks at each of them whenever
    it makes a file or a folder: what is written next would take twice the time. So where the disk
    has no room left, all is deleted, and a minute waited for. What has few files is deleted.
    """
    if folder.exists():
        if len(list(itertools.islice(folder.rglob("*"), _FEW_FILES))) < _FEW_FILES:
            shutil.rmtree(folder)
            return
        old = folder.parent / "old"
        old.mkdir(exist_ok=True)
        folder.rename(old / str(len(list(old.iterdir()))))
        if shutil.disk_usage(old).free < _ROOM_BYTES:
            shutil.rmtree(old)
            os.sync()
            time.sleep(_FORGOTTEN_S)


def run_measured(
    command: Sequence[str], log: Path, expected: int = 0, longest: float = LONGEST_S
) -> Cost:
    """Run `command`, its output going to the end of `log`.

    Raises
    ------
    FailedError
        It ended with another exit code than `expected`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(command)}\n".encode())
        stream.flush()
        # Servers of worker processes outlive by moments the process that started them, which does
        # not wait for them: they become children of this one, and their times are not lost.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        start = time.perf_counter()
        late = threading.Timer(longest, lambda: os.killpg(process.pid, signal.SIGKILL))
        late.start()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            process_group=0,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        late.cancel()
        usages = [usage, *_left(process.pid)]
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected:
        raise FailedError(f"{command[0]} ended with exit code {process.returncode}; see {log}")
    cpu = sum(one.ru_utime + one.ru_stime for one in usages)
    return Cost(wall, cpu, max(one.ru_maxrss for one in usages) / 1024)


def _left(group: int) -> Iterator[resource.struct_rusage]:
    """Wait for what is left of a command's process group."""
    with contextlib.suppress(ChildProcessError):
        while True:
            _, _, usage = os.wait4(-group, 0)
            yield usage

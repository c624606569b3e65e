"""Kill a running Snakemake, its workers or all of them, when a program or a file is there."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

VICTIMS = ("snakemake", "worker", "everything", "snakemake, asked", "everything, asked")
"""Asked: by SIGTERM. Where Snakemake alone is killed, its workers go on during the next run."""

ORDER = (
    *("inspect_source.py", "inventory.json", "plan.py", "plan.json", "claim.py", "claim.json"),
    *("convert.py", "journal/*.jsonl", "shards", "records/*.json", "convert/*-of-*.json"),
    *("migrate.py", "root.zarr.json", "migration.json", "crate.py", "crate.json"),
    *("validate.py", "validation.json", "publish.py", "published.json"),
)
"""When to strike, in the order in which a run comes there: programs that run, files that appear."""


@dataclass(frozen=True)
class Strike:
    """Kill `victim` some `delay` seconds after `moment`; of "shards", after so many of them."""

    victim: str
    moment: str
    delay: float
    shards: int

    def __str__(self) -> str:
        shards = f" #{self.shards}" if self.moment == "shards" else ""
        return f"{self.victim} {1000 * self.delay:.0f} ms after {self.moment}{shards}"


def strikes(rng: random.Random, number: int) -> list[Strike]:
    """Draw kills of one dataset's runs; half of them are in the middle of converting."""
    drawn = []
    for _ in range(number):
        moment = "shards" if rng.random() < 0.5 else rng.choice(ORDER)
        # a program spends its first second importing
        delay = rng.uniform(0, 1.5) if moment.endswith(".py") else rng.uniform(0, 0.1)
        drawn.append(Strike(rng.choice(VICTIMS), moment, delay, rng.randrange(1, 45)))
    return sorted(drawn, key=lambda one: (ORDER.index(one.moment), one.shards))


def strike(
    process: subprocess.Popen[bytes], work: Path, one: Strike, shards: Callable[[], int]
) -> bool:
    """Wait for the moment and kill; False when the run ended before.

    Who got SIGTERM, or lost a worker, is given time to end by itself.
    """
    while process.poll() is None and not _has_come(process, work, one, shards):
        time.sleep(0.005)
    with suppress(subprocess.TimeoutExpired):
        process.wait(one.delay)
    if process.poll() is not None:
        return False
    if one.victim == "worker":
        found = _workers(process.pid)
        if not found:
            process.terminate()
        for worker in found[:1]:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
    elif one.victim == "snakemake":
        process.kill()
    elif one.victim == "snakemake, asked":
        process.terminate()
    elif one.victim == "everything":
        _signal(process.pid, signal.SIGKILL)
    else:
        _signal(process.pid, signal.SIGTERM)
    process.wait(120)
    if one.victim == "everything, asked":
        _signal(process.pid, signal.SIGKILL)
    return True


def wait_for_survivors(group: int) -> None:
    """Wait until all processes of a killed run have ended, by themselves."""
    found = [one for one in psutil.process_iter() if _group_of(one) == group]
    _, alive = psutil.wait_procs(found, timeout=60)
    assert not alive, f"survivors that do not end: {alive}"


def _has_come(process, work: Path, one: Strike, shards: Callable[[], int]) -> bool:
    if one.moment == "shards":
        return shards() >= one.shards
    if one.moment.endswith(".py"):
        return bool(_workers(process.pid, one.moment))
    return next(work.glob(one.moment), None) is not None


def _workers(pid: int, program: str = ".py") -> list[psutil.Process]:
    """Processes that run the program of a rule."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                words = child.cmdline()
                if any(f"{os.sep}scripts{os.sep}" in w and w.endswith(program) for w in words):
                    found.append(child)
    return found


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None

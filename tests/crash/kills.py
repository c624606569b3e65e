"""Kill a conversion at chosen points, resume it as the workflow does, and compare the bytes.

A forked child runs the steps and dies by SIGKILL at the n-th call of one function: before or after
a rename, a journal line, a temporary file. The parent resumes with a fresh child that skips every
step whose declared output exists, as Snakemake does.
"""

import hashlib
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.steps import Conversion, StepError
from uplift.conversion.journal import Journal
from uplift.storage.local import LocalStore, LocalWriter


@dataclass(frozen=True)
class KillPoint:
    """Die at the `call`-th call of `owner.name`, before it runs or after."""

    owner: object
    name: str
    call: int
    after: bool

    def arm(self) -> None:
        original = getattr(self.owner, self.name)
        calls = 0

        def lethal(*args, **kwargs):
            nonlocal calls
            calls += 1
            here = calls == self.call
            if here and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*args, **kwargs)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(self.owner, self.name, lethal)

    def __str__(self) -> str:
        owner = getattr(self.owner, "__name__", str(self.owner))
        return f"{'after' if self.after else 'before'} {owner}.{self.name} #{self.call}"


PLACES = [
    (os, "replace"),
    (os, "unlink"),
    (Journal, "add"),
    (Journal, "finish"),
    (LocalWriter, "flush"),
    (LocalStore, "put"),
    (LocalStore, "flush"),
    (Path, "replace"),
]


def kill_points(seed: int, number: int) -> Iterator[KillPoint]:
    rng = random.Random(seed)
    for _ in range(number):
        owner, name = rng.choice(PLACES)
        call = min(rng.randint(1, 60), rng.randint(1, 60))
        yield KillPoint(owner, name, call, after=rng.random() < 0.5)


def remaining_steps(conversion: Conversion) -> Iterator[Callable[[], object]]:
    """Steps whose declared outputs are absent, in order."""
    done = conversion.path
    outputs = [
        (conversion.inspect, "inventory.json"),
        (conversion.plan, "plan.json"),
        (conversion.split, "batches/summary.json"),
        (conversion.claim, "claim.json"),
    ]
    for step, output in outputs:
        if not done(output).exists():
            yield step
    for batch in conversion.batches():
        if not done("records", f"{batch}.json").exists():
            yield lambda batch=batch: conversion.convert_one(batch)
    rest = [
        (conversion.migrate, "root.zarr.json"),
        (conversion.write_crate, "crate.json"),
        (conversion.validate, "validation.json"),
        (conversion.publish, "published.json"),
    ]
    for step, output in rest:
        if not done(output).exists():
            yield step


def run_in_child(conversion: Conversion, point: KillPoint | None) -> int:
    """Run what remains in a forked child; its wait status.

    No test in this folder may run a conversion in the parent: tensorstore does not survive a fork
    once its threads are started.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.stdout = sys.stderr = open(conversion.work.parent / "child.log", "a")  # noqa: SIM115, PTH123
            if point is not None:
                point.arm()
            for step in remaining_steps(conversion):
                step()
            code = 0
        except StepError as error:
            code = 100 + error.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitpid(child, 0)[1]


def tree_digest(root: Path) -> str:
    """Digest of every path and byte below a folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

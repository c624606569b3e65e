"""Kill a conversion at chosen points or times, and resume it as the workflow does.

A child of :mod:`crash.server` runs the steps and dies by SIGKILL at the n-th call of one function,
or at any time by an alarm that nobody handles. The next child goes on as Snakemake does.
"""

import contextlib
import functools
import importlib
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash.server import Server
from support.steps import Conversion, StepError

ENGINES = ("RepackEngine", "RecodeEngine")

_LOCAL = "uplift.storage.local"
_S3 = "uplift.storage.engines.obstore"
_EVERYWHERE = ("uplift.work.journal:Journal.add", "pathlib:Path.replace")
PLACES = {
    "local": (
        *_EVERYWHERE,
        *("os:replace", "os:unlink", "os:link", "os:fsync"),
        *(f"{_LOCAL}:LocalWriter.flush", f"{_LOCAL}:LocalStore.put", f"{_LOCAL}:LocalStore.flush"),
        f"{_LOCAL}:LocalStore.writer",
    ),
    "s3": (
        *_EVERYWHERE,
        *(f"{_S3}:ObstoreStore.put", f"{_S3}:ObstoreStore.put_new", f"{_S3}:ObstoreStore.delete"),
        *(f"{_S3}:ObstoreStore.writer", "uplift.storage.remote:SentObject.write"),
    ),
}
"""Functions that write; those of stores named `writer` are context managers."""

MOMENTS = ("before", "after")
MOMENTS_OF_WRITERS = ("opened", "written", "closed")
"""When a writer is killed: nothing written, all written but not in its place, in its place."""


@dataclass(frozen=True)
class Kill:
    """Die at the `call`-th call of `place` (``module:name``)."""

    place: str
    call: int
    moment: str

    def arm(self) -> None:
        _replace(self.place, self._lethal)

    def _lethal(self, original: Callable[..., Any]) -> Callable[..., Any]:
        calls = 0

        @functools.wraps(original)
        def function(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls != self.call:
                return original(*args, **kwargs)
            if self.moment in MOMENTS_OF_WRITERS:
                return self._writing(original(*args, **kwargs))
            if self.moment == "after":
                original(*args, **kwargs)
            return _die()

        return function

    @contextlib.contextmanager
    def _writing(self, manager):
        with manager as writer:
            if self.moment == "opened":
                _die()
            yield writer
            if self.moment == "written":
                _die()
        _die()

    @property
    def word(self) -> str:
        return f"{self.moment} a call" if self.moment in MOMENTS else f"writer {self.moment}"


@dataclass(frozen=True)
class Alarm:
    """Die after some seconds, wherever the threads are."""

    seconds: float
    word = "at any time"

    def arm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.seconds)


Death = Kill | Alarm


@dataclass(frozen=True)
class Setting:
    """What a child is given besides its conversion."""

    death: Any = None
    environment: dict[str, str] = field(default_factory=dict)
    part_bytes: int | None = None
    trace: Path | None = None


def deaths(rng: random.Random, number: int, calls: Counter[str], seconds: float) -> list[Death]:
    """Draw where an interrupted run is to die, among the calls that a whole run makes.

    A fifth of them come at any time. The later ones are drawn earlier, as less is left to do; some
    do not happen.
    """
    drawn: list[Death] = []
    for already in range(number):
        if rng.random() < 0.2:
            drawn.append(Alarm(rng.uniform(0.02, seconds)))
            continue
        place = rng.choice(sorted(calls))
        moments = MOMENTS_OF_WRITERS if place.endswith(".writer") else MOMENTS
        call = rng.randint(1, max(1, calls[place] // (already + 1)))
        drawn.append(Kill(place, call, rng.choice(moments)))
    return drawn


class Workflow:
    """What Snakemake does with the steps: outputs are deleted before a job and made again.

    A step whose job did not end well is due again, though its outputs may be there.
    """

    def __init__(self, conversion: Conversion) -> None:
        self._conversion = conversion

    def run(self) -> None:
        do = self._conversion
        self._step("inspect", do.inspect, "inventory.json")
        self._step("plan", do.plan, "plan.json", kept=True)
        self._step("claim", do.claim, "claim.json")
        for number in do.numbers():
            one = functools.partial(do.convert_slice, number)
            self._step(f"convert-{number}", one, f"convert/{number}-of-{do.slices}.json")
        self._step("migrate", do.migrate, "migration.json", "root.zarr.json")
        self._step("crate", do.write_crate, "crate.json")
        self._step("validate", do.validate, "validation.json")
        self._step("publish", do.publish, "published.json")
        self._step("archive", do.archive, "archive.json", kept=True)

    def _step(
        self, name: str, job: Callable[[], object], *outputs: str, kept: bool = False
    ) -> None:
        started = self._conversion.path("started", name)
        paths = [self._conversion.path(output) for output in outputs]
        if all(path.exists() for path in paths) and not started.exists():
            return
        started.parent.mkdir(parents=True, exist_ok=True)
        started.touch()
        for path in () if kept else paths:
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        job()
        started.unlink()


def run_in_child(server: Server, conversion: Conversion, death: Any = None, **setting: Any) -> int:
    """Run what remains in a child; its exit code, negative for a signal."""
    return server.run(run_remaining, conversion, Setting(death, **setting))


def log_of(conversion: Conversion) -> str:
    """What the children said so far."""
    log = conversion.work.parent / "child.log"
    return log.read_text() if log.exists() else ""


def shards_started(trace: Path) -> int:
    """How often a shard was started, by all children that were given this trace."""
    return len(trace.read_text().splitlines()) if trace.exists() else 0


def count_calls(server: Server, conversion: Conversion, kind: str, **setting: Any) -> Counter[str]:
    """Run what remains and count the calls at the places of a kind of output."""
    counts = conversion.work.parent / "calls.json"
    code = run_in_child(server, conversion, CountedCalls(PLACES[kind], counts), **setting)
    assert code == 0, log_of(conversion)
    return Counter(json.loads(counts.read_text()))


@dataclass(frozen=True)
class CountedCalls:
    """No death: how often each place is called, written to a file at the end."""

    places: tuple[str, ...]
    file: Path

    def arm(self) -> None:
        counts: Counter[str] = Counter()
        for place in self.places:
            _replace(place, functools.partial(self._counting, place, counts))

    def _counting(self, place, counts, original):
        @functools.wraps(original)
        def function(*args, **kwargs):
            counts[place] += 1
            self.file.write_text(json.dumps(counts))
            return original(*args, **kwargs)

        return function


def run_remaining(conversion: Conversion, setting: Setting) -> int:
    """Run what remains, in a child."""
    sys.stdout = sys.stderr = (conversion.work.parent / "child.log").open("a")
    os.environ.update(setting.environment)
    try:
        _prepare(setting)
        if setting.death is not None:
            setting.death.arm()
        Workflow(conversion).run()
    except StepError as error:
        return 100 + error.code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _prepare(setting: Setting) -> None:
    if setting.part_bytes is not None:
        importlib.import_module("uplift.storage.tuning").PART_BYTES = setting.part_bytes
    if setting.trace is not None:
        for module, engine in zip(("repack", "recode"), ENGINES, strict=True):
            place = f"uplift.convert.{module}:{engine}.write_object"
            _replace(place, functools.partial(_traced, setting.trace))


def _traced(trace: Path, original: Callable[..., Any]) -> Callable[..., Any]:
    """Note each shard that is started; chunks without shards, resumed in groups, next to them."""
    of_chunks = trace.with_suffix(".chunks")

    @functools.wraps(original)
    def write_object(engine, position, stored):
        alone = engine.item.target.shards is None
        with (of_chunks if alone else trace).open("a") as stream:
            stream.write(f"{engine.item.path} {position}\n")
        return original(engine, position, stored)

    return write_object


def _replace(place: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, name = place.partition(":")
    owner: Any = importlib.import_module(module)
    *holders, name = name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    setattr(owner, name, wrap(getattr(owner, name)))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

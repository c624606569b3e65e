"""Which objects of a batch are finished: one JSON line each, so that a killed job can go on.

A line is trusted when the fingerprint is the one asked for and the output shows the same number of
objects and bytes. Small objects are not synced one by one: their lines carry the boot they were
written in and count after a power cut only when they stand before a ``mark`` whose ``flushed`` line
follows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pydantic import TypeAdapter, ValidationError

from uplift.models.base import Model

log = logging.getLogger(__name__)

PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.2


class Done(Model):
    """Objects [start, stop) of an array are written: `objects` of them exist, `bytes` in all."""

    path: str
    fingerprint: str
    start: int
    stop: int
    objects: int
    bytes: int
    chunks: int
    boot: str | None = None
    """Boot in which the write happened; None when the objects were synced before the line."""


_DONE = TypeAdapter(Done)


class Journal:
    """Append-only journal of one batch (thread-safe)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._unsynced = False
        self.done = _read(path)

    def start(self, kept: list[Done]) -> None:
        """Begin a run: keep only the trusted lines."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        with temporary.open("w", encoding="utf-8") as stream:
            for entry in kept:
                stream.write(json.dumps(entry.to_json()) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self._path)

    def add(self, entry: Done) -> None:
        """Note finished objects."""
        self._append(entry.to_json(), sync=entry.boot is None)
        if entry.boot is not None:
            self._unsynced = True

    @contextlib.contextmanager
    def flushing(self) -> Iterator[None]:
        """Flush the output store inside: what stands here before it is then on disk.

        Lines that other threads add meanwhile wait for the next flush.
        """
        if not self._unsynced:
            yield
            return
        self._unsynced = False
        mark = uuid.uuid4().hex[:16]
        self._append({"mark": mark}, sync=False)
        yield
        self._append({"flushed": mark}, sync=True)

    def _append(self, line: dict[str, Any], *, sync: bool) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            if sync:
                os.fsync(stream.fileno())


@contextlib.contextmanager
def only_job(path: Path) -> Iterator[None]:
    """Keep a batch to one job at a time: one that outlived its Snakemake is waited for.

    Two of them would write the same bytes, but every shard twice. One whose journal stands still
    for :data:`PATIENCE_S` is not waited for, nor one on a file system without locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.with_suffix(".lock")
    with place.open("a") as stream:
        _wait_for_lock(stream, path)
        yield
        place.unlink(missing_ok=True)


def _wait_for_lock(stream: TextIO, path: Path) -> None:
    size, since = -1, time.monotonic()
    while not _lock(stream):
        found = path.stat().st_size if path.exists() else 0
        if size == -1:
            log.info("a job of an earlier run still works on this batch; waiting for it")
        if found != size:
            size, since = found, time.monotonic()
        elif time.monotonic() - since > PATIENCE_S:
            log.info("it has finished nothing for %.0f s; going on beside it", PATIENCE_S)
            return
        time.sleep(_LOOK_EVERY_S)


def _lock(stream: TextIO) -> bool:
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.info("jobs of the same batch cannot be kept apart here: %s", error.strerror)
    return True


def boot_id() -> str:
    """Name of this boot of the machine (Linux), else one that never matches another run's."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else f"process {os.getpid()}"


def _read(path: Path) -> list[Done]:
    """Read the lines to trust; damage ends the reading."""
    if not path.exists():
        return []
    entries: list[Done] = []
    marks: dict[str, int] = {}
    on_disk = 0
    for line in path.read_bytes().splitlines():
        try:
            data = json.loads(line)
            if isinstance(data, dict) and "mark" in data:
                marks[str(data["mark"])] = len(entries)
            elif isinstance(data, dict) and "flushed" in data:
                on_disk = max(on_disk, marks.get(str(data["flushed"]), 0))
            else:
                entries.append(_DONE.validate_python(data))
        except (ValueError, ValidationError):
            break
    boots = (None, boot_id())
    return entries[:on_disk] + [e for e in entries[on_disk:] if e.boot in boots]

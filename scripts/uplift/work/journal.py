"""Which objects of a batch are finished: one JSON line each, so that a killed job can be resumed.

A line is trusted when it has the current fingerprint and the output has the same number of objects
and bytes. Small objects are not synced one by one: their lines have the boot in which they were
written, and count after a power cut only when they come before a ``mark`` that a ``flushed`` line
follows. The first line names the job that writes: a job that finds another name was superseded.
"""

import contextlib
import fcntl
import functools
import json
import os
import threading
import uuid
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from uplift.errors import OutputError
from uplift.models.base import Model
from uplift.models.record import RepeatedReads


class Done(Model):
    """Objects [start, stop) of an array are written: `objects` of them exist, `bytes` in all."""

    path: str
    fingerprint: str
    start: int
    stop: int
    objects: int
    bytes: int
    chunks: int
    opened: int = 0
    opened_sha256: str = ""
    """Chunks whose objects were described when they were read; their digest as of a listing."""
    trailing: int = 0
    first_trailing: tuple[int, ...] | None = None
    """Chunks with bytes after the end of their stream: how many, and the first of them."""
    largest: tuple[int, ...] | None = None
    """Bytes of the largest chunk that was read, and its index."""
    repeated_reads: RepeatedReads = ()
    digests: str = ""
    """Digests of what was read: rows of :mod:`uplift.arrays.digests`; may be empty."""
    boot: str | None = None
    """Boot in which the write happened; None when the objects were synced before the line."""


_DONE = TypeAdapter(Done)
_FIRST_LINE_BYTES = 256


class Lines(Protocol):
    """Where finished objects are noted."""

    def add(self, entry: Done, /) -> None:
        """Note finished objects."""

    def refuse_superseded(self) -> None:
        """Check that this job is still the one that converts the batch."""


class Journal:
    """Append-only journal of one batch; threads and worker processes of one job share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # a line is written, and noted, by one thread at a time
        self._unsynced = False
        self._job = uuid.uuid4().hex
        self.done = _read(path)

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process needs to write lines of the same job."""
        return {"path": self.path, "job": self._job}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self._job = state["path"], state["job"]
        self._lock, self._unsynced, self.done = threading.Lock(), False, []

    def start(self, kept: list[Done]) -> None:
        """Begin a run: keep only the trusted lines. A job that wrote here before is superseded."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{self.path.name}.{self._job}.tmp")
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps({"job": self._job}) + "\n")
            for entry in kept:
                stream.write(json.dumps(entry.to_json()) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.path)

    def refuse_superseded(self) -> None:
        """Check that this job is still the one that converts the batch.

        Raises
        ------
        OutputError
            The batch was planned again, is gone, or another job has taken it over.
        """
        with self._opened():
            pass

    @contextlib.contextmanager
    def kept_open(self) -> Iterator[Lines]:
        """Keep the file open while small arrays are converted one after the other.

        Opening and reading it twice for each array took a twentieth of the time of a plate. A job
        that takes over writes a new file at the path.

        Raises
        ------
        OutputError
            As :meth:`refuse_superseded`.
        """
        with self._opened() as stream:
            yield _KeptOpen(self, stream)

    def add(self, entry: Done, /, stream: FileIO | None = None) -> None:
        """Note finished objects; `stream` is the file where it is open."""
        self._append(entry.to_json(), sync=entry.boot is None, stream=stream)
        if entry.boot is not None:
            self._unsynced = True

    def expect_unsynced(self) -> None:
        """Note that another process of this job added lines of objects that were not synced."""
        self._unsynced = True

    @contextlib.contextmanager
    def flushing(self) -> Iterator[None]:
        """To flush the output store inside: objects of earlier lines are then on disk.

        Lines that others add meanwhile count from the next flush on.
        """
        if not self._unsynced:
            yield
            return
        self._unsynced = False
        mark = uuid.uuid4().hex[:16]
        self._append({"mark": mark}, sync=False)
        yield
        self._append({"flushed": mark}, sync=True)

    def _append(self, line: dict[str, Any], *, sync: bool, stream: FileIO | None = None) -> None:
        if stream is None:
            with self._opened() as opened:
                self._append(line, sync=sync, stream=opened)
            return
        with self._lock:
            # On NFS lines of two hosts could land in one place; elsewhere one write is one line.
            with contextlib.suppress(OSError):
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
            stream.write(json.dumps(line).encode() + b"\n")
            if sync:
                os.fsync(stream.fileno())
            with contextlib.suppress(OSError):
                fcntl.flock(stream.fileno(), fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[FileIO]:
        """Open the file to append to it, where it is still this job's."""
        try:
            stream = FileIO(self.path, "r+", opener=_to_append)
        except FileNotFoundError:
            raise self.superseded() from None
        with stream:
            first, _, _ = os.pread(stream.fileno(), _FIRST_LINE_BYTES, 0).partition(b"\n")
            if first != json.dumps({"job": self._job}).encode():
                raise self.superseded()
            yield stream

    def superseded(self) -> OutputError:
        """Error of a job whose journal is no longer its own."""
        return OutputError(
            f"{self.path}: no longer of this job: the plan was edited or another job took "
            "over while it ran; it writes nothing more"
        )


class _KeptOpen:
    """Adds lines to an open file, as long as it is still at its path."""

    def __init__(self, journal: Journal, stream: FileIO) -> None:
        self._journal, self._stream = journal, stream
        self._status = os.fstat(stream.fileno())

    def add(self, entry: Done, /) -> None:
        self.refuse_superseded()
        self._journal.add(entry, self._stream)

    def refuse_superseded(self) -> None:
        try:
            found = self._journal.path.stat()
        except FileNotFoundError:
            raise self._journal.superseded() from None
        if not os.path.samestat(found, self._status):
            raise self._journal.superseded()


def _to_append(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_APPEND)


@functools.cache
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
            if isinstance(data, dict) and "job" in data:
                continue
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

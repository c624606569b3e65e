"""Whether the batches of a job fit on the output's file system, next to what running jobs write.

Each job checks before its first byte and notes what it is about to write, in a folder that all
datasets of a run share. So two jobs never rely on the same free space.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from uplift.errors import OutputError
from uplift.models.batch import Batch
from uplift.outputs.space import FileSystem, file_system_of, space_taken, too_little
from uplift.planning.space import Space, space_of_batches
from uplift.work.folder import WorkFolder
from uplift.work.job_lock import is_current
from uplift.work.journal import Journal

log = logging.getLogger(__name__)

_FOLDER = ".space"
"""Next to the work folders: one file for each job that writes, locked while the job runs."""


@dataclass(frozen=True)
class Need:
    """What a job writes, or is about to.

    Attributes
    ----------
    output
        URL or folder.
    work
        Work folder of the dataset.
    batches
        Space of every batch of the dataset's plan.
    own
        Names of the job's batches.
    """

    output: str
    work: WorkFolder
    batches: dict[str, Space]
    own: tuple[str, ...]

    def left(self) -> Space:
        """What the job has still to write."""
        return sum((self._left(name) for name in self.own), Space(0))

    def written(self) -> Space:
        """What the dataset's jobs have written for this plan."""
        left = sum(map(self._left, self.batches), Space(0))
        return sum(self.batches.values(), Space(0)).less(left)

    def _left(self, name: str) -> Space:
        if self.work.record(name).exists():
            return Space(0)
        done = Journal(self.work.journal(name)).done
        there = Space(sum(one.bytes for one in done), sum(one.objects for one in done))
        return self.batches[name].less(there)

    def to_text(self) -> str:
        """JSON, for other jobs."""
        batches = {name: (one.bytes, one.inodes) for name, one in self.batches.items()}
        work = str(self.work.path.absolute())
        return json.dumps(
            {"output": self.output, "work": work, "batches": batches, "own": self.own}
        )

    @staticmethod
    def from_text(text: str) -> Need:
        """What :meth:`to_text` wrote."""
        read = json.loads(text)
        batches = {name: Space(*one) for name, one in read["batches"].items()}
        return Need(read["output"], WorkFolder(Path(read["work"])), batches, tuple(read["own"]))


@contextlib.contextmanager
def space_for(
    batches: Iterable[Batch],
    plan: Iterable[Batch],
    work: WorkFolder,
    output: str,
    *,
    warn: bool = False,
) -> Iterator[None]:
    """Reserve space for the job in the context, or refuse it.

    Parameters
    ----------
    batches, plan
        Batches of the job, and those of all jobs of the dataset.
    work
        Work folder of the dataset.
    output
        URL or folder of the output.
    warn
        Whether to warn only.

    Returns
    -------
    Iterator[None]
        A context in which the space is reserved.

    Raises
    ------
    OutputError
        The job and the running jobs need more bytes or inodes than are free.
    """
    if file_system_of(output) is None:
        yield
        return
    spaces = {one.batch: space_of_batches([one]) for one in plan}
    own = tuple(one.batch for one in batches if not work.record(one.batch).exists())
    need = Need(output, work, spaces, own)
    with contextlib.ExitStack() as stack:
        with _exclusive(work.path.parent / _FOLDER) as folder:
            file_system = file_system_of(output)  # now: the lock may have been waited for
            assert file_system is not None  # noqa: S101
            others = [one for one in _under_way(folder) if _is_there(one, file_system)]
            try:
                _refuse_little(need, others, file_system)
            except OutputError as error:
                if not warn:
                    raise
                log.warning("%s", error)
            if folder is not None and own:
                stack.enter_context(_noted(need, folder))
        yield


def _refuse_little(need: Need, others: Sequence[Need], file_system: FileSystem) -> None:
    """Compare with the free space; journals and outputs are read only where it is small."""
    all_of_them = [need, *others]
    most = sum((one.batches[name] for one in all_of_them for name in one.own), Space(0))
    if most.fits(file_system.free):
        return
    # objects at an output that are not of this plan are replaced one by one
    outputs = {one.output: one for one in all_of_them}
    to_replace = {
        output: space_taken(output).less(one.written()) for output, one in outputs.items()
    }
    needed = Space(0)
    for output in outputs:
        left = sum((one.left() for one in all_of_them if one.output == output), Space(0))
        needed += left.less(to_replace[output])
    if needed.fits(file_system.free):
        return
    also = f" for this and {len(others)} more jobs that run" if others else ""
    raise too_little(need.output, needed, file_system.free, also)


def _is_there(need: Need, file_system: FileSystem) -> bool:
    found = file_system_of(need.output)
    return found is not None and found.device == file_system.device


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[Path | None]:
    """Let one job at a time check and note; None on a file system without locks.

    The last job to leave removes the folder.
    """
    try:
        stream = _locked(folder)
    except OSError as error:
        log.info("space is looked for without that of other jobs: %s", error.strerror)
        yield None
        return
    with stream:
        try:
            yield folder
        finally:
            if not any(folder.glob("*.json")):
                Path(stream.name).unlink()
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _locked(folder: Path) -> TextIO:
    """Wait for the lock of a folder; again, if the folder was removed meanwhile."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
            stream = stack.enter_context((folder / "lock").open("a"))
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
            if is_current(stream, folder / "lock"):
                stack.pop_all()
                return stream


def _under_way(folder: Path | None) -> Iterator[Need]:
    """Running jobs; notes of killed jobs are removed."""
    for path in sorted(folder.glob("*.json")) if folder is not None else ():
        with contextlib.suppress(FileNotFoundError), path.open("r+") as stream:  # ended just now
            if _is_free(stream):
                path.unlink()
            else:
                yield Need.from_text(stream.read())


def _is_free(stream: TextIO) -> bool:
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _noted(need: Need, folder: Path) -> Iterator[None]:
    """Note a job for as long as it runs; the lock ends with its process, however that ends."""
    path = folder / f"{uuid.uuid4().hex}.json"
    with path.open("w") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            stream.write(need.to_text())
            stream.flush()
            yield
        finally:
            with _exclusive(folder):
                path.unlink(missing_ok=True)

"""One job at a time: a job that outlived its Snakemake ends before another does its work."""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from uplift.errors import OutputError

log = logging.getLogger(__name__)

PATIENCE_S = 120.0
"""A job whose journal has not grown for this long is assumed to hang; a task takes seconds."""
_LOOK_EVERY_S = 0.2
"""Seconds between attempts: flock itself would wait for ever, without checking the journal."""


@contextlib.contextmanager
def only_job(path: Path, *, overlap: bool = True) -> Iterator[None]:
    """Keep the work that `path` is the journal of to one job; wait for one that outlived its run.

    Does not wait on a file system without locks.

    Parameters
    ----------
    path
        File that grows while the job works; it need not exist.
    overlap
        Whether to continue while another job runs that has finished nothing for
        :data:`PATIENCE_S`: both write the same bytes, only every shard twice.

    Raises
    ------
    OutputError
        The other job does not end, and continuing at the same time could mix two plans.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock")
    while True:
        with lock.open("a") as stream:
            is_locked = _locked(stream, path)
            if is_locked and not is_current(stream, lock):
                continue  # the job that was waited for has taken the file away
            if not is_locked and not overlap:
                raise OutputError(
                    f"{lock}: a job of an earlier run still works on this; end it (kill, scancel) "
                    "or wait for its end, then run again"
                )
            if not is_locked:
                log.info(
                    "it has finished nothing for %.0f s; going on at the same time", PATIENCE_S
                )
            yield
            if is_locked:
                lock.unlink(missing_ok=True)
            return


def is_current(stream: TextIO, path: Path) -> bool:
    """Whether an open file is still the one at its path.

    A lock is on the file, not on its name: a lock on a file that was removed meanwhile is one that
    others do not see.
    """
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def same_job(path: Path) -> Iterator[None]:
    """Hold, in a worker process, what :func:`only_job` keeps to its job.

    When the job is killed, the next one waits until its workers have ended, too.

    Parameters
    ----------
    path
        As given to :func:`only_job`.

    Raises
    ------
    OutputError
        The job has ended, and another one works on this.
    """
    try:
        stream = path.with_suffix(".lock").open("a")
    except FileNotFoundError:
        yield
        return
    with stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{path}: another job works on this; run again") from None
        except OSError as error:
            log.debug("%s: %s", path, error)
        yield


def _locked(stream: TextIO, path: Path) -> bool:
    size, since = -1, time.monotonic()
    while not _lock(stream):
        found = path.stat().st_size if path.exists() else 0
        if size == -1:
            log.info("%s: a job of an earlier run still works; waiting for it", path.stem)
        if found != size:
            size, since = found, time.monotonic()
        elif time.monotonic() - since > PATIENCE_S:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _lock(stream: TextIO) -> bool:
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Nobody else works on this: from here on the workers of this job may hold it, too.
        fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.info("jobs of the same batch cannot be kept apart here: %s", error.strerror)
    return True

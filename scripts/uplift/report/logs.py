"""Logs of a dataset's jobs: which are the newest, how they end, and whether a job writes one."""

import fcntl
from pathlib import Path

from uplift.errors import INTERRUPTED

_NEWEST = 12
"""Logs that are read to find the newest error: a dataset may have one for each of 1,000 slices."""


def newest_logs(folder: Path) -> list[Path]:
    """Logs below a folder, the newest first."""
    found = sorted(((path.stat().st_mtime, path) for path in folder.rglob("*.log")), reverse=True)
    return [path for _, path in found[:_NEWEST]]


def error_of(log: Path) -> str | None:
    """Error that a log ends with, and its name."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or not lines[-1].startswith("error: "):
        return None
    said = lines[-1].removeprefix("error: ").replace(f"{Path.cwd()}/", "")
    if said == INTERRUPTED:
        return None
    folder = next(parent.parent for parent in log.parents if parent.name == "logs")
    return f"{said.replace('results/<dataset>', str(folder))} ({log})"


def is_held(log: Path) -> bool:
    """Whether a job writes this log now: it keeps a lock on it as long as it lives."""
    try:
        with log.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks: nobody can tell
        return False
    return False

"""The lock at the output: who writes there, from which work folder, and when it was last renewed.

It belongs to a run, which may pause for days and be resumed from its work folder; so its age proves
nothing. Only when that folder no longer exists can the run not be resumed.
"""

import getpass
import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uplift.errors import InputError, OutputError
from uplift.models.publication import Lock
from uplift.outputs.keys import LOCK_KEY
from uplift.storage.protocol import Store, WritableStore
from uplift.work.folder import WorkFolder
from uplift.work.json_files import read_json

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS = Path("/proc/self/ns/mnt")


def read_lock(output: Store) -> Lock | None:
    """Read the lock, if there is one.

    Raises
    ------
    OutputError
        There is something else under its key.
    """
    data = output.get(LOCK_KEY)
    if data is None:
        return None
    where = f"{output.url}/{LOCK_KEY}"
    try:
        return Lock.parse(json.loads(data), where)
    except (ValueError, InputError) as error:
        raise OutputError(
            f"{where}: cannot be read as a lock; check the output's address and endpoint_url, or "
            "delete it if no run is writing there"
        ) from error


def write_lock(output: WritableStore, run_id: str, generation: str, folder: Path) -> Lock:
    """Write the lock unless another job of this run was quicker; return the one that is there.

    Parameters
    ----------
    generation
        As in :class:`~uplift.models.publication.Claim`.
    folder
        The work folder of the run.

    Returns
    -------
    Lock
        The one at the output now, of this run.

    Raises
    ------
    OutputError
        Another run was quicker.
    """
    now = _now()
    lock = Lock(
        run_id=run_id,
        owner=_owner(),
        since=now,
        seen=now,
        folder=str(folder.resolve()),
        view=_view(),
        generation=generation,
    )
    # a conditional write: of two runs that find the output free one takes it
    if output.put_new(LOCK_KEY, _encoded(lock)):
        return lock
    found = read_lock(output)
    if found is None:
        raise OutputError(f"{output.url}: another run has just let go of it; run again")
    refuse_foreign(output, found, run_id)
    return found


def refuse_foreign(output: Store, lock: Lock, run_id: str) -> None:
    """Refuse an output that another run holds.

    Parameters
    ----------
    output
        Where the lock is.
    lock
        As it was read there.
    run_id
        Of this run.

    Raises
    ------
    OutputError
        Names the owner, since when, when it was last renewed, and what to do.
    """
    if lock.run_id == run_id:
        return
    seen = f", was last seen {_ago(lock.seen)}" if lock.seen else ""
    folder = f" and has its work files in {lock.folder}" if lock.folder else ""
    raise OutputError(
        f"{output.url}: another run of {lock.owner} has held it since {lock.since}{seen}{folder}; "
        f"wait for it, choose another output, or, if it is dead, delete {output.url}/{LOCK_KEY}"
    )


def is_abandoned(lock: Lock) -> bool:
    """Whether a run cannot be resumed: its work folder is gone or belongs to another run.

    Checked only where that can be seen: by the same user, on the same host since its last start,
    with the same file systems mounted.
    """
    if not lock.folder or not lock.view or (lock.owner, lock.view) != (_owner(), _view()):
        return False
    run = WorkFolder(Path(lock.folder)).run
    try:
        found = read_json(run)
    except InputError:
        return not run.exists()
    run_id = found.get("run_id") if isinstance(found, dict) else None
    return run_id is not None and run_id != lock.run_id


def renew_lock(output: WritableStore, lock: Lock) -> None:
    """Renew the lock, unless that was done recently."""
    now = datetime.now(UTC)
    if not lock.seen or now - datetime.fromisoformat(lock.seen) > timedelta(seconds=60):
        output.put(LOCK_KEY, _encoded(lock.model_copy(update={"seen": _now()})))


def _encoded(lock: Lock) -> bytes:
    return json.dumps(lock.to_json(), indent=2).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _ago(moment: str) -> str:
    minutes = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds() // 60)
    if minutes < 120:
        return f"{max(0, minutes)} min ago"
    return f"{minutes // 60} h ago" if minutes < 2880 else f"{minutes // 1440} days ago"


def _owner() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in a container
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _view() -> str:
    """Name of what processes here see as their file systems (Linux), else empty."""
    if not _BOOT_ID.exists() or not _MOUNTS.is_symlink():
        return ""
    return f"{_BOOT_ID.read_text().strip()} {_MOUNTS.readlink()}"

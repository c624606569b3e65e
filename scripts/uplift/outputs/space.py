"""Whether an output fits on its file system."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from uplift.errors import OutputError
from uplift.models.words import size_text
from uplift.planning.space import Space
from uplift.storage import is_local, local_path, open_store
from uplift.storage.files import existing_parent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileSystem:
    """The file system of a location: a folder on it, and what is free for this user."""

    device: int
    folder: str
    free: Space


def file_system_of(url: str) -> FileSystem | None:
    """The file system of a local path that may not exist yet; None elsewhere.

    Quotas of a user or a project are seen where the file system counts them as its size (XFS).
    """
    if not is_local(url):
        return None
    folder = existing_parent(str(Path(local_path(url)).absolute()))
    try:
        found, device = os.statvfs(folder), Path(folder).stat().st_dev
    except OSError:  # the job that writes there says so
        return None
    inodes = found.f_favail if found.f_files else None  # btrfs, ZFS and others count none
    return FileSystem(device, folder, Space(found.f_bavail * found.f_frsize, inodes))


def require_space(url: str, needed: Space, *, warn: bool = False) -> None:
    """Check that what is about to be written fits on the file system of a local path.

    Parameters
    ----------
    url
        What is written, for the message.
    needed
        Bytes and inodes, in addition to what exists there.
    warn
        Whether to warn only.

    Raises
    ------
    OutputError
        They do not fit.
    """
    file_system = file_system_of(url)
    if file_system is None or needed.fits(file_system.free):
        return
    error = too_little(url, needed, file_system.free)
    if not warn:
        raise error
    log.warning("%s", error)


def too_little(url: str, needed: Space, free: Space, why: str = "") -> OutputError:
    """Make the error that says what is needed, what there is, and what to do.

    Parameters
    ----------
    url
        Of the output.
    needed, free
        On its file system.
    why
        It is so much.

    Returns
    -------
    OutputError
        To be raised.
    """
    return OutputError(
        f"{url}: too little space: {lacking(needed, free)}{why}; free some, choose another output, "
        "or set on_little_space: warn to try all the same"
    )


def space_taken(url: str) -> Space:
    """Bytes and objects of a local output, which are replaced by what is written."""
    size = objects = 0
    for info in open_store(url).list_tree(""):
        size += info.size
        objects += 1
    return Space(size, objects)


def lacking(needed: Space, free: Space) -> str:
    """Say what is needed and what there is."""
    if needed.bytes > free.bytes:
        return f"{size_text(needed.bytes)} needed, {size_text(free.bytes)} free"
    return f"{needed.inodes:,} files and folders needed, {free.inodes:,} inodes free"

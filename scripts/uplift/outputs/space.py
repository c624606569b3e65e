"""Whether an output has the space on its file system that it will need."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from uplift.planning.space import Space
from uplift.planning.table import bytes_text
from uplift.storage import is_local, local_path, open_store
from uplift.storage.files import existing_parent


@dataclass(frozen=True)
class FileSystem:
    """The file system of a place: a folder on it, and what is free for this user."""

    device: int
    folder: str
    free: Space


def file_system_of(url: str) -> FileSystem | None:
    """The file system of a local place that may not exist yet; None elsewhere.

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


def space_taken(url: str) -> Space:
    """Bytes and objects that stand at a local output: what is written there replaces them."""
    size = objects = 0
    for info in open_store(url).list_tree(""):
        size += info.size
        objects += 1
    return Space(size, objects)


def lacking(needed: Space, free: Space) -> str:
    """Say what is needed and what there is."""
    if needed.bytes > free.bytes:
        return f"{bytes_text(needed.bytes)} needed, {bytes_text(free.bytes)} free"
    return f"{needed.inodes:,} files and folders needed, {free.inodes:,} inodes free"

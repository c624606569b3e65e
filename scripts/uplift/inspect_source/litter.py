"""Files that operating systems leave in folders: no part of anybody's data."""

from __future__ import annotations

import re

_NAMES = re.compile(r"\.DS_Store|\._.+|Thumbs\.db|desktop\.ini|\.nfs[0-9A-Fa-f]+", re.DOTALL)
_FOLDERS = frozenset(("__MACOSX", "@eaDir", ".Spotlight-V100", ".Trashes", ".fseventsd"))


def is_litter(key: str) -> bool:
    """Whether an object is one of macOS, Windows, NFS or a NAS, by its key."""
    *folders, name = key.split("/")
    return bool(_NAMES.fullmatch(name)) or not _FOLDERS.isdisjoint(folders)

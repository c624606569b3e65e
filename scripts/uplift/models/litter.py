"""Files that operating systems leave in folders and archives."""

import re

_LITTER = re.compile(r"\.DS_Store|\._.+|Thumbs\.db|desktop\.ini|\.nfs[0-9A-Fa-f]+", re.DOTALL)
_LITTER_FOLDERS = frozenset(("__MACOSX", "@eaDir", ".Spotlight-V100", ".Trashes", ".fseventsd"))


def is_litter(key: str) -> bool:
    """Whether macOS, Windows, NFS or a NAS leaves an object with this key."""
    *folders, name = key.split("/")
    return bool(_LITTER.fullmatch(name)) or not _LITTER_FOLDERS.isdisjoint(folders)

"""Which URLs name a place on this machine."""

import os
import re
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE = re.compile(r"file:(?=/)", re.IGNORECASE)
"""``file:/a`` is how Java writes ``file:///a``."""


def is_local(url: str) -> bool:
    """Whether a URL names a folder of this machine (a plain path or ``file://``)."""
    return not _SCHEME.match(url) or _FILE.match(url) is not None


def local_path(url: str) -> str:
    """Path of a local URL."""
    return unquote(urlsplit(url).path) if _FILE.match(url) else url


def comparable(url: str) -> str:
    """Text that is the same for all names of one place: links are followed on this machine."""
    return os.path.realpath(local_path(url)) if is_local(url) else url.rstrip("/")

"""Which URLs name a location on this machine, and what of the others may be shown."""

import os
import re
from urllib.parse import unquote, urlsplit

WEB = ("http", "https")
AZURE = ("az", "abfs", "abfss")
ARCHIVES = (".zip", ".ozx")
"""How names of archives end."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE = re.compile(r"file:(?=/)", re.IGNORECASE)
"""``file:/a`` is how Java writes ``file:///a``."""


def is_local(url: str) -> bool:
    """Whether a URL names a folder of this machine (a plain path or ``file://``)."""
    return not _SCHEME.match(url) or _FILE.match(url) is not None


def local_path(url: str) -> str:
    """Path of a local URL."""
    return unquote(urlsplit(url).path) if _FILE.match(url) else url


def display_url(url: str) -> str:
    """Drop user name, password and query of a URL: what may stand in messages and records."""
    if is_local(url):
        return local_path(url)
    scheme, _, rest = url.partition("://")
    if scheme.lower() in WEB:
        parts = urlsplit(url)
        return parts._replace(
            netloc=parts.netloc.rpartition("@")[2], query="", fragment=""
        ).geturl()
    authority, slash, key = rest.partition("/")
    if scheme.lower() not in AZURE:  # there it is container@account
        authority = authority.rpartition("@")[2]
    return f"{scheme}://{authority}{slash}{key}"


def comparable(url: str) -> str:
    """Text that is the same for all names of one location: links are followed on this machine."""
    return os.path.realpath(local_path(url)) if is_local(url) else url.rstrip("/")

"""The only door to files and object stores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from uplift.errors import InputError
from uplift.storage.local import LocalStore
from uplift.storage.protocol import ObjectInfo, ObjectWriter, Store, join

__all__ = ["ObjectInfo", "ObjectWriter", "Store", "display_url", "is_local", "join", "open_store"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_local(url: str) -> bool:
    """Whether a URL names a folder of this machine (a plain path or ``file://``)."""
    return not _SCHEME.match(url) or url.startswith("file://")


def local_path(url: str) -> str:
    """Path of a local URL."""
    return unquote(urlsplit(url).path) if url.startswith("file://") else url


def display_url(url: str) -> str:
    """Drop user name, password and query of a URL: what may stand in messages and records."""
    if is_local(url):
        return local_path(url)
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def open_store(
    url: str,
    settings: Mapping[str, Any] | None = None,
    *,
    writable: bool = False,
    durability: str = "fsync",
) -> Store:
    """Open the place that a URL names.

    Parameters
    ----------
    url
        A folder, ``file://…``, or a URL of an object store or archive.
    settings
        The config's ``storage`` section: options by URL prefix, the longest prefix wins.
    writable
        False for sources: every write raises.
    durability
        ``fsync`` or ``none``, for local outputs.

    Raises
    ------
    InputError
        A URL that no engine knows.
    """
    if is_local(url):
        return LocalStore(local_path(url), writable=writable, durability=durability)
    raise InputError(f"{display_url(url)}: this kind of URL is not known; use a folder")

"""URLs taken apart: what is scheme, authority, key and secret in them."""

import json
import os
from typing import NamedTuple
from urllib.parse import urlsplit

from uplift.settings.urls import AZURE as AZURE
from uplift.settings.urls import WEB as WEB
from uplift.settings.urls import display_url as display_url
from uplift.settings.urls import is_local as is_local
from uplift.settings.urls import local_path as local_path

_FULL_URLS = "UPLIFT_FULL_URLS"
"""Environment variable that hands URLs with secrets to the steps: JSON, by what is shown."""


class UrlParts(NamedTuple):
    """Of a URL that is not local.

    Attributes
    ----------
    authority
        Bucket, container or host.
    key
        Without slashes at its end. Of an object store it is all that follows: ``?`` and ``#`` are
        letters of a key there.
    """

    scheme: str
    authority: str
    key: str


def split_url(url: str) -> UrlParts:
    """Take apart a URL that is not local; user name, password and query of a web URL are left out.

    Empty segments stay: in an object store ``a//b`` is not ``a/b``.
    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme in WEB:
        parts = urlsplit(url)
        return UrlParts(scheme, parts.netloc.rpartition("@")[2], parts.path.strip("/"))
    authority, _, key = rest.partition("/")
    return UrlParts(scheme, authority, key.rstrip("/"))


def has_odd_segments(parts: UrlParts) -> bool:
    """Whether an object store's key is more than names with slashes between, such as ``a//b``."""
    segments = parts.key.split("/") if parts.key and parts.scheme not in WEB else ()
    return any(segment in ("", ".", "..") for segment in segments)


def hide_url(url: str) -> str:
    """Keep what is secret in a URL in the environment of this process; return the rest.

    Work files, params of jobs and logs hold the rest; :func:`full_url` finds the whole again.
    """
    shown = display_url(url)
    if shown != url and not is_local(url):
        hidden = json.loads(os.environ.get(_FULL_URLS, "{}"))
        os.environ[_FULL_URLS] = json.dumps({**hidden, shown: url})
        return shown
    return url


def full_url(url: str) -> str:
    """Undo :func:`hide_url`."""
    hidden = os.environ.get(_FULL_URLS)
    return str(json.loads(hidden).get(url, url)) if hidden else url


def query_of(url: str) -> str:
    """Query of a web URL with its question mark; empty without one, and for other URLs."""
    scheme, _, rest = url.partition("://")
    return "".join(rest.partition("?")[1:]) if scheme.lower() in WEB else ""

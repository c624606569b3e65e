"""The only access to files and object stores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from uplift.settings.storage import StorageOptions
from uplift.settings.urls import ARCHIVES
from uplift.storage.engines import open_remote
from uplift.storage.files import is_network
from uplift.storage.local import LocalStore
from uplift.storage.protocol import Store
from uplift.storage.settings import options_for
from uplift.storage.urls import (
    WEB,
    display_url,
    full_url,
    hide_url,
    is_local,
    local_path,
    query_of,
    split_url,
)

__all__ = ["display_url", "hide_url", "is_local", "is_on_network", "local_path", "open_store"]


def open_store(url: str, settings: Mapping[str, Any] | None = None) -> Store:
    """Open the location that a URL names, for reading.

    Parameters
    ----------
    url
        A folder, ``file://…``, or a URL of an object store or archive.
    settings
        The config's ``storage`` section: options by URL prefix, the longest prefix wins.

    Raises
    ------
    InputError
        A URL that no engine knows.
    """
    options = options_for(display_url(url), settings)
    url = full_url(url)
    path = display_url(url).lower().rstrip("/")
    if path.endswith(ARCHIVES) and not _is_folder(url):
        return _open_archive(url.rstrip("/"), options)
    if is_local(url):
        return LocalStore(local_path(url))
    return open_remote(url, options, writable=False)


def _open_archive(url: str, options: StorageOptions) -> Store:
    from uplift.storage.zip_reader import ArchiveStore

    if is_local(url):
        path = Path(local_path(url)).absolute()
        store: Store = LocalStore(str(path.parent))
        return ArchiveStore(display_url(url), store, path.name, concurrency=1)
    query = query_of(url)
    folder, _, name = url.removesuffix(query).rpartition("/")
    if split_url(url).scheme in WEB:
        name = unquote(name)
    store = open_remote(folder + query, options, writable=False)
    return ArchiveStore(display_url(url), store, name, concurrency=options.concurrency)


def is_on_network(url: str) -> bool:
    """Whether a URL is of files on a network file system."""
    return is_local(url) and is_network(local_path(url))


def _is_folder(url: str) -> bool:
    return is_local(url) and Path(local_path(url)).is_dir()

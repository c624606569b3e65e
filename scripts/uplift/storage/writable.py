"""Opens locations for writing; :mod:`uplift.outputs` alone may import it."""

from collections.abc import Mapping
from typing import Any

from uplift.storage.engines import open_remote
from uplift.storage.local import LocalStore
from uplift.storage.protocol import WritableStore
from uplift.storage.settings import options_for
from uplift.storage.urls import display_url, full_url, is_local, local_path


def open_writable(
    url: str, settings: Mapping[str, Any] | None = None, *, durability: str = "fsync"
) -> WritableStore:
    """Open a location for writing.

    Parameters
    ----------
    url, settings
        As in :func:`uplift.storage.open_store`.
    durability
        ``fsync`` or ``none``, for local outputs.

    Returns
    -------
    WritableStore
        Open; nothing is written yet.

    Raises
    ------
    InputError
        A URL that no engine knows.
    """
    options = options_for(display_url(url), settings)
    url = full_url(url)
    if is_local(url):
        return LocalStore(local_path(url), writable=True, durability=durability)
    return open_remote(url, options, writable=True)

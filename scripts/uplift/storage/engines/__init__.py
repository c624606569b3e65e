"""Engines for remote locations: a module each, named as the setting ``engine`` names it.

An engine's module has ``open_url(url, options, *, writable)``, which returns a
:class:`~uplift.storage.remote.RemoteStore`, or None for URLs that it does not open. To add one, add
its file; nothing else names them.
"""

import importlib
import pkgutil
from functools import cache

from uplift.errors import InputError
from uplift.settings.storage import StorageOptions
from uplift.storage.protocol import WritableStore
from uplift.storage.urls import display_url

_LAST = "fsspec"
"""Takes whatever the others leave."""


@cache
def names() -> tuple[str, ...]:
    """Names of the engines, in the order in which ``auto`` asks them."""
    found = [module.name for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda name: (name == _LAST, name)))


def open_remote(url: str, options: StorageOptions, *, writable: bool) -> WritableStore:
    """Open a URL that is not local; without `writable` every write raises.

    Engines are imported on first need: they take a tenth of a second.

    Parameters
    ----------
    url
        Of an object store or server.
    options
        Of the config's ``storage`` section, for this URL.
    writable
        Outputs are, sources are not.

    Returns
    -------
    WritableStore
        A store of the first engine that takes the URL.

    Raises
    ------
    InputError
        No engine takes such a URL, or the one that was asked for does not.
    """
    asked = names() if options.engine == "auto" else (options.engine,)
    for name in asked:
        module = importlib.import_module(f"{__name__}.{name}")
        store: WritableStore | None = module.open_url(url, options, writable=writable)
        if store is not None:
            return store
    raise InputError(
        f"{display_url(url)}: this kind of URL is not known to {' or '.join(asked)}; leave engine "
        "out of the storage settings, or check the URL"
    )

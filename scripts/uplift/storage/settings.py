"""The storage settings in force for a location, by URL prefix."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from uplift.errors import InputError
from uplift.settings.storage import StorageOptions
from uplift.storage import engines
from uplift.storage.urls import display_url, is_local


def options_for(url: str, settings: Mapping[str, Any] | None) -> StorageOptions:
    """Options of the longest prefix that `url` begins with; a shorter one fills what it leaves out.

    Raises
    ------
    InputError
        An unknown setting, a value of the wrong type, or an engine that there is not.
    """
    merged: dict[str, Any] = {}
    for prefix in sorted(settings or {}, key=len):
        if url == prefix or url.startswith(prefix.rstrip("/") + "/"):
            merged.update((settings or {})[prefix] or {})
    options = StorageOptions.parse(merged, f"storage settings of {url}")
    if options.engine not in (known := ("auto", *engines.names())):
        raise InputError(
            f"storage settings of {url}: engine: {options.engine!r} is not one of "
            f"{', '.join(known)}"
        )
    return options


def engines_of(urls: Iterable[str], settings: Mapping[str, Any] | None) -> list[str]:
    """Modules of the engines that are asked first for the remote ones of some URLs.

    Parameters
    ----------
    urls
        Of datasets; those of files need no engine.
    settings
        The config's ``storage`` section.

    Returns
    -------
    list[str]
        Names of modules, each once; nothing is imported.
    """
    asked = {options_for(display_url(url), settings).engine for url in urls if not is_local(url)}
    found = {engines.names()[0] if name == "auto" else name for name in asked}
    return [f"{engines.__name__}.{name}" for name in sorted(found)]


def has_clients() -> bool:
    """Whether this process has imported a client of object stores or servers: they have threads."""
    return any(f"{engines.__name__}.{name}" in sys.modules for name in engines.names())

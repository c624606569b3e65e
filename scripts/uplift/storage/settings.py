"""The storage settings in force for a place, by URL prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uplift.errors import InputError
from uplift.settings.storage import StorageOptions
from uplift.storage import engines


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

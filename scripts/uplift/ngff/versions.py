"""Every version of OME-Zarr as a value: one module each, and this table."""

import re
from functools import lru_cache
from typing import Any

from uplift.errors import UnsupportedError
from uplift.models.findings import Finding
from uplift.ngff import v01, v02, v03, v04, v05
from uplift.ngff.alike import Alike, alike
from uplift.ngff.registry import Facts, check_rules
from uplift.ngff.version import Target, Version

_ALL = (v01.VERSION, v02.VERSION, v03.VERSION, v04.VERSION, v05.VERSION)

VERSIONS: dict[str, Version] = {one.name: one for one in _ALL}
"""Every version that a source may have, the oldest first."""

TARGETS: dict[str, Target] = {one.name: one.target for one in _ALL if one.target is not None}
"""Every version that metadata can be brought to."""

DEFAULT_TARGET = v05.VERSION.name
"""A newer one in the table changes no output of who did not ask for it."""

_NUMBER = re.compile(r"[vV]?\s*(\d{1,3})\.(\d{1,3})(?:\D.*)?", re.DOTALL | re.ASCII)


def known_version(text: str, where: str) -> str | None:
    """Version that a text means: ``v0.4`` and ``0.5-dev1`` are ``0.4`` and ``0.5``.

    None where it means none (``latest``): the words themselves say then which it is.

    Raises
    ------
    UnsupportedError
        It is a number of none of :data:`VERSIONS`; its words may mean anything.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    name = f"{int(match[1])}.{int(match[2])}"
    if name in VERSIONS:
        return name
    raise UnsupportedError(
        f"{where}: OME-Zarr version {text!r} is not known (known: {', '.join(VERSIONS)}); correct "
        "it or use a newer ngff-uplift"
    )


def check_metadata(ome: Any, target: str, path: str = "") -> tuple[Finding, ...]:
    """Check the ``ome`` object of one group against every rule of a version.

    Parameters
    ----------
    ome
        Value of the attribute ``ome``.
    target
        The version; one of :data:`TARGETS`.
    path
        Of the group, for the findings.

    Returns
    -------
    tuple[Finding, ...]
        One a breach.
    """
    if isinstance(ome, dict) and _is_faultless(alike({"ome": ome}, path)[0], target):
        return ()
    broken = check_rules(ome, TARGETS[target].rules, Facts(path))
    return tuple(rule.finding(path, message) for rule, message in broken)


@lru_cache(maxsize=1024)
def _is_faultless(same: Alike, target: str) -> bool:
    """Whether the metadata of groups that are alike break no rule."""
    return not any(check_rules(same.attributes["ome"], TARGETS[target].rules, Facts(same.path)))

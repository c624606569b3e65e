"""What a converted dataset is: OME-Zarr, OME-Zarr with its source's defects, or plain Zarr."""

from collections.abc import Iterable, Mapping
from typing import Any

from uplift.models.findings import Finding
from uplift.models.validation import Conforms, Defect
from uplift.ngff.detect import ome_below
from uplift.ngff.hierarchy_rules import TREE_RULES
from uplift.ngff.migrate import REPAIRED
from uplift.ngff.registry import Rule
from uplift.ngff.versions import TARGETS

VALIDATED = "yaozarrs.inherited"
"""Where only this validator has a complaint, it is a defect of its own."""

_RULES: list[Rule[Any]] = [
    *TREE_RULES,
    *(one for target in TARGETS.values() for one in target.rules),
]
_BREAKS = {one.code: one.breaks for one in _RULES if one.must}
_SHOULD = {one.code for one in _RULES if not one.must}
SHOWN = 5
"""Paths that are listed of one defect."""


def is_defect(finding: Finding) -> bool:
    """Whether a finding about the source's metadata is one of a MUST that they break."""
    return finding.code in _BREAKS or finding.code == REPAIRED


def defects_of(findings: Iterable[Finding]) -> tuple[Defect, ...]:
    """What the source got wrong and the output keeps, one for each rule that is broken.

    What only ome-zarr-models has to say is none: it has rules of its own.
    """
    found: dict[str, list[Finding]] = {}
    listed = tuple(findings)
    for one in listed:
        if one.code in _BREAKS and one.severity == "warning":
            found.setdefault(one.code, []).append(one)
    explained = {one.path for one in listed if one.code in found or one.code in _SHOULD}
    for one in listed:
        if one.code == VALIDATED and not _is_known_nearby(one.path, explained):
            found.setdefault(one.code, []).append(one)
    return tuple(_defect(code, same) for code, same in sorted(found.items()))


def conforms(findings: Iterable[Finding], root: Mapping[str, Any] | None) -> Conforms:
    """What the output is, from what was found and the attributes of its root group.

    Parameters
    ----------
    root
        Attributes of the root; None where it is an array.
    """
    ome = ome_below(root) if root is not None else None
    if ome is None or not set(ome) - {"version"}:
        return "plain Zarr"
    return "OME-Zarr with defects" if defects_of(findings) else "OME-Zarr"


def summary(conforms_as: Conforms | None, defects: tuple[Defect, ...]) -> str:
    """Say it in one line."""
    if conforms_as == "plain Zarr":
        return "converted as plain Zarr: the root is not an OME-Zarr"
    if not defects:
        return "OME-Zarr"
    first, more = defects[0], len(defects) - 1
    others = f" (and {more} more)" if more else ""
    return f"OME-Zarr with defects of its source: {first.message}: {first.breaks}{others}"


def _is_known_nearby(path: str, explained: set[str]) -> bool:
    """Whether a defect at this group, just above or somewhere below is known already."""
    prefix = f"{path}/" if path else ""
    above = path.rpartition("/")[0] if path else None
    return above in explained or any(
        other == path or other.startswith(prefix) for other in explained
    )


def _defect(code: str, same: list[Finding]) -> Defect:
    paths = sorted({one.path for one in same})
    breaks = _BREAKS.get(code, "validators reject it")
    message = min(same, key=lambda one: (one.path, one.message))
    where = f"{message.path or 'root'}: {message.message}"
    return Defect(
        code=code, message=where, breaks=breaks, groups=len(paths), paths=tuple(paths[:SHOWN])
    )

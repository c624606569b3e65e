"""Other people's validators of OME-Zarr 0.5, on documents in memory.

yaozarrs is the gate, its warnings included; ome-zarr-models gives a second opinion. A complaint
about a group of the output is an error, unless the same validator has the same complaint about the
same group when it is shown the migrated words over the source's tree: then the source has the
fault, whatever was repaired elsewhere, and it is a warning. Groups with equal documents are checked
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from uplift.models.findings import Finding, Findings
from uplift.validators.documents import Documents

GATE, SECOND = "yaozarrs", "ome-zarr-models"


class Validators:
    """Both validators; each distinct check is made once in the life of this object."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[str, str], ...]] = {}

    def complaints(self, documents: Mapping[str, dict[str, Any]]) -> list[Finding]:
        """Everything that the validators say about the groups of a hierarchy.

        Parameters
        ----------
        documents
            Path of each group and array (``""``: the root) to its ``zarr.json``. Nodes with equal
            documents may share one; none is changed.
        """
        held = Documents(documents)
        found: dict[Finding, None] = {}
        for path, ome in held.groups():
            if set(ome) <= {"version", "series"} or _is_seen_from_its_image(held, path, ome):
                continue
            for code, message in self._about(held, path):
                found[Finding(code=code, severity="error", path=path, message=message)] = None
        return list(found)

    def _about(self, documents: Documents, path: str) -> tuple[tuple[str, str], ...]:
        key = documents.fingerprint(path)
        if key is not None and key in self._known:
            return self._known[key]
        found = tuple(_complaints(documents, path))
        if key is not None:
            self._known[key] = found
        return found


def run_validators(
    documents: Mapping[str, dict[str, Any]],
    reference: Callable[[], Mapping[str, dict[str, Any]]],
    findings: Findings,
) -> None:
    """Let the validators look at the documents of an output.

    Parameters
    ----------
    documents
        Path of each group and array (``""``: the root) to its ``zarr.json``.
    reference
        Makes the documents that the source's metadata become, over the arrays that the source has;
        called where there is something to compare.
    findings
        Receives what is found.
    """
    validators = Validators()
    complaints = validators.complaints(documents)
    if not complaints:
        return
    known = set(validators.complaints(reference()))
    findings.extend(complaint for complaint in complaints if complaint not in known)
    for finding in inherited(complaint for complaint in complaints if complaint in known):
        findings.add(finding)


def inherited(complaints: Iterator[Finding]) -> Iterator[Finding]:
    """One warning for each validator and group."""
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for one in complaints:
        grouped.setdefault((one.code.partition(".")[0], one.path), []).append(one)
    for (tool, path), same in grouped.items():
        first = min(same, key=lambda one: (one.message, one.code))
        more = f" (and {len(same) - 1} more of the kind)" if len(same) > 1 else ""
        text = f"complains about what the source has too: {first.message}{more}"
        yield Finding(code=f"{tool}.inherited", severity="warning", path=path, message=text)


def _is_seen_from_its_image(documents: Documents, path: str, ome: Mapping[str, Any]) -> bool:
    """Whether a labels group is one that the check of the image above it looks at."""
    above, _, name = path.rpartition("/")
    image = documents.ome_of(above) if path else None
    return "labels" in ome and name == "labels" and "multiscales" in (image or {})


def _complaints(documents: Documents, path: str) -> Iterator[tuple[str, str]]:
    # Imported here: building their models takes longer than all else that needs this module.
    from uplift.validators import with_models, with_yaozarrs

    for code, message in with_yaozarrs.complaints_about(documents, path):
        yield f"{GATE}.{code}", message
    if "bioformats2raw.layout" in (documents.ome_of(path) or {}):
        return
    for detail in with_yaozarrs.flat(with_models.complaints_about(documents, path), ()):
        place = ".".join(str(part) for part in detail["loc"])
        text = f"{place}: {detail['msg']}" if place else str(detail["msg"])
        yield f"{SECOND}.{detail['type']}", " ".join(text.split())[:600]

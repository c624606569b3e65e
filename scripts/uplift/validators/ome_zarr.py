"""Other people's validators of OME-Zarr 0.5, on documents in memory.

Each is a module ``with_*`` of this package that has a ``NAME`` and ``complaints_about(documents,
path)``, which gives code and message of whatever it has against one group. To add one, add its
module; nothing else names them. yaozarrs is the gate, its warnings included. A complaint
about a group of the output is an error, unless the same validator has the same complaint about the
same group when it is shown the migrated words over the source's tree: then the source has the
fault, whatever was repaired elsewhere, and it is a warning. Groups with equal documents are checked
once.
"""

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from uplift import validators
from uplift.models.findings import Finding, Findings, warning
from uplift.validators.documents import Documents

GATE = "yaozarrs"
"""What it refuses, inspect refuses to convert."""


class Validators:
    """All of them; each distinct check is made once in the life of this object."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[tuple[str, str], ...]] = {}
        self._without_fault: set[bytes] = set()

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
        if key is None:
            return tuple(_complaints(documents, path))
        if key not in self._known:
            # Each image of a plate has its own name and position. Where one is without fault,
            # so are those that differ in nothing else; a complaint may quote them.
            plain = documents.fingerprint(path, plain=True) or key
            if plain in self._without_fault:
                return ()
            found = tuple(_complaints(documents, path))
            if not found:
                self._without_fault.add(plain)
            self._known[key] = found
        return self._known[key]


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
    asked = Validators()
    complaints = asked.complaints(documents)
    if not complaints:
        return
    known = set(asked.complaints(reference()))
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
        text = f"{tool} says of the source and of the output: {first.message}{more}"
        yield warning(f"{tool}.inherited", path, text)


def _is_seen_from_its_image(documents: Documents, path: str, ome: Mapping[str, Any]) -> bool:
    """Whether a labels group is one that the check of the image above it looks at."""
    above, _, name = path.rpartition("/")
    image = documents.ome_of(above) if path else None
    return "labels" in ome and name == "labels" and "multiscales" in (image or {})


def _complaints(documents: Documents, path: str) -> Iterator[tuple[str, str]]:
    for validator in all_validators():
        for code, message in validator.complaints_about(documents, path):
            yield f"{validator.NAME}.{code}", message


def releases() -> dict[str, str]:
    """The validators by name, each with its release: older Pythons have older ones."""
    return {one.NAME: importlib.metadata.version(one.NAME) for one in all_validators()}


@cache
def all_validators() -> tuple[Any, ...]:
    """Every validator, the gate first, then in the order of names.

    Imported on first use: building their models takes longer than all else that needs this module.
    """
    found = (module.name for module in pkgutil.iter_modules(validators.__path__))
    names = sorted(
        (name for name in found if name.startswith("with_")),
        key=lambda name: (name != f"with_{GATE}", name),
    )
    return tuple(importlib.import_module(f"{validators.__name__}.{name}") for name in names)

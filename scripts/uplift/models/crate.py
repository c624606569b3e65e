"""The crate step: its settings, and ``crate.json``."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from uplift.models.base import Model
from uplift.models.findings import Finding

CRATE_KEY = "ro-crate-metadata.json"
"""Of the crate, below the root of a dataset."""


@dataclass(frozen=True)
class InCrate:
    """Marks a column that becomes a property of the crate's root.

    Attributes
    ----------
    name
        The property: a term of the RO-Crate context, or one that the crate defines.
    kind
        Type of a party that has only a name; None for a column of text.
    """

    name: str
    kind: Literal["Person", "Organization"] | None = None


def listed(value: Any) -> list[Any]:
    """Values of a key of JSON-LD, which may be one value without a list."""
    return value if isinstance(value, list) else [value]


def crate_finding(code: str, severity: Any, message: str) -> Finding:
    """A finding about the crate.

    Parameters
    ----------
    code
        Of ``docs/FINDINGS.md``.
    severity
        How bad it is.
    message
        One line for people.

    Returns
    -------
    Finding
        About the path of the crate.
    """
    return Finding(code=code, severity=severity, path=CRATE_KEY, message=message)


class CrateRecord(Model):
    """``crate.json``: what went into ``ro-crate-metadata.json``.

    Attributes
    ----------
    objects
        Keys that this step wrote at the output.
    sha256
        Of the output's ``ro-crate-metadata.json``; `findings` are about exactly these bytes.
    author, publisher, funder, contact
        Their names.
    kept
        Ids of entities that come from the source's own crate.
    overridden
        Values of the source's crate that were replaced: by path, the old value.
    """

    schema_: Literal["ngff-uplift/crate/1"] = Field("ngff-uplift/crate/1", alias="schema")
    dataset: str
    enabled: bool
    objects: tuple[str, ...]
    sha256: str | None = None
    name: str | None = None
    description: str | None = None
    license: str | None = None
    organism: str | None = None
    modality: str | None = None
    date_published: str | None = None
    author: tuple[str, ...] = ()
    publisher: tuple[str, ...] = ()
    funder: tuple[str, ...] = ()
    contact: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    overridden: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

"""The crate step: its settings, and ``crate.json``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from uplift.models.base import Model, said
from uplift.models.findings import Finding

CRATE_KEY = "ro-crate-metadata.json"
"""Of the crate, below the root of a dataset."""
ORCID = re.compile(r"(?:https?://orcid\.org/)?([0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X])/?")
URL = re.compile(r"https?://[^\s<>\"]+")
_EMAIL = re.compile(r"[^@\s/]+@[^@\s/]+")
_BRACKETS = re.compile(r"\s*(?:<([^<>]+)>|\(([^()]+)\)|\[([^\[\]]+)\])")


def _orcid_url(text: str) -> str:
    match = ORCID.fullmatch(text)
    if match is None or not _check_digit_holds(match.group(1)):
        raise said(f"{text!r} is not an ORCID iD; copy it from the person's page at orcid.org")
    return f"https://orcid.org/{match.group(1)}"


def _check_digit_holds(orcid: str) -> bool:
    """Whether the last character is the ISO 7064 11-2 check digit of the others."""
    total = 0
    for digit in orcid.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    expected = (12 - total % 11) % 11
    return orcid[-1] == ("X" if expected == 10 else str(expected))


def _web_address(text: str) -> str:
    if not URL.fullmatch(text):
        raise said(f"id {text!r} is not a URL; write https://…")
    return text


class Party(Model):
    """A person or organisation. `id` is a URL (ROR, home page); `orcid` with or without its host.

    `affiliation` is the name of an organisation, or its URL. `grants` are numbers or URLs of a
    funder's grants.
    """

    name: str = Field(min_length=1)
    orcid: Annotated[str, AfterValidator(_orcid_url)] | None = None
    id: Annotated[str, AfterValidator(_web_address)] | None = None
    email: str | None = Field(None, pattern=r"^[^@\s]+@[^@\s]+$")
    affiliation: str | None = None
    grants: tuple[str, ...] = ()

    @field_validator("grants", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        if isinstance(value, str | int):
            value = str(value).split(",")
        listed = [str(one).strip() for one in value] if isinstance(value, list | tuple) else value
        return tuple(filter(None, listed)) if isinstance(listed, list) else value


def parties_from_text(value: object) -> object:
    """Read ``Ann Lee <ORCID iD> (A Lab); Bob <bob@example.org>`` as parties; else the value itself.

    Parties are separated by semicolons. In pointed or round brackets stand an ORCID iD, an e-mail
    address, a URL, or the affiliation; in square ones numbers or URLs of grants. JSON is read as
    what the config's YAML may hold.
    """
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            return _as_tuple(json.loads(value))
        except json.JSONDecodeError:
            return value
    parties = [_party_from_text(part.strip()) for part in value.split(";") if part.strip()]
    return parties[0] if len(parties) == 1 else tuple(parties) or value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _party_from_text(text: str) -> object:
    """A party as the model reads it: its fields, or the text that is its name, ORCID iD or URL."""
    if ORCID.fullmatch(text):
        return {"name": text, "orcid": text}
    if _EMAIL.fullmatch(text):
        return {"name": text, "email": text}
    name, *_ = _BRACKETS.split(text, maxsplit=1)
    rest = _BRACKETS.sub("", text)[len(name) :].strip()
    if rest:
        raise said(f"{text!r}: {rest!r} stands behind brackets; write a semicolon between parties")
    if " " in name.strip() and "://" in name:
        raise said(f"{name!r}: write an address in pointed brackets, as in Ann Lee <https://…>")
    found = {"name": name.strip()}
    for angled, rounded, squared in _BRACKETS.findall(text):
        inner = (angled or rounded or squared).strip()
        key = "affiliation"
        if squared:
            key = "grants"
        elif re.fullmatch(r"(https?://orcid\.org/)?[\dX]{4}(-[\dX]{4}){3}/?", inner):
            key = "orcid"
        elif "@" in inner:
            key = "email"
        elif URL.fullmatch(inner):
            key = "id"
        found[key] = inner
    return text if len(found) == 1 or not found["name"] else found


Parties = Annotated[
    Party | str | tuple[Party | str, ...] | None,
    BeforeValidator(parties_from_text),
    Field(
        description="a name, an ORCID iD, {name: …, orcid: …, id: URL, email: …, affiliation: …}, "
        "a funder also {grants: [number or URL]}, or a list of these"
    ),
]
"""One or several; a plain text is a name, an ORCID or a URL."""


@dataclass(frozen=True)
class InCrate:
    """Mark of a column that becomes a property of the crate's root.

    Attributes
    ----------
    name
        The property: a term of the RO-Crate context, or one that the crate defines.
    kind
        Type of a party that is known by nothing but a name; None for a column of text.
    """

    name: str
    kind: Literal["Person", "Organization"] | None = None


class CrateRecord(Model):
    """``crate.json``: what went into ``ro-crate-metadata.json``.

    Attributes
    ----------
    objects
        Keys that this step wrote at the output.
    sha256
        Of the output's ``ro-crate-metadata.json``; `findings` are about exactly these bytes.
    kept
        Ids of entities that come from the source's own crate.
    overridden
        Values of the source's crate that gave way to others: place to the value as it was.
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
    kept: tuple[str, ...] = ()
    overridden: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

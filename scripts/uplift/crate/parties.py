"""Authors and publishers as RO-Crate entities."""

from __future__ import annotations

import re
from typing import Any

from uplift.errors import InputError
from uplift.models.crate import Parties, Party

Entity = dict[str, Any]

_ORCID = re.compile(r"(?:https?://orcid\.org/)?([0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X])/?")
_URL = re.compile(r"https?://[^\s<>\"]+")


def party_entities(
    parties: Parties, key: str, kind: str
) -> tuple[list[dict[str, str]], list[Entity]]:
    """References for the root, and the entities that they lead to (affiliations included).

    Parameters
    ----------
    key
        ``author`` or ``publisher``: in ids and messages.
    kind
        Type of a party that is known by nothing but a name.

    Raises
    ------
    InputError
        An ORCID iD or a URL is malformed.
    """
    given = parties if isinstance(parties, tuple) else (parties,) if parties else ()
    references, entities = [], []
    for number, party in enumerate(given, 1):
        suffix = f"-{number}" if number > 1 else ""
        entity, affiliation = _entity(_party(party), f"#{key}{suffix}", kind, f"crate: {key}")
        references.append({"@id": entity["@id"]})
        entities += [entity, *affiliation]
    return references, entities


def _party(party: Party | str) -> Party:
    if isinstance(party, Party):
        return party
    if _ORCID.fullmatch(party):
        return Party(name=party, orcid=party)
    return Party(name=party, id=party if _URL.fullmatch(party) else None)


def _entity(party: Party, fallback_id: str, kind: str, where: str) -> tuple[Entity, list[Entity]]:
    identity, orcid = party.id, party.orcid
    if orcid is None and identity is not None and "orcid.org/" in identity:
        orcid = identity
    if orcid is not None:
        identity, kind = _orcid_url(orcid, where), "Person"
    elif identity is not None:
        if not _URL.fullmatch(identity):
            raise InputError(f"{where}: id {identity!r} is not a URL; write https://…")
        if identity.startswith("https://ror.org/"):
            kind = "Organization"
    entity: Entity = {"@id": identity or fallback_id, "@type": kind, "label": party.name}
    if party.affiliation is None:
        return entity, []
    known = _URL.fullmatch(party.affiliation)
    affiliation_id = party.affiliation if known else f"{fallback_id}-affiliation"
    entity["affiliation"] = {"@id": affiliation_id}
    organisation = {"@id": affiliation_id, "@type": "Organization", "label": party.affiliation}
    return entity, [organisation]


def _orcid_url(text: str, where: str) -> str:
    match = _ORCID.fullmatch(text)
    if match is None or not _check_digit_holds(match.group(1)):
        raise InputError(
            f"{where}: {text!r} is not an ORCID iD; it looks like https://orcid.org/0000-0002-1825-0097"
        )
    return f"https://orcid.org/{match.group(1)}"


def _check_digit_holds(orcid: str) -> bool:
    """Whether the last character is the ISO 7064 11-2 check digit of the others."""
    total = 0
    for digit in orcid.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    expected = (12 - total % 11) % 11
    return orcid[-1] == ("X" if expected == 10 else str(expected))

"""Authors, publishers, funders and contacts as RO-Crate entities."""

from typing import Any
from urllib.parse import quote

from uplift.models.crate import listed
from uplift.models.parties import URL, Parties, Party

Entity = dict[str, Any]


def entity(identifier: str, kind: str, label: str, /, **properties: Any) -> Entity:
    """Build an entity of the crate's graph.

    Parameters
    ----------
    identifier, kind, label
        Its id, its type, and what it is called.
    properties
        The others, in the order in which they are written.

    Returns
    -------
    Entity
        As it is in the graph.
    """
    return {"@id": identifier, "@type": kind, "label": label, **properties}


def reference_to(identifier: str) -> Entity:
    """Refer to an entity of the graph, or to a URL."""
    return {"@id": identifier}


class People:
    """Entities of the parties of one crate: a party that is named twice is one entity."""

    def __init__(self) -> None:
        self._entities: dict[str, Entity] = {}
        self._by_name: dict[str, str] = {}

    @property
    def entities(self) -> list[Entity]:
        """All parties, with their affiliations and contact points."""
        return list(self._entities.values())

    def note_addresses(self, parties: Parties) -> None:
        """Note the addresses of parties that another one, named earlier, may belong to."""
        for one in parties if isinstance(parties, tuple) else (parties,):
            if isinstance(one, Party) and (identity := one.orcid or one.id):
                self._by_name.setdefault(one.name, identity)

    def references(self, parties: Parties, key: str, kind: str) -> Any:
        """Reference for a property of an entity: one, or a list of them.

        Parameters
        ----------
        parties
            One or several; not none.
        key
            The property: begins the ids of parties that have no address.
        kind
            Type of a party that is known by nothing but a name.

        Returns
        -------
        Any
            ``{"@id": …}``, or a list of those.
        """
        given = parties if isinstance(parties, tuple) else (parties,)
        found = [
            {"@id": self._add(_party(one), f"#{key}{f'-{number}' if number > 1 else ''}", kind)}
            for number, one in enumerate(given, 1)
            if one is not None
        ]
        return found[0] if len(found) == 1 else found

    def add_contacts(self, references: Any) -> None:
        """Give the parties of `references` contact points, where an e-mail address is known."""
        for reference in listed(references):
            party = self._entities[reference["@id"]]
            if "email" in party:
                point = f"mailto:{party['email']}"
                party["contactPoint"] = {"@id": point}
                about = {"contactType": "questions about the data", "email": party["email"]}
                self._entities[point] = entity(point, "ContactPoint", party["label"], **about)

    def grants(self, parties: Parties) -> list[Entity]:
        """Grants of funders that are entities already, each with its funder.

        A grant's number identifies nothing without its funder, so that is part of its name.
        """
        given = parties if isinstance(parties, tuple) else (parties,)
        return [
            _grant(text, funder.name, self._by_name[funder.name])
            for funder in [_party(one) for one in given if one]
            for text in funder.grants
        ]

    def _add(self, party: Party, fallback_id: str, kind: str) -> str:
        identity = party.orcid or party.id
        known = self._by_name.get(party.name)
        if identity is None:
            identity = known or fallback_id
        if party.orcid is not None or (identity or "").startswith("https://orcid.org/"):
            kind = "Person"
        elif (identity or "").startswith("https://ror.org/"):
            kind = "Organization"
        self._by_name.setdefault(party.name, identity)
        known_as = self._entities.setdefault(identity, entity(identity, kind, party.name))
        if party.email is not None:
            known_as["email"] = party.email
        if party.affiliation is not None:
            known_as["affiliation"] = {"@id": self._affiliation(party.affiliation, fallback_id)}
        return identity

    def _affiliation(self, name: str, fallback_id: str) -> str:
        identity = self._by_name.get(name)
        if identity is None:
            identity = name if URL.fullmatch(name) else f"{fallback_id}-affiliation"
            self._by_name[name] = identity
            self._entities[identity] = entity(identity, "Organization", name)
        return identity


def _party(party: Party | str) -> Party:
    if isinstance(party, Party):
        return party
    return Party(name=party, id=party if URL.fullmatch(party) else None)


def _grant(text: str, funder: str, funder_id: str) -> Entity:
    is_address = URL.fullmatch(text) is not None
    number = text.rstrip("/").rpartition("/")[2] if is_address else text
    identifier = text if is_address else f"#grant-{quote(text, safe='')}"
    of = {"identifier": text, "funder": reference_to(funder_id)}
    return entity(identifier, "Grant", f"{funder}, grant {number}", **of)

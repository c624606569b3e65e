"""Carry the entities of a source's own RO-Crate over into the new one.

What the new crate states about the root wins, everything else of the old one stays. In the entities
that stay, ``name``, ``description`` and ``license`` become terms of the same meaning, so that these
keys stay on the root alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uplift.crate.build import ACQUISITION_ID, ACTION_ID, BIOSAMPLE_ID, SPECIMEN_ID, Document
from uplift.crate.parties import Entity
from uplift.models.crate import CRATE_KEY, listed
from uplift.models.findings import Finding, warning

_DESCRIPTORS = (CRATE_KEY, f"{CRATE_KEY}ld")
_ALIASES = {"name": "label", "description": "summary", "license": "licensed_under"}
_ALIAS_TERMS = {"licensed_under": "http://schema.org/license"}
_CHAIN = (
    (BIOSAMPLE_ID, "biosample", "organism_classification"),
    (SPECIMEN_ID, "specimen", None),
    (ACQUISITION_ID, "image_acquisition", "fbbi_id"),
)


@dataclass(frozen=True)
class SourceCrate:
    """A source's crate, taken apart; references to its root lead to ``./``."""

    context: list[Any]
    root: Entity
    descriptor: Entity
    entities: tuple[Entity, ...]

    def text(self, key: str) -> str | None:
        """A root property as plain text; of a reference, its address."""
        value = self.root.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, Mapping):
            value = value.get("@id", value.get("@value"))
        return value if isinstance(value, str) and value.strip() else None

    def term(self, kind: str, key: str) -> str | None:
        """Id that `key` refers to in the first entity of type `kind`."""
        for entity in self.entities:
            value = entity.get(key)
            if _has_type(entity, kind) and isinstance(value, Mapping):
                identifier = value.get("@id")
                return identifier if isinstance(identifier, str) else None
        return None


@dataclass(frozen=True)
class Merged:
    """The new document, ids of the entities that stayed, and values that were replaced."""

    document: Document
    kept: tuple[str, ...]
    overridden: dict[str, str]
    findings: tuple[Finding, ...]


def parse_source_crate(data: bytes) -> SourceCrate | None:
    """Take apart the content of ``ro-crate-metadata.json``; None when it is not an RO-Crate."""
    try:
        document = json.loads(data)
        graph = document["@graph"]
        entities = _with_ids(entity for entity in graph if isinstance(entity, dict))
        descriptor = next(entities[name] for name in _DESCRIPTORS if name in entities)
        root_id = descriptor["about"]["@id"]
        root = entities[root_id]
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
    others = [
        _renamed(entity, {root_id: "./"})
        for entity in entities.values()
        if entity is not root and entity is not descriptor
    ]
    return SourceCrate(
        context=listed(document.get("@context")),
        root=_renamed(root, {root_id: "./"}),
        descriptor=descriptor,
        entities=tuple(others),
    )


def merge_crates(own: Document, source: SourceCrate) -> Merged:
    """Put the entities of the source's crate into the new one."""
    own_root, own_descriptor, *rest = own["@graph"]
    overridden: dict[str, str] = {}
    findings: list[Finding] = []
    ours = {entity["@id"]: entity for entity in rest}
    theirs = {entity["@id"]: _aliased(entity) for entity in source.entities}
    renames = _adopt_chain(ours, theirs, overridden, findings)
    for identifier, entity in ours.items():
        # the same id for another entity; every conversion is an action of its own
        other = identifier == ACTION_ID or theirs.get(identifier, entity) != entity
        if other and identifier in theirs and identifier.startswith("#"):
            renames[identifier] = _free_id(identifier, theirs)
    ours = {
        renames.get(identifier, identifier): _renamed(entity, renames)
        for identifier, entity in ours.items()
    }
    own_root = _renamed(own_root, renames)
    for identifier, entity in theirs.items():
        theirs[identifier] = {**ours.pop(identifier, {}), **entity}
    graph = [
        _merged_root(own_root, source.root, overridden),
        {**_aliased(source.descriptor), **own_descriptor},
        *theirs.values(),
        *ours.values(),
    ]
    linked = _linked(graph)
    document = {
        "@context": _context(own["@context"], source.context, findings),
        "@graph": [entity for entity in graph if entity["@id"] in linked],
    }
    kept = tuple(identifier for identifier in theirs if identifier in linked)
    return Merged(document, kept, overridden, tuple(findings))


def _linked(graph: Sequence[Entity]) -> set[str]:
    """Ids of the root, the descriptor, and of all that leads to them or that they lead to.

    An entity that is not linked any longer (a replaced license or author) is left out; the source's
    own crate is kept next to this one, byte for byte.
    """
    neighbours: dict[str, set[str]] = {entity["@id"]: set() for entity in graph}
    for entity in graph:
        for other in _references(entity):
            if other in neighbours:
                neighbours[entity["@id"]].add(other)
                neighbours[other].add(entity["@id"])
    found: set[str] = set()
    ahead = [entity["@id"] for entity in graph[:2]]
    while ahead:
        identifier = ahead.pop()
        if identifier not in found:
            found.add(identifier)
            ahead += neighbours[identifier]
    return found


def _references(entity: Entity) -> Iterator[str]:
    """What an entity refers to: ids, and texts that are addresses."""
    for key, value in entity.items():
        if key not in ("@id", "@type"):
            yield from _ids_in(value)


def _ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _ids_in(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _ids_in(item)
    elif isinstance(value, str):
        yield value


def _adopt_chain(
    ours: dict[str, Entity],
    theirs: dict[str, Entity],
    overridden: dict[str, str],
    findings: list[Finding],
) -> dict[str, str]:
    """Use the source's biosample, specimen and acquisition; return the ids to rename.

    The sheet's organism or modality replaces its own; where it has several, all stay.
    """
    renames: dict[str, str] = {}
    for own_id, kind, key in _CHAIN:
        found = [entity for entity in theirs.values() if _has_type(entity, kind)]
        mine = ours.get(own_id)
        if not found or mine is None:
            continue
        del ours[own_id]
        first = found[0]
        renames[own_id] = first["@id"]
        stated = [entity.get(key) for entity in found] if key else []
        if key in mine and mine[key] not in stated:
            if len(found) == 1:
                overridden[f"{first['@id']}: {key}"] = _text(first.get(key))
                first[key] = mine[key]
                first["label"] = mine["label"]
            else:
                text = f"the source's crate has {len(found)} entities of type {kind}, none of which"
                findings.append(
                    warning(f"crate.{kind}_differs", CRATE_KEY, f"{text} is {_text(mine[key])}")
                )
        if len(found) == 1:
            for name, value in mine.items():
                first.setdefault(name, value)
    for identifier, entity in theirs.items():
        theirs[identifier] = _renamed(entity, renames)
    return renames


def _merged_root(own: Entity, theirs: Entity, overridden: dict[str, str]) -> Entity:
    root = {**theirs, **own}
    for key, value in theirs.items():
        if key in ("conformsTo", "mentions") and key in own:
            root[key] = _union(value, own[key])
        elif key in own and own[key] != value and key not in ("@id", "resultOf"):
            overridden[f"./: {key}"] = _text(value)
    if "resultOf" in theirs:
        root["resultOf"] = _union(theirs["resultOf"], own.get("resultOf", []))
    root["@type"] = theirs.get("@type", "Dataset")
    overridden.pop("./: @type", None)
    return root


def _union(first: Any, second: Any) -> Any:
    values = [*listed(first), *(item for item in listed(second) if item not in listed(first))]
    return values[0] if len(values) == 1 else values


def _context(own: list[Any], source: list[Any], findings: list[Finding]) -> list[Any]:
    """RO-Crate 1.1, the source's further contexts, and the terms of both; the new crate's win."""
    base, own_terms = own[0], own[1]
    addresses: list[Any] = []
    terms: dict[str, Any] = {}
    for item in source:
        if isinstance(item, Mapping):
            terms.update(item)
        elif isinstance(item, str) and not item.startswith("https://w3id.org/ro/crate/"):
            addresses.append(item)
    for term, meaning in own_terms.items():
        if term in terms and _iri(terms[term]) != _iri(meaning):
            text = f"the term {term!r} of the source's crate meant {_text(terms[term])}"
            findings.append(
                warning("crate.term_redefined", CRATE_KEY, f"{text}; here it is {_iri(meaning)}")
            )
    return [base, *addresses, {**terms, **own_terms, **_ALIAS_TERMS}]


def _aliased(entity: Entity) -> Entity:
    """Replace the keys that only the root may have, unless their alias is taken."""
    return {
        (_ALIASES[key] if key in _ALIASES and _ALIASES[key] not in entity else key): value
        for key, value in entity.items()
    }


def _renamed(value: Any, renames: Mapping[str, str]) -> Any:
    """Replace ids, at every depth."""
    if isinstance(value, Mapping):
        return {
            key: renames.get(item, item)
            if key == "@id" and isinstance(item, str)
            else _renamed(item, renames)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renamed(item, renames) for item in value]
    return value


def _with_ids(graph: Any) -> dict[str, Entity]:
    """Entities by id; parts of one entity are joined, those without an id get one."""
    entities: dict[str, Entity] = {}
    for number, entity in enumerate(graph, 1):
        identifier = entity.get("@id")
        if not isinstance(identifier, str):
            identifier = f"#entity-{number}"
        entities[identifier] = {**entities.get(identifier, {}), **entity, "@id": identifier}
    return entities


def _free_id(identifier: str, taken: Mapping[str, Any]) -> str:
    number = 2
    while f"{identifier}-{number}" in taken:
        number += 1
    return f"{identifier}-{number}"


def _has_type(entity: Entity, kind: str) -> bool:
    return kind in listed(entity.get("@type"))


def _iri(meaning: Any) -> Any:
    """Address of a term, https written as http."""
    iri = meaning.get("@id", meaning.get("@reverse")) if isinstance(meaning, Mapping) else meaning
    return iri.replace("https://", "http://") if isinstance(iri, str) else iri


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""What RO-Crate 1.1 demands, of a crate that this project built alone.

A source's own crate may use all of JSON-LD, so what is merged with one is left to
:mod:`uplift.validators.ro_crate`, whose start costs more than the rest of a small dataset. Tests
compare the two.
"""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from uplift.models.crate import CRATE_KEY, crate_finding, listed
from uplift.models.findings import Finding

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_DAY = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])(T.+)?)?)?")
_DATA = {"File", "MediaObject", "Dataset"}
_PARTIES = {"Person", "Organization"}

Entity = Mapping[str, Any]


def check_crate(document: object) -> tuple[Finding, ...]:
    """Check the content of ``ro-crate-metadata.json``.

    Returns
    -------
    tuple of Finding
        ``crate.invalid`` for each demand that is not met; empty for a valid crate.
    """
    graph = document.get("@graph") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(graph, list):
        return (_invalid("the crate has no @graph"),)
    entities: dict[str, Entity] = {}
    for entity in graph:
        found = entity.get("@id") if isinstance(entity, dict) else None
        if not isinstance(found, str) or "@type" not in entity:
            return (_invalid(f"an entity without @id or @type: {str(entity)[:100]}"),)
        entities[found] = entity
    faults = [*_of_terms(document.get("@context"), graph), *_of_descriptor(entities)]
    if not faults:
        faults += _of_root(entities)
    return tuple(_invalid(text) for text in faults)


def _of_terms(context: object, graph: list[Entity]) -> Iterator[str]:
    """Keys that no context defines, and entities inside others."""
    contexts = listed(context)
    if CONTEXT not in contexts:
        yield f"@context: does not name {CONTEXT}"
        return
    terms = {term for own in contexts if isinstance(own, dict) for term in own} | _terms()
    for entity in graph:
        for key, value in entity.items():
            if not key.startswith("@") and key not in terms:
                yield f"{entity['@id']}: {key} is not defined by the @context"
            for item in listed(value):
                if isinstance(item, dict) and item.keys() != {"@id"}:
                    yield f"{entity['@id']}: {key} holds an entity, where a reference belongs"


def _terms() -> set[str]:
    """Terms of the RO-Crate context; importing the package that holds it takes 0.3 s."""
    package = find_spec("rocrate")
    assert package is not None and package.origin is not None  # noqa: S101, PT018
    text = (Path(package.origin).parent / "data" / "ro-crate.jsonld").read_text("utf-8")
    return set(json.loads(text)["@context"])


def _of_descriptor(entities: Mapping[str, Entity]) -> Iterator[str]:
    descriptor = entities.get(CRATE_KEY, {})
    if "CreativeWork" not in _types(descriptor):
        yield f"{CRATE_KEY}: is absent, or not a CreativeWork"
    if SPECIFICATION not in _references(descriptor, "conformsTo"):
        yield f"{CRATE_KEY}: does not say conformsTo {SPECIFICATION}"
    about = _references(descriptor, "about")
    if len(about) != 1 or "Dataset" not in _types(entities.get(about[0], {})):
        yield f"{CRATE_KEY}: about does not lead to one Dataset, the root"
    elif not about[0].endswith("/"):
        yield f"{about[0]}: the root's @id does not end with /"


def _of_root(entities: Mapping[str, Entity]) -> Iterator[str]:
    (at,) = _references(entities[CRATE_KEY], "about")
    root = entities[at]
    for key in ("name", "description", "datePublished"):
        if not isinstance(root.get(key), str):
            yield f"{at}: {key} is absent, or not text"
    if isinstance(day := root.get("datePublished"), str) and not _DAY.fullmatch(day):
        yield f"{at}: datePublished is not an ISO 8601 date: {day}"
    if not (root.get("license") or _references(root, "license")):
        yield f"{at}: license is absent"
    for party in _references(root, "publisher"):
        if not _PARTIES.intersection(_types(entities.get(party, {}))):
            yield f"{at}: publisher {party} is not an Organization or a Person"
    if isinstance(root.get("publisher"), str):
        yield f"{at}: publisher is text, not an Organization or a Person"
    reached = _reached(at, entities)
    for key, entity in entities.items():
        is_data = _DATA.intersection(_types(entity)) and not key.startswith("#")
        if is_data and key not in reached:
            yield f"{key}: is data, and no hasPart leads to it from the root"


def _reached(root: str, entities: Mapping[str, Entity]) -> set[str]:
    reached, waiting = {root}, [root]
    while waiting:
        for part in _references(entities.get(waiting.pop(), {}), "hasPart"):
            if part not in reached:
                reached.add(part)
                waiting.append(part)
    return reached


def _types(entity: Entity) -> list[str]:
    return listed(entity.get("@type", []))


def _references(entity: Entity, key: str) -> list[str]:
    items = listed(entity.get(key, []))
    return [str(item["@id"]) for item in items if isinstance(item, dict) and "@id" in item]


def _invalid(text: str) -> Finding:
    return crate_finding("crate.invalid", "error", text)

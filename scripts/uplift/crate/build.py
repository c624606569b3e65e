"""Build the content of ``ro-crate-metadata.json`` from facts: the same facts, the same document."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from uplift import TOOL_NAME, __version__
from uplift.crate.licenses import license_term
from uplift.crate.parties import Entity, party_entities
from uplift.crate.rules import CONTEXT, SPECIFICATION
from uplift.models.crate import CRATE_KEY, InCrate, Parties
from uplift.terms import MODALITY, ORGANISM, label_of

Document = dict[str, Any]

ROOT_ID = "./"
BIOSAMPLE_ID = "#biosample"
SPECIMEN_ID = "#specimen"
ACQUISITION_ID = "#image-acquisition"
ACTION_ID = "#conversion"

_PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"

TERMS: dict[str, Any] = {
    "organism_classification": "https://schema.org/taxonomicRange",
    "BioChemEntity": "https://schema.org/BioChemEntity",
    "channel": "https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome_xsd.html#Channel",
    "obo": "http://purl.obolibrary.org/obo/",
    "FBcv": "http://ontobee.org/ontology/FBcv/",
    "acquisiton_method": {"@reverse": "https://schema.org/result", "@type": "@id"},
    "biological_entity": "https://schema.org/about",
    "biosample": "http://purl.obolibrary.org/obo/OBI_0002648",
    "preparation_method": "https://www.wikidata.org/wiki/Property:P1537",
    "specimen": "http://purl.obolibrary.org/obo/HSO_0000308",
    "image_acquisition": "http://purl.obolibrary.org/obo/FBbi_00000222",
    "fbbi_id": {"@id": "http://schema.org/measurementTechnique", "@type": "@id"},
    "resultOf": {"@id": "http://www.w3.org/ns/prov#wasGeneratedBy", "@type": "@id"},
    "label": "http://schema.org/name",
    "summary": "http://schema.org/description",
    "license": {"@id": "http://schema.org/license", "@type": "@id"},
}
"""What the OME 2024 NGFF challenge added to the RO-Crate context, and what it left undefined.

`license` is redefined so that its plain text is an address; `label` and `summary` are the names
and descriptions of all entities but the root.
"""


@dataclass(frozen=True)
class CrateFacts:
    """What a crate says.

    Attributes
    ----------
    license
        SPDX identifier or URL.
    source_id, source_label
        Address of the source, without any secret (``#source`` for a local one), and its name.
    action, action_summary
        What was done, as a title and in a sentence.
    stated
        Further properties of the root: what they are called, and text or parties.
    """

    dataset: str
    name: str
    description: str
    license: str
    date_published: str
    source_id: str
    source_label: str
    action: str
    action_summary: str
    organism: str | None = None
    modality: str | None = None
    stated: tuple[tuple[InCrate, Parties], ...] = ()


def build_crate(facts: CrateFacts) -> Document:
    """Return the RO-Crate document.

    Raises
    ------
    InputError
        License, author or publisher cannot be understood.
    """
    root, entities = _root(facts)
    once = {entity["@id"]: entity for entity in entities}
    descriptor = {
        "@id": CRATE_KEY,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": ROOT_ID},
    }
    return {
        "@context": [CONTEXT, deepcopy(TERMS)],
        "@graph": [{"@id": ROOT_ID, "@type": "Dataset", **root}, descriptor, *once.values()],
    }


def _root(facts: CrateFacts) -> tuple[Entity, list[Entity]]:
    """Properties of the root, and all contextual entities."""
    license_url, license_label = license_term(facts.license, facts.dataset)
    root: Entity = {
        "name": facts.name,
        "description": facts.description,
        "datePublished": facts.date_published,
        "license": license_url,
    }
    entities: list[Entity] = [{"@id": license_url, "@type": "CreativeWork", "label": license_label}]
    chain = _chain(facts)
    if facts.modality is not None:
        root["resultOf"] = {"@id": ACQUISITION_ID}
    elif facts.organism is not None:
        root["biological_entity"] = {"@id": SPECIMEN_ID}
    for mark, value in facts.stated:
        if mark.kind is None:
            root[mark.name] = value
            continue
        references, found = party_entities(value, mark.name, mark.kind)
        root[mark.name] = references[0] if len(references) == 1 else references
        entities += [entity for entity in found if entity not in entities]
    root["mentions"] = {"@id": ACTION_ID}
    root["conformsTo"] = {"@id": _PROCESS_RUN}
    return root, [*entities, *chain, *_provenance(facts)]


def _chain(facts: CrateFacts) -> list[Entity]:
    """Biosample, specimen, image acquisition and their terms, as far as they are known."""
    entities: list[Entity] = []
    terms: list[Entity] = []
    if facts.organism is None and facts.modality is None:
        return []
    specimen: Entity = {"@id": SPECIMEN_ID, "@type": "specimen", "label": "specimen"}
    if facts.organism is not None:
        label = label_of(facts.organism) or facts.organism
        reference = {"@id": facts.organism}
        entities.append(
            {
                "@id": BIOSAMPLE_ID,
                "@type": "biosample",
                "label": label,
                "organism_classification": reference,
            }
        )
        specimen["biosample"] = {"@id": BIOSAMPLE_ID}
        terms.append(_term(facts.organism, label, ORGANISM.iri_of(facts.organism)))
    entities.append(specimen)
    if facts.modality is not None:
        label = label_of(facts.modality) or facts.modality
        entities.append(
            {
                "@id": ACQUISITION_ID,
                "@type": "image_acquisition",
                "label": label,
                "fbbi_id": {"@id": facts.modality},
                "specimen": {"@id": SPECIMEN_ID},
            }
        )
        terms.append(_term(facts.modality, label, MODALITY.iri_of(facts.modality)))
    return [*entities, *terms]


def _term(identifier: str, label: str, iri: str) -> Entity:
    term: Entity = {"@id": identifier, "@type": "DefinedTerm", "label": label}
    if identifier.startswith("NCBI:"):  # "obo:" is a prefix of the context, "NCBI:" is none
        term["sameAs"] = {"@id": iri}
    return term


def _provenance(facts: CrateFacts) -> list[Entity]:
    """Describe the conversion, after Process Run Crate 0.5."""
    software_id = f"#{TOOL_NAME}-{__version__}"
    return [
        {
            "@id": ACTION_ID,
            "@type": "CreateAction",
            "label": facts.action,
            "summary": facts.action_summary,
            "instrument": {"@id": software_id},
            "object": {"@id": facts.source_id},
            "result": {"@id": ROOT_ID},
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
        {
            "@id": software_id,
            "@type": "SoftwareApplication",
            "label": TOOL_NAME,
            "softwareVersion": __version__,
        },
        {"@id": facts.source_id, "@type": "CreativeWork", "label": facts.source_label},
        {
            "@id": _PROCESS_RUN,
            "@type": "CreativeWork",
            "label": "Process Run Crate",
            "version": "0.5",
        },
    ]

"""Build the content of ``ro-crate-metadata.json`` from facts: the same facts, the same document."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from uplift import TOOL_NAME, __version__
from uplift.crate.licenses import license_term
from uplift.crate.parties import Entity, People, entity, reference_to
from uplift.crate.rules import CONTEXT, SPECIFICATION
from uplift.models.crate import CRATE_KEY, InCrate
from uplift.models.parties import Parties
from uplift.terms.tables import MODALITY, ORGANISM, label_of

Document = dict[str, Any]

ROOT_ID = "./"
BIOSAMPLE_ID = "#biosample"
SPECIMEN_ID = "#specimen"
ACQUISITION_ID = "#image-acquisition"
ACTION_ID = "#conversion"
INVENTORY_ID = "#source-inventory"

_PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"
_ZARR = "application/vnd+zarr"

TERMS: dict[str, Any] = {
    "organism_classification": "https://schema.org/taxonomicRange",
    "BioChemEntity": "https://schema.org/BioChemEntity",
    "channel": "https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome_xsd.html#Channel",
    "obo": "http://purl.obolibrary.org/obo/",
    "NCBI": {"@id": "https://www.ncbi.nlm.nih.gov/taxonomy/?term=", "@prefix": True},
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
    "notes": "http://www.w3.org/2004/02/skos/core#note",
    "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
    "license": {"@id": "http://schema.org/license", "@type": "@id"},
}
"""What the OME 2024 NGFF challenge added to the RO-Crate context, and what it left undefined.

`license` is redefined so that its plain text is an address; `label` and `summary` are the names
and descriptions of all entities but the root. `NCBI:txid9606` leads to the page of that taxon.
"""


@dataclass(frozen=True)
class SourceFacts:
    """The source, as the crate names it.

    Attributes
    ----------
    id, label
        Its address, without any secret (``#source`` for a local one), and its name.
    versions
        Of OME-Zarr, as it says itself; none for plain Zarr.
    contents, stored_bytes, inventory_sha256
        What the inventory lists, in words; bytes of all chunks; digest of ``inventory.json``.
    """

    id: str
    label: str
    versions: tuple[str, ...]
    contents: str
    stored_bytes: int
    inventory_sha256: str


@dataclass(frozen=True)
class ActionFacts:
    """The conversion.

    Attributes
    ----------
    label, summary
        What was done, as a title and in a sentence.
    began, ended
        ISO 8601, UTC.
    agent
        Who did it.
    agent_from
        The column that says so: ``agent``, or the one that was taken in its place.
    tool_url
        Address of this workflow, where it is known.
    """

    label: str
    summary: str
    began: str
    ended: str
    agent: Parties = None
    agent_from: str | None = None
    tool_url: str | None = None


@dataclass(frozen=True)
class CrateFacts:
    """What a crate says.

    Attributes
    ----------
    license
        SPDX identifier or URL.
    target_version
        Of OME-Zarr, as the output has it; None for plain Zarr.
    size
        What the dataset is made of, in words.
    stated
        Further properties of the root: what they are called, and text or parties.
    """

    dataset: str
    name: str
    description: str
    license: str
    date_published: str
    source: SourceFacts
    action: ActionFacts
    target_version: str | None = "0.5"
    size: str = ""
    organism: str | None = None
    modality: str | None = None
    stated: tuple[tuple[InCrate, Parties], ...] = ()


def build_crate(facts: CrateFacts) -> Document:
    """Return the RO-Crate document.

    Raises
    ------
    InputError
        The license cannot be understood.
    """
    root, entities = _root(facts)
    once = {one["@id"]: one for one in entities}
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
    formats, format_entities = _formats((facts.target_version,) if facts.target_version else ())
    root: Entity = {
        "name": facts.name,
        "description": facts.description,
        "datePublished": facts.date_published,
        "license": license_url,
        "encodingFormat": formats,
    }
    if facts.size:
        root["size"] = facts.size
    if facts.modality is not None:
        root["resultOf"] = {"@id": ACQUISITION_ID}
    elif facts.organism is not None:
        root["biological_entity"] = {"@id": SPECIMEN_ID}
    people = People()
    stated, grants = _stated(facts.stated, people)
    root |= stated
    root["mentions"] = {"@id": ACTION_ID}
    root["conformsTo"] = {"@id": _PROCESS_RUN}
    provenance = _provenance(facts, people)
    entities: list[Entity] = [
        entity(license_url, "CreativeWork", license_label),
        *format_entities,
        *people.entities,
        *grants,
        *_chain(facts),
        *provenance,
    ]
    return root, entities


def _stated(
    stated: tuple[tuple[InCrate, Parties], ...], people: People
) -> tuple[Entity, list[Entity]]:
    """What the sheet says of the root, and the grants of its funders."""
    for mark, value in stated:
        if mark.kind is not None:
            people.note_addresses(value)
    root, grants = Entity(), list[Entity]()
    for mark, value in stated:
        if mark.kind is None:
            root[mark.name] = value
            continue
        root[mark.name] = people.references(value, mark.name, mark.kind)
        if mark.name == "maintainer":
            people.add_contacts(root[mark.name])
        if mark.name == "funder":
            grants = people.grants(value)
    if grants:
        found = [{"@id": grant["@id"]} for grant in grants]
        root["funding"] = found[0] if len(found) == 1 else found
    return root, grants


def _formats(versions: tuple[str, ...]) -> tuple[list[Any] | str, list[Entity]]:
    """What to put into ``encodingFormat``, and the entities of the versions of OME-Zarr in it."""
    entities = [
        entity(f"https://ngff.openmicroscopy.org/{version}/", "WebPage", f"OME-Zarr {version}")
        for version in versions
    ]
    if not entities:
        return _ZARR, []
    return [_ZARR, *(reference_to(one["@id"]) for one in entities)], entities


def _chain(facts: CrateFacts) -> list[Entity]:
    """Biosample, specimen, image acquisition and their terms, as far as they are known."""
    chain: list[Entity] = []
    terms: list[Entity] = []
    if facts.organism is None and facts.modality is None:
        return []
    specimen = entity(SPECIMEN_ID, "specimen", "specimen")
    if facts.organism is not None:
        label, term = label_of(facts.organism) or facts.organism, reference_to(facts.organism)
        chain.append(entity(BIOSAMPLE_ID, "biosample", label, organism_classification=term))
        specimen["biosample"] = reference_to(BIOSAMPLE_ID)
        same = reference_to(ORGANISM.iri_of(facts.organism))
        terms.append(entity(facts.organism, "DefinedTerm", label, sameAs=same))
    chain.append(specimen)
    if facts.modality is not None:
        label = label_of(facts.modality) or facts.modality
        of = {"fbbi_id": reference_to(facts.modality), "specimen": reference_to(SPECIMEN_ID)}
        chain.append(entity(ACQUISITION_ID, "image_acquisition", label, **of))
        url = MODALITY.iri_of(facts.modality)
        terms.append(entity(facts.modality, "DefinedTerm", label, url=url))
    return [*chain, *terms]


def _provenance(facts: CrateFacts, people: People) -> list[Entity]:
    """Describe the conversion, after Process Run Crate 0.5."""
    software_id = f"#{TOOL_NAME}-{__version__}"
    source, action = facts.source, facts.action
    formats, format_entities = _formats(source.versions)
    done = entity(
        ACTION_ID,
        "CreateAction",
        action.label,
        summary=action.summary,
        instrument=reference_to(software_id),
        object=reference_to(source.id),
        result=reference_to(ROOT_ID),
        startTime=action.began,
        endTime=action.ended,
        actionStatus="http://schema.org/CompletedActionStatus",
    )
    if action.agent is not None:
        done["agent"] = people.references(action.agent, "agent", "Person")
    release = {"softwareVersion": __version__}
    software = entity(software_id, "SoftwareApplication", TOOL_NAME, **release)
    if action.tool_url is not None:
        software["url"] = action.tool_url
    origin = entity(
        source.id,
        "CreativeWork",
        source.label,
        encodingFormat=formats,
        contentSize=str(source.stored_bytes),
        subjectOf=reference_to(INVENTORY_ID),
    )
    if "://" in source.id:
        origin["url"] = source.id
    inventory = entity(
        INVENTORY_ID,
        "CreativeWork",
        "inventory.json: what the source held when it was converted",
        summary=source.contents,
        encodingFormat="application/json",
        sha256=source.inventory_sha256,
    )
    profile = entity(_PROCESS_RUN, "CreativeWork", "Process Run Crate", version="0.5")
    return [done, software, origin, inventory, *format_entities, profile]

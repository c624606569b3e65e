"""Facts, inventories and readers of crates."""

import json

from uplift.crate.build import ActionFacts, CrateFacts, SourceFacts
from uplift.crate.facts import Conversion, stated_in
from uplift.models.arrays import SourceArray
from uplift.models.inventory import Inventory, InventoryArray, InventoryGroup
from uplift.settings.columns import About


def facts(**changes):
    values = {
        "dataset": "d",
        "name": "Cells",
        "description": "Some cells.",
        "license": "CC-BY-4.0",
        "date_published": "2026-01-02",
        "organism": "NCBI:txid7227",
        "modality": "obo:FBbi_00000243",
    }
    stated = {
        key: changes.pop(key)
        for key in set(About.model_fields) & set(changes) - set(values) - {"agent"}
    }
    about = About(**stated)
    source = SourceFacts(
        id=changes.pop("source_id", "#source"),
        label="in.zarr",
        versions=("0.4",),
        contents="Image",
        stored_bytes=300,
        inventory_sha256="0" * 64,
    )
    action = ActionFacts(
        label="Upgraded from OME-Zarr 0.4 to OME-Zarr 0.5",
        summary="Every pixel compared.",
        began="2026-01-02T03:04:05+00:00",
        ended="2026-01-02T04:04:05+00:00",
        agent=changes.pop("agent", None),
        tool_url=changes.pop("tool_url", None),
    )
    stated_ = stated_in(about)
    return CrateFacts(**{**values, **changes}, source=source, action=action, stated=stated_)


def conversion(**changes):
    values = {
        "target_version": "0.5",
        "began": "2026-01-02T03:04:05+00:00",
        "ended": "2026-01-02T04:04:05+00:00",
        "inventory_sha256": "0" * 64,
    }
    return Conversion(**{**values, **changes})


def array(path="0", **changes):
    source = SourceArray(
        zarr_format=2, shape=(3, 64, 48), chunks=(1, 64, 48), data_type="<u2", order="C"
    )
    values = {
        "path": path,
        "role": "level",
        "multiscale": "",
        "level": 0,
        "axes": ("c", "y", "x"),
        "source": source,
        "stored_chunks": 3,
        "stored_bytes": 300,
        "listing_sha256": "0" * 64,
    }
    return InventoryArray(**{**values, **changes})


def inventory(url="/data/in.zarr", **changes):
    values = {
        "source": url,
        "zarr_format": 2,
        "ome_versions": ("0.4",),
        "groups": (InventoryGroup(path="", roles=("image",), ome_version="0.4"),),
        "arrays": (array(), array("1", level=1)),
        "files": (),
    }
    return Inventory(**{**values, **changes})


def graph_of(document):
    return {entity["@id"]: entity for entity in document["@graph"]}


def orphans(document):
    """Ids of entities that nothing leads to, and that lead nowhere."""
    graph = graph_of(document)
    texts = {key: json.dumps({**entity, "@id": None}) for key, entity in graph.items()}
    return {
        key
        for key in graph
        if key not in ("./", "ro-crate-metadata.json")
        and not any(json.dumps(key) in text for other, text in texts.items() if other != key)
        and not any(json.dumps(other) in texts[key] for other in graph if other != key)
    }


def harvested(document, *, last):
    """What programs that collect metadata read: the first, or the last, entity that has a key."""
    found = {}
    entities = document["@graph"] if last else document["@graph"][::-1]
    for entity in entities:
        for key in ("license", "name", "description"):
            if key in entity:
                assert isinstance(entity[key], str)
                found[key] = entity[key]
        if entity.get("@type") == "biosample":
            found["organism"] = entity["organism_classification"]["@id"]
        if entity.get("@type") == "image_acquisition":
            found["modality"] = entity["fbbi_id"]["@id"]
    return found


COMPLETE = {
    "name": "Cells",
    "description": "Some cells.",
    "license": "https://creativecommons.org/licenses/by/4.0/",
    "organism": "NCBI:txid7227",
    "modality": "obo:FBbi_00000243",
}


def without_times(crate):
    """Entities of a crate as bytes, but for when the conversion began and ended."""
    entities = json.loads(crate)["@graph"]
    for entity in entities:
        entity.pop("startTime", None)
        entity.pop("endTime", None)
    return entities

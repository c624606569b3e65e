"""Facts, inventories and readers of crates."""

from uplift.crate.build import CrateFacts
from uplift.crate.writing import stated_in
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
        "source_id": "#source",
        "source_label": "in.zarr",
        "action": "Upgraded from OME-Zarr 0.4 to OME-Zarr 0.5",
        "action_summary": "Every pixel compared.",
        "organism": "NCBI:txid7227",
        "modality": "obo:FBbi_00000243",
    }
    about = About(**{key: changes.pop(key) for key in ("author", "publisher") if key in changes})
    return CrateFacts(**{**values, **changes}, stated=stated_in(about))


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

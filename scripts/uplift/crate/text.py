"""Sentences about a dataset, where no description is given."""

from uplift.models.inventory import GroupRole, Inventory, InventoryArray
from uplift.models.words import counted

_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}


def describe(inventory: Inventory, target_version: str) -> str:
    """What a dataset holds, such as ``Image of 3 x 512 x 512 (c, y, x), uint16, 4 levels. …``."""
    return f"{content_of(inventory)}. {title_of_conversion(inventory, target_version)}."


def title_of_conversion(inventory: Inventory, target_version: str) -> str:
    """What was done, such as ``Upgraded from OME-Zarr 0.4 to OME-Zarr 0.5``, or re-sharded."""
    versions = " and ".join(inventory.ome_versions)
    if inventory.zarr_format == 3 and inventory.ome_versions == (target_version,):
        return f"Re-sharded OME-Zarr {target_version}"
    if not versions:
        if inventory.zarr_format == 3:
            return "Re-sharded Zarr v3"
        return f"Upgraded from Zarr v{inventory.zarr_format} to Zarr v3"
    return f"Upgraded from OME-Zarr {versions} to OME-Zarr {target_version}"


def sentence_of_conversion(inventory: Inventory, target_version: str) -> str:
    """What was done and that nothing is lost."""
    title = title_of_conversion(inventory, target_version)
    if inventory.zarr_format == 3:
        return f"{title}, every pixel compared."
    return f"{title} (Zarr v{inventory.zarr_format} to Zarr v3), every pixel compared."


def content_of(inventory: Inventory) -> str:
    """What a dataset holds, such as ``Plate with 2 wells and 8 fields, 8 label images``."""
    root = next((group.roles for group in inventory.groups if not group.path), ())
    labels = _count(inventory, "label image")
    images = _count(inventory, "image") - labels
    if "plate" in root:
        wells, fields = _count(inventory, "well"), _count(inventory, "field")
        text = f"Plate with {counted(wells, 'well')} and {counted(fields, 'field')}"
    elif images > 1:
        text = f"Collection of {images} images"
    else:
        text = _image(inventory) if images else counted(len(inventory.arrays), "array")
    return f"{text}, {counted(labels, 'label image')}" if labels else text


def _image(inventory: Inventory) -> str:
    labels = {group.path for group in inventory.groups if "label image" in group.roles}
    levels = [
        array
        for array in inventory.arrays
        if array.role == "level" and array.multiscale not in labels and array.problem is None
    ]
    full = next((array for array in levels if array.level == 0), None)
    if full is None:
        return "Image"
    shape = " x ".join(str(length) for length in full.source.shape)
    axes = f" ({', '.join(full.axes)})" if full.axes else ""
    return f"Image of {shape}{axes}, {_data_type(full)}, {counted(len(levels), 'level')}"


def _data_type(array: InventoryArray) -> str:
    name = str(array.source.data_type)
    kind = _KINDS.get(name[1:2])
    if array.source.zarr_format == 3 or kind is None:
        return name
    return f"{kind}{8 * int(name[2:])}" if kind != "bool" else kind


def _count(inventory: Inventory, role: GroupRole) -> int:
    return sum(role in group.roles for group in inventory.groups)


def contents_of(inventory: Inventory) -> str:
    """What the source held, such as ``Image of …: 5 arrays, 120 chunks, 3 other files``."""
    chunks = sum(array.stored_chunks for array in inventory.arrays)
    counts = (
        counted(len(inventory.arrays), "array"),
        counted(chunks, "chunk"),
        counted(len(inventory.files), "other file"),
    )
    return f"{content_of(inventory)}: {', '.join(counts)}"

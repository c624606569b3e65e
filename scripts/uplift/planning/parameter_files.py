"""Parameter files of the OME2024 NGFF challenge's tool, read as entries of a plan.

Such a file (``--output-write-details`` writes it) is a list of ``{"shape", "chunks", "shards"}`` in
the order of a multiscale's ``datasets``, which the tool applies to every image it converts. A
mapping from array path to such an object is understood as well.
"""

from collections.abc import Sequence
from typing import Any

from uplift.errors import PlanError
from uplift.models.base import nearest
from uplift.models.inventory import Inventory, InventoryArray

_KEYS = ("shape", "chunks", "shards")


def is_mapping(data: Any) -> bool:
    """Whether decoded JSON maps paths to objects (no key of a plan holds an object but these)."""
    return (
        isinstance(data, dict)
        and bool(data)
        and "schema" not in data
        and all(isinstance(value, dict) for value in data.values())
    )


def entries_of_paths(data: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Entries of a plan from a mapping by array path."""
    return [{"path": path, **_checked(value, f'{where}: "{path}"')} for path, value in data.items()]


def entries_of_levels(
    data: Sequence[Any], inventory: Inventory, where: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries of a plan from a list by level.

    It is applied to the first image whatever its shapes, and to every other image whose levels
    have the shapes that the list gives; label images keep what is proposed.

    Parameters
    ----------
    data
        Objects, one for each level.
    inventory
        Of the source.
    where
        Names the file in messages.

    Returns
    -------
    tuple[list[dict[str, Any]], list[str]]
        Entries, and warnings.

    Raises
    ------
    PlanError
        More objects than the first image has levels, or no image at all.
    """
    objects = [_checked(value, f"{where}: [{number}]") for number, value in enumerate(data)]
    images = _images(inventory)
    if not images:
        raise PlanError(
            f"{where}: a list goes by the levels of an image, and the source has none; "
            "map array paths to {shape, chunks, shards} instead"
        )
    first = next(iter(images))
    if len(objects) > len(images[first]):
        raise PlanError(
            f"{where}: has {len(objects)} objects, image {first or '/'} has "
            f"{len(images[first])} levels: give {len(images[first])} or fewer"
        )
    entries, others = [], 0
    for image, levels in images.items():
        shapes = [list(level.source.shape) for level in levels[: len(objects)]]
        if image == first or shapes == [value.get("shape") for value in objects]:
            pairs = zip(levels, objects, strict=False)
            entries += [{"path": level.path, **value} for level, value in pairs]
        else:
            others += 1
    warnings = [f"{where}: {others} images have other shapes: planned as proposed"]
    return entries, warnings if others else []


def _images(inventory: Inventory) -> dict[str, list[InventoryArray]]:
    """Levels of each image that is not a label image, by the image's path, in order."""
    labels = {group.path for group in inventory.groups if "label image" in group.roles}
    images: dict[str, list[InventoryArray]] = {}
    for entry in inventory.arrays:
        image = entry.multiscale
        if image is not None and entry.level is not None and image not in labels:
            images.setdefault(image, []).append(entry)
    return {image: sorted(levels, key=_level) for image, levels in images.items()}


def _level(entry: InventoryArray) -> int:
    return entry.level or 0


def _checked(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PlanError(f"{where}: {str(value)[:60]} is not {{shape, chunks, shards}}")
    for key in value:
        if key not in _KEYS:
            raise PlanError(f'{where}: unknown key "{key}"{nearest(key, list(_KEYS))}')
    for key in ("chunks", "shards"):
        if key not in value:
            raise PlanError(f"{where}: {key}: missing; add it")
    return dict(value)

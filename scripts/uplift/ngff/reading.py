"""Read a group's metadata as they are meant: with the faults repaired that need no array."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from uplift.errors import UnsupportedError
from uplift.grid import Shape
from uplift.ngff import detect
from uplift.ngff.alike import Alike, alike
from uplift.ngff.draft import Draft
from uplift.ngff.registry import Facts, apply_repairs
from uplift.ngff.repairs_words import ROUNDS, WORDING


def as_read(attributes: Mapping[str, Any], path: str = "") -> Mapping[str, Any]:
    """Attributes with their OME-Zarr metadata as migrate will write them, in the place they have.

    Parameters
    ----------
    attributes
        As they are in the source; they are not changed.
    path
        Of the group, from the root of the dataset.
    """
    keys = detect.ome_keys_of(path, attributes)
    if not keys or _is_read_unchanged(alike(attributes, path)[0]):
        return attributes
    draft, _ = _repaired(attributes, path)
    ome = detect.ome_of(attributes)
    if ome is not attributes:
        return {**attributes, "ome": {**ome, **draft.words}}
    return {**attributes, **draft.words}


def _repaired(attributes: Mapping[str, Any], path: str) -> tuple[Draft, int]:
    """The OME-Zarr metadata below ``ome``, repaired, and how many repairs that took."""
    ome = detect.ome_of(attributes)
    keys = detect.ome_keys_of(path, attributes)
    draft = Draft.of({"ome": {key: ome[key] for key in keys}}, ("ome",))
    facts = Facts(path, detect.ome_version(attributes))
    return draft, sum(1 for _ in apply_repairs(draft, WORDING, facts, ROUNDS))


@lru_cache(maxsize=1024)
def _is_read_unchanged(same: Alike) -> bool:
    """Whether the metadata of groups that are alike need no repair."""
    try:
        return not _repaired(same.attributes, same.path)[1]
    except UnsupportedError:
        return False  # the message names the group


def facts_of(
    path: str,
    attributes: Mapping[str, Any],
    shapes: Mapping[str, Shape],
    dimensions: Mapping[str, Sequence[str]],
    occupied: frozenset[str] = frozenset(),
) -> Facts:
    """Gather what is known about a group from the arrays of the whole dataset.

    Parameters
    ----------
    path
        Of the group, from the root of the dataset.
    attributes
        Of the group, as they are in the source.
    shapes, dimensions
        Shape of each array, and the names that some give their dimensions, by path from the root.
    occupied
        Paths from the root at which there is something other than an array; inspect refuses levels
        at these, so that later steps need not know them.

    Returns
    -------
    Facts
        Paths in it are relative to the group.
    """
    prefix = f"{path}/" if path else ""
    levels = {
        level: f"{prefix}{level}"
        for multiscale in detect.multiscales_of(as_read(attributes, path))
        for level in multiscale.levels
    }
    return Facts(
        path,
        shapes={name: shapes[key] for name, key in levels.items() if key in shapes},
        dimensions={n: tuple(dimensions[key]) for n, key in levels.items() if key in dimensions},
        occupied=frozenset(name for name, key in levels.items() if key in occupied),
    )

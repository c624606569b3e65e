"""Findings about groups of a source that are converted all the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uplift.models.findings import Finding, warning
from uplift.models.inventory import InventoryGroup
from uplift.ngff.detect import Context, multiscales_of, ome_of
from uplift.ngff.json_kinds import items_of
from uplift.ngff.reading import as_read
from uplift.ngff.spatialdata import is_spatialdata
from uplift.storage.protocol import join

Attributes = Mapping[str, Mapping[str, Any]]
"""Of each group, by its path."""
_SERIES = 1000


def unlisted_labels(groups: Sequence[InventoryGroup], attributes: Attributes) -> Iterator[Finding]:
    """Label images that their group does not list."""
    for labels in groups:
        if "labels" not in labels.roles:
            continue
        path = labels.path
        words = as_read(attributes[path], path)
        listed = {join(path, str(name)) for name in items_of(ome_of(words).get("labels"))}
        prefix = f"{path}/" if path else ""
        below = [group for group in groups if group.path.startswith(prefix)]
        inner = [group.path for group in below if "labels" in group.roles and group.path != path]
        others = tuple(f"{other}/" for other in inner)
        for group in below:
            inside = "image" in group.roles and not group.path.startswith(others)
            if inside and group.path not in listed:
                text = f"label image is not listed by {path}; converted all the same"
                yield Finding(code="label.unlisted", severity="info", path=group.path, message=text)


def named_below(groups: Sequence[InventoryGroup], attributes: Attributes) -> Iterator[str]:
    """Paths at which groups say that something lies: levels, wells, fields, labels, series.

    Without a list of series the images of a collection are the folders with numbers for names; any
    number of them is possible, so that the first thousand are named.
    """
    for group in groups:
        path, words = group.path, as_read(attributes[group.path], group.path)
        yield from Context().below(path, words, group.roles).listed
        for multiscale in multiscales_of(words):
            yield from (join(path, level) for level in multiscale.levels)
        if "OME" in group.roles:
            above = path.rpartition("/")[0]
            names = items_of(ome_of(words).get("series"))
            yield from (join(above, name) for name in names if isinstance(name, str))
        if "bioformats2raw" in group.roles:
            yield from (join(path, str(number)) for number in range(_SERIES))


def versions(groups: Sequence[InventoryGroup], attributes: Attributes) -> Iterator[Finding]:
    """Groups of several versions, and of SpatialData's own."""
    found = sorted({group.ome_version for group in groups if group.ome_version is not None})
    if len(found) > 1:
        text = f"groups are of OME-Zarr {', '.join(found)}; all become one version"
        yield Finding(code="version.mixed", severity="info", path="", message=text)
    if any(map(is_spatialdata, attributes.values())):
        text = (
            "a SpatialData store: its own library reads versions of its own only, not plain "
            "OME-Zarr 0.5: with spatialdata: true these are written; other readers open the output"
        )
        yield warning("source.spatialdata", "", text)

"""Which group leads to which, by OME-Zarr metadata: what a validator will visit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from uplift.ngff import detect
from uplift.storage.protocol import join


def entries_of(ome: Mapping[str, dict[str, Any]], *, collections: bool) -> list[str]:
    """Groups to hand to a validator that follows metadata downwards, so that it sees every one.

    Parameters
    ----------
    ome
        Path of each group with OME metadata to that metadata.
    collections
        Whether it follows plates, wells and bioformats2raw collections; otherwise plates, wells and
        images are entries, and it follows images to their labels only.
    """
    reached: set[str] = set()
    entries = []
    for path in sorted(ome):
        own = ome[path]
        several = "plate" in own or "well" in own
        layout = "bioformats2raw.layout" in own and not several and "multiscales" not in own
        skip = set(own) <= {"version", "series"} or (layout and not collections)
        if path in reached or skip:
            continue
        entries.append(path)
        if collections or not several:
            _follow(path, ome, reached)
    return entries


def _follow(path: str, ome: Mapping[str, dict[str, Any]], reached: set[str]) -> None:
    waiting = [path]
    while waiting:
        at = waiting.pop()
        for child in children_of(at, ome):
            if child in ome and child not in reached:
                reached.add(child)
                waiting.append(child)


def children_of(path: str, ome: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Paths of the groups that the metadata at `path` leads to, whether they exist or not."""
    own = ome[path]
    plate, well = own.get("plate"), own.get("well")
    if isinstance(plate, Mapping):
        yield from (join(path, name) for name in _paths(plate.get("wells")))
    elif isinstance(well, Mapping):
        yield from (join(path, name) for name in _paths(well.get("images")))
    elif "multiscales" in own:
        yield join(path, "labels")
    elif "labels" in own:
        yield from (join(path, n) for n in detect.items_of(own["labels"]) if isinstance(n, str))
    elif "bioformats2raw.layout" in own:
        series = detect.items_of(ome.get(join(path, "OME"), {}).get("series"))
        names = [name for name in series if isinstance(name, str)] or _numbered(path, ome)
        yield from (join(path, name) for name in names)


def _numbered(path: str, ome: Mapping[str, dict[str, Any]]) -> list[str]:
    names: list[str] = []
    while join(path, str(len(names))) in ome:
        names.append(str(len(names)))
    return names


def _paths(items: Any) -> list[str]:
    found = [item.get("path") for item in detect.items_of(items) if isinstance(item, Mapping)]
    return [path for path in found if isinstance(path, str)]

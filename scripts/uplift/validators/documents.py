"""The documents of a hierarchy in memory, and which of them a check of one group looks at."""

import math
import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from uplift.models.once import content_of
from uplift.ngff.json_kinds import fields_of, items_of, objects_in, paths_in
from uplift.storage.protocol import join

Json = dict[str, Any]


class Documents:
    """``zarr.json`` of each group and array, by path (``""``: the root)."""

    def __init__(self, documents: Mapping[str, Json]) -> None:
        self._documents = documents
        self._contents: dict[tuple[int, bool], bytes] = {}
        self._plain = False

    def get(self, path: str) -> Json | None:
        """Document of a node."""
        return self._documents.get(path)

    def ome_of(self, path: str) -> Json | None:
        """OME-Zarr metadata of a group; None where there are none."""
        document = self._documents.get(path, {})
        attributes = document.get("attributes")
        found = attributes.get("ome") if isinstance(attributes, dict) else None
        if not isinstance(found, dict) or document.get("node_type") != "group":
            return None
        # A suffix such as SpatialData's is a finding of our own; it would hide all others here.
        version = str(found.get("version")).partition("-")[0]
        return found if version == found.get("version") else {**found, "version": version}

    def groups(self) -> Iterable[tuple[str, Json]]:
        """Every group with OME-Zarr metadata, in path order."""
        for path in sorted(self._documents):
            ome = self.ome_of(path)
            if ome is not None:
                yield path, ome

    def fingerprint(self, path: str, *, plain: bool = False) -> bytes | None:
        """Content of all that a check of this group looks at: of equal ones it is the same check.

        None for collections, whose check looks at paths all over the hierarchy.

        Parameters
        ----------
        plain
            Leave out which names and translations there are: any text, any finite number is right.
        """
        self._plain = plain
        ome = self.ome_of(path) or {}
        if "plate" in ome or "bioformats2raw.layout" in ome or "series" in ome:
            return None
        seen = [self._content(path)]
        if "well" in ome:
            seen += self._children(path, ome["well"], "images")
        else:
            for entry in items_of(ome.get("multiscales")):
                seen += self._children(path, entry, "datasets")
            seen += self._labels(path if "labels" in ome else join(path, "labels"))
        if "image-label" in ome:
            source = source_image(ome)
            seen.append(self._content(posixpath.normpath(join(path, source))) if source else b"")
        return b"".join(seen)

    def _labels(self, path: str) -> list[bytes]:
        seen = [self._content(path)]
        for name in items_of((self.ome_of(path) or {}).get("labels")):
            label = join(path, name) if isinstance(name, str) else ""
            seen.append(self._content(label))
            for entry in items_of((self.ome_of(label) or {}).get("multiscales")):
                seen += self._children(label, entry, "datasets")
        return seen

    def _children(self, path: str, holder: Any, key: str) -> list[bytes]:
        return [self._content(join(path, name)) for name in paths_in(fields_of(holder).get(key))]

    def _content(self, path: str) -> bytes:
        """What any check can see of a document, made once for each distinct one."""
        document = self._documents.get(path)
        if document is None:
            return b"absent"
        key = id(document), self._plain
        if key not in self._contents:
            seen: Any = (document.get("attributes") or {}).get("ome", "group")
            if document.get("node_type") == "array":
                seen = [document.get(key) for key in ("shape", "data_type", "dimension_names")]
            elif self._plain:
                seen = _plain(seen)
            self._contents[key] = content_of(seen)
        return self._contents[key]


def _plain(ome: Any) -> Any:
    """OME-Zarr metadata with one text for all names of images, one number for all translations."""
    if not isinstance(ome, dict) or not isinstance(ome.get("multiscales"), list):
        return ome
    plain = {**ome, "multiscales": [_plain_multiscale(one) for one in ome["multiscales"]]}
    names = [one.get("name") for one in objects_in(ome["multiscales"])]
    # whether names are given twice is seen by some checks
    return plain if len(set(map(str, names))) == len(names) else ome


def _plain_multiscale(multiscale: Any) -> Any:
    if not isinstance(multiscale, dict):
        return multiscale
    plain = dict(multiscale)
    if isinstance(plain.get("name"), str) and plain["name"]:
        plain["name"] = "name"
    datasets = plain.get("datasets")
    if isinstance(datasets, list):
        plain["datasets"] = [_plain_placed(one) for one in datasets]
    return _plain_placed(plain)


def _plain_placed(holder: Any) -> Any:
    transformations = fields_of(holder).get("coordinateTransformations")
    if not isinstance(transformations, list):
        return holder
    return {**holder, "coordinateTransformations": [_plain_step(one) for one in transformations]}


def _plain_step(step: Any) -> Any:
    numbers = fields_of(step).get("translation")
    if not isinstance(numbers, list) or not all(
        type(number) in (int, float) and math.isfinite(number) for number in numbers
    ):
        return step
    return {**step, "translation": [1 if type(n) is int else 0.5 for n in numbers]}


def source_image(ome: Mapping[str, Any]) -> str | None:
    """Path from a label image to its image, as its metadata give it."""
    image = fields_of(fields_of(ome.get("image-label")).get("source")).get("image")
    return image if isinstance(image, str) else None

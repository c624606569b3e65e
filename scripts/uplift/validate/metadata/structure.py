"""What OME-Zarr asks across groups, and what no other validator looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uplift.grid import Shape
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryArray, InventoryGroup
from uplift.ngff import detect, rules
from uplift.ngff.lossless import lost_attributes
from uplift.storage.protocol import join
from uplift.validate.metadata.documents import Node


class Structure:
    """Checks groups as they come by, and remembers what the arrays below them must obey.

    Attributes
    ----------
    axes
        Array path to the axis names of the multiscale that lists it.
    ome
        Path of each group with OME metadata to that metadata.
    source_attributes
        Attributes of every group of the source, by path.
    """

    def __init__(
        self,
        groups: Iterable[InventoryGroup],
        arrays: Mapping[str, InventoryArray],
        target_version: str,
        findings: Findings,
    ) -> None:
        self._groups = {group.path: group for group in groups}
        self._arrays = arrays
        self._version = target_version
        self._findings = findings
        self.axes: dict[str, tuple[str, ...]] = {}
        self.ome: dict[str, dict[str, Any]] = {}
        self.source_attributes: dict[str, dict[str, Any]] = {}

    def check_group(self, node: Node) -> None:
        """Check one group's attributes against the source's and against OME-Zarr."""
        self.source_attributes[node.path] = node.source_attributes
        if node.document is None:
            return
        assert isinstance(node.entry, InventoryGroup)  # noqa: S101
        roles, path = node.entry.roles, node.path
        for text in lost_attributes(node.source_attributes, node.attributes, roles):
            self._findings.error("attributes.lost", path, text)
        ome = node.ome
        if ome is None:
            return
        self.ome[path] = ome
        if ome.get("version") != self._version:
            text = f"ome.version is {ome.get('version')!r}, expected {self._version!r}"
            self._findings.error("ome.version", path, text)
        self._findings.extend(rules.check_metadata(ome, roles, path=path))
        shapes = self._levels(path, node.attributes)
        for entry in detect.items_of(ome.get("multiscales")):
            if isinstance(entry, Mapping):
                self._findings.extend(rules.check_scales(entry, shapes, path=path))
        self._check_types(path, shapes)

    def check_labels(self) -> None:
        """Label images that are listed and absent, and present and unlisted; their shapes."""
        for path, ome in self.ome.items():
            if "labels" not in ome:
                continue
            names = detect.items_of(ome["labels"])
            listed = {join(path, name) for name in names if isinstance(name, str)}
            for label in sorted(listed - self._groups.keys()):
                text = f"lists {label[len(path) :].strip('/')!r}, which the source does not have"
                self._findings.warning("labels.absent", path, text)
            for label in sorted(self._label_images(path) - listed):
                text = f"{label}: is a label image that {join(path, 'zarr.json')} does not list"
                self._findings.warning("labels.unlisted", label, text)
            self._check_label_shapes(path, sorted(listed))

    def _label_images(self, path: str) -> set[str]:
        prefix = f"{path}/" if path else ""
        labels = [other for other, ome in self.ome.items() if "labels" in ome and other != path]
        inner = tuple(f"{other}/" for other in labels if other.startswith(prefix))
        return {
            group.path
            for group in self._groups.values()
            if group.path != path
            and group.path.startswith(prefix)
            and not group.path.startswith(inner)
            and "label image" in group.roles
            and "multiscales" in self.ome.get(group.path, {})
        }

    def _check_label_shapes(self, path: str, labels: list[str]) -> None:
        """Level 0 of a label image is as large as the image's, or 1, along axes they share."""
        parent = path.rpartition("/")[0]
        image = self._first_level(parent) if path else None
        if image is None:
            return
        for label in labels:
            level = self._first_level(label)
            if level is None:
                continue
            wrong = [
                f"{name}: {level[name]}, image {image[name]}"
                for name in level
                if name in image and level[name] not in (1, image[name])
            ]
            if wrong:
                text = f"level 0 differs in size from the image: {', '.join(wrong)}"
                self._findings.warning("labels.shape", label, text)

    def _first_level(self, path: str) -> dict[str, int] | None:
        """Axis name to size of the first multiscale's level 0."""
        attributes = {"ome": self.ome.get(path, {})}
        for multiscale in detect.multiscales_of(attributes, path)[:1]:
            entry = self._arrays.get(join(path, multiscale.levels[0] if multiscale.levels else ""))
            if entry is not None and len(multiscale.axes) == len(entry.source.shape):
                return dict(zip(multiscale.axes, entry.source.shape, strict=True))
        return None

    def _levels(self, path: str, attributes: dict[str, Any]) -> dict[str, Shape]:
        shapes = {}
        for multiscale in detect.multiscales_of(attributes, path):
            for level in multiscale.levels:
                entry = self._arrays.get(join(path, level))
                if entry is not None:
                    shapes[level] = entry.source.shape
                    if multiscale.axes:
                        self.axes.setdefault(entry.path, multiscale.axes)
        return shapes

    def _check_types(self, path: str, levels: Iterable[str]) -> None:
        """All levels of an image should have one data type (a MUST from OME-Zarr 0.6 on)."""
        found = {
            str(self._arrays[join(path, level)].source.data_type).lstrip("<>|=") for level in levels
        }
        if len(found) > 1:
            text = f"the levels have different data types: {', '.join(sorted(found))}"
            self._findings.warning("pyramid.data_types", path, text)

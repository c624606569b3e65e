"""What OME-Zarr requires across groups, and what no other validator checks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from uplift.grid import Shape
from uplift.models.changes import Change
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryArray, InventoryGroup
from uplift.models.migration import Migration
from uplift.ngff import detect
from uplift.ngff.alike import alike
from uplift.ngff.hierarchy_rules import ArrayNode, GroupNode, Tree, array_node, check_tree
from uplift.ngff.json_kinds import items_of
from uplift.ngff.lossless import lost_attributes
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.pyramid import check_scales
from uplift.ngff.reading import facts_of
from uplift.ngff.versions import check_metadata
from uplift.storage.protocol import join
from uplift.validate.metadata.documents import Json, Node
from uplift.zarr_metadata.data_types import data_type_v3


class Structure:
    """Checks groups one by one, and remembers what the arrays below them must obey.

    Attributes
    ----------
    axes
        Array path to the axis names of the multiscale that lists it.
    ome
        Path of each group with OME metadata to that metadata.
    """

    def __init__(
        self,
        groups: Iterable[InventoryGroup],
        arrays: Mapping[str, InventoryArray],
        migration: Migration,
        findings: Findings,
    ) -> None:
        self._groups = {group.path: group for group in groups}
        self._arrays = arrays
        self._version = migration.target_version
        self._skipped = migration.skipped
        self._spatialdata = migration.spatialdata
        self._changes = {
            node.path: [change for change in node.changes if not change.in_document]
            for node in migration.nodes
        }
        self._findings = findings
        self._nodes: dict[str, GroupNode] = {}
        self._source: dict[str, Json] = {}
        self._lossless = set[tuple[bytes, bytes, str]]()
        self.axes: dict[str, tuple[str, ...]] = {}
        self.ome: dict[str, dict[str, Any]] = {}

    def check_group(self, node: Node) -> None:
        """Check one group's attributes against the source's and against OME-Zarr."""
        assert isinstance(node.entry, InventoryGroup)  # noqa: S101
        path = node.path
        self._source[path] = node.source_attributes
        if node.document is None:
            return
        changes = self._changes.get(path, ())
        for text in self._lost(node, changes):
            self._findings.error("attributes.lost", path, text)
        self._nodes[path] = GroupNode(node.entry.roles, node.attributes)
        ome = node.ome
        if ome is None:
            return
        self.ome[path] = ome
        self._findings.extend(check_metadata(ome, self._version, path))
        shapes = self._levels(path, node.attributes)
        for entry in items_of(ome.get("multiscales")):
            if isinstance(entry, Mapping):
                self._findings.extend(check_scales(entry, shapes, path=path))
        for multiscale in detect.multiscales_of(node.attributes):
            self._check_types(path, [level for level in multiscale.levels if level in shapes])

    def _lost(self, node: Node, changes: Sequence[Change]) -> list[str]:
        """What the output lacks; groups that differ in a name that both sides have, once."""
        (old, before), (new, after) = map(alike, (node.source_attributes, node.attributes))
        key = old.content, new.content, repr([change.__dict__ for change in changes])
        if before == after and key in self._lossless:
            return []
        lost = lost_attributes(node.source_attributes, node.attributes, changes)
        if before == after and not lost:
            self._lossless.add(key)
        return lost

    def check_tree(self) -> None:
        """Check what needs more than one group, once all were checked."""
        arrays: dict[str, ArrayNode] = {
            path: array_node(entry.source)
            for path, entry in self._arrays.items()
            if path not in self._skipped
        }
        self._findings.extend(check_tree(Tree(self._nodes, arrays)))
        self._check_labels()

    def reference(self) -> dict[str, Json]:
        """Documents that the source's metadata migrate to, with the source's arrays.

        Those of arrays have only what a validator reads.
        """
        shapes = {path: entry.source.shape for path, entry in self._arrays.items()}
        named = {path: entry.axes for path, entry in self._arrays.items() if entry.axes}
        documents: dict[str, Json] = {}
        for path, attributes in self._source.items():
            facts = facts_of(path, attributes, shapes, named)
            migrated = migrate_attributes(
                attributes,
                self._version,
                facts,
                zarr_format=self._groups[path].zarr_format,
                spatialdata=self._spatialdata,
            )
            documents[path] = {"node_type": "group", "zarr_format": 3} | {
                "attributes": migrated.attributes
            }
        return documents

    def _check_labels(self) -> None:
        """Label images that are not listed, and shapes of those that are."""
        for path, ome in self.ome.items():
            if "labels" not in ome:
                continue
            names = items_of(ome["labels"])
            listed = {join(path, name) for name in names if isinstance(name, str)}
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
        for multiscale in detect.multiscales_of(attributes)[:1]:
            entry = self._arrays.get(join(path, multiscale.levels[0] if multiscale.levels else ""))
            if entry is not None and len(multiscale.axes) == len(entry.source.shape):
                return dict(zip(multiscale.axes, entry.source.shape, strict=True))
        return None

    def _levels(self, path: str, attributes: dict[str, Any]) -> dict[str, Shape]:
        shapes = {}
        for multiscale in detect.multiscales_of(attributes):
            for level in multiscale.levels:
                entry = self._arrays.get(join(path, level))
                if entry is not None:
                    shapes[level] = entry.source.shape
                    if multiscale.axes:
                        self.axes.setdefault(entry.path, multiscale.axes)
        return shapes

    def _check_types(self, path: str, levels: Iterable[str]) -> None:
        """All levels of an image should have one data type (a MUST from OME-Zarr 0.6 on)."""
        sources = (self._arrays[join(path, level)].source for level in levels)
        found = {str(data_type_v3(source)) for source in sources}
        if len(found) > 1:
            text = f"the levels have different data types: {', '.join(sorted(found))}"
            self._findings.warning("pyramid.data_types", path, text)

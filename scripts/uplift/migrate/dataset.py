"""Write every metadata document of the output, and copy the files that are not Zarr.

The root's document is not written but returned: publish writes it last.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from uplift.errors import INSPECT_AGAIN, InputError, SourceError
from uplift.grid import Shape
from uplift.migrate.gone import remove_gone
from uplift.models.arrays import TargetArray
from uplift.models.crate import CRATE_KEY
from uplift.models.findings import Finding, warning
from uplift.models.inventory import Inventory, InventoryArray, InventoryGroup
from uplift.models.json_text import document_bytes, sha256_of, sha256_of_json
from uplift.models.migration import MigratedNode, Migration
from uplift.models.once import content_of
from uplift.models.publication import MadeFrom
from uplift.ngff import axes, detect
from uplift.ngff.documents import attributes_of, document_key, parse_document, unknown_keys
from uplift.ngff.json_kinds import items_of
from uplift.ngff.migrate import Migrated, keep_attributes, migrate_attributes
from uplift.ngff.pyramid import check_scales
from uplift.ngff.reading import facts_of
from uplift.outputs import HeldOutput
from uplift.running.processes import Workers
from uplift.storage.copying import copy_files
from uplift.storage.documents import SourceDocuments
from uplift.storage.protocol import Store, has_round_trips, join
from uplift.storage.tuning import DOCUMENT_BYTES
from uplift.work import usage
from uplift.zarr_metadata.consolidated import consolidate
from uplift.zarr_metadata.v3 import array_document, dimension_names

REWRITTEN_LATER = frozenset({CRATE_KEY})
"""Files of the source that the crate step replaces: copied only where there is none yet."""

_TOGETHER = 256
"""Documents that are kept and written together: a plate has a hundred thousand."""
_ALIKE = 1024
"""Distinct documents whose bytes are remembered."""
_THREADS = 64
"""For remote outputs, where each document waits for an answer: as many as a job may make requests
(the store delays what is more)."""

Document = tuple[str, bytes]
"""Path of a node, and its ``zarr.json``."""
_Written = list[tuple[str, bytes, bytes | None]]
"""Key of each document, its bytes, and what the output has under that key."""


def migrate_dataset(
    inventory: Inventory,
    targets: Mapping[str, TargetArray],
    skipped: Mapping[str, str],
    source: Store,
    output: HeldOutput,
    target_version: str,
    *,
    consolidated: bool = False,
    spatialdata: bool = False,
    known: MadeFrom | None = None,
    cores: int = 1,
) -> tuple[Migration, bytes]:
    """Write all documents but the root's, and copy the other files.

    Parameters
    ----------
    targets
        How each array is converted, by path.
    skipped
        Arrays that are left out, with the reason.
    consolidated
        Whether the root's document holds those of all other nodes too.
    spatialdata
        Whether to write the version strings of the spatialdata library.
    known
        What else this run may have written there: what the source no longer has is deleted.
    cores
        Of the job: with two, another process writes documents while this one makes more.

    Returns
    -------
    Migration, bytes
        What was done, and the document of the root.

    Raises
    ------
    SourceError
        The source's metadata cannot be migrated; one line.
    InputError
        The batches do not belong to this inventory.
    """
    _refuse_missing(inventory, {*targets, *skipped})
    run = _Run(inventory, source, target_version, spatialdata)
    root, count, held = b"", 0, dict[str, Any]()
    documents = itertools.chain(run.groups(), run.arrays(targets, skipped))
    there = run.written_before(output, skipped)

    def portions() -> Iterator[_Written]:
        nonlocal root, count, held
        for some in _in_portions(documents):
            root = next((data for path, data in some if not path), root)
            yield [(f"{path}/zarr.json", data, next(there)) for path, data in some if path]
            count += len(some)
            if consolidated:
                held |= {path: json.loads(data) for path, data in some}

    apart = cores > 1 and output.is_local
    spent = (usage.collect_spent, usage.add_spent)
    with Workers(1, lambda _: output, spent=spent, apart=apart) as workers:
        for _ in workers.as_done(_write, portions()):
            pass
    if len(held) > 1:
        root = document_bytes(consolidate(held.pop(""), held))
    if known is not None:
        remove_gone(inventory, known, output)
    left = output.stat_many(join(path, "zarr.json") for path in skipped)
    for path, info in zip(skipped, left, strict=True):
        if info is not None:
            output.delete_tree(path)
    files = copy_files(inventory.files, source, output, keep=REWRITTEN_LATER)
    migration = Migration(
        source=inventory.source,
        output=output.url,
        target_version=target_version,
        spatialdata=spatialdata,
        root_sha256=sha256_of(root),
        documents=count,
        nodes=tuple(sorted(run.nodes, key=lambda node: node.path)),
        files=tuple(files),
        dropped=inventory.dropped,
        skipped=dict(skipped),
        findings=tuple(run.findings),
    )
    output.flush(elsewhere=apart)
    return migration, root


@dataclass
class _Run:
    """Documents of one dataset, made one after the other: groups first, for the axes of levels."""

    inventory: Inventory
    source: Store
    target_version: str
    spatialdata: bool
    findings: list[Finding] = field(default_factory=list)
    nodes: list[MigratedNode] = field(default_factory=list)
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Array path to the axis names of the first multiscale that lists it."""
    _known: dict[bytes, bytes] = field(default_factory=dict)
    """Bytes of each distinct document."""

    def groups(self) -> Iterator[Document]:
        """Documents of all groups, also of those that the source only implies."""
        return self._migrated_groups(self._read(self.inventory.all_groups()))

    def _migrated_groups(
        self, found: Iterator[tuple[InventoryGroup, dict[str, Any]]]
    ) -> Iterator[Document]:
        arrays = self.inventory.arrays
        shapes = {array.path: array.source.shape for array in arrays}
        named = {array.path: array.axes for array in arrays if array.axes is not None}
        for group, read in found:
            attributes = attributes_of(read, group.zarr_format, group.path)
            self._refuse_changed(group, attributes)
            facts = facts_of(group.path, attributes, shapes, named)
            migrated = migrate_attributes(
                attributes,
                self.target_version,
                facts,
                zarr_format=group.zarr_format,
                spatialdata=self.spatialdata,
            )
            self._note_extras(read, group, group.zarr_format)
            self._note_axes(group.path, migrated.attributes, facts.shapes or {})
            document = {
                "zarr_format": 3,
                "node_type": "group",
                "attributes": migrated.attributes,
            }
            yield self._document(group, "group", migrated, document)

    def arrays(
        self, targets: Mapping[str, TargetArray], skipped: Mapping[str, str]
    ) -> Iterator[Document]:
        """Documents of all arrays that are converted."""
        converted = [array for array in self.inventory.arrays if array.path not in skipped]
        return self._migrated_arrays(targets, self._read(converted))

    def _migrated_arrays(
        self,
        targets: Mapping[str, TargetArray],
        found: Iterator[tuple[InventoryArray, dict[str, Any]]],
    ) -> Iterator[Document]:
        for array, read in found:
            attributes = attributes_of(read, array.source.zarr_format, array.path)
            self._refuse_changed(array, attributes)
            names = self._dimension_names(array, read, attributes)
            migrated = keep_attributes(attributes, array.path)
            self._note_extras(read, array, array.source.zarr_format)
            document = array_document(targets[array.path], migrated.attributes, names)
            yield self._document(array, "array", migrated, document)

    def written_before(self, output: Store, skipped: Mapping[str, str]) -> Iterator[bytes | None]:
        """What the output has under the key of each document except the root's, in their order."""
        groups = [group.path for group in self.inventory.all_groups()]
        arrays = [one.path for one in self.inventory.arrays if one.path not in skipped]
        keys = [f"{path}/zarr.json" for path in (*groups, *arrays) if path]
        return iter(output.read_many(keys, DOCUMENT_BYTES))

    def _read(self, nodes: list[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Request documents of the source; they are parsed when they are needed."""
        keys = [document_key(node.path, node.zarr_format) for node in nodes]
        found = SourceDocuments(self.inventory, self.source).read_many(keys)
        return (
            (node, parse_document(data, f"{self.source.url}/{key}"))
            for node, key, data in zip(nodes, keys, found, strict=True)
        )

    def _document(
        self,
        node: InventoryGroup | InventoryArray,
        kind: Any,
        migrated: Migrated,
        document: dict[str, Any],
    ) -> Document:
        self.findings += migrated.findings
        changes = (*(node.words or ()), *migrated.changes)
        if changes:
            made = MigratedNode(
                path=node.path,
                node=kind,
                ome_version=node.ome_version if isinstance(node, InventoryGroup) else None,
                changes=changes,
            )
            self.nodes.append(made)
        # a plate has thousands of arrays that are alike
        content = content_of(document)
        data = self._known.get(content)
        if data is None:
            if len(self._known) >= _ALIKE:
                self._known.clear()
            data = self._known[content] = document_bytes(document)
        return node.path, data

    def _note_axes(
        self, path: str, attributes: dict[str, Any], levels: Mapping[str, Shape]
    ) -> None:
        """Remember the axis names of the levels, and compare their shapes with the scales."""
        ome = detect.ome_of(attributes)
        for multiscale in detect.multiscales_of(attributes):
            for level in multiscale.levels if multiscale.axes else ():
                self.axes.setdefault(join(path, level), multiscale.axes)
        for entry in items_of(ome.get("multiscales")):
            if isinstance(entry, Mapping):
                self.findings += check_scales(entry, levels, path=path)

    def _refuse_changed(
        self, node: InventoryGroup | InventoryArray, attributes: dict[str, Any]
    ) -> None:
        """Compare attributes with the inventory."""
        now = sha256_of_json(attributes) if attributes else None
        if now != node.attributes_sha256:
            raise SourceError(
                f"{self.source.url}/{node.path}: attributes changed since the source was "
                f"inspected; {INSPECT_AGAIN}"
            )

    def _dimension_names(
        self, array: InventoryArray, read: dict[str, Any], attributes: dict[str, Any]
    ) -> tuple[str | None, ...] | None:
        shape, path = array.source.shape, array.path
        listed = self.axes.get(path)
        if array.source.zarr_format == 2:
            own: tuple[str | None, ...] | None = axes.array_names(attributes, shape)
        else:
            own = dimension_names(read, len(shape))
        names = None if listed is None else axes.level_names(shape, listed)
        if own is not None and axes.repeated(own):
            text = f"the array names its dimensions {list(own)}, a name twice, which not every "
            written = "none are" if names is None else f"its multiscale's {list(names)} are"
            text += f"reader of Zarr v3 opens; {written} written to dimension_names"
            self._warn("dimension-names.repeated", path, text)
            own = None
        if listed is None:
            return own
        if own is not None and names is not None and own != names:
            self._warn(
                "dimension-names.differ",
                path,
                f"the array names its dimensions {list(own)}, its multiscale {list(names)}; the "
                "multiscale's are written to dimension_names",
            )
        return names

    def _note_extras(
        self, read: dict[str, Any], node: InventoryGroup | InventoryArray, zarr_format: int
    ) -> None:
        kind = "group" if isinstance(node, InventoryGroup) else "array"
        for key in unknown_keys(read, kind) if zarr_format == 3 else ():
            text = f'zarr.json has "{key}", which is not carried over'
            self._warn("document.unknown-key", node.path, text)

    def _warn(self, code: str, path: str, message: str) -> None:
        self.findings.append(warning(code, path, message))


def _refuse_missing(inventory: Inventory, known: set[str]) -> None:
    missing = [array.path for array in inventory.arrays if array.path not in known]
    if missing:
        raise InputError(
            f"{missing[0] or 'root'}: no batch converts this array ({len(missing)} in all); "
            "plan and convert again (snakemake -R plan)"
        )


def _in_portions(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while some := list(itertools.islice(documents, _TOGETHER)):
        yield some


def _write(output: HeldOutput, documents: _Written) -> None:
    """Write documents that the output does not have with these bytes."""
    new = [(key, data) for key, data, old in documents if data != old]
    if not has_round_trips(output):
        for key, data in new:
            output.put(key, data)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda item: output.put(*item), new))

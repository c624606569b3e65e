"""Check the documents and objects of an output against the inventory of its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from uplift.models.batch import Batch
from uplift.models.crate import CRATE_KEY, CrateRecord
from uplift.models.findings import Finding, Findings
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.migration import Migration
from uplift.ngff import axes
from uplift.storage.protocol import ObjectInfo, Store, join
from uplift.validate.metadata.arrays import ArrayCheck, check_consolidated
from uplift.validate.metadata.documents import Documents, Json, Node
from uplift.validate.metadata.structure import Structure
from uplift.validate.objects import accounts
from uplift.validators.ome_zarr import run_validators
from uplift.work.folder import WorkFolder
from uplift.zarr_metadata.data_types import data_type_v3


@dataclass(frozen=True)
class WorkFiles:
    """What the earlier steps wrote.

    Attributes
    ----------
    batches, skipped
        Of the plan in force; arrays that it leaves out, with the reason.
    root_document
        The root's document, which is not published yet.
    crate
        None when the crate is switched off.
    with_manifest
        Whether to list the check sums of the whole output; the batches made those of shards.
    """

    folder: WorkFolder
    batches: Sequence[Batch]
    skipped: Mapping[str, str]
    root_document: bytes
    crate: CrateRecord | None
    with_manifest: bool = False


class InventoryChecks:
    """Checks of an output that need the inventory and the migration.

    Parameters
    ----------
    inventory, migration, files
        What the earlier steps wrote.
    findings
        Receives what is found about objects; what is found about documents is returned.

    Attributes
    ----------
    groups
        All groups of the output.
    """

    def __init__(
        self,
        inventory: Inventory,
        migration: Migration,
        files: WorkFiles,
        findings: Findings,
    ) -> None:
        self._inventory = inventory
        self._migration = migration
        self._entries = {entry.path: entry for entry in inventory.arrays}
        self._targets = {i.path: i.target for batch in files.batches for i in batch.items}
        self._skipped = set(files.skipped)
        self._findings = findings
        self._about_documents = Findings()
        self.groups = inventory.all_groups()

    def request_documents(
        self, source: Store, output: Store, root_document: bytes
    ) -> tuple[Iterator[Node], Iterator[Node]]:
        """Ask for the documents of all groups and of all arrays.

        Parameters
        ----------
        source, output
            Both sides, for reading.
        root_document
            The one to publish, which is not at the output.

        Returns
        -------
        Iterator[Node], Iterator[Node]
            Groups and arrays, for :meth:`documents`.
        """
        documents = Documents(
            self._inventory,
            self.groups,
            self._skipped,
            source,
            output,
            root_document,
            self._about_documents,
        )
        return documents.groups(), documents.arrays()

    def documents(
        self, groups: Iterator[Node], arrays: Iterator[Node]
    ) -> tuple[list[Finding], Json | None]:
        """Check every ``zarr.json`` against the source's, and let the validators look at them.

        This may run in another process, so the findings and the root's attributes are returned.
        """
        findings = self._about_documents
        structure = Structure(self.groups, self._entries, self._migration, findings)
        found: dict[str, Json] = {}
        for node in groups:
            if node.document is not None:
                found[node.path] = node.document
            structure.check_group(node)
        structure.check_tree()
        check = ArrayCheck(findings)
        for node in arrays:
            if node.document is not None:
                found[node.path] = node.document
            entry = self._entries[node.path]
            if node.path in self._targets:
                names = _names(entry, structure.axes.get(node.path), node.source_attributes)
                check.check(node, entry.source, self._targets[node.path], names)
        check_consolidated(found, findings)
        run_validators(found, lambda: self._reference(structure, found), findings)
        root = found.get("", {})
        is_group = root.get("node_type") == "group"
        return findings.all(), (root.get("attributes") or {}) if is_group else None

    def _reference(self, structure: Structure, found: Mapping[str, Json]) -> dict[str, Json]:
        """What the source's metadata become, by which validators tell the source's own defects."""
        groups = structure.reference()
        arrays = {
            path: {
                "node_type": "array",
                "zarr_format": 3,
                "shape": list(entry.source.shape),
                "data_type": data_type_v3(entry.source),
                "dimension_names": found.get(path, {}).get("dimension_names"),
            }
            for path, entry in self._entries.items()
            if path not in self._skipped
        }
        return {**groups, **arrays}

    def listed(
        self,
        listing: Iterable[ObjectInfo],
        files: WorkFiles,
        has_old_manifest: bool,
        stored: Callable[[str, int, ObjectInfo], None],
    ) -> tuple[accounts.OutputAccount, list[str]]:
        """Account for every object of the output.

        Parameters
        ----------
        listing
            All objects at the output.
        files
            What the earlier steps wrote.
        has_old_manifest
            Whether an earlier run's manifest may be there.
        stored
            Called with each object of an array: its path, position in the grid, and listing entry.

        Returns
        -------
        OutputAccount, list[str]
            The account; the keys of all objects, empty where there is no manifest.
        """
        nodes = [*(group.path for group in self.groups), *self._targets]
        expected = {join(path, "zarr.json") for path in nodes if path}
        expected |= {key for _, key in self._plain_copies(files.crate)}
        expected |= set(files.crate.objects) if files.crate is not None else set()
        account = accounts.OutputAccount(
            self._targets,
            expected,
            self._findings,
            with_manifest=files.with_manifest,
            has_old_manifest=has_old_manifest,
            stored=stored,
        )
        keys: list[str] = []
        for info in listing:
            account.add(info)
            if files.with_manifest:
                keys.append(info.key)
        return account, keys

    def copies(self, crate: CrateRecord | None) -> list[tuple[str, str]]:
        """Keys of files that were copied, in the source and at the output."""
        return self._plain_copies(crate) + self._kept_crate(crate)

    def _plain_copies(self, crate: CrateRecord | None) -> list[tuple[str, str]]:
        written = set(crate.objects) if crate is not None else set()
        return [(f.path, f.path) for f in self._inventory.files if f.path not in written]

    def _kept_crate(self, crate: CrateRecord | None) -> list[tuple[str, str]]:
        """The source's own crate: next to the new one under another name, or instead of it."""
        original = any(file.path == CRATE_KEY for file in self._inventory.files)
        if crate is None or not original:
            return []
        kept = [key for key in crate.objects if not crate.enabled or key != CRATE_KEY]
        return [(CRATE_KEY, key) for key in kept]


def _names(
    entry: InventoryArray, listed: tuple[str, ...] | None, attributes: Mapping[str, object]
) -> tuple[str, ...] | None:
    """Dimension names that an array has to have: those of its multiscale, else its own."""
    if listed is not None:
        return axes.level_names(entry.source.shape, listed)
    if entry.source.zarr_format == 2:
        names = axes.array_names(attributes, entry.source.shape)
        return None if names is None or axes.repeated(names) else names
    return None

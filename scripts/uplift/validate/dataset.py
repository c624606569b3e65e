"""Check a whole dataset and reach the verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from uplift.models.batch import Batch
from uplift.models.crate import CRATE_KEY, CrateRecord
from uplift.models.findings import Finding, Findings
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.json_text import sha256_of
from uplift.models.migration import Migration
from uplift.models.record import Verify
from uplift.models.validation import ArrayValidation, Validation
from uplift.ngff import axes
from uplift.ngff.conformity import conforms, defects_of
from uplift.outputs.keys import MANIFEST_KEY, ROOT_KEY
from uplift.running.meanwhile import meanwhile
from uplift.storage.protocol import ObjectInfo, Store, join
from uplift.storage.tuning import DOCUMENT_BYTES
from uplift.validate.metadata.arrays import ArrayCheck, check_consolidated
from uplift.validate.metadata.documents import Documents, Json, Node
from uplift.validate.metadata.structure import Structure
from uplift.validate.objects import accounts
from uplift.validate.objects.crate import checked_crate
from uplift.validate.objects.item_listings import ItemListings
from uplift.validate.objects.manifest import manifest_text, read_sums
from uplift.validate.pixels import coverage
from uplift.validate.pixels.chosen import Chosen
from uplift.validate.pixels.regions import Regions
from uplift.validators.ome_zarr import releases, run_validators
from uplift.work import usage
from uplift.work.folder import WorkFolder
from uplift.zarr_metadata.data_types import data_type_v3

log = logging.getLogger(__name__)

_MANY_ARRAYS = 100
"""From this many arrays on, checking documents takes longer than starting a process."""


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


def validate_dataset(
    dataset: str,
    inventory: Inventory,
    migration: Migration,
    files: WorkFiles,
    source: Store,
    output: Store,
    pixels: PixelChecks,
    *,
    verify: Verify = "once",
    cores: int = 1,
) -> tuple[Validation, str]:
    """Check everything except single chunks, and sum up what the batches found about those.

    Parameters
    ----------
    dataset
        Its name.
    inventory, migration, files
        What the earlier steps wrote.
    source, output
        Both sides, for reading.
    pixels
        The checks of chunks, which several processes share.
    verify
        ``reread``: list the source again as well, to find objects that were added or removed
        since it was inspected.
    cores
        Of the job.

    Returns
    -------
    Validation, str
        The verdict, and the manifest (empty when there is to be none).

    Raises
    ------
    InputError
        A file of an earlier step is absent or belongs to another plan.
    StorageError
        A read that failed.
    """
    findings = Findings()
    findings.extend((*inventory.findings, *migration.findings))
    listed_items = ItemListings(files.batches)
    check = _DatasetCheck(inventory, migration, files, findings)
    root_document = files.root_document
    # asked for before the listing, so that all of them wait for the stores together
    asked = check.request_documents(source, output, root_document)
    asked_for = iter(output.read_many((ROOT_KEY, CRATE_KEY), DOCUMENT_BYTES))
    pays = len(inventory.arrays) >= _MANY_ARRAYS and source.is_local and output.is_local
    with meanwhile(
        partial(check.documents, *asked),
        cores=cores if pays else 1,
        spent=(usage.collect_spent, usage.add_spent),
    ) as documents:
        has_old = (
            not files.with_manifest
            and files.folder.manifest.is_file()  # else it is not asked for: that is a request
            and files.folder.is_own_manifest(output.get(MANIFEST_KEY))
        )
        account, keys = check.listed(output.list_tree(""), files, has_old, listed_items.add)
        pixels.validate_again(listed_items.digests())
        work = coverage.gather(files.batches, files.folder, findings)
        for path, reason in files.skipped.items():
            findings.warning("array.skipped", path, f"left out: {reason}")
        for entry in inventory.arrays:
            if entry.path not in work and entry.path not in files.skipped:
                findings.error("batches.incomplete", entry.path, "no batch converts this array")
        accounts.check_root(next(asked_for), root_document, findings)
        found, root_attributes = documents()
    findings.extend(found)
    if verify == "reread" or not source.can_list:
        accounts.check_source(source, inventory, findings)
    accounts.check_files(source, output, check.copies(files.crate), findings)
    if files.crate is not None:
        findings.extend(checked_crate(files.crate, next(asked_for)))
    arrays = _arrays(pixels, inventory, work, findings)
    manifest = b""
    if files.with_manifest:
        known = read_sums(files.folder.sums(batch.batch) for batch in files.batches)
        manifest = manifest_text(output, keys, known, root_document).encode()
    listed = findings.listed()
    invalid = any(finding.severity == "error" for finding in listed)
    validation = Validation(
        dataset=dataset,
        verify=verify,
        verdict="invalid" if invalid else "valid",
        conforms=conforms(listed, root_attributes),
        defects=defects_of(listed),
        findings=listed,
        arrays=arrays,
        groups=len(check.groups),
        files=len(inventory.files),
        objects=account.objects + (2 if manifest else 1),
        bytes=account.bytes + len(root_document) + len(manifest),
        root_sha256=sha256_of(root_document),
        manifest_sha256=sha256_of(manifest) if manifest else None,
        validators=releases(),
    )
    return validation, manifest.decode()


def _arrays(
    pixels: PixelChecks,
    inventory: Inventory,
    work: Mapping[str, coverage.ArrayWork],
    findings: Findings,
) -> tuple[ArrayValidation, ...]:
    """Have other readers compare regions of each array, and sum the arrays up."""
    entries = {entry.path: entry for entry in inventory.arrays if entry.path in work}
    misdeclared = {
        one.path
        for one in inventory.findings
        if (one.code, one.severity) == ("array.separator", "info")
    }
    broken = findings.paths_with_errors()
    chosen = (
        coverage.chosen_of(
            path,
            work[path],
            entries[path].stored_chunks,
            misdeclared=path in misdeclared,
            broken=path in broken,
        )
        for path in sorted(entries)
    )
    regions = {found.path: found for found in pixels.regions(chosen)}
    for found in regions.values():
        findings.extend(found.findings)
    broken = findings.paths_with_errors()
    return tuple(
        coverage.array_validation(
            entries[path],
            work[path],
            findings,
            broken=path in broken,
            regions=regions[path].count,
            sha256=regions[path].sha256,
        )
        for path in sorted(regions)
    )


class PixelChecks(Protocol):
    """The checks of chunks, which the job's processes carry out."""

    def validate_again(self, listed: Mapping[tuple[str, int], str]) -> None:
        """Validate batches whose objects are not those that were validated.

        Parameters
        ----------
        listed
            Digest of the listing of each batch item, by path and first object.
        """

    def regions(self, arrays: Iterable[Chosen]) -> Iterator[Regions]:
        """Have other readers compare regions of arrays."""


class _DatasetCheck:
    """The checks that need the inventory next to the output."""

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
        """Ask for the documents of all groups and of all arrays."""
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
        """Account for every object of the output; also their keys, when there is a manifest."""
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

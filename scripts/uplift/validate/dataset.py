"""Check a whole dataset and reach the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from uplift.models.crate import CRATE_KEY
from uplift.models.findings import Findings
from uplift.models.inventory import Inventory
from uplift.models.json_text import sha256_of
from uplift.models.migration import Migration
from uplift.models.record import Verify
from uplift.models.validation import ArrayValidation, Validation
from uplift.ngff.conformity import conforms, defects_of
from uplift.outputs.keys import MANIFEST_KEY, ROOT_KEY
from uplift.running.meanwhile import meanwhile
from uplift.storage.protocol import Store
from uplift.storage.tuning import DOCUMENT_BYTES
from uplift.validate.inventory_checks import InventoryChecks, WorkFiles
from uplift.validate.objects import accounts
from uplift.validate.objects.crate import checked_crate
from uplift.validate.objects.item_listings import ItemListings
from uplift.validate.objects.manifest import manifest_text, read_sums
from uplift.validate.pixels import coverage
from uplift.validate.pixels.chosen import Chosen
from uplift.validate.pixels.regions import Regions
from uplift.validators.ome_zarr import releases
from uplift.work import usage

__all__ = ["PixelChecks", "Validated", "WorkFiles", "validate_dataset"]

_MANY_ARRAYS = 100
"""From this many arrays on, checking documents takes longer than starting a process."""


class Validated(NamedTuple):
    """The verdict, the manifest (empty when there is to be none), keys of unfinished objects."""

    validation: Validation
    manifest: str
    unfinished: Sequence[str]


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
) -> Validated:
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
    Validated
        The verdict, and what else the listing of the output gave.

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
    checks = InventoryChecks(inventory, migration, files, findings)
    root_document = files.root_document
    # asked for before the listing, so that all of them wait for the stores together
    asked = checks.request_documents(source, output, root_document)
    asked_for = iter(output.read_many((ROOT_KEY, CRATE_KEY), DOCUMENT_BYTES))
    pays = len(inventory.arrays) >= _MANY_ARRAYS and source.is_local and output.is_local
    with meanwhile(
        partial(checks.documents, *asked),
        cores=cores if pays else 1,
        spent=(usage.collect_spent, usage.add_spent),
    ) as documents:
        has_old = _has_old_manifest(files, output)
        account, keys = checks.listed(output.list_tree(""), files, has_old, listed_items.add)
        pixels.validate_again(listed_items.digests())
        work = _work_of_batches(inventory, files, findings)
        accounts.check_root(next(asked_for), root_document, findings)
        found, root_attributes = documents()
    findings.extend(found)
    if verify == "reread" or not source.can_list:
        accounts.check_source(source, inventory, findings)
    accounts.check_files(source, output, checks.copies(files.crate), findings)
    if files.crate is not None:
        findings.extend(checked_crate(files.crate, next(asked_for)))
    arrays = _arrays(pixels, inventory, work, findings)
    manifest = _manifest_of(files, output, keys)
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
        groups=len(checks.groups),
        files=len(inventory.files),
        objects=account.objects + (2 if manifest else 1),
        bytes=account.bytes + len(root_document) + len(manifest),
        root_sha256=sha256_of(root_document),
        manifest_sha256=sha256_of(manifest) if manifest else None,
        validators=releases(),
    )
    return Validated(validation, manifest.decode(), account.unfinished)


def _has_old_manifest(files: WorkFiles, output: Store) -> bool:
    """Whether an earlier run of this dataset published a manifest, and none is wanted now."""
    return (
        not files.with_manifest
        and files.folder.manifest.is_file()  # else it is not asked for: that is a request
        and files.folder.is_own_manifest(output.get(MANIFEST_KEY))
    )


def _work_of_batches(
    inventory: Inventory, files: WorkFiles, findings: Findings
) -> dict[str, coverage.ArrayWork]:
    """Put the records together, and note the arrays that no batch converts."""
    work = coverage.gather(files.batches, files.folder, findings)
    for path, reason in files.skipped.items():
        findings.warning("array.skipped", path, f"left out: {reason}")
    for entry in inventory.arrays:
        if entry.path not in work and entry.path not in files.skipped:
            findings.error("batches.incomplete", entry.path, "no batch converts this array")
    return work


def _manifest_of(files: WorkFiles, output: Store, keys: Sequence[str]) -> bytes:
    """Check sums of the whole output; empty when there are to be none."""
    if not files.with_manifest:
        return b""
    known = read_sums(files.folder.sums(batch.batch) for batch in files.batches)
    return manifest_text(output, keys, known, files.root_document).encode()


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

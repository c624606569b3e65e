"""Load of a dataset: the counts that its costs grow with."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from uplift import grid
from uplift.errors import PlanError
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Plan, PlanArray
from uplift.planning.estimates import MIB, stored_decoded_bytes

STEPS = ("inspect_source", "plan", "claim", "convert", "migrate", "crate", "validate", "publish")
"""Of each dataset; `archive` is one more where outputs are packed into a file."""
REGIONS = 16
"""Regions of an array that are compared from end to end; one of fewer chunks is read whole."""
THREADED = frozenset({"convert", "validate"})
"""Steps that use more than one core."""


@dataclass(frozen=True)
class Load:
    """Load of one dataset, or of each of `count` datasets of one kind.

    Attributes
    ----------
    slices
        Jobs that share the batches.
    documents, arrays
        Arrays and groups; arrays alone, of all levels, labels, wells and fields.
    objects
        Of the output, documents and files included.
    chunks, recoded_chunks
        Stored by the source: all of them, and those that are encoded again.
    kept_bytes
        Of chunks that keep their compressed data, as stored.
    rewrapped_bytes, recoded_bytes
        Of chunks whose zlib stream becomes a gzip stream, and of those that are encoded again, both
        decoded.
    recoded_stored_bytes
        The latter as the source stores them.
    written_bytes
        Of the output, without documents.
    regions, region_bytes
        That the validation compares from end to end, as stored by the source.
    whole_chunks, whole_bytes
        Of arrays with so few chunks that the job that converts them compares all from end to end,
        as the source stores them.
    threads
        Cores that its large steps use where there are as many.
    """

    slices: int = 1
    documents: int = 1
    arrays: int = 1
    objects: int = 1
    chunks: int = 0
    recoded_chunks: int = 0
    kept_bytes: int = 0
    rewrapped_bytes: int = 0
    recoded_bytes: int = 0
    recoded_stored_bytes: int = 0
    written_bytes: int = 0
    regions: int = 0
    region_bytes: int = 0
    whole_chunks: int = 0
    whole_bytes: int = 0
    threads: int = 1
    archive: bool = False
    count: int = 1

    @property
    def stored_bytes(self) -> int:
        """Of all chunks, as the source stores them."""
        return self.kept_bytes + self.recoded_stored_bytes

    @property
    def jobs(self) -> int:
        """Of Snakemake."""
        return len(STEPS) - 1 + self.slices + self.archive

    @property
    def cluster_jobs(self) -> int:
        """Of a cluster: one with all steps, or one before the slices, each slice, one after."""
        return 1 if self.slices == 1 else self.slices + 2

    @property
    def steps(self) -> tuple[str, ...]:
        """Of the dataset."""
        return (*STEPS, "archive") if self.archive else STEPS

    def features(self, step: str) -> dict[str, float]:
        """Amount of each term in a step: counts, and sizes in MiB."""
        return {
            "job": self.slices if step == "convert" else 1,
            "document": self.documents,
            "array": self.arrays,
            "object": self.objects,
            "chunk": self.chunks,
            "recoded chunk": self.recoded_chunks,
            "kept MiB": self.kept_bytes / MIB,
            "rewrapped MiB": self.rewrapped_bytes / MIB,
            "recoded MiB": self.recoded_bytes / MIB,
            "recoded MiB as stored": self.recoded_stored_bytes / MIB,
            "written MiB": self.written_bytes / MIB,
            "region": self.regions,
            "region MiB": self.region_bytes / MIB,
            "whole chunk": self.whole_chunks,
            "whole MiB": self.whole_bytes / MIB,
        }


def load_of_plan(
    plan: Plan, inventory: Inventory, slices: int, *, threads: int = 1, archive: bool = False
) -> Load:
    """Load of a dataset that has a plan.

    Parameters
    ----------
    plan, inventory
        Of the dataset.
    slices
        Jobs that share its batches.
    threads
        Cores that its large steps use where there are as many.
    archive
        Whether the output is packed into one file as well.

    Returns
    -------
    Load
        Counts and bytes.

    Raises
    ------
    PlanError
        The plan has no estimate.
    """
    if plan.estimate is None:
        raise PlanError(f"the plan of {plan.dataset} has no estimate; run snakemake plans")
    pairs = list(_pairs(plan, inventory))
    kept, rewrapped, recoded = (
        [(entry, target) for entry, target in pairs if target.method == method]
        for method in ("repack", "rewrap", "recode")
    )
    regions = [(_regions(entry, target), entry) for entry, target in pairs]
    whole = [entry for (number, _), entry in regions if not number]
    return Load(
        slices=slices,
        documents=len(inventory.groups) + len(pairs),
        arrays=len(pairs),
        objects=plan.estimate.after.objects + 1,  # the crate
        chunks=sum(entry.stored_chunks for entry, _ in pairs),
        recoded_chunks=sum(entry.stored_chunks for entry, _ in recoded),
        kept_bytes=sum(entry.stored_bytes for entry, _ in (*kept, *rewrapped)),
        rewrapped_bytes=sum(stored_decoded_bytes(entry) for entry, _ in rewrapped),
        recoded_bytes=sum(stored_decoded_bytes(entry) for entry, _ in recoded),
        recoded_stored_bytes=sum(entry.stored_bytes for entry, _ in recoded),
        written_bytes=plan.estimate.after.bytes,
        regions=sum(number for (number, _), _ in regions),
        region_bytes=round(sum(share * entry.stored_bytes for (_, share), entry in regions)),
        whole_chunks=sum(entry.stored_chunks for entry in whole),
        whole_bytes=sum(entry.stored_bytes for entry in whole),
        threads=threads,
        archive=archive,
    )


def load_of_kind(
    *,
    count: int,
    arrays: int,
    chunks: int,
    stored_bytes: int,
    decoded_bytes: int,
    objects: int,
    recode: bool,
    slices: int,
    threads: int = 1,
) -> Load:
    """Load of a kind of dataset that no plan exists for yet.

    Parameters
    ----------
    count
        Datasets of that kind.
    arrays, chunks, objects
        Of one of them: arrays, stored chunks of the source, objects of the output.
    stored_bytes, decoded_bytes
        Of one of them; the output is taken to need as many bytes as the source.
    recode
        Whether chunks are encoded again.
    slices
        Jobs that share its batches.
    threads
        Cores that its large steps use where there are as many.

    Returns
    -------
    Load
        Load of each of them, and how many they are.
    """
    regions = arrays * REGIONS if chunks > arrays * REGIONS else 0
    return Load(
        slices=slices,
        documents=arrays + 1,
        arrays=arrays,
        objects=objects,
        chunks=chunks,
        recoded_chunks=chunks if recode else 0,
        kept_bytes=0 if recode else stored_bytes,
        recoded_bytes=decoded_bytes if recode else 0,
        recoded_stored_bytes=stored_bytes if recode else 0,
        written_bytes=stored_bytes,
        regions=regions,
        region_bytes=stored_bytes * regions // max(1, chunks),
        whole_chunks=0 if regions else chunks,
        whole_bytes=0 if regions else stored_bytes,
        threads=threads,
        count=count,
    )


def _pairs(plan: Plan, inventory: Inventory) -> Iterator[tuple[InventoryArray, PlanArray]]:
    targets = {array.path: array for array in plan.arrays}
    for entry in inventory.arrays:
        if entry.path in targets:
            yield entry, targets[entry.path]


def _regions(entry: InventoryArray, target: PlanArray) -> tuple[int, float]:
    """Regions of an array that are compared by the validation, and the share that it reads.

    A region is a chunk of the source; the output's chunks that it touches are read whole.
    """
    source = entry.source
    if math.prod(grid.grid_shape(source.shape, source.chunks)) <= REGIONS:
        return 0, 0.0  # the job that converts it compares all of it
    chunks = math.prod(grid.grid_shape(target.shape, target.chunks))
    return REGIONS, min(1.0, REGIONS / chunks)

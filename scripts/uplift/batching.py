"""Cut a dataset's work into batches that stay the same when other arrays' plans change.

Small arrays are packed in path order by what the source holds, never by what the plan says. An
array above the batch size has batches of its own, each a run of its stored objects. A batch is
named after its first array and object.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator

from uplift import FORMAT_VERSION
from uplift.codecs.dtypes import numpy_dtype
from uplift.errors import UnsupportedError
from uplift.grid import ceil_div, grid_shape
from uplift.models.base import Model
from uplift.models.batch import Batch, BatchItem, BatchSummary
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Estimate
from uplift.plan_files import Effective
from uplift.records import sha256_of_json

MIB = 2**20
MOST_ARRAYS = 500
MOST_CHUNKS = 2**18


class BatchSettings(Model):
    """`batch_mib`: decoded size of what one job converts; `unsupported`: see the config."""

    batch_mib: int = 4096
    unsupported: str = "fail"


def skipped_arrays(inventory: Inventory, settings: BatchSettings) -> dict[str, str]:
    """Arrays that cannot be converted, with the reason.

    Raises
    ------
    UnsupportedError
        There is one, and the config does not say to leave such arrays out.
    """
    skipped = {a.path: a.problem for a in inventory.arrays if a.problem is not None}
    if skipped and settings.unsupported != "skip":
        path, problem = next(iter(skipped.items()))
        more = f" (and {len(skipped) - 1} more arrays)" if len(skipped) > 1 else ""
        raise UnsupportedError(
            f"{inventory.source}/{path}: cannot be converted without loss: {problem}{more}; set "
            "unsupported: skip to leave such arrays out"
        )
    return skipped


def split(
    inventory: Inventory, effective: Effective, dataset: str, output: str, settings: BatchSettings
) -> Iterator[Batch]:
    """Yield every batch of a dataset, in path order of their first arrays."""
    limit = settings.batch_mib * MIB
    pack: list[BatchItem] = []
    packed = 0

    def batch(items: list[BatchItem]) -> Batch:
        return Batch(
            batch=_name(items[0]),
            dataset=dataset,
            source=inventory.source,
            output=output,
            items=tuple(items),
        )

    for entry in inventory.arrays:
        if entry.path not in effective:
            continue
        weight = _weight(entry)
        if weight > limit:
            yield from (batch([item]) for item in _runs(entry, effective, weight, limit))
            continue
        if pack and (packed + weight > limit or len(pack) >= MOST_ARRAYS):
            yield batch(pack)
            pack, packed = [], 0
        pack.append(_item(entry, effective, 0, None))
        packed += weight
    if pack:
        yield batch(pack)


def summarise(
    batches: Iterable[Batch], estimate: Estimate, dataset: str, skipped: dict[str, str]
) -> BatchSummary:
    """List the batches and what the plan in force is estimated to cost."""
    return BatchSummary(
        dataset=dataset,
        batches=tuple(batch.batch for batch in batches),
        before=estimate.before,
        after=estimate.after,
        methods=estimate.methods,
        skipped=skipped,
    )


def _weight(entry: InventoryArray) -> int:
    """Decoded bytes of the chunks that the source stores."""
    itemsize = max(1, numpy_dtype(entry.source).itemsize)
    stored = entry.stored_chunks * math.prod(entry.source.chunks) * itemsize
    return max(entry.stored_bytes, min(stored, math.prod(entry.source.shape) * itemsize))


def _runs(
    entry: InventoryArray, effective: Effective, weight: int, limit: int
) -> Iterator[BatchItem]:
    target = effective[entry.path][0]
    objects = math.prod(grid_shape(target.shape, target.object_shape))
    per_object = math.prod(grid_shape(target.object_shape, target.chunks))
    step = max(1, min(objects * limit // weight, MOST_CHUNKS // per_object))
    for number in range(ceil_div(objects, step)):
        yield _item(entry, effective, number * step, min((number + 1) * step, objects))


def _item(entry: InventoryArray, effective: Effective, start: int, stop: int | None) -> BatchItem:
    target, method = effective[entry.path]
    if stop is None:
        stop = math.prod(grid_shape(target.shape, target.object_shape))
    source, shown = entry.source, target.to_json()
    fingerprint = sha256_of_json(
        [FORMAT_VERSION, source.to_json(), shown, entry.listing_sha256, method]
    )
    return BatchItem(
        path=entry.path,
        source=source,
        target=target,
        method=method,
        start=start,
        stop=stop,
        stored_chunks=entry.stored_chunks,
        listing_sha256=entry.listing_sha256,
        fingerprint=fingerprint,
    )


def _name(item: BatchItem) -> str:
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", item.path).strip("-")[:60] or "array"
    digest = hashlib.sha256(item.path.encode()).hexdigest()[:8]
    return f"{slug}.{digest}.{item.start}"

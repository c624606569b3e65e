"""Cut a dataset's work into batches that stay the same when the plans of other arrays change.

What is packed together depends on the source alone, never on the plan: arrays are packed whole, in
path order, by the decoded bytes of their stored chunks. An array above the batch size has batches
of its own, each a run of its stored objects. A batch is named after its first array and object.
"""

import math
import re
from typing import Literal

from pydantic import Field

from uplift import FORMAT_VERSION, grid
from uplift.errors import REWRITE, UnsupportedError
from uplift.models.base import Model
from uplift.models.batch import Batch, BatchItem
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.json_text import canonical_json, sha256_of
from uplift.models.once import once_each
from uplift.planning import estimates
from uplift.planning.estimates import Targets

MAX_ARRAYS = 256
"""Arrays in a batch, at most, so that a killed job repeats little."""

MAX_CHUNKS = 2**18
"""Stored chunks that a batch adds up to, about."""

MAX_OBJECTS = 20_000
"""Stored objects in a run of a large array, about."""


class BatchSettings(Model):
    """How a dataset's work is cut.

    Attributes
    ----------
    batch_mib
        Decoded bytes of one batch, about.
    unsupported
        What to do about arrays that cannot be converted: fail, or skip and list them.
    """

    batch_mib: int = Field(4096, ge=1)
    unsupported: Literal["fail", "skip"] = "fail"


def skipped_arrays(inventory: Inventory, settings: BatchSettings) -> dict[str, str]:
    """Arrays to leave out, with the reason.

    Raises
    ------
    UnsupportedError
        There are some, and the settings do not say to skip them, or an image needs them.
    """
    skipped = {e.path: e.problem for e in inventory.arrays if e.problem is not None}
    levels = [e.path for e in inventory.arrays if e.path in skipped and e.role == "level"]
    if levels:
        remedy = f"it is a level of an image, which is not valid without it: {REWRITE}"
        raise _unsupported(levels[0], skipped, inventory, remedy)
    if skipped and settings.unsupported == "fail":
        remedy = "set unsupported: skip in the config to leave such arrays out"
        raise _unsupported(next(iter(skipped)), skipped, inventory, remedy)
    return skipped


def _unsupported(
    path: str, skipped: dict[str, str], inventory: Inventory, remedy: str
) -> UnsupportedError:
    more = f" (and {len(skipped) - 1} more arrays)" if len(skipped) > 1 else ""
    return UnsupportedError(
        f'array "{path}" of {inventory.source} cannot be converted: {skipped[path]}{more}; {remedy}'
    )


def split(
    inventory: Inventory, targets: Targets, dataset: str, output: str, settings: BatchSettings
) -> list[Batch]:
    """Every batch of a dataset, in path order of the first arrays.

    Parameters
    ----------
    targets
        Array path to target and method; arrays that are not in it belong to no batch.
    output
        URL to convert to.

    Returns
    -------
    list[Batch]
        Each object of the output is in one of them.
    """
    packs: list[list[BatchItem]] = []
    pack: list[BatchItem] = []
    pack_bytes = pack_chunks = 0
    limit = settings.batch_mib * estimates.MIB
    entries = [entry for entry in inventory.arrays if entry.path in targets]
    for entry in sorted(entries, key=lambda entry: entry.path.split("/")):
        cost = cost_bytes(entry)
        if cost > limit:
            packs += ([item] for item in _runs(entry, targets, math.ceil(cost / limit)))
            continue
        full = pack_bytes + cost > limit or pack_chunks + entry.stored_chunks > MAX_CHUNKS
        if not pack or full or len(pack) >= MAX_ARRAYS:
            pack, pack_bytes, pack_chunks = [], 0, 0
            packs.append(pack)
        pack.append(_item(entry, targets, 0, _objects(entry, targets)))
        pack_bytes += cost
        pack_chunks += entry.stored_chunks
    return [
        Batch(
            batch=batch_name(items[0].path, items[0].start),
            dataset=dataset,
            source=inventory.source,
            output=output,
            items=tuple(items),
        )
        for items in packs
    ]


def cost_bytes(entry: InventoryArray) -> int:
    """Size of an array's work in bytes: its stored chunks as decoded, cut at the array's edge."""
    decoded = estimates.stored_decoded_bytes(entry)
    whole = estimates.decoded_bytes(entry.source, entry.source.shape)
    return max(entry.stored_bytes, min(decoded, whole))


def batch_name(path: str, start: int) -> str:
    """Name of the batch that begins with object `start` of an array; usable as a file name."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", path).strip("-")[:40] or "array"
    return f"{slug}.{sha256_of(path.encode())[:8]}.{start}"


def _runs(entry: InventoryArray, targets: Targets, least: int) -> list[BatchItem]:
    """Cut a large array's objects into even runs, `least` of them or more."""
    objects = _objects(entry, targets)
    written = estimates.stored_objects(entry, targets[entry.path][0])
    runs = max(
        least,
        grid.ceil_div(entry.stored_chunks, MAX_CHUNKS),
        grid.ceil_div(written, MAX_OBJECTS),
    )
    step = grid.ceil_div(objects, min(runs, objects))
    return [
        _item(entry, targets, start, min(start + step, objects))
        for start in range(0, objects, step)
    ]


def _objects(entry: InventoryArray, targets: Targets) -> int:
    return math.prod(targets[entry.path][0].object_grid)


def _item(entry: InventoryArray, targets: Targets, start: int, stop: int) -> BatchItem:
    target, method = targets[entry.path]
    # canonical JSON of a list, of whose entries the long ones are few
    facts = (
        canonical_json(FORMAT_VERSION),
        *map(_canonical, (entry.source, target)),
        *map(canonical_json, (entry.listing_sha256, method)),
    )
    return BatchItem(
        path=entry.path,
        source=entry.source,
        target=target,
        method=method,
        start=start,
        stop=stop,
        stored_chunks=entry.stored_chunks,
        stored_bytes=entry.stored_bytes,
        listing_sha256=entry.listing_sha256,
        fingerprint=sha256_of(f"[{','.join(facts)}]".encode()),
    )


@once_each
def _canonical(model: Model) -> str:
    return canonical_json(model.to_json())

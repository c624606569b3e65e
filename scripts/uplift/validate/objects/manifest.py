"""``manifest.sha256``: the check sums of all objects of the output, as ``sha256sum -c`` reads them.

The batches hash their shards; the rest is hashed when the verdict is reached. The root document is
in the list before it is published; the list itself and the lock are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from uplift import grid
from uplift.arrays.output_objects import position_of_key
from uplift.models.batch import Batch
from uplift.outputs.keys import LOCK_KEY, MANIFEST_KEY, ROOT_KEY
from uplift.parallel import in_order
from uplift.storage.files import is_temporary
from uplift.storage.protocol import Store, join
from uplift.validate.objects.accounts import sha256_of
from uplift.zarr_metadata.v3 import target_key

Sums = dict[str, str]
_NOT_LISTED = (LOCK_KEY, MANIFEST_KEY, ROOT_KEY)


def batch_sums(batch: Batch, output: Store, threads: int) -> Sums:
    """Hash the stored objects of a batch."""
    with ThreadPoolExecutor(threads) as pool:
        pairs = in_order(
            pool, lambda key: (key, sha256_of(output, key)), _keys(batch, output), 4 * threads
        )
        return {key: digest for key, digest in pairs if digest is not None}


def manifest_text(output: Store, keys: Iterable[str], known: Sums, root_document: bytes) -> str:
    """List every object of the output.

    Parameters
    ----------
    keys
        What the listing of the output had; those that are not listed are left out.
    known
        The sums that the batches made.
    root_document
        The one to publish.
    """
    sums = {ROOT_KEY: hashlib.sha256(root_document).hexdigest()}
    for key in keys:
        if key in _NOT_LISTED or is_temporary(key):
            continue
        digest = known.get(key) or sha256_of(output, key)
        if digest is not None:
            sums[key] = digest
    return spell(sums)


def spell(sums: Sums) -> str:
    r"""Write lines of ``sha256sum``: names with ``\`` or a line break are escaped and marked."""
    lines = []
    for key in sorted(sums):
        name = key.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "" if name == key else "\\"
        lines.append(f"{mark}{sums[key]}  {name}\n")
    return "".join(lines)


def read_sums(files: Iterable[Path]) -> Sums:
    """Read what the batches wrote, but for names that are escaped: those are hashed again."""
    sums: Sums = {}
    for file in files:
        if not file.is_file():  # of a batch without stored objects, or one that made no sums
            continue
        for line in file.read_text().split("\n"):
            if line and not line.startswith("\\"):
                digest, _, key = line.partition("  ")
                sums[key] = digest
    return sums


def _keys(batch: Batch, output: Store) -> Iterator[str]:
    """Keys of the objects of a batch that exist."""
    for item in batch.items:
        objects = grid.grid_shape(item.target.shape, item.target.object_shape)
        if not objects:
            yield join(item.path, target_key(()))
            continue
        skip = len(item.path) + 1 if item.path else 0
        for info in output.list_tree(join(item.path, "c")):
            position = position_of_key(info.key[skip:], objects)
            if position is not None and item.start <= position < item.stop:
                yield info.key

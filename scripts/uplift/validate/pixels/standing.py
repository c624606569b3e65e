"""Whether a batch still stands as it was compared: then it need not be read again.

An edit of one array makes Snakemake validate all batches again, since the metadata were migrated
anew. What was compared is known by listings of both sides: keys, sizes, and times or ETags.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from uplift import grid
from uplift.arrays.output_objects import position_of_key
from uplift.arrays.source_chunks import ChunkSource, ListingDigest
from uplift.arrays.tasks import source_region
from uplift.convert.batch import versions
from uplift.models import json_text
from uplift.models.batch import Batch, BatchItem
from uplift.models.record import Record
from uplift.models.validation import BatchValidation
from uplift.storage.protocol import Store, join
from uplift.validate.pixels.items import CheckSettings
from uplift.work import json_files


class Standing:
    """What the comparison of one batch rests on, noted in a file of its own.

    Made before the comparison: whatever changes afterwards is noticed the next time.

    Parameters
    ----------
    note
        The file; it holds a digest of everything, the results included.
    results
        Files that the comparison writes.
    """

    def __init__(
        self,
        note: Path,
        results: Sequence[Path],
        batch: Batch,
        record: Record,
        source: Store,
        output: Store,
        settings: CheckSettings,
    ) -> None:
        self._note = note
        self._results = results
        self._facts = _facts(batch, record, source, output, settings)

    def holds(self) -> bool:
        """Whether nothing changed since the results were written."""
        if self._facts is None or not self._note.is_file():
            return False
        return self._note.read_bytes() == f"{self._digest()}\n".encode()

    def remember(self, validation: BatchValidation) -> None:
        """Note that the results stand; what holds errors is compared again each time."""
        if self._facts is None or any(f.severity == "error" for f in validation.findings):
            self._note.unlink(missing_ok=True)
        else:
            json_files.write_text(self._note, f"{self._digest()}\n")

    def _digest(self) -> str:
        digest = hashlib.sha256(str(self._facts).encode())
        for path in self._results:
            if not path.is_file():
                return ""
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()


def _facts(
    batch: Batch, record: Record, source: Store, output: Store, settings: CheckSettings
) -> str | None:
    """Digest of what the results depend on; None where nothing can be listed."""
    if not (source.can_list and output.can_list):
        return None
    items = [
        [
            source_listing(source, item),
            _output_listing(output, item),
            _document(output, item, settings),
        ]
        for item in batch.items
    ]
    # not what converting cost: objects that it wrote again have other times
    bad = [[chunk.to_json() for chunk in one.bad_chunks] for one in record.items]
    limit = settings.digest_limit_bytes
    return json_text.sha256_of_json([batch.to_json(), bad, versions(), limit, items])


def source_listing(source: Store, item: BatchItem) -> str:
    """Digest of the source's objects of an item, as far as folders hold them apart.

    Where they do not, each of many batches would list the whole array: the first one does.
    """
    chunks, region = ChunkSource(source, item.path, item.source), source_region(item)
    if item.start and not chunks.folder_of(region):
        return item.listing_sha256
    return chunks.listing_sha256(region)


def _output_listing(output: Store, item: BatchItem) -> str:
    """Digest of the objects of an item, and of whatever else lies among them."""
    object_grid = grid.grid_shape(item.target.shape, item.target.object_shape)
    folder = join(item.path, "/".join(["c", *map(str, _shared(item, object_grid))]))
    skip = len(item.path) + 1 if item.path else 0
    digest = ListingDigest()
    alone = output.stat(folder) if not object_grid else None
    for info in itertools.chain(output.list_tree(folder), [alone] if alone else []):
        position = position_of_key(info.key[skip:], object_grid)
        if position is None or item.start <= position < item.stop:
            digest.add(info.key, info)
    return digest.hexdigest()


def _shared(item: BatchItem, object_grid: grid.Shape) -> list[int]:
    """Leading indices that all objects of an item have in common, those of folders only."""
    if item.start >= item.stop:
        return []
    first, last = (grid.index_of(n, object_grid) for n in (item.start, item.stop - 1))
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=True))
    return [index for index, _ in pairs][: len(object_grid) - 1]


def _document(output: Store, item: BatchItem, settings: CheckSettings) -> str:
    """What the array's document is: the root's is staged."""
    if not item.path and settings.root_document is not None:
        return hashlib.sha256(settings.root_document).hexdigest()
    return str(output.stat(join(item.path, "zarr.json")))

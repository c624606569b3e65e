"""One Zarr v2 array written by hand, converted, ready to be validated or broken."""

import itertools
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np

from uplift import grid
from uplift.arrays.source_chunks import ChunkSource
from uplift.batches.context import Context, Settings
from uplift.batches.portions import portions_of
from uplift.batches.records import BatchRun
from uplift.batches.work import Assignment, Result, run_assignment
from uplift.codecs.mapping import target_of
from uplift.models.batch import Batch, BatchItem
from uplift.models.findings import Finding
from uplift.models.record import BadChunk
from uplift.storage.local import LocalStore
from uplift.work.journal import Journal
from uplift.zarr_metadata.v2 import parse_v2
from uplift.zarr_metadata.v3 import array_document

PATH = "a/0"


@dataclass
class Case:
    shape: tuple[int, ...] = (50, 60)
    chunks: tuple[int, ...] = (20, 16)
    shards: tuple[int, ...] | None = (40, 32)
    dtype: str = "<u2"
    compressor: dict[str, Any] | None = field(
        default_factory=lambda: {
            "id": "blosc",
            "cname": "lz4",
            "clevel": 1,
            "shuffle": 1,
            "blocksize": 0,
        }
    )
    order: str = "C"
    fill: Any = 0
    absent: tuple[tuple[int, ...], ...] = ()
    target_chunks: tuple[int, ...] | None = None
    codecs: Any = "keep"
    seed: int = 0


def carried_out(batch, source, output, journal, settings) -> list[Result]:
    """Convert and validate a batch in this process, between stores that are open."""
    lines = Journal(journal)
    lines.start(lines.done)
    run = BatchRun(batch, lines)
    job = Assignment([list(run.portions())], {batch.batch: lines})
    return run_assignment(Context(source, output, settings), job)


class Converted:
    """The array's source, output, batch and record."""

    def __init__(self, root: Path, case: Case, *, fill_bad: bool = False) -> None:
        self.root = root
        self.case = case
        self.source_folder = root / "in" / PATH
        self.folder = root / "out" / PATH
        self.values = write_v2(self.source_folder, case)
        self.source = LocalStore(str(root / "in"))
        self.output = LocalStore(str(root / "out"), writable=True, durability="none")
        self.batch = Batch(batch="b", dataset="d", source="in", output="out", items=(self._item(),))
        self.fill_bad = fill_bad

    def convert(self) -> "Converted":
        """Convert and validate, as one job with one process does."""
        items = (
            item.model_copy(update={"listing_sha256": self._seen(item), "stored_bytes": 0})
            for item in self.batch.items
        )
        self.batch = self.batch.model_copy(update={"items": tuple(items)})
        self.results = carried_out(
            self.batch, self.source, self.output, self.journal, Settings(self.fill_bad)
        )
        document = array_document(self.item.target, {}, None)
        self.output.put(f"{PATH}/zarr.json", json.dumps(document).encode())
        return self

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def bad(self) -> tuple[BadChunk, ...]:
        return tuple(bad for result in self.results for bad in result.bad_chunks)

    @property
    def item(self) -> BatchItem:
        return self.batch.items[0]

    def validate(self, verify: str = "once") -> list[Result]:
        """Validate again what was converted."""
        lines = Journal(self.journal).done
        portions = [replace(one, bad=self.bad) for one in portions_of(self.batch, lines)]
        context = Context(self.source, self.output, Settings(verify=verify))
        return run_assignment(context, Assignment([portions]))

    def findings(self, verify: str = "once") -> list[Finding]:
        return [found for result in self.validate(verify) for found in result.findings]

    def codes(self, verify: str = "once") -> list[str]:
        return sorted({f.code for f in self.findings(verify) if f.severity == "error"})

    def objects(self) -> list[Path]:
        found = [self.folder / "c", *(self.folder / "c").rglob("*")]
        return sorted(path for path in found if path.is_file())

    def stored_chunks(self) -> int:
        return sum(1 for p in self.source_folder.iterdir() if p.name != ".zarray")

    def split(self, *stops: int) -> "Converted":
        """Cut the item into several, as large arrays are."""
        edges = [0, *stops, self.item.stop]
        items = tuple(
            self.item.model_copy(update={"start": a, "stop": b})
            for a, b in itertools.pairwise(edges)
        )
        self.batch = self.batch.model_copy(update={"items": items})
        return self

    def _seen(self, item: BatchItem) -> str:
        """What inspect would see of the source now."""
        return ChunkSource(self.source, item.path, item.source).survey(keep=False)

    def _item(self) -> BatchItem:
        case = self.case
        source = parse_v2(json.loads((self.source_folder / ".zarray").read_text()), "test")
        target, method = target_of(
            source, case.target_chunks or case.chunks, case.shards, case.codecs
        )
        return BatchItem(
            path=PATH,
            source=source,
            target=target,
            method=method,
            start=0,
            stop=math.prod(grid.grid_shape(target.shape, target.object_shape)),
            stored_chunks=self.stored_chunks(),
            stored_bytes=0,
            listing_sha256="",
            fingerprint="f",
        )


def write_v2(folder: Path, case: Case) -> np.ndarray:
    """Write the chunks with numcodecs; return all values."""
    folder.mkdir(parents=True)
    dtype = np.dtype(case.dtype)
    document = {
        "zarr_format": 2,
        "shape": case.shape,
        "chunks": case.chunks,
        "dtype": case.dtype,
        "compressor": case.compressor,
        "filters": None,
        "order": case.order,
        "fill_value": case.fill,
        "dimension_separator": ".",
    }
    (folder / ".zarray").write_text(json.dumps(document))
    codec = numcodecs.get_codec(case.compressor) if case.compressor else None
    rng = np.random.default_rng(case.seed)
    full = np.full(case.shape, case.fill or 0, dtype=dtype)
    for index in grid.all_indices(grid.grid_shape(case.shape, case.chunks)):
        raw = rng.integers(0, 256, size=(*case.chunks, dtype.itemsize), dtype=np.uint8)
        raw &= 1 if dtype.kind == "b" else 63
        values = np.ascontiguousarray(raw).view(dtype).reshape(case.chunks)
        if index in case.absent:
            continue
        data = values.tobytes(order=case.order)
        if codec is not None:
            data = bytes(codec.encode(np.frombuffer(data, dtype=dtype)))
        (folder / (".".join(map(str, index)) or "0")).write_bytes(data)
        slices = grid.element_slices(index, case.chunks, case.shape)
        full[slices] = values[tuple(slice(0, s.stop - s.start) for s in slices)]
    return full


def recoded(case: Case, **changes: Any) -> Case:
    """The same array, cut and encoded again."""
    zstd = ({"name": "zstd", "configuration": {"level": 1, "checksum": False}},)
    return replace(case, codecs=zstd, **changes)

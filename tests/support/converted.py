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
from uplift.codecs.mapping import target_of
from uplift.convert.batch import convert_batch
from uplift.convert.item import ConvertSettings
from uplift.models.batch import Batch, BatchItem
from uplift.storage.local import LocalStore
from uplift.validate.pixels.items import CheckSettings, validate_batch
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


class Converted:
    """The array's source, output, batch and record."""

    def __init__(self, root: Path, case: Case, *, threads: int = 2, fill_bad: bool = False) -> None:
        self.root = root
        self.case = case
        self.source_folder = root / "in" / PATH
        self.folder = root / "out" / PATH
        self.values = write_v2(self.source_folder, case)
        self.source = LocalStore(str(root / "in"))
        self.output = LocalStore(str(root / "out"), writable=True, durability="none")
        self.batch = Batch(batch="b", dataset="d", source="in", output="out", items=(self._item(),))
        self.threads = threads
        self.fill_bad = fill_bad

    def convert(self) -> "Converted":
        items = (
            item.model_copy(update={"listing_sha256": self._seen(item)})
            for item in self.batch.items
        )
        self.batch = self.batch.model_copy(update={"items": tuple(items)})
        self.record = convert_batch(
            self.batch,
            self.source,
            self.output,
            Journal(self.root / "journal.jsonl"),
            ConvertSettings(threads=self.threads, fill_bad_chunks=self.fill_bad),
        )
        document = array_document(self.item.target, {}, None)
        self.output.put(f"{PATH}/zarr.json", json.dumps(document).encode())
        return self

    @property
    def item(self) -> BatchItem:
        return self.batch.items[0]

    def validate(self, **settings: Any):
        settings = {"threads": self.threads, **settings}
        return validate_batch(
            self.batch, self.record, self.source, self.output, CheckSettings(**settings)
        )

    def codes(self) -> list[str]:
        validation, _ = self.validate()
        return sorted({f.code for f in validation.findings if f.severity == "error"})

    def objects(self) -> list[Path]:
        return sorted(p for p in (self.folder / "c").rglob("*") if p.is_file())

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
        return ChunkSource(self.source, item.path, item.source).listing_sha256()

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
    """The same array, cut and encoded anew."""
    zstd = ({"name": "zstd", "configuration": {"level": 1, "checksum": False}},)
    return replace(case, codecs=zstd, **changes)

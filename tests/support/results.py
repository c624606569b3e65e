"""Work files as finished, failed and running datasets leave them, without converting anything."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from uplift.settings.columns import Sample, SampleTable
from uplift.work import json_files, ledger

ORGANISMS = ("NCBI:txid9606", "NCBI:txid7227", "NCBI:txid7955")


def write(folder: Path, name: str, content: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def source_array(path: str, size: int) -> dict:
    return {
        "path": path, "role": "level", "multiscale": "", "level": int(path),
        "axes": ["c", "y", "x"],
        "source": {
            "zarr_format": 2, "shape": [2, size, size], "chunks": [1, 64, 64], "data_type": "<u2",
            "compressor": {"id": "blosc", "cname": "lz4"}, "filters": None,
        },
        "stored_chunks": 2 * (size // 64) ** 2, "stored_bytes": size * size,
    }  # fmt: skip


def finding(severity: str, code: str, message: str, path: str = "") -> dict:
    return {"severity": severity, "code": code, "path": path, "message": message}


class Results:
    """A results folder that grows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.samples = folder, []
        folder.mkdir(parents=True, exist_ok=True)

    def listed(self, dataset: str, **cells: object) -> Path:
        """A row of the sheet, and nothing done yet."""
        given = {"input": f"in/{dataset}.zarr", "output": f"out/{dataset}.zarr", **cells}
        self.samples.append(Sample(dataset=dataset, **given))
        return self.folder / dataset

    def log(self, folder: Path, step: str, *lines: str) -> Path:
        file = folder / "logs" / f"{step}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(("command", *lines)) + "\n")
        return file

    def planned(self, dataset: str, size: int = 256, edited: bool = False, **cells: object) -> Path:
        folder = self.listed(dataset, **cells)
        arrays = [source_array("0", size), source_array("1", size // 2)]
        groups = [{"path": "", "roles": ["image"]}]
        inventory = {"source": f"in/{dataset}.zarr", "zarr_format": 2, "ome_versions": ["0.4"]}
        write(
            folder, "inventory.json", {**inventory, "groups": groups, "arrays": arrays, "files": []}
        )
        entry = {"chunks": [1, 64, 64], "shards": [2, size, size], "codecs": "keep"}
        planned = [{"path": a["path"], **entry, "method": "repack", "objects": 1} for a in arrays]
        totals = {
            "before": {"objects": 40, "bytes": 9},
            "after": {"objects": 4, "bytes": size * size},
        }
        plan = {
            "dataset": dataset,
            "rules": [],
            "arrays": planned,
            "estimate": {**totals, "methods": {"repack": 2}},
        }
        write(folder, "plan.json", plan if edited else {**plan, "generated_sha256": "0"})
        self.log(folder, "plan")
        return folder

    def validated(
        self, dataset: str, *findings: dict, verdict: str = "valid", **more: object
    ) -> Path:
        folder = self.planned(dataset, **more)
        write(folder, "claim.json", {})
        array = {
            "shape": [2, 256, 256],
            "data_type": "uint16",
            "chunks_compared": 8,
            "bytes_compared": 2**17,
        }
        arrays = [
            {"path": p, **array, "sha256": "ab" * 32, "chunks_sha256": "cd" * 32} for p in "01"
        ]
        about = {
            "dataset": dataset,
            "verdict": verdict,
            "objects": 9,
            "bytes": 70_000,
            "root_sha256": "ef" * 32,
        }
        write(folder, "validation.json", {**about, "findings": findings, "arrays": arrays})
        for step, wall in (("convert", 2.5), ("validate", 1.0)):
            spent = ledger.Spent(
                step, "", "2026-11-26T10:00:00+00:00", wall, wall, 10**8, host="node1"
            )
            spent.bytes_read, spent.exit_code, spent.versions = 65_536, 0, {"ngff-uplift": "0.1.0"}
            ledger.append(folder / ledger.NAME, spent)
        return folder

    def published(
        self, dataset: str, *findings: dict, picture: int | None = 0, **more: object
    ) -> Path:
        folder = self.validated(dataset, *findings, **more)
        output = self.samples[-1].output
        there = output if "://" in output else str(Path(output).absolute())
        place = {"dataset": dataset, "output": there}
        stamp = "2026-11-26T10:00:00+00:00"
        about = {
            "published_at": stamp,
            "verdict": "valid",
            "root_sha256": "ef" * 32,
            "objects": 9,
            "bytes": 70_000,
        }
        write(folder, "published.json", {**place, **about})
        organism = ORGANISMS[len(self.samples) % 3]
        crate = {"name": f"Cells {dataset}", "organism": organism, "modality": "obo:FBbi_00000246"}
        crate["license"] = "https://creativecommons.org/licenses/by/4.0/"
        write(folder, "crate.json", crate)
        if picture is not None:
            self.draw(folder, picture)
        return folder

    def draw(self, folder: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rough = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype="u1"))
        picture = rough.resize((384, 384), Image.Resampling.BICUBIC)
        channel = {"label": "DAPI", "color": "0000FF", "window": [0, 4000], "described": True}
        shown = {"kind": "image", "level": "0", "position": {"z": 3}, "part": [0, 1, 0, 1]}
        axes = [{"name": "y", "size": 256, "scale": 0.5, "unit": "micrometer"}]
        write(
            folder,
            "preview.json",
            {**shown, "channels": [channel], "labels": "nuclei", "axes": axes},
        )
        for name, size, mode in (
            ("preview", 384, "RGB"),
            ("preview.labels", 384, "RGBA"),
            ("thumbnail", 96, "RGB"),
        ):
            data = io.BytesIO()
            picture.convert(mode).resize((size, size)).save(data, "WEBP", quality=70)
            (folder / f"{name}.webp").write_bytes(data.getvalue())

    def write_samples(self) -> Path:
        file = self.folder / "samples.json"
        json_files.write_json(file, SampleTable(samples=tuple(self.samples)))
        return file

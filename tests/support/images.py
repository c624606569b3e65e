"""Small OME-Zarr 0.4 datasets written with numcodecs and json alone."""

import json
from pathlib import Path

import numcodecs
import numpy as np

from uplift import grid

BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_array(folder: Path, values, chunks, compressor=None, *, fill=0, keep=lambda _: True):
    """Write `values` as a v2 array; `keep(index)` says which chunks are stored."""
    compressor = BLOSC if compressor is None else compressor
    codec = numcodecs.get_codec(compressor) if compressor else None
    document = {
        "zarr_format": 2,
        "shape": values.shape,
        "chunks": chunks,
        "dtype": values.dtype.str,
        "compressor": compressor or None,
        "filters": None,
        "order": "C",
        "fill_value": fill,
        "dimension_separator": "/",
    }
    write_json(folder / ".zarray", document)
    for index in grid.all_indices(grid.grid_shape(values.shape, chunks)):
        if not keep(index):
            continue
        piece = values[grid.element_slices(index, chunks, values.shape)]
        whole = np.full(chunks, fill, dtype=values.dtype)
        whole[tuple(slice(0, n) for n in piece.shape)] = piece
        data = codec.encode(whole) if codec else whole.tobytes()
        path = folder.joinpath(*map(str, index))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def multiscales(levels: int, axes: str = "czyx", **extra):
    types = {"t": "time", "c": "channel"}
    return [
        {
            "version": "0.4",
            "name": "cells",
            "axes": [{"name": a, "type": types.get(a, "space")} for a in axes],
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [
                        {
                            "type": "scale",
                            "scale": [2.0**level if a in "yx" else 1.0 for a in axes],
                        }
                    ],
                }
                for level in range(levels)
            ],
            **extra,
        }
    ]


def write_image(
    root: Path, *, labels: bool = True, size: int = 96, depth: int = 5, chunk: int = 16, seed=0
):
    """Write a czyx uint16 image of two levels with a label image and a stray file."""
    rng = np.random.default_rng(seed)
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"multiscales": multiscales(2), "lab": {"version": "7", "k": 1}})
    for level in range(2):
        n = size >> level
        values = rng.integers(0, 4000, (2, depth, n, n), dtype="<u2")
        write_array(root / str(level), values, (1, 1, chunk, chunk), keep=lambda i: sum(i) % 5 != 3)
    (root / "notes.txt").write_text("stray, but precious")
    if labels:
        write_json(root / "labels" / ".zgroup", {"zarr_format": 2})
        write_json(root / "labels" / ".zattrs", {"labels": ["nuclei"]})
        folder = root / "labels" / "nuclei"
        write_json(folder / ".zgroup", {"zarr_format": 2})
        attributes = {
            "multiscales": multiscales(2, "zyx"),
            "image-label": {"version": "0.4", "source": {"image": "../../"}},
        }
        write_json(folder / ".zattrs", attributes)
        for level in range(2):
            n = size >> level
            values = rng.integers(0, 9, (depth, n, n), dtype="<u4")
            write_array(folder / str(level), values, (1, chunk, chunk))
    return root


def write_plate_of_one_well(root, **options):
    """Write a plate of one well with two fields, one of them labelled; options of write_image."""
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    sides = {"rows": [{"name": "A"}], "columns": [{"name": "1"}]}
    write_json(root / ".zattrs", {"plate": {"version": "0.4", **sides, "wells": wells}})
    well = {"version": "0.4", "images": [{"path": "0"}, {"path": "1"}]}
    write_json(root / "A/1/.zattrs", {"well": well})
    for group in (root, root / "A", root / "A" / "1"):
        write_json(group / ".zgroup", {"zarr_format": 2})
    for field in range(2):
        write_image(root / f"A/1/{field}", size=32, labels=field == 0, seed=field, **options)


def write_one_array(root, side, chunk):
    """Write an image of one square array."""
    values = np.random.default_rng(0).integers(0, 200, (side, side), dtype="<u2")
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"multiscales": multiscales(1, "yx")})
    write_array(root / "0", values, (chunk, chunk))

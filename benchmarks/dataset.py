"""Generate what the benchmarks convert: OME-Zarr 0.4, the same bytes on every machine.

An image: five dimensions, uint16, blosc-lz4 with byte shuffle, chunks of one plane's tile, a
pyramid. Round cells on an uneven background, with the offset, shot noise and read noise of a
scientific camera: it compresses as pictures from a microscope do, about 3:2. A plate: many small
images of the same kind.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

CAMERA_OFFSET = 100.0  # counts
CAMERA_GAIN = 0.46  # electrons a count
READ_NOISE = 1.6  # electrons
CELL_RADIUS = 20
UNIT_PIXEL = 0.108  # micrometers


def main() -> int:
    """Write the dataset, unless it is there already; its size stands in ``<folder>.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder to write, such as source.zarr")
    parser.add_argument("kind", choices=KINDS)
    arguments = parser.parse_args()
    KINDS[arguments.kind](arguments.folder)
    return 0


@dataclass(frozen=True)
class Size:
    """Size of the dataset: level 0 is (t, c, z, side, side), chunks are (1, 1, 1, tile, tile)."""

    t: int = 1
    c: int = 2
    z: int = 64
    side: int = 2048
    tile: int = 256
    levels: int = 4

    def level(self, number: int) -> tuple[int, ...]:
        """Elements along (t, c, z, y, x)."""
        side = self.side >> number
        return (self.t, self.c, self.z, side, side)

    @property
    def chunks(self) -> int:
        """Chunks of all levels."""
        planes = self.t * self.c * self.z
        sides = (self.side >> number for number in range(self.levels))
        return sum(planes * (side // min(self.tile, side)) ** 2 for side in sides)


@dataclass(frozen=True)
class Plate:
    """Size of a plate: images are (1, channels, 1, side, side), chunks (1, 1, 1, tile, tile)."""

    rows: int = 8
    columns: int = 12
    fields: int = 4
    channels: int = 2
    side: int = 1024
    tile: int = 512
    levels: int = 4

    @property
    def image(self) -> Size:
        """Size of each image."""
        return Size(1, self.channels, 1, self.side, self.tile, self.levels)

    @property
    def images(self) -> int:
        """Images of all wells."""
        return self.rows * self.columns * self.fields

    @property
    def chunks(self) -> int:
        """Chunks of all levels of all images."""
        return self.images * self.image.chunks


def generate(folder: Path, size: Size) -> None:
    """Write an image to `folder`, unless it is there already."""
    with _written_once(folder, {"kind": "image", **asdict(size), "chunks": size.chunks}) as needed:
        if needed:
            _write_image(folder, size, _attributes(size), (0,))


def generate_plate(folder: Path, plate: Plate) -> None:
    """Write a plate to `folder`, unless it is there already; neighbors have the same pictures."""
    described = {"kind": "plate", **asdict(plate), "chunks": plate.chunks}
    with _written_once(folder, described) as needed:
        if not needed:
            return
        folder.mkdir(parents=True)
        _write_group(folder, _plate_attributes(plate))
        for row, column in np.ndindex(plate.rows, plate.columns):
            well = folder / _row_name(row) / str(column + 1)
            well.mkdir(parents=True)
            if column == 0:
                _write_json(well.parent / ".zgroup", {"zarr_format": 2})
            images = [{"path": str(field), "acquisition": 0} for field in range(plate.fields)]
            _write_group(well, {"well": {"version": "0.4", "images": images}})
            for field in range(plate.fields):
                _write_image(well / str(field), plate.image, _attributes(plate.image), (field,))


@contextlib.contextmanager
def _written_once(folder: Path, described: dict[str, Any]) -> Iterator[bool]:
    described = {"generator": 2, **described}
    done = folder.with_name(f"{folder.name}.json")
    if folder.is_dir() and done.is_file() and json.loads(done.read_text()) == described:
        yield False
        return
    done.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    blosc.use_threads = False
    yield True
    _write_json(done, described)


def _write_image(
    folder: Path, size: Size, attributes: dict[str, Any], seed: tuple[int, ...]
) -> None:
    folder.mkdir(parents=True)
    _write_group(folder, attributes)
    for number in range(size.levels):
        (folder / str(number)).mkdir()
        _write_json(folder / str(number) / ".zarray", _array(size, number))
    with ThreadPoolExecutor() as pool:
        indices = list(np.ndindex(size.t, size.c, size.z))
        list(pool.map(lambda index: _write_plane(folder, size, index, seed), indices))


def _write_plane(folder: Path, size: Size, index: tuple[int, ...], seed: tuple[int, ...]) -> None:
    codec = blosc.Blosc(cname="lz4", clevel=5, shuffle=blosc.Blosc.SHUFFLE)
    for number, plane in enumerate(_levels(size.side, size.levels, (*seed, *index))):
        for y, x, tile in _tiles(plane, min(size.tile, size.side >> number)):
            place = folder.joinpath(str(number), *map(str, index), str(y))
            place.mkdir(parents=True, exist_ok=True)
            (place / str(x)).write_bytes(codec.encode(tile))


@functools.lru_cache(maxsize=8)  # the pictures of a well are those of all wells
def _levels(side: int, levels: int, index: tuple[int, ...]) -> list[NDArray[np.uint16]]:
    planes = [picture(side, index)]
    while len(planes) < levels:
        planes.append(_halved(planes[-1]))
    return planes


def picture(side: int, index: tuple[int, ...]) -> NDArray[np.uint16]:
    """One plane (y, x); `index` names it."""
    rng = np.random.default_rng([20240917, *index])
    ramp = np.linspace(0, np.pi, side, dtype=np.float32)
    light = 100 + 70 * np.outer(np.sin(ramp), np.sin(ramp + 0.3)).astype(np.float32)
    cell = _cell()
    edge = cell.shape[0]
    for y, x in rng.integers(0, side - edge, size=(side * side // 12_000, 2)):
        light[y : y + edge, x : x + edge] += rng.uniform(200, 4000) * cell
    spread = np.sqrt(light / CAMERA_GAIN + (READ_NOISE / CAMERA_GAIN) ** 2)
    noise = rng.standard_normal(light.shape, dtype=np.float32) * spread
    counts: NDArray[np.uint16] = np.clip(light + noise + CAMERA_OFFSET, 0, 65535).astype(np.uint16)
    return counts


def _cell() -> NDArray[np.float32]:
    reach = np.arange(-CELL_RADIUS, CELL_RADIUS + 1, dtype=np.float32) / CELL_RADIUS
    distance = reach[:, None] ** 2 + reach[None, :] ** 2
    dome: NDArray[np.float32] = np.sqrt(np.clip(1 - distance, 0, None), dtype=np.float32)
    return dome


def _halved(plane: NDArray[np.uint16]) -> NDArray[np.uint16]:
    side = plane.shape[0] // 2
    means: NDArray[np.uint16] = plane.reshape(side, 2, side, 2).mean(axis=(1, 3)).astype(np.uint16)
    return means


def _tiles(plane: NDArray[np.uint16], tile: int) -> Iterator[tuple[int, int, NDArray[np.uint16]]]:
    for y in range(plane.shape[0] // tile):
        for x in range(plane.shape[1] // tile):
            part = plane[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile]
            yield y, x, np.ascontiguousarray(part)


def _array(size: Size, number: int) -> dict[str, Any]:
    return {
        "zarr_format": 2,
        "shape": size.level(number),
        "chunks": (1, 1, 1, *[min(size.tile, size.side >> number)] * 2),
        "dtype": "<u2",
        "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
        "fill_value": 0,
        "order": "C",
        "filters": None,
        "dimension_separator": "/",
    }


def _attributes(size: Size) -> dict[str, Any]:
    space = {"type": "space", "unit": "micrometer"}
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, **space} for name in "zyx"]
    pixels = [UNIT_PIXEL * 2**number for number in range(size.levels)]
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 1.0, 0.5, pixels[number], pixels[number]]}
            ],
        }
        for number in range(size.levels)
    ]
    return {
        "multiscales": [{"version": "0.4", "name": "benchmark", "axes": axes, "datasets": datasets}]
    }


def _row_name(row: int) -> str:
    return chr(ord("A") + row)


def _plate_attributes(plate: Plate) -> dict[str, Any]:
    wells = [
        {"path": f"{_row_name(row)}/{column + 1}", "rowIndex": row, "columnIndex": column}
        for row, column in np.ndindex(plate.rows, plate.columns)
    ]
    return {
        "plate": {
            "version": "0.4",
            "name": "benchmark",
            "field_count": plate.fields,
            "acquisitions": [{"id": 0, "name": "first", "maximumfieldcount": plate.fields}],
            "rows": [{"name": _row_name(row)} for row in range(plate.rows)],
            "columns": [{"name": str(column + 1)} for column in range(plate.columns)],
            "wells": wells,
        }
    }


def _write_group(folder: Path, attributes: dict[str, Any]) -> None:
    _write_json(folder / ".zgroup", {"zarr_format": 2})
    _write_json(folder / ".zattrs", attributes)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2))


KINDS: dict[str, Callable[[Path], None]] = {
    "image": lambda folder: generate(folder, Size()),
    "middle": lambda folder: generate(folder, Size(t=3)),
    "large": lambda folder: generate(folder, Size(t=5)),
    "plate": lambda folder: generate_plate(folder, Plate()),
    "arrays": lambda folder: generate_plate(folder, Plate(channels=1, side=64, tile=64)),
    "tiny": lambda folder: generate(folder, Size(t=1, c=2, z=1, side=256, levels=2)),
    "remote": lambda folder: generate(folder, Size(t=1, c=2, z=45)),
    "small": lambda folder: generate(folder, Size(t=1, c=2, z=8, side=512, levels=2)),
    "small-plate": lambda folder: generate_plate(folder, Plate(rows=2, columns=2, side=512)),
}
"""1.4 GB decoded, 4.3 GB, 7 GB, 1,536 arrays, as many small ones, 2 arrays, 1 GB; and what a minute
is enough for."""


if __name__ == "__main__":
    sys.exit(main())

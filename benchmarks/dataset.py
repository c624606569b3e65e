"""Generate the dataset that the benchmarks convert: OME-Zarr 0.4, the same bytes on every machine.

Five dimensions, uint16, blosc-lz4 with byte shuffle, chunks of one plane's tile, a pyramid. Round
cells on an uneven background, with the offset, shot noise and read noise of a scientific camera: it
compresses as pictures from a microscope do, about 3:2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
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
    parser.add_argument("--small", action="store_true", help="some MB in place of a GB")
    parser.add_argument("--timepoints", type=int, default=Size.t, help="half a GB each")
    arguments = parser.parse_args()
    generate(arguments.folder, SMALL if arguments.small else Size(t=arguments.timepoints))
    return 0


@dataclass(frozen=True)
class Size:
    """Size of the dataset: level 0 is (t, c, z, side, side), chunks are (1, 1, 1, tile, tile)."""

    t: int = 2
    c: int = 3
    z: int = 20
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
        return sum(planes * ((self.side >> n) // self.tile) ** 2 for n in range(self.levels))


SMALL = Size(t=1, c=2, z=8, side=512, levels=2)


def generate(folder: Path, size: Size) -> None:
    """Write the dataset to `folder`, unless it is there already."""
    described = {"generator": 1, **asdict(size), "chunks": size.chunks}
    done = folder.with_name(f"{folder.name}.json")
    if folder.is_dir() and done.is_file() and json.loads(done.read_text()) == described:
        return
    done.unlink(missing_ok=True)
    blosc.set_nthreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / ".zgroup", {"zarr_format": 2})
    _write_json(folder / ".zattrs", _attributes(size))
    for number in range(size.levels):
        (folder / str(number)).mkdir(exist_ok=True)
        _write_json(folder / str(number) / ".zarray", _array(size, number))
    with ThreadPoolExecutor() as pool:
        indices = list(np.ndindex(size.t, size.c, size.z))
        list(pool.map(lambda index: _write_plane(folder, size, index), indices))
    _write_json(done, described)


def _write_plane(folder: Path, size: Size, index: tuple[int, ...]) -> None:
    codec = blosc.Blosc(cname="lz4", clevel=5, shuffle=blosc.Blosc.SHUFFLE)
    plane = picture(size.side, index)
    for number in range(size.levels):
        if number:
            plane = _halved(plane)
        for y, x, tile in _tiles(plane, size.tile):
            place = folder.joinpath(str(number), *map(str, index), str(y))
            place.mkdir(parents=True, exist_ok=True)
            (place / str(x)).write_bytes(codec.encode(tile))


def picture(side: int, index: tuple[int, ...]) -> NDArray[np.uint16]:
    """One plane (y, x) at (t, c, z) `index`."""
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
        "chunks": (1, 1, 1, size.tile, size.tile),
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


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2))


if __name__ == "__main__":
    sys.exit(main())

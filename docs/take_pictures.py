"""Take the pictures of the report in ``docs/images``: datasets are made, converted and shown.

usage: python docs/take_pictures.py FOLDER   (an empty one, for data and results; needs Chromium)
"""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import skimage.data
import zarr
from ome_zarr.format import FormatV04
from ome_zarr.writer import write_image, write_plate_metadata, write_well_metadata
from PIL import Image
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import write_demo

from support.browser import Browser

ROOT = Path(__file__).parents[1]
STAINS = (("membrane", "30D158"), ("nuclei", "4C8DFF"), ("vesicles", "FF9F0A"))
SHEET = ("dataset", "input", "license", "organism", "modality", "author", "name")


def main() -> int:
    """Make the datasets, convert them, and take the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    rows = list(write_sources(Path("in")))
    with Path("sheet.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([SHEET, *rows])
    words = ["--cores", "all", "--config", "samples=sheet.csv", "on_recent_change=ignore"]
    snakefile = str(ROOT / "workflow" / "Snakefile")
    command = [sys.executable, "-m", "snakemake", "-s", snakefile, *words]
    subprocess.run(command, check=False)  # two of the datasets fail
    take(Path("results", "report.html").resolve().as_uri(), ROOT / "docs" / "images")
    return 0


def write_sources(folder: Path):
    """Write the datasets; their rows of the sheet."""
    folder.mkdir()
    terms = ("human", "confocal", "Ada Lovelace")
    write_demo.write_dataset(folder / "ihc.zarr", skimage.data.immunohistochemistry())
    yield ("ihc", "in/ihc.zarr", "CC0-1.0", "human", "bright-field", "Ann Lee", "Colonic glands")
    for number in range(1, 5):
        write_cells(folder / f"cells-{number}.zarr", number, name="Simulated cells")
        title = f"Simulated, dish {number}"
        yield (f"cells-{number}", f"in/cells-{number}.zarr", "CC-BY-4.0", *terms, title)
    next((folder / "cells-3.zarr" / "s1").glob("0/0/0")).write_bytes(b"not blosc")
    (folder / "cells-4.zarr" / "s2" / ".zarray").unlink()
    write_labels_of_another_tool(folder / "cells-2.zarr")
    write_plate(folder / "screen.zarr")
    yield ("screen", "in/screen.zarr", "CC-BY-4.0", "", "confocal", "Bob Ray", "Simulated screen")


def write_cells(group: Path | zarr.Group, seed: int, name: str, size=1024, cells=260) -> None:
    """Write round cells in three stains, with a pyramid and the colors of its channels."""
    if isinstance(group, Path):
        group = zarr.open_group(group, mode="w", zarr_format=2)
    picture = simulated(np.random.default_rng(seed), size, cells)
    options = {"chunks": (1, 256, 256)}
    write_image(
        picture, group, axes="cyx", name=name, fmt=FormatV04(), scale_factors=[2, 4],
        storage_options=options,
    )  # fmt: skip
    window = {"min": 0, "max": 65535, "start": 300, "end": 9000}
    group.attrs["omero"] = {
        "channels": [
            {"label": label, "color": color, "window": window, "active": True}
            for label, color in STAINS
        ]
    }


def simulated(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Cells (stain, y, x) as they touch one another, with the noise of a camera."""
    places = np.stack(np.mgrid[:size, :size], axis=-1).reshape(-1, 2)
    seeds = rng.uniform(0, size, (cells, 2))
    for _ in range(2):  # cells push one another apart
        near = cKDTree(seeds).query(places)[1]
        counts = np.maximum(np.bincount(near, minlength=cells), 1)
        seeds = np.stack([np.bincount(near, one, cells) / counts for one in places.T], axis=1)
    distance, near = cKDTree(seeds).query(places, k=2)
    first, second = distance.T
    apart = np.linalg.norm(seeds[near[:, 0]] - seeds[near[:, 1]], axis=1)
    border = (second**2 - first**2) / (2 * apart)
    radius = rng.normal(0.3, 0.03, cells)[near[:, 0]] * (size**2 / cells) ** 0.5
    membrane = 7000 * np.exp(-((border / 3) ** 2)) + 500
    nuclei = 8500 * rng.uniform(0.6, 1, cells)[near[:, 0]] / (1 + np.exp((first - radius) / 1.5))
    spots = rng.uniform(0, size, (cells * 7, 2))
    vesicles = 16000 * np.exp(-((cKDTree(spots).query(places)[0] / 3) ** 2)) * (nuclei < 500)
    light = np.stack([membrane, nuclei, vesicles]).reshape(3, size, size) + 250
    return rng.poisson(light).astype("<u2")


def write_labels_of_another_tool(image: Path) -> None:
    """Put labels next to an image that have no ``image-label``: a defect that stays."""
    root = zarr.open_group(image, mode="a", zarr_format=2)
    labels = root.create_group("labels")
    labels.attrs["labels"] = ["nuclei"]
    numbered = (root["s0"][1] > 3000).astype("<u2")[np.newaxis]
    options = {"chunks": (1, 256, 256)}
    write_image(
        numbered, labels.create_group("nuclei"), axes="cyx", fmt=FormatV04(),
        scale_factors=[2, 4], storage_options=options,
    )  # fmt: skip


def write_plate(folder: Path) -> None:
    """Write 24 wells, with more cells from row to row and column to column."""
    plate = zarr.open_group(folder, mode="w", zarr_format=2)
    rows, columns = "ABCD", [str(number) for number in range(1, 7)]
    wells = [f"{row}/{column}" for row in rows for column in columns]
    write_plate_metadata(plate, list(rows), columns, wells, fmt=FormatV04(), name="screen")
    for number, path in enumerate(wells):
        well = plate.create_group(path)
        write_well_metadata(well, ["0"], fmt=FormatV04())
        write_cells(well.create_group("0"), number, name=path, size=256, cells=6 + 2 * number)


def take(url: str, folder: Path) -> None:
    """Take the pictures: the table, and one dataset opened."""
    browser = Browser(Path("browser"))
    browser.call("Emulation.setScrollbarsHidden", hidden=True)
    try:
        for name, height, place in (("report", 790, ""), ("dataset", 780, "#d1")):
            browser.open(url + place, 1120, height)
            time.sleep(0.5)  # pictures are decoded
            browser.screenshot(folder / f"{name}.png")
    finally:
        browser.close()
    # a third of the bytes; the second way keeps small spots of color, and not the page's own
    ways = {"report": Image.Quantize.MEDIANCUT, "dataset": Image.Quantize.FASTOCTREE}
    for name, way in ways.items():
        with Image.open(folder / f"{name}.png") as taken:
            fewer = taken.convert("RGB").quantize(256, way)
        fewer.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())

"""The benchmark's dataset: the same bytes each time, readable, and hard enough to compress."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def dataset():
    spec = importlib.util.spec_from_file_location("benchmark_dataset", BENCHMARKS / "dataset.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_bytes_and_the_pixels_meant(dataset, tmp_path):
    size = dataset.Size(t=1, c=2, z=1, side=512, tile=256, levels=2)
    dataset.generate(tmp_path / "a.zarr", size)
    dataset.generate(tmp_path / "b.zarr", size)
    written = files(tmp_path / "a.zarr")
    assert written == files(tmp_path / "b.zarr")
    chunks = {name: data for name, data in written.items() if name.rpartition("/")[2][0] != "."}
    assert len(chunks) == size.chunks == 10
    decoded = size.chunks * size.tile**2 * 2
    assert 1.2 < decoded / sum(map(len, chunks.values())) <= 2
    level = zarr.open_array(tmp_path / "a.zarr" / "0", mode="r", zarr_format=2)
    assert np.array_equal(level[0, 1, 0], dataset.picture(512, (0, 0, 1, 0)))


def test_full_size(dataset):
    assert dataset.Size().chunks == 10_880
    assert (dataset.Plate().images, dataset.Plate().chunks) == (384, 5_376)

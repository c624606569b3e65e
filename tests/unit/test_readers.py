"""Other people's readers: what a failure of theirs says about an array, and what it does not."""

import threading

import numpy as np
import pytest
import zarr

from uplift.arrays.readers import with_zarr_python
from uplift.arrays.readers.protocol import ReaderError
from uplift.arrays.readers.with_tensorstore import TensorstoreReader
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.storage.local import LocalStore


def test_zarr_python_starts_no_thread(tmp_path):
    array = zarr.create_array(
        tmp_path / "a", shape=(4, 4), chunks=(2, 2), shards=(4, 4), dtype="<u2", zarr_format=3
    )
    array[:] = np.arange(16, dtype="<u2").reshape(4, 4)
    before = threading.active_count()
    values = ZarrReader(LocalStore(tmp_path), "a").read((slice(1, 3), slice(0, 4)))
    assert np.array_equal(values, np.arange(16).reshape(4, 4)[1:3])
    assert threading.active_count() == before, "they cost more than the work on a small array"


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), MemoryError),
        (RuntimeError("can't start new thread"), MemoryError),
        (SystemError("error return without exception set"), MemoryError),
        (RuntimeError("no such codec"), ReaderError),
    ],
)
def test_little_memory_is_not_a_refusal(raised, expected, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise raised

    zarr.create_array(tmp_path / "a", shape=(4,), chunks=(2,), dtype="uint8", zarr_format=3)
    reader = ZarrReader(LocalStore(tmp_path), "a")
    monkeypatch.setattr(type(reader._array), "getitem", fails)
    with pytest.raises(expected):
        reader.read((slice(0, 2),))
    monkeypatch.setattr(with_zarr_python, "open_array", fails)
    with pytest.raises(expected):
        ZarrReader(LocalStore(tmp_path), "a")


def test_an_index_that_a_reader_does_not_have_is_a_refusal(tmp_path):
    """As tensorstore of arrays that are longer than its indices go."""
    array = zarr.create_array(tmp_path / "a", shape=(4,), chunks=(2,), dtype="uint8", zarr_format=3)
    array[...] = 1
    reader = TensorstoreReader(str(tmp_path), "a").opened()
    with pytest.raises(ReaderError, match="tensorstore"):
        reader.read((slice(2**62, 2**62 + 1),))

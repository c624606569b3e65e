"""Other people's readers: what a failure of theirs says about an array, and what it does not."""

import pytest
import zarr

from uplift.arrays.readers.protocol import ReaderError
from uplift.arrays.readers.with_tensorstore import TensorstoreReader
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.storage.local import LocalStore


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), MemoryError),
        (RuntimeError("can't start new thread"), MemoryError),
        (RuntimeError("no such codec"), ReaderError),
    ],
)
def test_little_memory_is_not_a_refusal(raised, expected, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise raised

    zarr.create_array(tmp_path / "a", shape=(4,), chunks=(2,), dtype="uint8", zarr_format=3)
    reader = ZarrReader(LocalStore(tmp_path), "a")
    monkeypatch.setattr(type(reader._array), "__getitem__", fails)
    with pytest.raises(expected):
        reader.read((slice(0, 2),))
    monkeypatch.setattr(zarr, "open_array", fails)
    with pytest.raises(expected):
        ZarrReader(LocalStore(tmp_path), "a")


def test_an_index_that_a_reader_does_not_have_is_a_refusal(tmp_path):
    """As tensorstore of arrays that are longer than its indices go."""
    array = zarr.create_array(tmp_path / "a", shape=(4,), chunks=(2,), dtype="uint8", zarr_format=3)
    array[...] = 1
    reader = TensorstoreReader(str(tmp_path), "a").opened()
    with pytest.raises(ReaderError, match="tensorstore"):
        reader.read((slice(2**62, 2**62 + 1),))

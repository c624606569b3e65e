"""The shard index as written by us and as read by zarr-python."""

import numpy as np
import pytest
import zarr

from uplift.codecs import shard_index
from uplift.errors import SourceError


def test_roundtrip():
    index = shard_index.empty_index(3)
    index[1] = (0, 10)
    data = shard_index.encode_index(index)
    assert len(data) == shard_index.index_bytes(3)
    assert (shard_index.decode_index(data, 3, "s") == index).all()


@pytest.mark.parametrize("position", [0, 17, -1])
def test_a_flipped_byte_is_noticed(position):
    data = bytearray(shard_index.encode_index(shard_index.empty_index(3)))
    data[position] ^= 1
    with pytest.raises(SourceError, match="checksum"):
        shard_index.decode_index(bytes(data), 3, "s")


def test_wrong_size_is_noticed():
    with pytest.raises(SourceError, match="has 52 bytes, 68 expected"):
        shard_index.decode_index(shard_index.encode_index(shard_index.empty_index(3)), 4, "s")


def test_index_equals_zarr_pythons(tmp_path):
    array = zarr.create_array(
        tmp_path / "a", shape=(8, 8), chunks=(4, 4), shards=(8, 8), dtype="u1", compressors=None
    )
    array[:4] = 1
    data = (tmp_path / "a" / "c" / "0" / "0").read_bytes()
    index = shard_index.decode_index(data[-shard_index.index_bytes(4) :], 4, "s")
    assert index[:, 1].tolist() == [16, 16, shard_index.ABSENT, shard_index.ABSENT]
    assert sorted(index[:2, 0].tolist()) == [0, 16]
    assert shard_index.encode_index(np.array(index)) == data[-shard_index.index_bytes(4) :]

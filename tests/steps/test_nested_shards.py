"""Arrays of Zarr v3 whose chunks are shards of shards, or shards with codecs around them."""

import json

import numpy as np
import pytest
import tensorstore
import zarr
from zarr.codecs import (
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

from support.steps import Conversion, StepError

LITTLE = BytesCodec()
INNER = ShardingCodec(chunk_shape=(2, 4), codecs=[LITTLE, ZstdCodec()])
NESTED = {
    "a shard in a shard": {"serializer": ShardingCodec(chunk_shape=(4, 8), codecs=[INNER])},
    "three deep": {
        "serializer": ShardingCodec(
            chunk_shape=(4, 8),
            codecs=[ShardingCodec(chunk_shape=(4, 4), codecs=[ShardingCodec(
                chunk_shape=(2, 2), codecs=[BytesCodec(endian="big")])])],
        )
    },
    "compressed as a whole": {"serializer": INNER, "compressors": [GzipCodec()]},
    "turned before": {
        "serializer": ShardingCodec(chunk_shape=(8, 4), codecs=[LITTLE]),
        "filters": [TransposeCodec(order=(1, 0))],
    },
    "index at the start, big endian": {
        "serializer": ShardingCodec(
            chunk_shape=(4, 4),
            codecs=[LITTLE],
            index_codecs=[BytesCodec(endian="big"), Crc32cCodec()],
            index_location="start",
        )
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("name", NESTED)
def test_shards_that_are_chunks(tmp_path, name):
    """Each is decoded, an absent chunk in it too, and written as shards that every reader knows."""
    source = zarr.create_group(tmp_path / "in.zarr")
    values = np.arange(12 * 32, dtype="<u2").reshape(12, 32)
    values[:2] = values[4:8, 8:24] = 7
    options = {"compressors": None, "filters": None, "fill_value": 7, "chunks": (8, 16)}
    array = source.create_array("a", shape=(12, 32), dtype="u2", **(options | NESTED[name]))
    array[...] = values
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    assert conversion.all()["verdict"] == "valid"
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{tmp_path}/out.zarr/a/"}}
    np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), values)
    document = json.loads((tmp_path / "out.zarr" / "a" / "zarr.json").read_text())
    (shard,) = document["codecs"]
    assert "sharding_indexed" not in str(shard["configuration"]["codecs"])


def test_a_damaged_shard_in_a_shard_is_a_bad_chunk(tmp_path, capsys):
    source = zarr.create_group(tmp_path / "in.zarr")
    options = {"compressors": None, "filters": None, "fill_value": 0, "chunks": (8, 16)}
    options |= NESTED["compressed as a whole"] | {"compressors": None}
    options["serializer"] = ShardingCodec(chunk_shape=(4, 8), codecs=[INNER])
    source.create_array("a", shape=(8, 16), dtype="u2", **options)[...] = 5
    chunk = tmp_path / "in.zarr" / "a" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[40] ^= 255
    chunk.write_bytes(data)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    with pytest.raises(StepError):
        conversion.all()
    assert "cannot be decoded" in capsys.readouterr().err

"""``zarr.json`` of arrays, and chunk keys of both formats."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import pytest

from uplift.errors import SourceError
from uplift.models.arrays import SourceArray, TargetArray
from uplift.models.changes import Change
from uplift.zarr_metadata import v3

TARGET = TargetArray(
    shape=(10, 20),
    chunks=(2, 5),
    shards=(4, 20),
    data_type="uint16",
    fill_value=0,
    codecs=(
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
    ),
)


def test_document_of_a_sharded_array() -> None:
    document = v3.array_document(TARGET, {"a": 1}, ["y", "x"])
    assert list(document) == [
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "dimension_names",
    ]
    assert document["chunk_grid"]["configuration"] == {"chunk_shape": [4, 20]}
    (shards,) = document["codecs"]
    assert shards["name"] == "sharding_indexed"
    assert shards["configuration"]["chunk_shape"] == [2, 5]
    assert shards["configuration"]["codecs"] == list(TARGET.codecs)
    assert [codec["name"] for codec in shards["configuration"]["index_codecs"]] == [
        "bytes",
        "crc32c",
    ]


@pytest.mark.parametrize("shards", [None, (4, 20)])
def test_a_document_reads_back(shards: Any) -> None:
    target = TARGET.model_copy(update={"shards": shards})
    source = v3.parse_v3(v3.array_document(target, {}, None), "x")
    assert (source.shape, source.chunks, source.shards) == (target.shape, target.chunks, shards)
    assert source.codecs == target.codecs
    assert source.key_encoding == "default"
    assert source.separator == "/"


def test_one_length_alone_is_that_of_one_dimension() -> None:
    """As zarr-python reads it."""
    flat = TARGET.model_copy(update={"shape": (9,), "chunks": (4,), "shards": None})
    document = {**v3.array_document(flat, {}, None), "shape": 9}
    document["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": 4}}
    repairs: list[Change] = []
    source = v3.parse_v3(document, "x", repairs)
    assert (source.shape, source.chunks) == ((9,), (4,))
    assert [one.key for one in repairs] == ["shape", "chunk_grid"]


def test_no_dimension_names_no_key() -> None:
    assert "dimension_names" not in v3.array_document(TARGET, {}, None)


def good() -> dict[str, Any]:
    return v3.array_document(TARGET, {}, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zarr_format": 2}, "zarr_format is not 3"),
        ({"node_type": "group"}, "node_type is 'group'"),
        ({"storage_transformers": [{"name": "x"}]}, "storage_transformers"),
        ({"extra": {"must_understand": True}}, 'the key "extra" is not one of Zarr v3'),
        ({"extra": 3}, 'the key "extra" is not one of Zarr v3'),
        ({"fill_value": -1}, 'fill_value -1 does not fit data type "uint16"'),
        ({"shape": [3, -2]}, "shape is [3, -2]"),
        ({"chunk_grid": {"name": "rectilinear"}}, "chunk_grid is 'rectilinear'"),
        ({"chunk_grid": None}, "chunk_grid is None"),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 1]}}},
            "chunk_shape is [0, 1]",
        ),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}}},
            "differ in length",
        ),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [5, 20]}}},
            "shard shape [5, 20] is not a multiple of its chunk shape [2, 5]",
        ),
        ({"chunk_key_encoding": {"name": "fancy"}}, "chunk_key_encoding is 'fancy'"),
        (
            {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "-"}}},
            "separator is '-'",
        ),
        ({"codecs": []}, "codecs is []"),
        ({"codecs": [5]}, "codecs holds 5"),
        ({"codecs": [{"name": "zstd", "configuration": 3}]}, "configuration is not an object"),
    ],
)
def test_mistakes_are_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError) as caught:
        v3.parse_v3({**good(), **change}, "0/zarr.json")
    assert str(caught.value).startswith("0/zarr.json: ")
    assert message in str(caught.value)


def array(
    zarr_format: Literal[2, 3], shape: tuple[int, ...], separator: Literal[".", "/"], **more: Any
) -> SourceArray:
    return SourceArray(
        zarr_format=zarr_format,
        shape=shape,
        chunks=tuple(2 for _ in shape),
        data_type="|u1" if zarr_format == 2 else "uint8",
        fill_value=0,
        separator=separator,
        **more,
    )


@pytest.mark.parametrize(
    ("source", "index", "key"),
    [
        (array(2, (4, 4), "."), (1, 0), "1.0"),
        (array(2, (4, 4), "/"), (1, 0), "1/0"),
        (array(2, (), "."), (), "0"),
        (array(3, (4, 4), "/", key_encoding="default"), (1, 0), "c/1/0"),
        (array(3, (4, 4), ".", key_encoding="default"), (1, 0), "c.1.0"),
        (array(3, (), "/", key_encoding="default"), (), "c"),
        (array(3, (4, 4), ".", key_encoding="v2"), (1, 0), "1.0"),
        (array(3, (), ".", key_encoding="v2"), (), "0"),
    ],
)
def test_chunk_keys(source: SourceArray, index: tuple[int, ...], key: str) -> None:
    assert v3.chunk_key(source, index) == key
    assert v3.ChunkKeys(source).index_of(key) == index


def test_target_keys() -> None:
    assert v3.target_key((1, 0)) == "c/1/0"
    assert v3.target_key(()) == "c"


@pytest.mark.parametrize(
    "key",
    ["", "0", "0.0.0", "2.0", "0.2", "00.0", "+0.0", "0.-1", "0. 0", "0/0", "a.b", "0.", ".0",
     "0.1e0", "0.²", "0." + "9" * 5000, ".zarray", "c.0.0"],
)  # fmt: skip
def test_other_keys_are_no_chunks(key: str) -> None:
    assert v3.ChunkKeys(array(2, (4, 4), ".")).index_of(key) is None


def test_keys_of_shards_are_counted_in_shards() -> None:
    source = v3.parse_v3(good(), "x")
    keys = {v3.chunk_key(source, i): i for i in itertools.product(range(3), range(1))}
    assert {key: v3.ChunkKeys(source).index_of(key) for key in keys} == keys
    assert v3.ChunkKeys(source).index_of("c/3/0") is None


def test_an_axis_of_length_zero_has_no_keys() -> None:
    assert v3.ChunkKeys(array(2, (0, 4), ".")).index_of("0.0") is None

"""What becomes of codecs: kept, re-wrapped, recoded, refused."""

from __future__ import annotations

from typing import Any

import pytest

from uplift.codecs import mapping
from uplift.codecs.chain import renamed_codecs
from uplift.codecs.table import config_of
from uplift.errors import PlanError
from uplift.models.arrays import SourceArray
from uplift.zarr_metadata import v3

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
SWAP = {"name": "transpose", "configuration": {"order": [1, 0]}}


def v2_array(dtype: Any = "<u2", **more: Any) -> SourceArray:
    facts: dict[str, Any] = {
        "zarr_format": 2,
        "shape": (8, 8),
        "chunks": (4, 4),
        "data_type": dtype,
        "fill_value": None,
        "order": "C",
        "separator": "/",
    }
    return SourceArray(**{**facts, **more})


def v3_array(*codecs: dict[str, Any], data_type: Any = "uint16") -> SourceArray:
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [8, 8],
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": list(codecs),
    }
    return v3.parse_v3(document, "x")


def blosc(cname: str, shuffle: str, typesize: int, clevel: int = 5) -> dict[str, Any]:
    configuration = {
        "typesize": typesize,
        "cname": cname,
        "clevel": clevel,
        "shuffle": shuffle,
        "blocksize": 0,
    }
    return {"name": "blosc", "configuration": configuration}


def zstd(level: int = 3) -> dict[str, Any]:
    return {"name": "zstd", "configuration": {"level": level, "checksum": False}}


def gzip(level: int) -> dict[str, Any]:
    return {"name": "gzip", "configuration": {"level": level}}


@pytest.mark.parametrize(
    ("source", "codecs"),
    [
        (v2_array(), (LITTLE,)),
        (v2_array(">u2"), (BIG,)),
        (v2_array("|u1"), ({"name": "bytes"},)),
        (v2_array(order="F"), (SWAP, LITTLE)),
        (v2_array(order="F", shape=(8,), chunks=(4,)), (LITTLE,)),
        (v2_array(filters=()), (LITTLE,)),
        (v2_array(compressor={"id": "blosc"}), (LITTLE, blosc("lz4", "shuffle", 2))),
        (
            v2_array(compressor={"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 0}),
            (LITTLE, blosc("zstd", "noshuffle", 2, 1)),
        ),
        # the automatic shuffle, as numcodecs resolves it
        (v2_array(compressor={"id": "blosc", "shuffle": -1}), (LITTLE, blosc("lz4", "shuffle", 2))),
        (
            v2_array("|u1", compressor={"id": "blosc", "shuffle": -1}),
            ({"name": "bytes"}, blosc("lz4", "bitshuffle", 1)),
        ),
        # elements above 255 bytes are shuffled as bytes
        (
            v2_array("|S300", compressor={"id": "blosc"}),
            ({"name": "bytes"}, blosc("lz4", "shuffle", 1)),
        ),
        (v2_array(compressor={"id": "zstd", "level": 0}), (LITTLE, zstd(0))),
        (v2_array(compressor={"id": "zstd", "level": 99}), (LITTLE, zstd(22))),
        (v2_array(compressor={"id": "gzip", "level": 1}), (LITTLE, gzip(1))),
        # v3 has no level -1, which is zlib's word for 6
        (v2_array(compressor={"id": "gzip", "level": -1}), (LITTLE, gzip(6))),
        # what these lost is lost already: decoding changes nothing
        (v2_array("<f4", filters=({"id": "bitround", "keepbits": 3},)), (LITTLE,)),
        (v2_array("<f4", filters=({"id": "quantize", "digits": 2, "dtype": "<f4"},)), (LITTLE,)),
        (
            v2_array(
                "|O", filters=({"id": "vlen-utf8"},), compressor={"id": "blosc", "shuffle": -1}
            ),
            ({"name": "vlen-utf8"}, blosc("lz4", "bitshuffle", 1)),
        ),
        (v2_array("|O", filters=({"id": "vlen-bytes"},)), ({"name": "vlen-bytes"},)),
        (v2_array([["a", "<i4"], ["b", "|u1"]]), (LITTLE,)),
        (v2_array([["a", "|S4"], ["b", "|u1"]]), ({"name": "bytes"},)),
        # v3: written out as every reader wants it
        (v3_array({"name": "bytes"}), (LITTLE,)),
        (v3_array(LITTLE, data_type="uint8"), ({"name": "bytes"},)),
        (v3_array(SWAP, BIG, zstd()), (SWAP, BIG, zstd())),
        (
            v3_array(LITTLE, {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5,
                     "shuffle": "bitshuffle", "blocksize": 0}}),
            (LITTLE, blosc("lz4", "bitshuffle", 2)),
        ),
    ],
)  # fmt: skip
def test_bytes_are_kept(source: SourceArray, codecs: tuple[Any, ...]) -> None:
    assert mapping.unsupported_reason(source) is None
    assert mapping.kept_codecs(source) == mapping.Kept(codecs, "repack")
    target, method = mapping.target_of(source, source.chunks, None, "keep")
    assert (target.codecs, method) == (codecs, "repack")
    assert mapping.target_of(source, source.chunks, None, codecs) == (target, "repack")


@pytest.mark.parametrize(("level", "declared"), [(1, 1), (-1, 6)])
def test_zlib_is_rewrapped(level: int, declared: int) -> None:
    source = v2_array(compressor={"id": "zlib", "level": level})
    assert mapping.kept_codecs(source) == mapping.Kept((LITTLE, gzip(declared)), "rewrap")
    assert mapping.target_of(source, (4, 4), (8, 8), "keep")[1] == "rewrap"
    assert mapping.target_of(source, (4, 4), None, (gzip(declared),))[1] == "rewrap"
    assert mapping.target_of(source, (8, 4), None, "keep")[1] == "recode"


DEFAULT = blosc("zstd", "shuffle", 2)
TEXTS = blosc("zstd", "noshuffle", 1)


@pytest.mark.parametrize(
    ("source", "codecs"),
    [
        (v2_array(compressor={"id": "lz4"}), (LITTLE, DEFAULT)),
        (v2_array(compressor={"id": "bz2"}), (LITTLE, DEFAULT)),
        (
            v2_array("|u1", compressor={"id": "lzma"}),
            ({"name": "bytes"}, blosc("zstd", "bitshuffle", 1)),
        ),
        (v2_array(filters=({"id": "delta", "dtype": "<u2"},)), (LITTLE, DEFAULT)),
        (v2_array(compressor={"id": "pcodec"}), (LITTLE, DEFAULT)),
        (v2_array("|O", filters=({"id": "json2"},)), ({"name": "vlen-utf8"}, TEXTS)),
        (
            v2_array("|O", filters=({"id": "msgpack2"},), compressor={"id": "zstd"}),
            ({"name": "vlen-utf8"}, TEXTS),
        ),
        (v2_array(filters=({"id": "crc32"},), compressor={"id": "zstd"}), (LITTLE, DEFAULT)),
        # big-endian records have no word in v3
        (v2_array([["a", ">i4"]]), (LITTLE,)),
        (
            v2_array([["a", ">i4"]], compressor={"id": "zlib", "level": 3}),
            (LITTLE, gzip(3)),
        ),
        (
            v2_array("|O", filters=({"id": "vlen-utf8"},), compressor={"id": "zlib"}),
            ({"name": "vlen-utf8"}, gzip(1)),
        ),
        (
            v2_array("|O", filters=({"id": "vlen-utf8"},), compressor={"id": "lz4"}),
            ({"name": "vlen-utf8"}, blosc("zstd", "noshuffle", 1)),
        ),
    ],
)  # fmt: skip
def test_no_v3_word_means_recode(source: SourceArray, codecs: tuple[Any, ...]) -> None:
    assert mapping.unsupported_reason(source) is None
    assert mapping.kept_codecs(source) is None
    target, method = mapping.target_of(source, source.chunks, None, "keep")
    assert (target.codecs, method) == (codecs, "recode")


@pytest.mark.parametrize(
    ("source", "codecs"),
    [
        (v2_array(">u2", order="F"), (LITTLE,)),
        (
            v2_array(">u2", order="F", compressor={"id": "blosc", "cname": "lz4hc", "shuffle": 2}),
            (LITTLE, blosc("lz4hc", "bitshuffle", 2)),
        ),
        (v2_array(compressor={"id": "zstd", "level": 7}), (LITTLE, zstd(7))),
        (v3_array(SWAP, BIG, gzip(4), {"name": "crc32c"}), (LITTLE, gzip(4), {"name": "crc32c"})),
        (v3_array(LITTLE, {"name": "numcodecs.lz4"}), (LITTLE, DEFAULT)),
    ],
)
def test_other_chunks_keep_the_codec_family(source: SourceArray, codecs: tuple[Any, ...]) -> None:
    target, method = mapping.target_of(source, (8, 8), (16, 8), "keep")
    assert (target.codecs, method) == (codecs, "recode")
    assert (target.chunks, target.shards) == ((8, 8), (16, 8))


def test_a_v3_array_of_a_codec_that_few_read_is_recoded() -> None:
    target, method = mapping.target_of(v3_array({"name": "numcodecs.pcodec"}), (4, 4), None, "keep")
    assert (target.codecs, method) == ((LITTLE, DEFAULT), "recode")


@pytest.mark.parametrize(
    ("written", "config"),
    [
        ({"type": "raw"}, None),
        ({"id": None}, None),
        ({}, None),
        ("zlib", {"id": "zlib"}),
        ({"type": "gzip", "useZlib": False}, {"id": "gzip", "useZlib": False}),
        ({"type": "blosc", "cname": "zstd"}, {"id": "blosc", "cname": "zstd"}),
        ({"id": "numcodecs.zstd", "level": "3"}, {"id": "zstd", "level": 3}),
        ({"name": "zstd", "configuration": {"level": 3}}, {"id": "zstd", "level": 3}),
        ({"type": "bzip2", "blockSize": 9}, {"id": "bz2", "blockSize": 9}),
        ({"type": "xz", "preset": 6}, {"id": "lzma", "preset": 6}),
        ({"type": "gzip", "useZlib": True}, {"id": "zlib", "useZlib": True}),
        ({"id": "Blosc", "shuffle": "bitshuffle"}, {"id": "blosc", "shuffle": 2}),
    ],
)
def test_codecs_as_other_writers_call_them(written: Any, config: Any) -> None:
    assert config_of(written) == config


@pytest.mark.parametrize(
    ("compressor", "notes"),
    [
        (None, []),
        ({"id": "blosc", "cname": "lz4"}, []),
        ({"type": "raw"}, ['compressor {"type": "raw"} is read as null']),
        ({"type": "xz"}, ['compressor {"type": "xz"} is read as {"id": "lzma"}']),
        (
            {"id": "blosc", "cname": "default"},
            ['compressor {"id": "blosc", "cname": "default"} is read as {"id": "blosc"}'],
        ),
        (
            {"id": "blosc", "cname": None},
            ['compressor {"id": "blosc", "cname": null} is read as {"id": "blosc"}'],
        ),
        (
            {"id": "blosc", "shuffle": 9, "clevel": "high", "blocksize": None},
            [
                'compressor {"id": "blosc", "shuffle": 9, "clevel": "high", "blocksize": null} is '
                'read as {"id": "blosc"}'
            ],
        ),
    ],
)
def test_what_was_read_as_something_else_is_told(compressor: Any, notes: list[str]) -> None:
    source = v2_array(compressor=compressor)
    assert [change.text for change in renamed_codecs(source)] == notes
    assert mapping.unsupported_reason(source) is None


@pytest.mark.parametrize("given", [{}, {"configuration": {}}])
def test_numcodecs_wrappers_keep_an_empty_configuration(given: dict[str, Any]) -> None:
    source = v3_array(LITTLE, {"name": "numcodecs.bz2", **given})
    target, method = mapping.target_of(source, source.chunks, None, "keep")
    assert target.codecs == (LITTLE, {"name": "numcodecs.bz2", "configuration": {}})
    assert method == "repack"


@pytest.mark.parametrize(
    ("given", "codecs"),
    [
        ([{"name": "zstd"}], (LITTLE, zstd())),
        ([{"name": "blosc"}], (LITTLE, DEFAULT)),
        ([BIG], (BIG,)),
        ([SWAP, zstd(1)], (SWAP, LITTLE, zstd(1))),
        ([{"name": "bytes"}, zstd(1), {"name": "crc32c"}], (LITTLE, zstd(1), {"name": "crc32c"})),
    ],
)
def test_pipelines_of_a_plan_are_completed(given: list[Any], codecs: tuple[Any, ...]) -> None:
    target, method = mapping.target_of(v2_array(), (4, 4), None, tuple(given))
    assert target.codecs == codecs
    assert method == "recode"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "codecs is empty"),
        ([{"name": "zstandard"}], 'is unknown or would lose precision; did you mean "zstd"?'),
        ([{"name": "numcodecs.bitround"}], "would lose precision"),
        ([{"name": "numcodecs.zstd"}], 'codec "numcodecs.zstd" is read by few; use "zstd"'),
        ([{"name": "sharding_indexed"}], 'give the shard shape as "shards" instead'),
        ([{}], "a codec is an object with a name"),
        ([{"name": "zstd", "level": 3}], 'wants the keys "name" and "configuration" only'),
        ([{"name": "zstd", "configuration": {"level": 40}}], "level is 40, use -131072 to 22"),
        ([{"name": "zstd", "configuration": {"levle": 4}}], 'unknown setting "levle"'),
        ([{"name": "gzip", "configuration": {"level": -1}}], "level is -1, use 0 to 9"),
        ([{"name": "blosc", "configuration": {"cname": "snappy"}}], "is 'snappy', use one of"),
        ([{"name": "blosc", "configuration": {"shuffle": 1}}], "shuffle is 1, use one of"),
        ([{"name": "transpose", "configuration": {"order": [0, 0]}}], "does not fit a 2-d array"),
        ([zstd(), SWAP], 'codec "transpose" after another codec'),
        ([{"name": "vlen-utf8"}], 'codec "vlen-utf8" does not go with the data type'),
        ([zstd(), LITTLE], "at this position"),
        ([{"name": "numcodecs.delta"}], 'codec "delta" has no "dtype"'),
        ([{"name": "numcodecs.lzma", "configuration": {"depth": 5}}], "is not supported"),
    ],
)  # fmt: skip
def test_pipelines_that_cannot_be_carried_out(given: list[Any], message: str) -> None:
    with pytest.raises(PlanError) as caught:
        mapping.target_of(v2_array(), (4, 4), None, tuple(given))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_records_are_not_sharded() -> None:
    for dtype in ([["a", "<i4"]], "|V3"):
        assert not mapping.may_shard(v2_array(dtype))
        assert mapping.target_of(v2_array(dtype), (4, 4), (8, 8), "keep")[0].shards is None
    assert mapping.may_shard(v2_array("<U3"))


def test_blosc_has_a_limit() -> None:
    source = v2_array(shape=(2**32,), chunks=(2**10,), compressor={"id": "blosc"})
    with pytest.raises(PlanError, match=r"hold 4294967296 bytes.*use smaller chunks or zstd"):
        mapping.target_of(source, (2**31,), None, "keep")
    assert mapping.target_of(source, (2**31,), None, ({"name": "zstd"},))[1] == "recode"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (v2_array("|O"), 'data type "|O" is supported with the filters'),
        (v2_array("|O", filters=({"id": "pickle"},)), 'not pickle; pickles are never read'),
        (v2_array("<f16"), 'data type "<f16"'),
        (v2_array(compressor={"id": "imagecodecs_jpeg2k"}), 'codec "imagecodecs_jpeg2k"'),
        (v2_array(filters=({"id": "pickle"},)), 'codec "pickle" is not supported'),
        (v2_array(filters=({"id": "categorize"},)), 'codec "categorize" is not supported'),
        (v2_array(compressor={"id": "blosc", "cname": "snappy"}), 'blosc with compressor "snappy"'),
        (v2_array(filters=({"id": "delta"},)), 'codec "delta" has no "dtype"'),
        (v2_array(filters=({"id": "delta", "dtype": "|O"},)), "with dtype '|O'"),
        (v2_array(filters=({"id": "shuffle", "elementsize": 0},)), "elementsize 0"),
        (v2_array(filters=({"id": "delta", "dtype": "<u2", "x": 1},)), 'codec "delta" with'),
        (v2_array("|O", filters=({"id": "shuffle"}, {"id": "vlen-utf8"})), "is not the first"),
        (v2_array([["a", "<i4"]], filters=({"id": "bitround"},)), "does not go with"),
        (v2_array(shape=(1,) * 33, chunks=(1,) * 33), "33 dimensions"),
        (v2_array("|u1", compressor={"id": "pcodec"}), 'does not go with elements "|u1"'),
        (v2_array(">u2", compressor={"id": "pcodec"}), 'does not go with elements ">u2"'),
        (
            v2_array(filters=({"id": "delta", "dtype": "<u2"},), compressor={"id": "pcodec"}),
            'codec "pcodec" is not the first codec',
        ),
        (v2_array("|O", filters=({"id": "json2"},), order="F"), 'codec "json2" in F order'),
        (v2_array(compressor={"id": "zfpy"}), 'codec "zfpy" is not supported'),
        (v3_array(LITTLE, {"name": "sharding_indexed"}), 'codec "sharding_indexed"'),
        (v3_array(LITTLE, {"name": "numcodecs.pcodec"}), "at this position"),
        (v3_array(SWAP), "no codec turns the array into bytes"),
        (v3_array(LITTLE, LITTLE), 'codec "bytes" where there are bytes'),
        (v3_array({"name": "vlen-utf8"}), 'codec "vlen-utf8"'),
        (
            v3_array({"name": "numcodecs.delta", "configuration": {"dtype": "<u2"}}, BIG),
            "big-endian",
        ),
        (
            v3_array(
                {"name": "numcodecs.delta", "configuration": {"id": "pickle", "dtype": "x"}}, LITTLE
            ),
            'codec "delta" with dtype',
        ),
        (v2_array(chunks=(2**31, 2**31)), "no computer's memory holds"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_named(source: SourceArray, reason: str) -> None:
    found = mapping.unsupported_reason(source)
    assert found is not None
    assert reason in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("names", "reason", "chunks"),
    [
        (["bytes", "crc32c"], None, (2, 2)),
        (["bytes"], None, (2, 2)),
        (["bytes", "crc32c", "crc32c"], None, (4, 4)),  # decoded as a whole
        (["bytes", "gzip"], "index_codecs of which only the data say how long they are", (4, 4)),
    ],
)
def test_index_codecs(names: list[str], reason: str | None, chunks: tuple[int, int]) -> None:
    sharded = v3_array(
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [2, 2],
                "codecs": [LITTLE],
                "index_codecs": [{"name": name} for name in names],
            },
        }
    )
    assert mapping.unsupported_reason(sharded) == reason
    assert (sharded.chunks, sharded.shards) == (chunks, None if chunks == (4, 4) else (4, 4))

"""Chunks decoded and encoded: every codec, order and byte order."""

from __future__ import annotations

import concurrent.futures
import lzma
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

from support.chunks import CHUNKS, NUMBERS, v2_array
from uplift.codecs import mapping
from uplift.codecs.chunks import ChunkDecoder, ChunkEncoder, DecodeError
from uplift.models.arrays import SourceArray, TargetArray
from uplift.zarr_metadata import data_types


def encoded_v2(array: np.ndarray[Any, Any], source: SourceArray) -> bytes:
    """Encode as zarr-python 2 does: numcodecs filters on the flat buffer, then the compressor."""
    stored = np.asarray(array, dtype=source.data_type, order=source.order)
    buffer: Any = stored.reshape(-1, order="A")
    for config in (*(source.filters or ()), *([source.compressor] if source.compressor else [])):
        buffer = numcodecs.get_codec(dict(config)).encode(buffer)
    return np.asarray(buffer).tobytes() if isinstance(buffer, np.ndarray) else bytes(buffer)


BLOSC = [
    {"id": "blosc", "cname": name, "clevel": 5, "shuffle": shuffle, "blocksize": 0}
    for name in ("lz4", "lz4hc", "blosclz", "zstd", "zlib")
    for shuffle in (-1, 0, 1, 2)
]
COMPRESSORS: list[Any] = [
    None,
    *BLOSC,
    {"id": "blosc"},
    {"id": "zstd", "level": 0, "checksum": False},
    {"id": "zstd", "level": 19, "checksum": True},
    {"id": "gzip", "level": -1},
    {"id": "gzip", "level": 9},
    {"id": "zlib", "level": 1},
    {"id": "bz2", "level": 1},
    {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
    {"id": "lzma", "format": 2, "check": -1, "preset": None, "filters": None},
    {
        "id": "lzma",
        "format": 3,
        "check": -1,
        "preset": None,
        "filters": [{"id": lzma.FILTER_LZMA2, "preset": 1}],
    },
    {"id": "lz4", "acceleration": 1},
    {"id": "pcodec", "level": 3},
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "compressor", COMPRESSORS, ids=lambda c: "-".join(map(str, (c or {}).values()))
)
def test_every_compressor(compressor: Any, order: str) -> None:
    source = v2_array(compressor=compressor, order=order)
    assert mapping.unsupported_reason(source) is None
    found, note, _ = ChunkDecoder(source).read(encoded_v2(NUMBERS, source))
    assert note is None
    np.testing.assert_array_equal(found, NUMBERS)


@pytest.mark.parametrize(
    ("dtype", "filters"),
    [
        ("<u2", [{"id": "delta", "dtype": "<u2"}]),
        ("<u2", [{"id": "delta", "dtype": "<u2", "astype": "<i4"}]),
        (">u2", [{"id": "delta", "dtype": ">u2", "astype": None}]),
        ("<f4", [{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i4", "scale": 1,
                  "offset": 5}]),
        ("|b1", [{"id": "packbits"}]),
        ("<u2", [{"id": "shuffle", "elementsize": 2}]),
        ("<f8", [{"id": "astype", "encode_dtype": "<f4", "decode_dtype": "<f8"}]),
        ("<f4", [{"id": "bitround", "keepbits": 23}]),
        ("<f4", [{"id": "quantize", "digits": 9, "dtype": "<f4", "astype": "<f4"}]),
        ("<f8", [{"id": "quantize", "digits": 9, "dtype": "<f8", "astype": "<f4"}]),
        ("<u2", [{"id": "crc32"}]),
        ("<u2", [{"id": "crc32", "location": "end"}]),
        ("<u2", [{"id": "crc32c"}]),
        ("<u2", [{"id": "adler32"}]),
        ("<u2", [{"id": "fletcher32"}]),
        ("<u2", [{"id": "delta", "dtype": "<u2"}, {"id": "shuffle", "elementsize": 2}]),
        ("<u2", [{"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 0, "blocksize": 0}]),
    ],
    ids=lambda v: "-".join(str(f["id"]) for f in v) if isinstance(v, list) else v,
)  # fmt: skip
@pytest.mark.parametrize("compressor", [None, {"id": "zlib", "level": 1}])
def test_every_filter(dtype: str, filters: list[Any], compressor: Any) -> None:
    fill = False if dtype == "|b1" else 9
    source = v2_array(dtype, filters=tuple(filters), compressor=compressor, fill_value=fill)
    array = np.arange(24).reshape(CHUNKS) % (2 if dtype == "|b1" else 1000)
    assert mapping.unsupported_reason(source) is None
    found = ChunkDecoder(source).decode(encoded_v2(array.astype(dtype), source))
    np.testing.assert_array_equal(found, array.astype(dtype))


@pytest.mark.parametrize(
    "dtype",
    ["|b1", "|i1", "|u1", "<i2", ">i2", ">u4", "<i8", ">u8", "<f2", ">f4", "<f8", "<c8", ">c16",
     "|S3", "<U3", ">U3", "<M8[ns]", ">m8[s]", "|V3"],
)  # fmt: skip
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_data_type_bit_for_bit(dtype: str, order: str) -> None:
    raw = np.random.default_rng(1).integers(1, 256, 24 * np.dtype(dtype).itemsize, dtype=np.uint8)
    if dtype == "|b1":
        raw &= 1
    if dtype[1] == "U":
        raw = np.frombuffer(
            "abä".encode("utf-32-le" if dtype[0] == "<" else "utf-32-be") * 24, "u1"
        )
    array = raw.view(dtype).reshape(CHUNKS)
    source = v2_array(dtype, order=order, fill_value=None)
    found = ChunkDecoder(source).decode(encoded_v2(array, source))
    assert found.tobytes() == array.tobytes()
    little = array.astype(array.dtype.newbyteorder("<"))
    target, _ = mapping.target_of(source, CHUNKS, None, ({"name": "zstd"},))
    reread = ChunkDecoder(as_source(target)).decode(ChunkEncoder(target).encode(found))
    assert reread.tobytes() == little.tobytes()


def as_source(target: TargetArray) -> SourceArray:
    return SourceArray(
        zarr_format=3,
        shape=target.shape,
        chunks=target.chunks,
        data_type=target.data_type,
        fill_value=target.fill_value,
        codecs=target.codecs,
        separator="/",
        key_encoding="default",
    )


@pytest.mark.parametrize("compressor", [None, {"id": "blosc"}, {"id": "zlib"}])
@pytest.mark.parametrize("order", ["C", "F"])
def test_strings(compressor: Any, order: str) -> None:
    source = v2_array("|O", filters=({"id": "vlen-utf8"},), compressor=compressor, order=order)
    words = np.array([f"w{i}é" * (i % 3) for i in range(24)], dtype=object).reshape(CHUNKS)
    buffer = numcodecs.VLenUTF8().encode(words.reshape(-1, order=order))
    data = numcodecs.get_codec(dict(compressor)).encode(buffer) if compressor else bytes(buffer)
    found = ChunkDecoder(source).decode(data)
    assert found.tolist() == words.tolist()
    target, method = mapping.target_of(source, CHUNKS, None, "keep")
    assert method == ("recode" if compressor == {"id": "zlib"} else "repack")
    kept = data if method == "repack" else ChunkEncoder(target).encode(found)
    assert ChunkDecoder(as_source(target)).decode(kept).tolist() == words.tolist()


V3_CODECS: list[list[dict[str, Any]]] = [
    [{"name": "bytes", "configuration": {"endian": "big"}}],
    [{"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "blosc"}],
    [{"name": "gzip"}, {"name": "crc32c"}],
    [{"name": "crc32c"}],
    [{"name": "numcodecs.delta", "configuration": {"dtype": "<u2"}}, {"name": "zstd"}],
    [{"name": "numcodecs.zlib"}],
    [{"name": "numcodecs.bz2"}],
    [{"name": "numcodecs.lzma"}],
    [{"name": "numcodecs.lz4"}],
    [{"name": "numcodecs.shuffle"}, {"name": "numcodecs.zlib"}],
    [{"name": "numcodecs.crc32"}],
    [{"name": "numcodecs.adler32"}],
    [{"name": "numcodecs.fletcher32"}],
]


@pytest.mark.parametrize("codecs", V3_CODECS, ids=lambda c: "+".join(i["name"] for i in c))
def test_pipelines_of_v3_come_back(codecs: list[dict[str, Any]]) -> None:
    target, _ = mapping.target_of(v2_array(), CHUNKS, None, tuple(codecs))
    encoder, decoder = ChunkEncoder(target), ChunkDecoder(as_source(target))
    for array in (NUMBERS, NUMBERS.astype(">u2"), np.asfortranarray(NUMBERS)):
        data = encoder.encode(array)
        assert type(data) is bytes
        assert data == encoder.encode(NUMBERS)
        np.testing.assert_array_equal(decoder.decode(data), NUMBERS)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", [None, *BLOSC[:2], {"id": "zstd"}, {"id": "gzip"}])
def test_clipped_edge_chunks(order: str, compressor: Any) -> None:
    source = v2_array(order=order, compressor=compressor)
    corner = NUMBERS[:3, :4]
    data = encoded_v2(corner, source)
    found, note, _ = ChunkDecoder(source).read(data, (1, 1))
    np.testing.assert_array_equal(found[:3, :4], corner)
    assert (found[3:] == 9).all()
    assert (found[:, 4:] == 9).all()
    assert note == "holds only the (3, 4) elements inside the array"
    for index in (None, (0, 0), (0, 1)):
        with pytest.raises(DecodeError, match=r"24 bytes, 48 expected"):
            ChunkDecoder(source).decode(data, index)


@pytest.mark.parametrize("compressor", [None, {"id": "zlib"}])
@pytest.mark.parametrize("codec", [numcodecs.JSON(), numcodecs.MsgPack()])
def test_texts_in_lists(codec: Any, compressor: Any) -> None:
    config = codec.get_config()
    source = v2_array("|O", filters=(config,), compressor=compressor)
    words = np.array([f"w{i}é" * (i % 3) for i in range(24)], dtype=object).reshape(CHUNKS)
    assert mapping.unsupported_reason(source) is None
    found = ChunkDecoder(source).decode(encoded_v2_objects(words, source))
    assert found.tolist() == words.tolist()
    target, method = mapping.target_of(source, CHUNKS, None, "keep")
    assert method == "recode"
    assert ChunkDecoder(as_source(target)).decode(ChunkEncoder(target).encode(found)).tolist() == (
        words.tolist()
    )


def encoded_v2_objects(words: np.ndarray[Any, Any], source: SourceArray) -> bytes:
    """Encode as zarr-python 2 does: object codecs get the chunk with all its axes."""
    buffer: Any = words
    for config in (*(source.filters or ()), *([source.compressor] if source.compressor else [])):
        buffer = numcodecs.get_codec(dict(config)).encode(buffer)
    return bytes(buffer)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON"),
        (b"{}", "is not a list of texts"),
        (b'["a", "|O", [1]]', "holds 1 strings, 24 expected"),
        (b'[1, "|O", [1]]', "item 0 is not a text but int"),
        (b'["a", "|O", [4, 6]]', r"nested as its shape \[4, 6\]"),
        (b"[" * 100_000, "is not JSON"),
        (b'["%s", "|O", [1]]' % (b'a","' * 40), "holds 41 strings, 24 expected"),
        (b"\xff", "is not JSON"),
    ],
)
def test_json_that_does_not_hold_the_texts(data: bytes, reason: str) -> None:
    source = v2_array("|O", filters=({"id": "json2"},))
    with pytest.raises(DecodeError, match=reason):
        ChunkDecoder(source).decode(data)


def test_message_pack_and_pcodec_that_is_damaged() -> None:
    for data in (b"", b"\xc1", b"\x93\x01\xa2|O\x91\x01", b"\xdd\xff\xff\xff\xff"):
        with pytest.raises(DecodeError):
            ChunkDecoder(v2_array("|O", filters=({"id": "msgpack2"},))).decode(data)
    source = v2_array(compressor={"id": "pcodec"})
    for values in (NUMBERS.ravel()[:-1], np.resize(NUMBERS, 30), NUMBERS.ravel().astype("<u4")):
        data = bytes(numcodecs.get_codec({"id": "pcodec"}).encode(values))
        for bad in (data, data[:-3], b"", b"pco!"):
            with pytest.raises(DecodeError):
                ChunkDecoder(source).decode(bad)


def test_clipped_strings() -> None:
    source = v2_array("|O", filters=({"id": "vlen-utf8"},), fill_value="z")
    data = bytes(numcodecs.VLenUTF8().encode(np.array(["a"] * 12, dtype=object)))
    found = ChunkDecoder(source).decode(data, (1, 1))
    assert found[:3, :4].tolist() == [["a"] * 4] * 3
    assert found[3, 5] == "z"


def test_string_counts_are_not_believed() -> None:
    source = v2_array("|O", filters=({"id": "vlen-utf8"},), fill_value="")
    with pytest.raises(DecodeError, match="says it holds 4294967295 strings"):
        ChunkDecoder(source).decode(b"\xff\xff\xff\xff" + bytes(100))
    with pytest.raises(DecodeError, match="holds 25 strings, 24 expected"):
        ChunkDecoder(source).decode(struct.pack("<I", 25) + bytes(100))
    with pytest.raises(DecodeError, match="string 0 is not UTF-8"):
        ChunkDecoder(source).decode(struct.pack("<II", 1, 1) + b"\xff")
    with pytest.raises(DecodeError, match="ends inside string 0 of 1"):
        ChunkDecoder(source).decode(struct.pack("<II", 1, 5) + b"abc")


def test_filters_are_named_when_they_cannot_be_undone() -> None:
    source = v2_array(filters=({"id": "fletcher32"},))
    with pytest.raises(DecodeError, match='filter "fletcher32" cannot be undone'):
        ChunkDecoder(source).decode(NUMBERS.tobytes() + b"abcd")
    with pytest.raises(DecodeError, match="too short for a crc32 checksum"):
        ChunkDecoder(v2_array(filters=({"id": "crc32"},))).decode(b"a")


@pytest.mark.parametrize(
    "codec",
    [
        {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 3}},
        {"name": "blosc", "configuration": {"cname": "lz4"}},
        {"name": "zstd"},
        {"name": "gzip"},
    ],
)
def test_the_same_bytes_from_any_thread(codec: dict[str, Any]) -> None:
    source = v2_array(shape=(512, 512), chunks=(512, 512))
    target, _ = mapping.target_of(source, (512, 512), None, (codec,))
    array = (np.arange(512 * 512, dtype="<u2") ** 2).reshape(512, 512)
    encoder = ChunkEncoder(target)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        encodings = set(pool.map(encoder.encode, [array] * 16))
    assert encodings == {ChunkEncoder(target).encode(array)}


def test_decoding_does_not_copy() -> None:
    data = NUMBERS.tobytes()
    found = ChunkDecoder(v2_array(order="F")).decode(data)
    base = found
    while isinstance(base, np.ndarray):
        base = base.base
    assert base is data


def test_packing_does_not_import_numcodecs() -> None:
    program = f"""
import sys
sys.path.insert(0, {str(Path(mapping.__file__).parents[2])!r})
from uplift.codecs import chunks, mapping
from uplift.zarr_metadata import v2, v3
source = v2.parse_v2({{"zarr_format": 2, "shape": [8], "chunks": [8], "dtype": "<u2",
    "compressor": {{"id": "blosc"}}, "fill_value": 0, "order": "C"}}, "x")
assert mapping.unsupported_reason(source) is None
mapping.target_of(source, (8,), (16,), "keep")
chunks.ChunkKeeper(source, "repack")
print([name for name in sys.modules if name.startswith(("numcodecs", "zarr"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_fill_scalar_of_a_decoder_is_the_fill_value() -> None:
    source = v2_array("<f4", fill_value="NaN", shape=(7,), chunks=(4,))
    found = ChunkDecoder(source).decode(np.float32([1, 2, 3]).tobytes(), (1,))
    assert found[:3].tolist() == [1, 2, 3]
    assert np.isnan(found[3])
    assert np.isnan(data_types.fill_scalar("float32", "NaN"))

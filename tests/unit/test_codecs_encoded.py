"""Chunks that may be kept as they are, and every way in which they may not."""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import time
import zlib
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import pytest

from uplift.codecs.chunks import ChunkKeeper, DecodeError
from uplift.codecs.compressors import zlib_to_gzip
from uplift.models.arrays import SourceArray
from uplift.zarr_metadata import v3

RAW = (np.arange(512, dtype="<u2") // 3).tobytes()


def check_for(compressor: Any = None, **more: Any) -> ChunkKeeper:
    facts: dict[str, Any] = {
        "zarr_format": 2,
        "shape": (512,),
        "chunks": (512,),
        "data_type": "<u2",
        "fill_value": 0,
        "order": "C",
        "separator": ".",
        "compressor": compressor,
    }
    return ChunkKeeper(SourceArray(**{**facts, **more}), "repack")


def zstd_stream(data: bytes) -> bytes:
    """Encode without a content size, as streaming writers do."""
    block = len(data) << 3 | 1
    return b"\x28\xb5\x2f\xfd\x00\x58" + block.to_bytes(3, "little") + data


BLOSC = bytes(numcodecs.Blosc("lz4").encode(np.frombuffer(RAW, "<u2")))
ZSTD = bytes(numcodecs.Zstd(3).encode(RAW))


@pytest.mark.parametrize(
    ("label", "data"),
    [
        (None, RAW),
        *(
            ("blosc", bytes(numcodecs.Blosc(*settings).encode(np.frombuffer(RAW, dtype))))
            for settings in itertools.product(
                ("lz4", "lz4hc", "blosclz", "zstd", "zlib"), (0, 1, 9), (0, 1, 2)
            )
            for dtype in ("<u2", "u1")
        ),
        ("zstd", ZSTD),
        ("zstd", bytes(numcodecs.Zstd(19, checksum=True).encode(RAW))),
        ("zstd", zstd_stream(RAW)),
        ("gzip", gzip.compress(RAW)),
        ("zlib", zlib.compress(RAW, 0)),
    ],
)  # fmt: skip
def test_sound_chunks_pass(label: str | None, data: bytes) -> None:
    assert check_for(None if label is None else {"id": label}).keep(data) is data


def test_small_and_random_blosc_chunks_pass() -> None:
    generator = np.random.default_rng(0)
    for elements in (1, 2, 7, 8, 63, 64, 1000, 40_000):
        for dtype in ("u1", "<u2", "<f8"):
            array = generator.integers(0, 200, elements).astype(dtype)
            check = check_for({"id": "blosc"}, chunks=(elements,), data_type=array.dtype.str).keep
            for shuffle in (0, 1, 2):
                for level in (0, 5, 9):
                    check(bytes(numcodecs.Blosc("lz4", level, shuffle).encode(array)))


def changed(data: bytes, position: int, new: bytes) -> bytes:
    return data[:position] + new + data[position + len(new) :]


@pytest.mark.parametrize(
    ("label", "data", "reason"),
    [
        (None, RAW[:-2], "has 1022 bytes, 1024 expected"),
        (None, ZSTD, "it looks like zstd"),
        (None, b"", "has 0 bytes"),
        ("blosc", BLOSC[:-1], "but its blosc header says"),
        ("blosc", BLOSC[:10], "is not blosc data"),
        ("blosc", ZSTD, "is not blosc data, it looks like zstd"),
        ("blosc", changed(BLOSC, 0, b"\x05"), "is not blosc data"),
        ("blosc", changed(BLOSC, 4, struct.pack("<I", 1000)), "decodes to 1000 bytes"),
        ("blosc", changed(BLOSC, 3, b"\0"), "header is damaged"),  # element size
        ("blosc", changed(BLOSC, 8, bytes(4)), "header is damaged"),  # block size
        ("blosc", changed(BLOSC, 8, b"\xff" * 4), "header is damaged"),
        ("blosc", changed(BLOSC, 2, b"\x41"), "header is damaged"),  # snappy
        ("blosc", changed(BLOSC, 2, b"\xe1"), "header is damaged"),  # unknown compressor
        ("blosc", changed(BLOSC, 2, b"\x25"), "header is damaged"),  # both shuffles
        ("blosc", changed(BLOSC, 2, b"\x23"), "header is damaged"),  # "stored", but shorter
        ("zstd", ZSTD[:-1], "cut short"),
        ("zstd", bytes(numcodecs.Zstd(3).encode(RAW[:512])) * 2, "holds 2 zstd frames"),
        ("zstd", b"\x50\x2a\x4d\x18\x00\x00\x00\x00" + ZSTD, "holds a skippable zstd frame"),
        ("zstd", bytes(numcodecs.Zstd(3).encode(RAW[:1000])), "decodes to 1000 bytes, 1024"),
        ("zstd", zstd_stream(RAW[:-2]), "1022 bytes, 1024 expected"),
        ("zstd", BLOSC, "it looks like blosc"),
        ("zstd", b"", "it is empty"),
        ("gzip", gzip.compress(RAW[:9]) + gzip.compress(RAW[9:]), "holds 2 gzip streams"),
        ("gzip", zlib.compress(RAW), "is labelled gzip, but is a zlib stream"),
        ("gzip", gzip.compress(RAW)[:-1], "cut short"),
        ("gzip", changed(gzip.compress(RAW), -8, b"\0"), "damaged"),
        ("gzip", gzip.compress(RAW[:-2]), "1022 bytes"),
        ("zlib", gzip.compress(RAW), "is labelled zlib, but is a gzip stream"),
        ("zlib", zlib.compress(RAW + b"\0"), "more than the 1024 bytes"),
    ],
)
def test_chunks_that_cannot_be_kept(label: str | None, data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        check_for(None if label is None else {"id": label}).keep(data)
    assert reason in caught.value.reason
    assert str(caught.value) == caught.value.reason


def test_identity_filters_do_not_matter() -> None:
    filters = ({"id": "bitround", "keepbits": 3},)
    floats = np.arange(256, dtype="<f4")
    check = check_for({"id": "blosc"}, data_type="<f4", chunks=(256,), filters=filters)
    check.keep(bytes(numcodecs.Blosc().encode(floats)))


def v3_check(*codecs: dict[str, Any]) -> ChunkKeeper:
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [512],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [512]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, *codecs],
    }
    return ChunkKeeper(v3.parse_v3(document, "x"), "repack")


def with_crc32c(data: bytes) -> bytes:
    return data + struct.pack("<I", google_crc32c.value(data))


@pytest.mark.parametrize(
    ("codecs", "data"),
    [
        ([], RAW),
        (["zstd"], ZSTD),
        (["gzip"], gzip.compress(RAW, mtime=0)),
        (["numcodecs.zlib"], zlib.compress(RAW)),
    ],
)
def test_checksums_of_v3(codecs: list[str], data: bytes) -> None:
    check = v3_check(*({"name": name} for name in codecs), {"name": "crc32c"}).keep
    check(with_crc32c(data))
    with pytest.raises(DecodeError, match="crc32c checksum is wrong"):
        check(data + struct.pack("<I", google_crc32c.value(data) ^ 1))
    with pytest.raises(DecodeError, match="crc32c checksum is wrong"):
        check(b"ab")
    with pytest.raises(DecodeError, match=r"1024 expected|damaged|cut short|not a zstd"):
        check(with_crc32c(data[:-3]))


def test_strings_are_decoded_to_be_checked() -> None:
    words = bytes(numcodecs.VLenUTF8().encode(np.array(["a", "é"], dtype=object)))
    check = check_for(None, data_type="|O", filters=({"id": "vlen-utf8"},), chunks=(2,)).keep
    check(words)
    for bad in (words[:-1], words + b"\0", words[:-2] + b"\xff\xff", b""):
        with pytest.raises(DecodeError):
            check(bad)


def test_zlib_becomes_gzip() -> None:
    for level in range(10):
        stream = zlib.compress(RAW, level)
        wrapped = zlib_to_gzip(stream, len(RAW))
        assert gzip.GzipFile(fileobj=io.BytesIO(wrapped)).read() == RAW
        assert wrapped[10:-8] == stream[2:-4]
        check_for({"id": "gzip"}).keep(wrapped)


def with_dictionary() -> bytes:
    stream = zlib.compressobj(zdict=RAW[:100])
    return stream.compress(RAW) + stream.flush()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(RAW), "is not a zlib stream, it looks like gzip"),
        (b"", "is not a zlib stream"),
        (zlib.compress(RAW)[:-1], "cut short"),
        (zlib.compress(RAW[:-2]), "decodes to 1022 bytes, 1024 expected"),
        (zlib.compress(RAW * 2), "more than the 1024 bytes expected"),
        (changed(zlib.compress(RAW), -4, b"\0\0\0\0"), "damaged"),
        (with_dictionary(), "is a zlib stream with a preset dictionary"),
    ],
)
def test_zlib_streams_that_cannot_be_rewrapped(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        zlib_to_gzip(data, len(RAW))
    assert reason in caught.value.reason


def test_checking_blosc_costs_microseconds() -> None:
    check = check_for({"id": "blosc"}).keep
    best = min(_seconds(check, BLOSC) for _ in range(5))
    assert best / 1000 < 20e-6


def _seconds(check: Any, data: bytes) -> float:
    start = time.perf_counter()
    for _ in range(1000):
        check(data)
    return time.perf_counter() - start

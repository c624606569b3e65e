"""Streams that are not what they say: labels, damage, lies and bombs."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numcodecs
import numpy as np
import pytest

from support.chunks import NUMBERS, v2_array
from uplift.codecs import mapping
from uplift.codecs.chunks import ChunkDecoder, DecodeError

RAW = NUMBERS.tobytes()
GZIP, ZLIB = gzip.compress(RAW, mtime=0), zlib.compress(RAW)
# the time of day in them would give tests other names in each process
GZIP_HALVES = gzip.compress(RAW[:10], mtime=0) + gzip.compress(RAW[10:], mtime=0)
ZSTD = bytes(numcodecs.Zstd(3).encode(RAW))
ZSTD_HALVES = [bytes(numcodecs.Zstd(3).encode(half)) for half in (RAW[:10], RAW[10:])]
SKIPPABLE = bytes.fromhex("532a4d18 04000000 01020304")


@pytest.mark.parametrize(
    ("label", "data", "note"),
    [
        ("gzip", ZLIB, "is labelled gzip, but is a zlib stream"),
        ("zlib", GZIP, "is labelled zlib, but is a gzip stream"),
        ("gzip", GZIP_HALVES, "holds 2 gzip streams"),
        ("bz2", bz2.compress(RAW[:10]) + bz2.compress(RAW[10:]), "holds 2 bz2 streams"),
        ("zstd", SKIPPABLE + ZSTD, "holds a skippable zstd frame"),
        ("zstd", SKIPPABLE + SKIPPABLE.join(ZSTD_HALVES), "holds 2 zstd frames"),  # as of pzstd
    ],
)
def test_streams_that_are_read_and_reported(label: str, data: bytes, note: str) -> None:
    found, reported, trailing = ChunkDecoder(v2_array(compressor={"id": label})).read(data)
    np.testing.assert_array_equal(found, NUMBERS)
    assert reported is not None
    assert trailing == 0
    assert note in reported


@pytest.mark.parametrize(
    ("label", "data", "reason"),
    [
        ("gzip", ZSTD, "is not a gzip stream, it looks like zstd"),
        ("zstd", GZIP, "is not a zstd stream, it looks like gzip"),
        ("blosc", GZIP, "is not blosc data, it looks like gzip"),
        ("lz4", ZSTD, "48 expected, it looks like zstd"),
        ("zlib", b"<?xml version='1.0'?><Error/>", "it looks like XML or HTML text"),
        (None, GZIP, "48 expected; it looks like gzip"),
        ("gzip", b"", "is not a gzip stream: it is empty"),
        ("zstd", b"", "is not a zstd stream: it is empty"),
        ("zstd", SKIPPABLE, "is not a zstd stream"),
        ("blosc", b"", "is not blosc data: it is empty"),
        ("bz2", b"", "is empty"),
        (None, b"", "has 0 bytes, 48 expected"),
        (None, RAW + b"\0\0", "has 50 bytes, 48 expected"),
        (None, RAW[:-1], "47 bytes, 48 expected"),
        ("gzip", GZIP[:-5], "the gzip stream is cut short"),
        ("zlib", ZLIB[:-1], "the zlib stream is cut short"),
        ("zstd", ZSTD[:-3], "the zstd stream is cut short"),
        ("gzip", gzip.compress(RAW[:40], mtime=0), "decodes to 40 bytes, 48 expected"),
        ("gzip", gzip.compress(RAW * 2, mtime=0), "decodes to more than the 48 bytes expected"),
        ("zstd", bytes(numcodecs.Zstd(3).encode(RAW * 2)), "decodes to at least 96 bytes"),
        ("blosc", bytes(numcodecs.Blosc().encode(RAW * 2)), "decodes to 96 bytes, 48 expected"),
        ("blosc", bytes(numcodecs.Blosc().encode(RAW))[:-1], "its blosc header says"),
    ],
)
def test_streams_that_are_refused(label: str | None, data: bytes, reason: str) -> None:
    source = v2_array(compressor=None if label is None else {"id": label})
    with pytest.raises(DecodeError) as caught:
        ChunkDecoder(source).decode(data)
    assert reason in caught.value.reason


def zstd_without_size(blocks: int) -> bytes:
    """A zstd frame of blocks that repeat one byte 131,072 times, its content size left out."""
    body = b""
    for block in range(blocks):
        header = int(block == blocks - 1) | 1 << 1 | 131072 << 3
        body += header.to_bytes(3, "little") + b"A"
    return b"\x28\xb5\x2f\xfd\x00\x58" + body


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(bytes(50_000_000)),
    "zlib": lambda: zlib.compress(bytes(50_000_000)),
    "bz2": lambda: bz2.compress(bytes(50_000_000)),
    "lzma": lambda: lzma.compress(bytes(50_000_000)),
    "zstd": lambda: zstd_without_size(8000),
    "blosc": lambda: struct.pack("<BBBBIII", 2, 1, 0x21, 1, 2**31 - 1, 2**20, 20) + bytes(4),
    "lz4": lambda: struct.pack("<I", 2**31 - 1) + bytes(100),
}


@pytest.mark.parametrize("label", BOMBS)
def test_bombs_do_not_go_off(label: str, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    bomb.write_bytes(BOMBS[label]())
    program = f"""
import pathlib, resource, sys
sys.path.insert(0, {str(Path(mapping.__file__).parents[2])!r})
from uplift.codecs.chunks import ChunkDecoder, DecodeError
from uplift.models.arrays import SourceArray
source = SourceArray(zarr_format=2, shape=(8,), chunks=(8,), data_type="|u1", fill_value=0,
                     order="C", separator=".", compressor={{"id": {label!r}}})
decoder, data = ChunkDecoder(source), pathlib.Path({str(bomb)!r}).read_bytes()
import numcodecs
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decoder.decode(data)
except DecodeError as error:
    print(error)
else:
    raise SystemExit("decoded")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 16_000, grown
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "expected" in done.stdout

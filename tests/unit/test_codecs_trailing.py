"""Bytes after the end of a sound compressed stream are not damage: they are left out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import pytest

from support.chunks import NUMBERS, v2_array
from support.converted import Case, Converted
from uplift.codecs.chunks import ChunkDecoder, ChunkKeeper, DecodeError

RAW = NUMBERS.tobytes()
STREAMS: dict[str, bytes] = {
    "blosc": bytes(numcodecs.Blosc("lz4", 5, 1).encode(NUMBERS)),
    "zstd": bytes(numcodecs.Zstd(3).encode(RAW)),
    "gzip": gzip.compress(RAW, mtime=0),
    "zlib": zlib.compress(RAW),
    "bz2": bz2.compress(RAW),
    "lzma": lzma.compress(RAW),
    "lz4": bytes(numcodecs.LZ4().encode(RAW)),
}
TAILS = [b"\0", bytes(64), b"\xff" * 9, b"tail", RAW, b"\x28\xb5\x2f\xfd\x04", b"\x1f\x8b\x08"]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", STREAMS)
def test_the_stream_says_where_it_ends(name: str, tail: bytes) -> None:
    source = v2_array(compressor={"id": name})
    found = ChunkDecoder(source).read(STREAMS[name] + tail)
    np.testing.assert_array_equal(found.values, NUMBERS)
    assert (found.note, found.trailing_bytes) == (None, len(tail))
    assert ChunkKeeper(source, "repack").keep(STREAMS[name] + tail) == STREAMS[name]


@pytest.mark.parametrize("tail", TAILS)
def test_a_zlib_stream_is_rewrapped_without_them(tail: bytes) -> None:
    keeper = ChunkKeeper(v2_array(compressor={"id": "zlib"}), "rewrap")
    assert gzip.decompress(keeper.keep(STREAMS["zlib"] + tail)) == RAW


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_short_stays_damage(name: str) -> None:
    source = v2_array(compressor={"id": name})
    for data in (STREAMS[name][:-1], STREAMS[name][: len(STREAMS[name]) // 2]):
        with pytest.raises(DecodeError):
            ChunkDecoder(source).read(data)
        with pytest.raises(DecodeError):
            ChunkKeeper(source, "repack").keep(data)


def test_values_without_a_compressor_have_no_end_of_their_own() -> None:
    with pytest.raises(DecodeError, match="50 bytes, 48 expected"):
        ChunkKeeper(v2_array(), "repack").keep(RAW + b"\0\0")


def test_inside_another_codec_the_chunk_is_recoded() -> None:
    """The checksum of a Zarr v3 chunk covers the bytes behind: they cannot be cut off."""
    source = v2_array(compressor={"id": "crc32c"}, filters=({"id": "zlib"},))
    body = STREAMS["zlib"] + b"xyz"
    data = body + google_crc32c.value(body).to_bytes(4, "little")
    found = ChunkDecoder(source).read(data)
    assert (found.note, found.trailing_bytes) == ("has 3 bytes after its zlib stream", 0)
    with pytest.raises(DecodeError, match="has 3 bytes after its zlib stream"):
        ChunkKeeper(source, "repack").keep(data)


@pytest.mark.parametrize("shards", [(40, 32), None])
@pytest.mark.parametrize(
    "compressor",
    [{"id": "blosc", "cname": "lz4"}, {"id": "zstd"}, {"id": "zlib"}, {"id": "lz4"}],
    ids=lambda c: c["id"],
)
def test_an_array_of_such_chunks_is_converted_and_counts_them(
    tmp_path: Any, compressor: dict[str, Any], shards: tuple[int, ...] | None
) -> None:
    array = Converted(tmp_path, Case(compressor=compressor, shards=shards))
    for place in ("0.1", "1.0", "2.3"):
        with (array.source_folder / place).open("ab") as chunk:
            chunk.write(b"behind")
    array.convert()
    assert array.bad == ()
    assert not any(result.findings for result in array.results)
    assert sum(result.trailing for result in array.results) == 3
    assert min(r.first_trailing for r in array.results if r.first_trailing) == (0, 1)
    assert array.codes() == []

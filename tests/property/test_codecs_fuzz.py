"""Damaged chunks and documents: named errors, never anything else."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import numcodecs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from uplift.codecs import mapping
from uplift.codecs.chain import renamed_codecs
from uplift.codecs.chunks import ChunkDecoder, ChunkKeeper, DecodeError
from uplift.codecs.compressors import zlib_to_gzip
from uplift.errors import PlanError, SourceError, UnsupportedError
from uplift.models.arrays import SourceArray, TargetArray
from uplift.zarr_metadata import v2, v3

VALUES = (np.arange(300, dtype="<u2") ** 2) % 1000
WORDS = np.array([f"wörd {n}" for n in range(300)], dtype=object)
CODECS: dict[str, Any] = {
    "blosc": numcodecs.Blosc("lz4", 5, 1),
    "zstd": numcodecs.Zstd(3, checksum=True),
    "gzip": numcodecs.GZip(5),
    "zlib": numcodecs.Zlib(5),
    "bz2": numcodecs.BZ2(1),
    "lzma": numcodecs.LZMA(),
    "lz4": numcodecs.LZ4(),
}
FILTERS: list[Any] = [
    None,
    numcodecs.Delta("<u2"),
    numcodecs.Shuffle(2),
    numcodecs.CRC32(),
    numcodecs.Fletcher32(),
    numcodecs.FixedScaleOffset(offset=0, scale=1, dtype="<u2", astype="<u4"),
    numcodecs.AsType("<u4", "<u2"),
]


def source_of(compressor: Any, first: Any, data_type: str = "<u2") -> SourceArray:
    return SourceArray(
        zarr_format=2,
        shape=(299,),
        chunks=(300,),
        data_type=data_type,
        fill_value=0,
        order="C",
        separator=".",
        compressor=compressor and compressor.get_config(),
        filters=None if first is None else (first.get_config(),),
    )


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes flipped, cut, doubled or put in."""
    broken = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, max(0, len(broken) - 1)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "head"]))
        if kind == "flip" and broken:
            broken[position] = draw(st.integers(0, 255))
        elif kind == "head" and broken:
            broken[position % min(24, len(broken))] = draw(st.sampled_from([0, 1, 127, 128, 255]))
        elif kind == "cut":
            del broken[position:]
        else:
            broken[position:position] = draw(st.binary(max_size=20))
    return bytes(broken)


@settings(deadline=None, max_examples=600)
@given(data=st.data(), name=st.sampled_from([None, *CODECS]), first=st.sampled_from(FILTERS))
def test_damaged_chunks(data: st.DataObject, name: str | None, first: Any) -> None:
    compressor = None if name is None else CODECS[name]
    source = source_of(compressor, first)
    buffer: Any = VALUES if first is None else first.encode(VALUES)
    buffer = np.asarray(buffer).tobytes()
    chunk = data.draw(damaged(compressor.encode(buffer) if compressor else buffer))
    decoder = ChunkDecoder(source)
    try:
        found = decoder.decode(chunk, (0,))
    except DecodeError as error:
        assert "\n" not in error.reason
    else:
        assert found.shape == (300,)
    try:
        ChunkKeeper(source, "repack").keep(chunk)
    except DecodeError as error:
        assert "\n" not in error.reason
    if name == "zlib":
        try:
            wrapped = zlib_to_gzip(chunk, 600)
        except DecodeError:
            return
        assert gzip.decompress(wrapped) == zlib.decompressobj().decompress(chunk)


@settings(deadline=None, max_examples=300)
@given(
    tail=st.binary(min_size=1, max_size=40),
    front=st.sampled_from([b"", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"]),
    name=st.sampled_from([*CODECS]),
)
def test_bytes_behind_a_sound_stream(tail: bytes, front: bytes, name: str) -> None:
    source, stream = source_of(CODECS[name], None), bytes(CODECS[name].encode(VALUES))
    chunk = stream + front + tail
    found = ChunkDecoder(source).read(chunk, (0,))
    assert found.values.tobytes() == VALUES.tobytes()
    assert (found.note, found.trailing_bytes) == (None, len(front + tail))
    assert ChunkKeeper(source, "repack").keep(chunk) == stream


@settings(deadline=None, max_examples=300)
@given(data=st.data(), name=st.sampled_from([None, "blosc", "zlib"]))
def test_damaged_strings(data: st.DataObject, name: str | None) -> None:
    compressor = None if name is None else CODECS[name]
    source = source_of(compressor, numcodecs.VLenUTF8(), "|O")
    buffer = data.draw(damaged(bytes(numcodecs.VLenUTF8().encode(WORDS))))
    chunk = bytes(compressor.encode(buffer)) if compressor and buffer else buffer
    try:
        found = ChunkDecoder(source).decode(chunk)
    except DecodeError:
        return
    assert found.shape == (300,)


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=80), name=st.sampled_from([None, *CODECS]))
def test_arbitrary_bytes(data: bytes, name: str | None) -> None:
    source = source_of(None if name is None else CODECS[name], None)
    for magic in (b"", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"\x78\x9c", b"BZh9"):
        try:
            ChunkDecoder(source).decode(magic + data)
        except DecodeError:
            continue


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(
        ["<u2", "|O", "C", "blosc", "raw", "xz", "delta", "NaN", "/", "0x7fc0", "pickle", "7.0"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "name", "configuration", "cname", "dtype", "order", "level"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
ZARRAY: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [10, 20],
    "chunks": [5, 20],
    "dtype": "<u2",
    "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "fill_value": 0,
    "order": "C",
    "filters": [{"id": "delta", "dtype": "<u2"}],
    "dimension_separator": "/",
}
ZARR_JSON = v3.array_document(
    TargetArray(
        shape=(10, 20),
        chunks=(5, 20),
        shards=(10, 20),
        data_type="uint16",
        fill_value=0,
        codecs=(
            {"name": "transpose", "configuration": {"order": [1, 0]}},
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": {"cname": "lz4", "shuffle": "shuffle"}},
        ),
    ),
    {},
    None,
)


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A copy of a JSON document in which one or two values are something else."""
    copy = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 2))):
        parent: Any = copy
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(parent[key], (dict, list)) and draw(st.booleans()):
                parent = parent[key]
                continue
            if isinstance(parent, dict) and draw(st.integers(0, 4)) == 0:
                del parent[key]
            else:
                parent[key] = draw(JSON)
            break
    return copy


def examine(source: SourceArray) -> None:
    """Everything that inspect and plan do with an array."""
    if source.zarr_format == 2:
        renamed_codecs(source)
    reason = mapping.unsupported_reason(source)
    if reason is not None:
        assert "\n" not in reason
        return
    mapping.kept_codecs(source)
    try:
        target, _ = mapping.target_of(source, source.chunks, None, "keep")
    except PlanError as error:  # chunks of 2 GiB and more
        assert "\n" not in str(error)
        return
    json.dumps(v3.array_document(target, {}, None), allow_nan=False)
    v3.chunk_key(source, tuple(0 for _ in source.shape))


@settings(deadline=None, max_examples=800)
@given(document=mutated(ZARRAY))
def test_mutated_v2_documents(document: Any) -> None:
    try:
        repairs: list[str] = []
        source = v2.parse_v2(document, "0/.zarray", repairs)
    except SourceError as error:
        assert str(error).startswith("0/.zarray: ")
        assert "\n" not in str(error)
        return
    assert not any("\n" in repair for repair in repairs)
    examine(source)


@settings(deadline=None, max_examples=800)
@given(document=mutated(ZARR_JSON))
def test_mutated_v3_documents(document: Any) -> None:
    try:
        source = v3.parse_v3(document, "0/zarr.json")
    except (SourceError, UnsupportedError) as error:
        assert str(error).startswith("0/zarr.json: ")
        assert "\n" not in str(error)
        return
    examine(source)

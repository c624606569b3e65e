"""Random arrays, written by zarr-python as Zarr v2, and what independent readers make of ours."""

from __future__ import annotations

import itertools
import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import tensorstore
import zarr
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from zarr.metadata.migrate_v3 import _convert_array_metadata

from uplift import grid
from uplift.codecs import mapping, shard_index
from uplift.codecs.chunks import ChunkDecoder, ChunkEncoder, ChunkKeeper
from uplift.models.arrays import SourceArray, TargetArray
from uplift.zarr_metadata import data_types, v2, v3

CORE = ["|b1", "|i1", "|u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">u4", "<i8", ">u8", "<f2", ">f4"]
CORE += ["<f4", ">f8", "<c8", ">c16"]
EXTENSIONS = ["|S3", "<U2", ">U2", "<M8[ns]", ">M8[D]", "<m8[5s]", "|V3"]
COMPRESSORS: list[Any] = [
    None,
    *(
        numcodecs.Blosc(name, 3, shuffle)
        for name in ("lz4", "zstd", "zlib", "blosclz", "lz4hc")
        for shuffle in (-1, 0, 1, 2)
    ),
    numcodecs.Zstd(0),
    numcodecs.Zstd(5, checksum=True),
    numcodecs.GZip(-1),
    numcodecs.GZip(4),
    numcodecs.Zlib(1),
]
PIPELINES: list[Any] = [
    "keep",
    ({"name": "zstd"},),
    ({"name": "gzip"},),
    ({"name": "bytes"},),
    ({"name": "blosc"}, {"name": "crc32c"}),
]
OTHER_COMPRESSORS: list[Any] = [numcodecs.BZ2(1), numcodecs.LZMA(), numcodecs.LZ4()]
QUIET = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow]
)  # one example writes and reads whole arrays


class Written:
    """A Zarr v2 array as zarr-python wrote it: parsed document, values, chunk bytes by index."""

    def __init__(self, folder: Path, values: np.ndarray[Any, Any]) -> None:
        self.document = json.loads((folder / ".zarray").read_text())
        self.source = v2.parse_v2(self.document, "array/.zarray")
        self.values = values
        self.chunks: dict[grid.Index, bytes] = {}
        for path in sorted(folder.rglob("*")):
            index = v3.ChunkKeys(self.source).index_of(path.relative_to(folder).as_posix())
            if path.is_file() and index is not None:
                self.chunks[index] = path.read_bytes()


@st.composite
def shapes(draw: st.DrawFn) -> tuple[grid.Shape, grid.Shape]:
    shape = tuple(draw(st.lists(st.integers(0, 7), max_size=3)))
    return shape, tuple(draw(st.integers(1, 5)) for _ in shape)


@st.composite
def arrays(draw: st.DrawFn, names: list[str], compressors: list[Any]) -> dict[str, Any]:
    shape, chunks = draw(shapes())
    dtype = np.dtype(draw(st.sampled_from(names)))
    raw = draw(st.binary(min_size=dtype.itemsize, max_size=4 * dtype.itemsize))
    values = np.resize(_elements(raw, dtype), shape)
    fill = draw(st.sampled_from([None, "zero", "value"]))
    return {
        "values": values,
        "chunks": chunks,
        "order": draw(st.sampled_from("CF")),
        "separator": draw(st.sampled_from("./")),
        "compressor": draw(st.sampled_from(compressors)),
        "fill_value": {
            None: None,
            "zero": np.zeros((), dtype)[()],
            "value": _elements(raw, dtype)[0],
        }[fill],
        "absent": draw(st.booleans()),
    }


def _elements(raw: bytes, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Elements of any bits, as far as the data type allows any."""
    raw = raw[: len(raw) // dtype.itemsize * dtype.itemsize]
    if dtype.kind == "b":
        return (np.frombuffer(raw, "u1") % 2).astype("?")
    if dtype.kind == "U":
        return np.array([chr(48 + byte % 70) for byte in raw[:4]], dtype=dtype)
    if dtype.kind == "S":
        return np.array([bytes([1 + byte % 250]) for byte in raw[:4]], dtype=dtype)
    return np.frombuffer(raw, dtype=dtype)


@contextmanager
def written(array: dict[str, Any], filters: Any = None) -> Iterator[tuple[Path, Written]]:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "v2"
        values = array["values"]
        created = zarr.create_array(
            path,
            shape=values.shape,
            chunks=array["chunks"],
            dtype=values.dtype,
            order=array["order"],
            compressors=array["compressor"],
            filters=filters,
            fill_value=array["fill_value"],
            zarr_format=2,
            config={"write_empty_chunks": not array["absent"]},
            chunk_key_encoding={"name": "v2", "separator": array["separator"]},
        )
        if values.size:
            created[...] = values
        if array["absent"]:
            for chunk in itertools.islice((p for p in path.rglob("*") if p.name[0] != "."), 1):
                if chunk.is_file():
                    chunk.unlink()
        expected = np.asarray(zarr.open_array(path, mode="r")[...])
        yield Path(folder), Written(path, expected)


def same_bits(found: Any, expected: np.ndarray[Any, Any]) -> None:
    little = expected.dtype.newbyteorder("<")
    found = np.asarray(found)
    assert found.shape == expected.shape
    assert found.astype(little, copy=False).tobytes() == expected.astype(little).tobytes()


def write_v3(folder: Path, target: TargetArray, chunks: dict[grid.Index, bytes]) -> Path:
    """Write a v3 array from encoded chunks; shards are packed by hand."""
    document = v3.array_document(target, {"note": 1}, None)
    folder.mkdir(parents=True)
    (folder / "zarr.json").write_text(json.dumps(document, allow_nan=False))
    objects = chunks if target.shards is None else dict(_packed(target, chunks))
    for index, data in objects.items():
        path = folder / v3.target_key(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _packed(
    target: TargetArray, chunks: dict[grid.Index, bytes]
) -> Iterator[tuple[grid.Index, bytes]]:
    per_shard = grid.chunks_per_shard(target.object_shape, target.chunks)
    chunk_grid = grid.grid_shape(target.shape, target.chunks)
    for shard in grid.all_indices(grid.grid_shape(target.shape, target.object_shape)):
        index = shard_index.empty_index(int(np.prod(per_shard, dtype=int)))
        body = b""
        for chunk in grid.indices_in(grid.chunk_region(shard, per_shard, chunk_grid)):
            if chunk in chunks:
                cell = tuple(i % k for i, k in zip(chunk, per_shard, strict=True))
                index[grid.linear_index(cell, per_shard)] = (len(body), len(chunks[chunk]))
                body += chunks[chunk]
        if body:
            yield shard, body + shard_index.encode_index(index)


def check_readers(folder: Path, expected: np.ndarray[Any, Any]) -> None:
    """zarr-python reads every array; zarrs and tensorstore those of core data types."""
    same_bits(zarr.open_array(folder, mode="r")[...], expected)
    if expected.dtype.kind in "SUVMm":  # extension types
        return
    with zarr.config.set(
        {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
    ):
        same_bits(zarr.open_array(folder, mode="r")[...], expected)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder}/"}}
    same_bits(tensorstore.open(spec).result().read().result(), expected)


@QUIET
@given(array=arrays(CORE + EXTENSIONS, COMPRESSORS), factor=st.integers(1, 3))
def test_kept_bytes_are_read_by_all(array: dict[str, Any], factor: int) -> None:
    with written(array) as (folder, found):
        source = found.source
        assert mapping.unsupported_reason(source) is None
        packed_shape = tuple(factor * c for c in source.chunks)
        plain, method = mapping.target_of(source, source.chunks, None, "keep")
        packed, _ = mapping.target_of(source, source.chunks, packed_shape, "keep")
        assert method in ("repack", "rewrap")
        keep = ChunkKeeper(source, method).keep
        kept = {index: keep(data) for index, data in found.chunks.items()}
        if method == "repack":
            assert kept == found.chunks
        check_readers(write_v3(folder / "plain", plain, kept), found.values)
        check_readers(write_v3(folder / "packed", packed, kept), found.values)


@QUIET
@given(array=arrays(CORE + EXTENSIONS, COMPRESSORS + OTHER_COMPRESSORS), data=st.data())
def test_recoded_chunks_are_read_by_all(array: dict[str, Any], data: st.DataObject) -> None:
    codecs = data.draw(st.sampled_from(PIPELINES))
    with written(array) as (folder, found):
        source = found.source
        chunks = tuple(data.draw(st.integers(1, 6)) for _ in source.shape)
        target, _ = mapping.target_of(source, chunks, tuple(2 * c for c in chunks), codecs)
        values = decoded(found)
        same_bits(values, found.values)
        encoder = ChunkEncoder(target)
        encoded = {
            index: encoder.encode(padded(values, index, target))
            for index in grid.all_indices(grid.grid_shape(source.shape, chunks))
        }
        check_readers(write_v3(folder / "v3", target, encoded), found.values)
        reparsed = v3.parse_v3(v3.array_document(target, {}, None), "x")
        for index, chunk in encoded.items():
            assert ChunkKeeper(reparsed, "repack").keep(chunk) == chunk
            same_bits(ChunkDecoder(reparsed).decode(chunk), padded(values, index, target))


def decoded(found: Written) -> np.ndarray[Any, Any]:
    """Assemble the array with our own decoder."""
    source = found.source
    fill = data_types.fill_scalar(data_types.data_type_v3(source), data_types.fill_value_v3(source))
    values = np.full(source.shape, fill, dtype=data_types.numpy_dtype(source))
    decoder = ChunkDecoder(source)
    for index, data in found.chunks.items():
        region = grid.element_slices(index, source.chunks, source.shape)
        inside = tuple(slice(part.stop - part.start) for part in region)
        values[region] = decoder.decode(data)[inside]
    return values


def padded(
    values: np.ndarray[Any, Any], index: grid.Index, target: TargetArray
) -> np.ndarray[Any, Any]:
    region = grid.element_slices(index, target.chunks, target.shape)
    chunk = np.zeros(target.chunks, dtype=values.dtype)
    chunk[tuple(slice(part.stop - part.start) for part in region)] = values[region]
    return chunk


FILTERS: list[tuple[str, list[Any]]] = [
    ("<i4", [numcodecs.Delta("<i4")]),
    ("<u2", [numcodecs.Delta("<u2", "<i4")]),
    ("<f4", [numcodecs.FixedScaleOffset(offset=1, scale=10, dtype="<f4", astype="<i4")]),
    ("<f8", [numcodecs.Quantize(3, "<f8")]),
    ("<f4", [numcodecs.BitRound(5)]),
    ("|b1", [numcodecs.PackBits()]),
    ("<u2", [numcodecs.Shuffle(2)]),
    ("<f8", [numcodecs.AsType("<f4", "<f8")]),
    ("<u2", [numcodecs.CRC32()]),
    ("<u2", [numcodecs.Adler32()]),
    ("<u2", [numcodecs.Fletcher32()]),
    ("<i4", [numcodecs.Delta("<i4"), numcodecs.Shuffle(4)]),
]


@QUIET
@given(
    case=st.sampled_from(FILTERS),
    shape=shapes(),
    order=st.sampled_from("CF"),
    compressor=st.sampled_from(COMPRESSORS + OTHER_COMPRESSORS),
)
def test_filters_are_undone_as_zarr_python_does(
    case: tuple[str, list[Any]], shape: Any, order: str, compressor: Any
) -> None:
    name, filters = case
    values = (np.arange(int(np.prod(shape[0]))) % 250).reshape(shape[0]).astype(name)
    array = {
        "values": values,
        "chunks": shape[1],
        "order": order,
        "separator": ".",
        "compressor": compressor,
        "fill_value": np.zeros((), name)[()],
        "absent": False,
    }
    with written(array, filters) as (_, found):
        assert mapping.unsupported_reason(found.source) is None
        same_bits(decoded(found), found.values)


@QUIET
@given(array=arrays(CORE + EXTENSIONS, COMPRESSORS + OTHER_COMPRESSORS))
def test_documents_agree_with_zarr_pythons_migration(array: dict[str, Any]) -> None:
    with written(array) as (folder, found):
        source = found.source
        shuffle_of_none = (source.compressor or {}).get("shuffle") == -1
        without_level = (source.compressor or {}).get("level") == -1
        assume(array["fill_value"] is not None and not shuffle_of_none and not without_level)
        theirs = _convert_array_metadata(zarr.open_array(folder / "v2", mode="r").metadata)
        kept = mapping.kept_codecs(source)
        target, _ = mapping.target_of(source, source.chunks, None, "keep")
        document = v3.array_document(target, {}, None)
        ours = zarr.core.metadata.v3.ArrayV3Metadata.from_dict(document)
        assert ours.data_type.to_json(zarr_format=3) == theirs.data_type.to_json(zarr_format=3)
        same_bits(np.asarray(ours.fill_value), np.asarray(theirs.fill_value))
        assert ours.shape == theirs.shape
        assert ours.chunk_grid == theirs.chunk_grid
        if kept is not None and kept.method == "repack":
            assert plain_codecs(ours) == plain_codecs(theirs)


def plain_codecs(metadata: Any) -> list[Any]:
    """Codecs as JSON; transposing fewer than two axes says nothing."""
    plain = [codec.to_dict() for codec in metadata.codecs]
    return [c for c in plain if c["name"] != "transpose" or len(metadata.shape) > 1]


@QUIET
@given(
    words=st.lists(st.text(max_size=4), min_size=1, max_size=12),
    order=st.sampled_from("CF"),
    compressor=st.sampled_from([None, numcodecs.Blosc("lz4", 5, -1), numcodecs.Zlib(1)]),
)
def test_strings_of_variable_length(words: list[str], order: str, compressor: Any) -> None:
    cells = np.array((words * 12)[:12], dtype=object).reshape(3, 4)
    document = {
        "zarr_format": 2,
        "shape": [3, 4],
        "chunks": [3, 4],
        "dtype": "|O",
        "fill_value": "",
        "order": order,
        "filters": [{"id": "vlen-utf8"}],
        "compressor": compressor and compressor.get_config(),
    }
    encoded = numcodecs.VLenUTF8().encode(cells.reshape(-1, order=order))
    data = bytes(compressor.encode(encoded) if compressor else encoded)
    source = v2.parse_v2(document, "x")
    target, method = mapping.target_of(source, (3, 4), (6, 8), "keep")
    found = ChunkDecoder(source).decode(data)
    assert found.tolist() == cells.tolist()
    kept = data if method == "repack" else ChunkEncoder(target).encode(found)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_v3(Path(folder) / "v3", target, {(0, 0): kept})
        assert zarr.open_array(path, mode="r")[...].tolist() == cells.tolist()


def test_records_are_read_back() -> None:
    fields = [["a", ">i4"], ["b", "|S3"], ["c", "<f8"], ["d", "<U2"], ["e", "<M8[s]"]]
    values = np.array(
        [(1, b"x", 2.5, "ab", 5), (-7, b"yz", -1.0, "c", 9)], dtype=[tuple(f) for f in fields]
    )
    source = SourceArray(
        zarr_format=2, shape=(2,), chunks=(2,), data_type=fields, order="C", separator="."
    )
    target, method = mapping.target_of(source, (2,), (4,), "keep")
    assert method == "recode"
    encoded = ChunkEncoder(target).encode(ChunkDecoder(source).decode(values.tobytes()))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_v3(Path(folder) / "v3", target, {(0,): encoded})
        assert zarr.open_array(path, mode="r")[...].tolist() == values.tolist()

"""Zarr v2 hierarchies described as values, written with json and numcodecs alone."""

import base64
import json
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from support.images import multiscales
from uplift import grid


@dataclass(frozen=True)
class Array:
    """One array; `absent` is the share of chunks that are not stored, `separator` may be None."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str | list[Any] = "<u2"
    compressor: dict[str, Any] | None = None
    filters: list[dict[str, Any]] | None = None
    order: str = "C"
    separator: str | None = "."
    keys: str | None = None
    """Separator that the chunk keys have, where it is another than `separator` says."""
    fill: Any = 0
    """As in JSON."""
    absent: float = 0.0
    seed: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strings:
    """An array of strings of any length, written by zarr-python."""

    values: tuple[str, ...]
    chunk: int = 2


@dataclass(frozen=True)
class Group:
    """A group; `nodes` by name. With `ndim` it is an image whose levels `nodes` are."""

    nodes: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    explicit: bool = True


def image(levels: dict[str, Array], labels: dict[str, Any] | None = None, **extra: Any) -> Group:
    """An OME-Zarr 0.4 image of given levels, with label images."""
    axes = "tczyx"[-len(next(iter(levels.values())).shape) :]
    entry = multiscales(len(levels), axes)
    for place, path in zip(entry[0]["datasets"], levels, strict=True):
        place["path"] = path
    nodes: dict[str, Any] = dict(levels)
    if labels is not None:
        nodes["labels"] = Group(labels, {"labels": list(labels)})
    return Group(nodes, {"multiscales": entry, **extra})


def well(fields: str, array: Array) -> Group:
    """A well of fields with names of one letter, each with one level."""
    listed = [{"path": name} for name in fields]
    return Group(
        {name: image({"0": array}) for name in fields},
        {"well": {"images": listed, "version": "0.4"}},
    )


def plate(wells: dict[str, Group], listed: list[str], **more: Any) -> Group:
    """A plate of wells by path; `listed` are the ones that its metadata name."""
    rows = sorted({path[0] for path in [*wells, *listed]})
    columns = sorted({path[2:] for path in [*wells, *listed]})
    named = [
        {"path": p, "rowIndex": rows.index(p[0]), "columnIndex": columns.index(p[2:])}
        for p in listed
    ]
    attributes = {
        "plate": {
            "version": "0.4",
            "name": "p",
            "rows": [{"name": name} for name in rows],
            "columns": [{"name": name} for name in columns],
            "wells": named,
        },
        **more,
    }
    nodes: dict[str, Any] = {}
    for path, node in wells.items():
        row = nodes.setdefault(path[0], Group({}, explicit=False))
        row.nodes[path[2:]] = node
    return Group(nodes, attributes)


def dtype_of(written: str | list[Any]) -> np.dtype[Any]:
    """The numpy data type that JSON means."""
    if isinstance(written, str):
        return np.dtype(written)
    return np.dtype([tuple(one) for one in written])


def fill_of(dtype: np.dtype[Any], fill: Any) -> np.ndarray[Any, Any]:
    """The element that a fill value in JSON means; null means zero, and of times none."""
    if fill is None and dtype.kind in "mM":
        return np.array("NaT", dtype)
    if fill is None:
        return np.zeros((), dtype)
    if dtype.kind in "SV":
        return np.frombuffer(base64.b64decode(fill) or bytes(dtype.itemsize), dtype)[0]
    if dtype.kind == "c":
        parts = [np.array(one, dtype=f"f{dtype.itemsize // 2}") for one in fill]
        return np.array(parts).view(dtype.newbyteorder("="))[0].astype(dtype)
    if dtype.kind in "mM":
        return np.array(fill, dtype="<i8").view(dtype.newbyteorder("<")).astype(dtype)
    return np.array(fill).astype(dtype)


def random_values(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Any bits that the data type allows, NaN payloads included."""
    if dtype.names is not None:
        values = np.zeros(shape, dtype)
        for name in dtype.names:
            values[name] = random_values(rng, dtype[name], shape)
        return values
    if dtype.kind == "U":
        return rng.choice(["", "a", "ä€", "zz"], shape).astype(dtype)
    if dtype.kind == "S":
        return rng.choice([b"", b"a", b"xyz"], shape).astype(dtype)
    raw = rng.integers(0, 256, size=(*shape, dtype.itemsize), dtype=np.uint8)
    if dtype.kind == "b":
        raw &= 1
    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    return np.ascontiguousarray(raw).reshape(-1).view(dtype).reshape(shape)


def write(root: Path, node: Any) -> dict[str, Any]:
    """Write a node and all below it; the values of the arrays by path."""
    expected: dict[str, Any] = {}
    _write(root, "", node, expected)
    return expected


def _write(root: Path, path: str, node: Any, expected: dict[str, Any]) -> None:
    folder = root / path if path else root
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(node, Array):
        expected[path] = write_array(folder, node)
    elif isinstance(node, Strings):
        expected[path] = _write_strings(folder, node)
    else:
        if node.explicit:
            (folder / ".zgroup").write_text('{"zarr_format": 2}')
        if node.attributes:
            (folder / ".zattrs").write_text(json.dumps(node.attributes))
        for name, data in node.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        for name, child in node.nodes.items():
            _write(root, f"{path}/{name}" if path else name, child, expected)


def write_array(folder: Path, array: Array) -> Any:
    """Write one array; its values, with the fill value in place of absent chunks."""
    dtype = dtype_of(array.dtype)
    document = {
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": array.chunks,
        "dtype": array.dtype,
        "compressor": array.compressor,
        "filters": array.filters,
        "order": array.order,
        "fill_value": array.fill,
    }
    if array.separator is not None:
        document["dimension_separator"] = array.separator
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".zarray").write_text(json.dumps(document))
    if array.attributes:
        (folder / ".zattrs").write_text(json.dumps(array.attributes))
    for name in array.files:
        (folder / name).write_bytes(b"stray")
    rng = np.random.default_rng(array.seed)
    full = np.full(array.shape, fill_of(dtype, array.fill), dtype)
    separator = array.keys or array.separator or "."
    for index in grid.all_indices(grid.grid_shape(array.shape, array.chunks)):
        values = random_values(rng, dtype, array.chunks)
        if rng.random() < array.absent:
            continue
        data, values = encode(array, dtype, values)
        place = folder / (separator.join(map(str, index)) or "0")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        slices = grid.element_slices(index, array.chunks, array.shape)
        full[slices] = values[tuple(slice(0, s.stop - s.start) for s in slices)]
    return full


def encode(array: Array, dtype: np.dtype[Any], values: Any) -> tuple[bytes, Any]:
    """Encoded bytes of a chunk, and what they decode to (filters may lose precision)."""
    flat = values.reshape(-1, order=array.order)
    filters = [numcodecs.get_codec(one) for one in array.filters or ()]
    coded = flat
    for one in filters:
        coded = one.encode(coded)
    after = coded
    for one in reversed(filters):
        after = one.decode(after)
    raw = np.ascontiguousarray(np.asarray(after)).reshape(-1).view(np.uint8).tobytes()
    decoded = np.frombuffer(raw, dtype).reshape(array.chunks, order=array.order)
    if array.compressor is None:
        return np.asarray(coded).tobytes(), decoded
    buffer = np.ascontiguousarray(np.asarray(coded))
    if buffer.dtype.kind not in "biufc":
        buffer = buffer.view(np.uint8)
    return bytes(numcodecs.get_codec(array.compressor).encode(buffer)), decoded


def _write_strings(folder: Path, node: Strings) -> Any:
    values = np.array(node.values, dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(
            folder, shape=values.shape, chunks=(node.chunk,), dtype=str, zarr_format=2
        )
        array[...] = values
    return values


def same_values(found: Any, expected: Any) -> bool:
    """Whether two arrays hold the same bits, whatever their byte order."""
    found = np.asarray(found)
    if found.shape != expected.shape:
        return False
    if expected.dtype.kind == "O":
        return [str(one) for one in found.flat] == list(expected.flat)
    little = expected.dtype.newbyteorder("<")
    return found.astype(little).tobytes() == expected.astype(little).tobytes()


def read_all(output: Path, paths: Any) -> dict[str, Any]:
    """Values of arrays of the output by path, as zarr-python reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            path: np.asarray(zarr.open_array(output / path if path else output, mode="r")[...])
            for path in paths
        }

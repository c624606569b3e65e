"""Zarr v3 array documents (``zarr.json``) and chunk keys, after the Zarr v3 core specification."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from uplift.errors import SourceError
from uplift.grid import Index, Shape, grid_shape
from uplift.models.arrays import JsonValue, SourceArray, TargetArray
from uplift.zarr_metadata import data_types
from uplift.zarr_metadata.fill_values import without_bare_nan
from uplift.zarr_metadata.v2 import check_fill_value, parse_shape, whole

Codec = dict[str, Any]

INDEX_CODECS: tuple[Codec, ...] = (
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "crc32c"},
)
"""How the index at the end of a shard is encoded (zarr v3 sharding codec, index_codecs)."""
ARRAY_KEYS = frozenset(
    {
        *("zarr_format", "node_type", "attributes", "shape", "data_type", "chunk_grid"),
        *("chunk_key_encoding", "fill_value", "codecs", "dimension_names", "storage_transformers"),
    }
)
"""Every key that the core specification defines for arrays."""
_NUMBER = "(0|[1-9][0-9]{0,18})"


def parse_v3(document: JsonValue, where: str, repairs: list[str] | None = None) -> SourceArray:
    """Parse the ``zarr.json`` of an array; of a sharded one, `chunks` is the inner chunk.

    Parameters
    ----------
    document
        Decoded JSON.
    where
        Key of the document, for messages.
    repairs
        What other writers write otherwise, but has one reading, is added here, a text each.

    Raises
    ------
    SourceError
        The document contradicts the specification; one line.
    """
    if not isinstance(document, dict) or whole(document.get("zarr_format")) != 3:
        raise SourceError(f"{where}: not a Zarr v3 document (zarr_format is not 3)")
    if document.get("node_type") != "array":
        raise SourceError(f"{where}: node_type is {document.get('node_type')!r}, not 'array'")
    if document.get("storage_transformers"):
        raise SourceError(f"{where}: storage_transformers are not known to this version")
    _refuse_extensions(document, where)
    document, repaired = _one_reading(document)
    shape = parse_shape(document.get("shape"), where, "shape", least=0)
    grid = _configuration(document.get("chunk_grid"), "regular", where, "chunk_grid")
    outer = _chunk_shape(grid.get("chunk_shape"), shape, where)
    encoding, separator = _key_encoding(document.get("chunk_key_encoding"), where)
    source = SourceArray(
        zarr_format=3,
        shape=shape,
        chunks=outer,
        data_type=document.get("data_type"),
        fill_value=without_bare_nan(document.get("fill_value")),
        separator=separator,
        codecs=_codecs(document.get("codecs"), where),
        key_encoding=encoding,
    )
    source = _unwrap_shards(source, where)
    check_fill_value(source, where)
    fill_value = data_types.plain_fill_value(source)
    if repairs is not None:
        repairs += repaired
        if type(fill_value) is not type(source.fill_value):
            repairs.append(f"fill_value {source.fill_value!r} is read as {fill_value!r}")
    return source.model_copy(update={"fill_value": fill_value})


def array_document(
    target: TargetArray,
    attributes: Mapping[str, Any],
    dimension_names: Sequence[str | None] | None,
) -> dict[str, Any]:
    """Write the ``zarr.json`` of an output array; chunk keys are the default ``c/0/0``.

    Parameters
    ----------
    target
        What the plan makes of the array.
    attributes
        Of the array.
    dimension_names
        A name (or None) for each axis; None: it has none.

    Returns
    -------
    dict[str, Any]
        Content of ``zarr.json``.
    """
    codecs: list[Codec] = [dict(codec) for codec in target.codecs]
    if target.shards is not None:
        configuration = {
            "chunk_shape": list(target.chunks),
            "codecs": codecs,
            "index_codecs": [dict(codec) for codec in INDEX_CODECS],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": configuration}]
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(target.shape),
        "data_type": target.data_type,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": list(target.object_shape)},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": target.fill_value,
        "codecs": codecs,
        "attributes": dict(attributes),
    }
    if dimension_names is not None:
        document["dimension_names"] = list(dimension_names)
    return document


def chunk_key(source: SourceArray, index: Index) -> str:
    """Key of one stored object of the source (a shard when sharded), below the array's path."""
    separator = source.separator or "."
    if source.zarr_format == 3 and source.key_encoding != "v2":
        return separator.join(["c", *map(str, index)])
    return separator.join(map(str, index)) or "0"


def target_key(index: Index) -> str:
    """Key of one stored object of the output, below the array's path."""
    return "/".join(["c", *map(str, index)])


def object_grid(source: SourceArray) -> Shape:
    """Stored objects (shards when sharded) of the source along each axis."""
    return grid_shape(source.shape, source.shards or source.chunks)


class ChunkKeys:
    """Reads the chunk keys of one array, as listings of millions of keys need it."""

    def __init__(self, source: SourceArray) -> None:
        self._grid = object_grid(source)
        separator = re.escape(source.separator or ".")
        parts = [_NUMBER] * len(self._grid)
        if source.zarr_format == 3 and source.key_encoding != "v2":
            parts.insert(0, "c")
        elif not parts:
            parts.append("0")
        self._match = re.compile(separator.join(parts)).fullmatch

    def index_of(self, key: str) -> Index | None:
        """Inverse of :func:`chunk_key`; None for any other key, also for one outside the grid."""
        found = self._match(key)
        if found is None:
            return None
        index = tuple(map(int, found.groups()))
        inside = all(map(operator.lt, index, self._grid))
        return index if inside else None


def _one_reading(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Read lengths as texts or floats, chunk keys that are not described, names alone."""
    read = dict(document)
    if isinstance(document.get("shape"), list):
        read["shape"] = [whole(item) for item in document["shape"]]
    if document.get("chunk_key_encoding") is None:
        read["chunk_key_encoding"] = {"name": "default"}
    grid = document.get("chunk_grid")
    inner = grid.get("configuration") if isinstance(grid, dict) else None
    if (
        isinstance(grid, dict)
        and isinstance(inner, dict)
        and isinstance(inner.get("chunk_shape"), list)
    ):
        chunks = [whole(item) for item in inner["chunk_shape"]]
        read["chunk_grid"] = {**grid, "configuration": {**inner, "chunk_shape": chunks}}
    data_type = document.get("data_type")
    if isinstance(data_type, dict) and not data_type.get("configuration"):
        read["data_type"] = data_type.get("name")
    changed = [key for key, value in read.items() if repr(value) != repr(document.get(key))]
    return read, [f"{key} {document.get(key)!r} is read as {read[key]!r}" for key in changed]


def _refuse_extensions(document: dict[str, Any], where: str) -> None:
    """Refuse what the core specification lets nobody ignore who does not know it."""
    for key in sorted(document.keys() - ARRAY_KEYS):
        value = document[key]
        if not (isinstance(value, dict) and value.get("must_understand") is False):
            raise SourceError(
                f'{where}: the key "{key}" is not one of Zarr v3, and not marked with '
                '"must_understand": false; remove it, or mark it where it may be ignored'
            )


def _unwrap_shards(source: SourceArray, where: str) -> SourceArray:
    codecs = source.codecs or ()
    if len(codecs) != 1 or codecs[0]["name"] != "sharding_indexed":
        return source
    configuration = codecs[0].get("configuration", {})
    inner = _chunk_shape(configuration.get("chunk_shape"), source.shape, where)
    if any(outer % n for outer, n in zip(source.chunks, inner, strict=True)):
        raise SourceError(
            f"{where}: shard shape {list(source.chunks)} is not a multiple of its "
            f"chunk shape {list(inner)}"
        )
    location = configuration.get("index_location", "end")
    if location not in ("start", "end"):
        raise SourceError(f'{where}: index_location is {location!r}, expected "start" or "end"')
    return source.model_copy(
        update={
            "shards": source.chunks,
            "chunks": inner,
            "codecs": _codecs(configuration.get("codecs"), where),
            "index_codecs": _codecs(configuration.get("index_codecs", INDEX_CODECS), where),
            "index_location": location,
        }
    )


def _configuration(value: Any, name: str, where: str, key: str) -> dict[str, Any]:
    if isinstance(value, dict) and value.get("name") == name:
        configuration = value.get("configuration", {})
        if isinstance(configuration, dict):
            return configuration
    found = value.get("name") if isinstance(value, dict) else value
    raise SourceError(f'{where}: {key} is {found!r}, only "{name}" is known')


def _chunk_shape(value: Any, shape: Shape, where: str) -> Shape:
    chunks = parse_shape(value, where, "chunk_shape", least=1)
    if len(chunks) != len(shape):
        raise SourceError(
            f"{where}: chunk_shape {list(chunks)} and shape {list(shape)} differ in length"
        )
    return chunks


def _key_encoding(value: Any, where: str) -> tuple[Any, Any]:
    if isinstance(value, str):
        value = {"name": value}
    name = value.get("name") if isinstance(value, dict) else None
    if name not in ("default", "v2"):
        raise SourceError(f'{where}: chunk_key_encoding is {name!r}, expected "default" or "v2"')
    configuration = _configuration(value, name, where, "chunk_key_encoding")
    separator = configuration.get("separator", "/" if name == "default" else ".")
    if separator not in (".", "/"):
        raise SourceError(f'{where}: separator is {separator!r}, expected "." or "/"')
    return name, separator


def _says_something(key: str, value: Any) -> bool:
    """Whether a member of a codec counts: not null, and a configuration is an object."""
    return value is not None and (key != "configuration" or isinstance(value, dict))


def _codecs(value: Any, where: str) -> tuple[Codec, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise SourceError(f"{where}: codecs is {value!r}, expected a list of codecs")
    codecs = []
    for item in value:
        codec = {"name": item} if isinstance(item, str) else item
        if not isinstance(codec, dict) or not isinstance(codec.get("name"), str):
            raise SourceError(f'{where}: codecs holds {item!r}, expected an object with a "name"')
        if not isinstance(codec.get("configuration") or {}, dict):
            raise SourceError(f"{where}: codec {codec['name']!r}: configuration is not an object")
        codecs.append({key: value for key, value in codec.items() if _says_something(key, value)})
    return tuple(codecs)

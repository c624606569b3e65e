"""Zarr v3 array documents (``zarr.json``) and chunk keys, after the Zarr v3 core specification."""

import base64
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from uplift.errors import CORRECT, REWRITE, SourceError
from uplift.grid import Index, Shape, grid_shape
from uplift.models.arrays import JsonValue, SourceArray, TargetArray
from uplift.models.changes import Change, respelling
from uplift.models.json_text import without_bare_nan
from uplift.models.once import once_each
from uplift.zarr_metadata import data_types
from uplift.zarr_metadata.v2 import check_fill_value, lengths, parse_shape, whole

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


def parse_v3(document: JsonValue, where: str, repairs: list[Change] | None = None) -> SourceArray:
    """Parse the ``zarr.json`` of an array; of a sharded one, `chunks` is the inner chunk.

    Parameters
    ----------
    document
        Decoded JSON.
    where
        Key of the document, for messages.
    repairs
        What other writers write otherwise, but has one reading, is added here.

    Returns
    -------
    SourceArray
        With the words of the specification, codecs as they are written.

    Raises
    ------
    SourceError
        The document contradicts the specification; one line.
    """
    if not isinstance(document, dict) or whole(document.get("zarr_format")) != 3:
        raise _wrong(where, "not a Zarr v3 document (zarr_format is not 3)")
    if document.get("node_type") != "array":
        raise _wrong(where, f"node_type is {document.get('node_type')!r}, not 'array'")
    if document.get("storage_transformers"):
        raise _wrong(where, "storage_transformers are not known to this version", REWRITE)
    document, repaired = _with_unique_readings(document)
    _refuse_extensions(document, where)
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
        codecs=parse_codecs(document.get("codecs"), where),
        key_encoding=encoding,
    )
    source = _unwrap_shards(source, where)
    check_fill_value(source, where)
    fill_value = data_types.plain_fill_value(source)
    if repairs is not None:
        repairs += repaired
        if type(fill_value) is not type(source.fill_value):
            repairs.append(respelling("fill_value", document.get("fill_value", ...), fill_value))
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


def dimension_names(document: Mapping[str, Any], ndim: int) -> tuple[str | None, ...] | None:
    """Names (or None) that an array gives its dimensions; None where they are not one for each."""
    names = document.get("dimension_names")
    if not isinstance(names, list) or len(names) != ndim:
        return None
    sound = all(name is None or isinstance(name, str) for name in names)
    return tuple(names) if sound else None


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


chunk_keys_of = once_each(ChunkKeys)
"""Reader of the keys of an array; equal arrays of a plate share one."""


def _wrong(where: str, what: str, remedy: str = CORRECT) -> SourceError:
    return SourceError(f"{where}: {what}; {remedy}")


def _with_unique_readings(document: dict[str, Any]) -> tuple[dict[str, Any], list[Change]]:
    """Read lengths as texts or floats, chunk keys that are not described, names alone."""
    read = dict(document)
    if "shape" in document:
        read["shape"] = lengths(document["shape"])
    if document.get("chunk_key_encoding") is None:
        read["chunk_key_encoding"] = {"name": "default"}
    grid = document.get("chunk_grid")
    inner = grid.get("configuration") if isinstance(grid, dict) else None
    if isinstance(grid, dict) and isinstance(inner, dict) and "chunk_shape" in inner:
        chunks = lengths(inner["chunk_shape"])
        read["chunk_grid"] = {**grid, "configuration": {**inner, "chunk_shape": chunks}}
    data_type = document.get("data_type")
    if isinstance(data_type, dict) and not data_type.get("configuration"):
        read["data_type"] = data_type.get("name")
    length = data_types.raw_length(data_type)
    if length is not None:  # no release of zarr-python reads the specification's own name
        read["data_type"] = {"name": "raw_bytes", "configuration": {"length_bytes": length}}
        read["fill_value"] = _raw_fill_value(document.get("fill_value"), length)
    for key in sorted(document.keys() - ARRAY_KEYS):
        if document[key] in (None, [], {}, False):  # asks nobody for anything
            read[key] = {"must_understand": False}
    changed = [key for key, value in read.items() if repr(value) != repr(document.get(key))]
    return read, [
        respelling(key, document.get(key, ...), read[key] if key in ARRAY_KEYS else ...)
        for key in changed
    ]


def _raw_fill_value(value: Any, length: int) -> Any:
    """Write the bytes of a fill value in base64; the specification lists them as numbers."""
    if value is None or value == 0:
        value = [0] * length
    try:
        return base64.b64encode(bytes(value)).decode() if isinstance(value, list) else value
    except (TypeError, ValueError):
        return value


def _refuse_extensions(document: dict[str, Any], where: str) -> None:
    """Refuse what the core specification lets nobody ignore who does not know it."""
    for key in sorted(document.keys() - ARRAY_KEYS):
        value = document[key]
        if not (isinstance(value, dict) and value.get("must_understand") is False):
            raise SourceError(
                f'{where}: the key "{key}" is not one of Zarr v3, and not marked with '
                '"must_understand": false; remove it, or mark it where it may be ignored'
            )


def _is_plain_index(codecs: tuple[Codec, ...]) -> bool:
    endian = (codecs[0].get("configuration") or {}).get("endian") or "little"
    names, known = [codec["name"] for codec in codecs], [codec["name"] for codec in INDEX_CODECS]
    return names in (known[:1], known) and str(endian).lower() in ("little", "le", "<")


def _unwrap_shards(source: SourceArray, where: str) -> SourceArray:
    codecs = source.codecs or ()
    if len(codecs) != 1 or codecs[0]["name"] != "sharding_indexed":
        return source
    configuration = codecs[0].get("configuration", {})
    index_codecs = parse_codecs(configuration.get("index_codecs", INDEX_CODECS), where)
    if not _is_plain_index(index_codecs):  # decoded as a whole
        return source
    inner = _chunk_shape(configuration.get("chunk_shape"), source.shape, where)
    if any(outer % n for outer, n in zip(source.chunks, inner, strict=True)):
        text = (
            f"shard shape {list(source.chunks)} is not a multiple of its chunk shape {list(inner)}"
        )
        raise _wrong(where, text)
    location = configuration.get("index_location", "end")
    if location not in ("start", "end"):
        raise _wrong(where, f'index_location is {location!r}, expected "start" or "end"')
    return source.model_copy(
        update={
            "shards": source.chunks,
            "chunks": inner,
            "codecs": parse_codecs(configuration.get("codecs"), where),
            "index_codecs": index_codecs,
            "index_location": location,
        }
    )


def _configuration(value: Any, name: str, where: str, key: str) -> dict[str, Any]:
    if isinstance(value, dict) and value.get("name") == name:
        configuration = value.get("configuration", {})
        if isinstance(configuration, dict):
            return configuration
    found = value.get("name") if isinstance(value, dict) else value
    raise _wrong(where, f'{key} is {found!r}, only "{name}" is known', REWRITE)


def _chunk_shape(value: Any, shape: Shape, where: str) -> Shape:
    chunks = parse_shape(value, where, "chunk_shape", least=1)
    if len(chunks) != len(shape):
        text = f"chunk_shape {list(chunks)} and shape {list(shape)} differ in length"
        raise _wrong(where, text)
    return chunks


def _key_encoding(value: Any, where: str) -> tuple[Any, Any]:
    if isinstance(value, str):
        value = {"name": value}
    name = value.get("name") if isinstance(value, dict) else None
    if name not in ("default", "v2"):
        text = f'chunk_key_encoding is {name!r}, only "default" and "v2" are known'
        raise _wrong(where, text, REWRITE)
    configuration = _configuration(value, name, where, "chunk_key_encoding")
    separator = configuration.get("separator", "/" if name == "default" else ".")
    if separator not in (".", "/"):
        raise _wrong(where, f'separator is {separator!r}, expected "." or "/"')
    return name, separator


def _says_something(key: str, value: Any) -> bool:
    """Whether a member of a codec counts: not null, and a configuration is an object."""
    return value is not None and (key != "configuration" or isinstance(value, dict))


def parse_codecs(value: Any, where: str) -> tuple[Codec, ...]:
    """Read a list of codecs; a bare name stands for an object with that name."""
    if not isinstance(value, (list, tuple)) or not value:
        raise _wrong(where, f"codecs is {value!r}, expected a list of codecs")
    codecs = []
    for item in value:
        codec = {"name": item} if isinstance(item, str) else item
        if not isinstance(codec, dict) or not isinstance(codec.get("name"), str):
            raise _wrong(where, f'codecs holds {item!r}, expected an object with a "name"')
        if not isinstance(codec.get("configuration") or {}, dict):
            raise _wrong(where, f"codec {codec['name']!r}: configuration is not an object")
        codecs.append({key: value for key, value in codec.items() if _says_something(key, value)})
    return tuple(codecs)

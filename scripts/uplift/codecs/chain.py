"""One normal form for every codec pipeline: axis order, element type, then codecs of the table.

Zarr v2 (`order`, `filters`, `compressor`) and Zarr v3 (`codecs`) both come down to: the axes are
permuted, the elements are laid out in C order with a NumPy type, and codecs turn that buffer into
the stored bytes. Codecs are written as numcodecs configurations, in the order of encoding.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from uplift.codecs.codec import Codec, Config
from uplift.codecs.compressors import SHUFFLES
from uplift.codecs.nested_shards import config_of_shard
from uplift.codecs.table import BY_ID, BY_V3_NAME, codec_v3_of, config_of
from uplift.errors import UnsupportedError
from uplift.grid import Shape
from uplift.models.arrays import SourceArray, TargetArray
from uplift.models.changes import Change, respelling
from uplift.zarr_metadata import data_types
from uplift.zarr_metadata.fill_values import Vlen

VLEN_CODECS = {"string": "vlen-utf8", "bytes": "vlen-bytes"}
"""How the output stores elements of variable length, by data type."""
MAX_DIMENSIONS = 32
_ELEMENT_SETTINGS = {"shuffle": "elementsize", "fixedscaleoffset": "dtype", "quantize": "dtype"}
"""What numcodecs' Zarr v3 codecs take from the array when their configuration leaves it out."""


@dataclass(frozen=True, slots=True)
class Chain:
    """How one chunk is laid out and encoded.

    Attributes
    ----------
    order
        Permutation of the axes before the elements are written in C order, length ndim.
    dtype
        Element type in the byte order as stored; ``object`` with `vlen`.
    codecs
        Rows of the table with their configurations, from the elements to the stored bytes; those
        that leave the stored elements as they are (``bitround``, ``quantize``) are left out.
    """

    order: tuple[int, ...]
    dtype: np.dtype[Any]
    vlen: Vlen | None
    codecs: tuple[tuple[Codec, Config], ...]

    @property
    def beyond_texts(self) -> tuple[tuple[Codec, Config], ...]:
        """Codecs without the one that lays out texts or bytes, which the output has as well."""
        return tuple(pair for pair in self.codecs if pair[0].id not in VLEN_CODECS.values())

    def stage_bytes(self, chunks: Shape) -> list[int | None]:
        """Bytes of a full chunk before each codec, and at the end; None where data decide."""
        size = None if self.vlen else math.prod(chunks) * self.dtype.itemsize
        sizes = [size]
        for row, config in self.codecs:
            size = None if size is None else row.size_after(config, size, self.dtype)
            sizes.append(size)
        return sizes


def chain_of_source(source: SourceArray) -> Chain:
    """Normal form of the source's pipeline.

    Raises
    ------
    UnsupportedError
        A data type, codec or combination that cannot be decoded; the message names it.
    """
    ndim = len(source.shape)
    if ndim > MAX_DIMENSIONS:
        raise UnsupportedError(f"{ndim} dimensions; at most {MAX_DIMENSIONS} are supported")
    dtype, vlen = data_types.numpy_dtype(source), data_types.vlen_of(source)
    if source.zarr_format == 3:
        return _chain_v3(source, dtype, vlen)
    configs = [config for config in map(config_of, _written(source)) if config is not None]
    codecs = _rows_of_table(configs, dtype, vlen)
    reverse = source.order == "F" and ndim > 1
    if reverse and codecs and codecs[0][0].id in ("json2", "msgpack2"):
        raise UnsupportedError(f'codec "{codecs[0][0].id}" in F order: writers do not agree on it')
    axes = range(ndim)
    return Chain(tuple(reversed(axes) if reverse else axes), dtype, vlen, codecs)


def chain_of_target(target: TargetArray) -> Chain:
    """Normal form of the pipeline of an output array."""
    dtype = data_types.numpy_dtype_v3(target.data_type)
    for codec in target.codecs:
        if codec["name"] == "bytes" and codec.get("configuration", {}).get("endian") == "big":
            dtype = dtype.newbyteorder(">")
    vlen = data_types.vlen_of_v3(target.data_type)
    return _chain_v3(target, dtype, vlen)


def renamed_codecs(source: SourceArray) -> list[Change]:
    """Say which codecs of a Zarr v2 array are written in other words than zarr-python's."""
    changed = []
    if source.compressor is not None and (new := config_of(source.compressor)) != source.compressor:
        changed.append(respelling("compressor", source.compressor, new))
    filters = [one for one in map(config_of, source.filters or ()) if one is not None]
    if filters != list(source.filters or ()):
        changed.append(respelling("filters", list(source.filters or ()), filters))
    return changed


def plain_codecs(
    source: SourceArray, document: Mapping[str, Any]
) -> tuple[SourceArray, list[Change]]:
    """Write the codecs of a Zarr v3 array as the specification does, and say which differ.

    Parameters
    ----------
    source
        As its document says; codecs are objects with a name.
    document
        ``zarr.json``, for the codecs as they are written there.
    """
    changed: list[Change] = []
    sharded = source.shards is not None
    holder = document["codecs"][0]["configuration"] if sharded else document
    inner = "/codecs/0/configuration" if sharded else ""
    found: dict[str, tuple[Config, ...]] = {}
    sized = _is_sized(source)
    for key, given in (("codecs", source.codecs), ("index_codecs", source.index_codecs)):
        if given is None:
            continue
        ndim = len(source.shape)
        ordered = sized or key != "codecs"
        found[key] = tuple(codec_v3_of(one, ndim, ordered=ordered) for one in given)
        if found[key] != given:
            changed.append(respelling(key, holder[key], list(found[key]), f"{inner}/{key}"))
    return source.model_copy(update=found) if changed else source, changed


def _is_sized(source: SourceArray) -> bool:
    """Whether elements have a byte order that the codec ``bytes`` has to say."""
    try:
        dtype = data_types.numpy_dtype_v3(source.data_type)
    except UnsupportedError:
        return False
    return data_types.vlen_of(source) is None and data_types.has_byte_order(dtype)


def _written(source: SourceArray) -> tuple[Any, ...]:
    """Codecs as the document of a Zarr v2 array has them, in the order of encoding."""
    compressor = () if source.compressor is None else (source.compressor,)
    return (*(source.filters or ()), *compressor)


def _chain_v3(array: SourceArray | TargetArray, dtype: np.dtype[Any], vlen: Vlen | None) -> Chain:
    order = tuple(range(len(array.shape)))
    configs: list[Config] = []
    serialized = False
    for codec in array.codecs or ():
        name, configuration = codec["name"], codec.get("configuration") or {}
        if name == "transpose":
            if configs or serialized:
                raise UnsupportedError('codec "transpose" after another codec is not supported')
            order = _transposed(order, configuration)
        elif name == "bytes":
            _check_bytes(configuration, vlen, serialized=serialized)
            serialized = True
        else:
            row = BY_V3_NAME.get(name)
            if row is None:
                raise UnsupportedError(f'codec "{name}" is not supported')
            if (row.kind == "bytes") != serialized:
                raise UnsupportedError(
                    f'codec "{name}" at this position of the pipeline is not supported'
                )
            serialized = serialized or row.kind == "serializer"
            if row.id == "sharding_indexed":
                configs.append(_shard(array, configuration, order))
            else:
                configs.append(_config_of_v3(row, configuration, dtype))
    if not serialized:
        raise UnsupportedError("no codec turns the array into bytes")
    rows = _rows_of_table(configs, dtype, vlen)
    if not data_types.is_little(dtype) and any(row.kind == "array" for row, _ in rows):
        raise UnsupportedError("array codecs on big-endian data are not supported")
    return Chain(order, dtype, vlen, rows)


def _shard(
    array: SourceArray | TargetArray, configuration: Config, order: tuple[int, ...]
) -> Config:
    """Describe a shard that is a chunk, where its chunks and its index can be decoded."""
    stored = tuple(array.chunks[axis] for axis in order)
    config = config_of_shard(configuration, stored, array.data_type, array.fill_value)
    chain_of_source(config["array"])
    size = chain_of_source(config["index"]).stage_bytes(config["index"].chunks)[-1]
    if size is None:
        raise UnsupportedError("index_codecs of which only the data say how long they are")
    return {**config, "index_bytes": size}


def _check_bytes(configuration: Config, vlen: Vlen | None, *, serialized: bool) -> None:
    if serialized:
        raise UnsupportedError('codec "bytes" where there are bytes is not supported')
    if vlen:
        raise UnsupportedError('codec "bytes" does not go with the data type')
    endian = configuration.get("endian", "little")
    if endian not in ("little", "big"):
        raise UnsupportedError(f'codec "bytes" with endian {endian!r} is not supported')


def _transposed(order: tuple[int, ...], configuration: Config) -> tuple[int, ...]:
    wanted = configuration.get("order")
    wanted = {"C": list(range(len(order))), "F": list(range(len(order)))[::-1]}.get(
        wanted if isinstance(wanted, str) else "", wanted
    )
    if not isinstance(wanted, (list, tuple)) or sorted(wanted, key=str) != sorted(
        range(len(order)), key=str
    ):
        raise UnsupportedError(
            f'codec "transpose" with order {wanted!r} does not fit a {len(order)}-d array'
        )
    return tuple(order[axis] for axis in wanted)


def _config_of_v3(row: Codec, configuration: Config, dtype: np.dtype[Any]) -> Config:
    config = {**configuration, "id": row.id}
    if row.id == "blosc" and row.v3:
        config["shuffle"] = SHUFFLES.get(str(configuration.get("shuffle", "noshuffle")), -2)
    key = _ELEMENT_SETTINGS.get(row.id)
    if key is not None and config.get(key) is None:
        config[key] = dtype.itemsize if key == "elementsize" else dtype.str
    if row.id == "astype" and config.get("decode_dtype") is None:
        config["decode_dtype"] = dtype.str
    return config


def _rows_of_table(
    configs: Iterable[Config], dtype: np.dtype[Any], vlen: Vlen | None
) -> tuple[tuple[Codec, Config], ...]:
    """Find the codecs in the table, and check that they go with the elements and each other."""
    rows: list[tuple[Codec, Config]] = []
    for given in configs:
        row = BY_ID.get(given["id"])
        if row is None:
            raise UnsupportedError(f'codec "{given["id"]}" is not supported')
        config = {**given, "elements": vlen or dtype.str} if row.kind == "serializer" else given
        first = not rows
        if row.kind == "serializer" and not first:
            raise UnsupportedError(f'codec "{row.id}" is not the first codec of the array')
        if row.kind == "array" and (vlen or dtype.fields is not None):
            raise UnsupportedError(f'codec "{row.id}" does not go with the data type')
        problem = row.problem(config)
        if problem is not None:
            raise UnsupportedError(problem)
        if not row.changes_nothing(config, dtype):
            rows.append((row, config))
    if vlen and (not rows or rows[0][0].kind != "serializer"):
        raise UnsupportedError(f"{VLEN_CODECS[vlen]} is not the first codec of the array")
    return tuple(rows)

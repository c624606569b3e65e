"""Shards as chunks: a shard in a shard, or with codecs around it. Read, never written.

A shard with no codec but ``sharding_indexed`` is not decoded here: its chunks are read one by one.
"""

from itertools import product
from typing import Any

import numpy as np

from uplift.codecs.codec import Buffer, Config, Decoded, DecodeError, raw
from uplift.codecs.shard_index import ABSENT
from uplift.errors import SourceError, UnsupportedError
from uplift.grid import Shape, element_slices, grid_shape
from uplift.models.arrays import JsonValue, SourceArray
from uplift.zarr_metadata.v2 import parse_shape
from uplift.zarr_metadata.v3 import INDEX_CODECS, parse_codecs


def config_of_shard(
    configuration: Config, shape: Shape, data_type: JsonValue, fill_value: JsonValue
) -> Config:
    """Configuration of the codec, with what it takes from the array that it encodes.

    Parameters
    ----------
    configuration
        Of ``sharding_indexed``, as Zarr v3 has it.
    shape
        Elements of the shard along each axis, in the order in which they are stored.
    data_type, fill_value
        Of the array.

    Returns
    -------
    Config
        With the id, and a description of the shard (``array``) and of its index (``index``) as
        arrays of their own.

    Raises
    ------
    UnsupportedError
        A configuration that contradicts itself.
    """
    location = configuration.get("index_location", "end")
    try:
        chunks = parse_shape(configuration.get("chunk_shape"), "shard", "chunk_shape", least=1)
        codecs = parse_codecs(configuration.get("codecs"), "shard")
        index_codecs = parse_codecs(configuration.get("index_codecs", INDEX_CODECS), "shard")
    except SourceError as error:
        raise UnsupportedError(f'codec "sharding_indexed": {error}') from None
    parts = len(chunks) == len(shape) and not any(
        outer % inner for outer, inner in zip(shape, chunks, strict=True)
    )
    if not parts or location not in ("start", "end"):
        raise UnsupportedError(
            f'codec "sharding_indexed": chunk_shape {list(chunks)} or index_location {location!r} '
            f"does not fit a shard of {list(shape)}"
        )
    index_shape = (*grid_shape(shape, chunks), 2)

    def array(shape: Shape, chunks: Shape, codecs: tuple[Config, ...], **of: Any) -> SourceArray:
        return SourceArray(zarr_format=3, shape=shape, chunks=chunks, codecs=codecs, **of)

    return {
        "id": "sharding_indexed",
        "at_start": location == "start",
        "array": array(shape, chunks, codecs, data_type=data_type, fill_value=fill_value),
        "index": array(index_shape, index_shape, index_codecs, data_type="uint64", fill_value=0),
    }


def decode_shard(data: Buffer, config: Config, limit: int) -> Decoded:
    """Decode a whole shard to the elements in C order, little endian; `limit` is its size.

    `config` has decoders in place of the descriptions of arrays, and ``index_bytes``.

    Result, errors and parameters as :class:`~uplift.codecs.codec.Codec` says of `decode`.
    """
    inner, index = config["array"], config["index"]
    data, size = raw(data), config["index_bytes"]
    if len(data) < size:
        raise DecodeError(f"has {len(data)} bytes, and its index alone {size}")
    cut = size if config["at_start"] else len(data) - size
    stored = data[:cut] if config["at_start"] else data[cut:]
    pairs = index.decode(stored).reshape(-1, 2).tolist()
    shape, chunks = inner.source.shape, inner.source.chunks
    values = inner.filled(shape)
    cells = product(*map(range, grid_shape(shape, chunks)))
    for cell, (offset, length) in zip(cells, pairs, strict=True):
        if offset == length == ABSENT:
            continue
        if offset + length > len(data):
            raise DecodeError(f"ends before its chunk {list(cell)}")
        values[element_slices(cell, chunks, shape)] = inner.decode(data[offset : offset + length])
    return Decoded(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1))

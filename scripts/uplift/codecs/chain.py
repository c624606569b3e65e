"""One normal form for every codec pipeline: axis order, element type, then byte filters.

Zarr v2 (`order`, `filters`, `compressor`) and Zarr v3 (`codecs`) both come down to: the axes are
permuted, the elements are laid out in C order with a NumPy type, and filters turn that buffer into
the stored bytes. Filters are written as numcodecs configurations, in the order of encoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uplift.errors import UnsupportedError
from uplift.grid import Shape
from uplift.models.arrays import SourceArray, TargetArray
from uplift.zarr_metadata import data_types
from uplift.zarr_metadata.fill_values import Vlen

Config = dict[str, Any]

SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
BLOSC_NAMES = ("lz4", "lz4hc", "blosclz", "zstd", "zlib")
VLEN_FILTERS = {"string": "vlen-utf8", "bytes": "vlen-bytes"}
COMPRESSORS = frozenset({"blosc", "zstd", "gzip", "zlib", "bz2", "lzma", "lz4"})
CHECKSUMS = frozenset({"crc32", "crc32c", "adler32", "fletcher32"})
TYPED_FILTERS = frozenset(
    {"delta", "fixedscaleoffset", "quantize", "astype", "bitround", "packbits"}
)
BYTE_FILTERS = CHECKSUMS | {"shuffle"}
MAX_DIMENSIONS = 32


@dataclass(frozen=True, slots=True)
class Chain:
    """How one chunk is laid out and encoded.

    Attributes
    ----------
    order
        Permutation of the axes before the elements are written in C order, length ndim.
    dtype
        Element type in the byte order as stored; ``object`` with `vlen`.
    filters
        numcodecs configurations from the element buffer to the stored bytes; those that leave
        the stored elements as they are (``bitround``, ``quantize``) are left out.
    """

    order: tuple[int, ...]
    dtype: np.dtype[Any]
    vlen: Vlen | None
    filters: tuple[Config, ...]

    def stage_bytes(self, chunks: Shape) -> list[int | None]:
        """Bytes of a full chunk before each filter, and at the end; None where data decide."""
        size = None if self.vlen else math.prod(chunks) * self.dtype.itemsize
        sizes = [size]
        for config in self.filters:
            size = None if size is None else _bytes_after(config, size, self.dtype)
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
        return _chain_v3(source.codecs or (), dtype, vlen, ndim)
    identity = tuple(range(ndim))
    filters = (*(source.filters or ()), *((source.compressor,) if source.compressor else ()))
    order = identity[::-1] if source.order == "F" else identity
    return Chain(order, dtype, vlen, _checked(filters, dtype, vlen))


def chain_of_target(target: TargetArray) -> Chain:
    """Normal form of the pipeline of an output array."""
    dtype = data_types.numpy_dtype_v3(target.data_type)
    for codec in target.codecs:
        if codec["name"] == "bytes" and codec.get("configuration", {}).get("endian") == "big":
            dtype = dtype.newbyteorder(">")
    vlen = data_types.vlen_of_v3(target.data_type)
    return _chain_v3(target.codecs, dtype, vlen, len(target.shape))


def blosc_typesize(dtype: np.dtype[Any], vlen: Vlen | None) -> int:
    """Element size that blosc shuffles by: 1 for bytes of variable length and above 255."""
    return 1 if vlen or dtype.itemsize > 255 else dtype.itemsize


def _chain_v3(
    codecs: Sequence[Config], dtype: np.dtype[Any], vlen: Vlen | None, ndim: int
) -> Chain:
    order = tuple(range(ndim))
    filters: list[Config] = []
    serialized = False
    for codec in codecs:
        name, configuration = codec["name"], codec.get("configuration") or {}
        if name == "transpose":
            if filters or serialized:
                raise UnsupportedError('codec "transpose" after another codec is not supported')
            order = _transposed(order, configuration)
        elif name in ("bytes", "vlen-utf8", "vlen-bytes"):
            if (name == "bytes") == bool(vlen) or (vlen and name != VLEN_FILTERS[vlen]):
                raise UnsupportedError(f'codec "{name}" does not go with the data type')
            serialized = True
            filters.extend([{"id": name}] if vlen else [])
        else:
            filters.append(_filter_of_v3(name, configuration, dtype, serialized=serialized))
    if not serialized:
        raise UnsupportedError("no codec turns the array into bytes")
    if not data_types.is_little(dtype) and any(f["id"] in TYPED_FILTERS for f in filters):
        raise UnsupportedError("array codecs on big-endian data are not supported")
    return Chain(order, dtype, vlen, _checked(filters, dtype, vlen))


def _transposed(order: tuple[int, ...], configuration: Config) -> tuple[int, ...]:
    wanted = configuration.get("order")
    wanted = {"C": list(range(len(order))), "F": list(range(len(order)))[::-1]}.get(
        wanted if isinstance(wanted, str) else "", wanted
    )
    if not isinstance(wanted, (list, tuple)) or sorted(wanted, key=str) != sorted(
        range(len(order)), key=str
    ):
        raise UnsupportedError(
            f'codec "transpose" with order {wanted!r} fits no {len(order)}-d array'
        )
    return tuple(order[axis] for axis in wanted)


def _filter_of_v3(
    name: str, configuration: Config, dtype: np.dtype[Any], *, serialized: bool
) -> Config:
    known = name.removeprefix("numcodecs.") if name.startswith("numcodecs.") else None
    core = name in ("blosc", "zstd", "gzip", "crc32c")
    kind = known or (name if core else None)
    if kind not in COMPRESSORS | BYTE_FILTERS | TYPED_FILTERS:
        raise UnsupportedError(f'codec "{name}" is not supported')
    if (kind in TYPED_FILTERS) == serialized:
        raise UnsupportedError(f'codec "{name}" at this place of the pipeline is not supported')
    config = {**configuration, "id": kind}
    if kind == "blosc" and core:
        config["shuffle"] = SHUFFLES.get(str(configuration.get("shuffle", "noshuffle")), -2)
    defaults = {"shuffle": "elementsize", "fixedscaleoffset": "dtype", "quantize": "dtype"}
    if kind in defaults and config.get(defaults[kind]) is None:
        config[defaults[kind]] = dtype.itemsize if kind == "shuffle" else dtype.str
    if kind == "astype" and config.get("decode_dtype") is None:
        config["decode_dtype"] = dtype.str
    if kind == "crc32c":
        config.setdefault("location", "end")
    return config


def _checked(
    filters: Sequence[Config], dtype: np.dtype[Any], vlen: Vlen | None
) -> tuple[Config, ...]:
    if vlen and (not filters or filters[0].get("id") != VLEN_FILTERS[vlen]):
        raise UnsupportedError(f"{VLEN_FILTERS[vlen]} is not the first codec of the array")
    kept = []
    for position, config in enumerate(filters):
        kind = config.get("id")
        if vlen and position == 0 and kind == VLEN_FILTERS[vlen]:
            kept.append(config)
            continue
        if kind not in COMPRESSORS | BYTE_FILTERS | TYPED_FILTERS:
            raise UnsupportedError(f'codec "{kind}" is not supported')
        if kind in TYPED_FILTERS and (vlen or dtype.fields is not None):
            raise UnsupportedError(f'codec "{kind}" does not go with the data type')
        _check_config(config)
        if not _leaves_elements(config, dtype):
            kept.append(config)
    return tuple(kept)


def _leaves_elements(config: Config, dtype: np.dtype[Any]) -> bool:
    """Whether decoding this filter changes nothing: precision was lost when writing."""
    if config["id"] == "bitround":
        return True
    same = np.dtype(config.get("astype") or config.get("dtype") or dtype)
    return config["id"] == "quantize" and same == np.dtype(config.get("dtype") or dtype) == dtype


def _check_config(config: Config) -> None:
    kind = config["id"]
    if kind == "blosc":
        _check_blosc(config)
    for key in ("dtype", "astype", "encode_dtype", "decode_dtype"):
        if kind in TYPED_FILTERS and config.get(key) is not None:
            _check_number_type(kind, key, config[key])
    needed = {"delta": ("dtype",), "fixedscaleoffset": ("dtype", "offset", "scale")}
    needed |= {"astype": ("encode_dtype", "decode_dtype")}
    for key in needed.get(kind, ()):
        if config.get(key) is None:
            raise UnsupportedError(f'codec "{kind}" has no "{key}"')
    element_bytes = config.get("elementsize", 4)
    if kind == "shuffle" and (type(element_bytes) is not int or element_bytes < 1):
        raise UnsupportedError(f'codec "shuffle" with elementsize {element_bytes!r}')


def _check_blosc(config: Config) -> None:
    if config.get("cname", "lz4") not in BLOSC_NAMES:
        raise UnsupportedError(f'blosc with compressor "{config["cname"]}" is not supported')
    if config.get("shuffle", 1) not in (-1, 0, 1, 2):
        raise UnsupportedError(f"blosc with shuffle {config['shuffle']!r} is not supported")
    for key, top in (("clevel", 9), ("blocksize", 2**31 - 1)):
        value = config.get(key, 0)
        if type(value) is not int or not 0 <= value <= top:
            raise UnsupportedError(f"blosc with {key} {value!r} is not supported")


def _check_number_type(kind: str, key: str, value: Any) -> None:
    try:
        good = isinstance(value, str) and np.dtype(value).kind in "biufc"
    except (TypeError, ValueError):
        good = False
    if not good:
        raise UnsupportedError(f'codec "{kind}" with {key} {value!r} is not supported')


def _bytes_after(config: Config, size: int, dtype: np.dtype[Any]) -> int | None:
    kind = config["id"]
    if kind in COMPRESSORS:
        return None
    if kind in CHECKSUMS:
        return size + 4
    if kind == "packbits":
        return 1 + -(-size // 8)
    if kind in ("delta", "fixedscaleoffset", "quantize"):
        before = np.dtype(config.get("dtype") or dtype)
        return size // before.itemsize * np.dtype(config.get("astype") or before).itemsize
    if kind == "astype":
        before, after = np.dtype(config["decode_dtype"]), np.dtype(config["encode_dtype"])
        return size // before.itemsize * after.itemsize
    return size

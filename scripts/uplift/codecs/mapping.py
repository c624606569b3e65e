"""Decide what becomes of an array's codecs: kept, re-wrapped, or decoded and encoded again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from uplift.codecs import stages
from uplift.codecs.chain import (
    BLOSC_NAMES,
    SHUFFLES,
    VLEN_FILTERS,
    Chain,
    blosc_typesize,
    chain_of_source,
    chain_of_target,
)
from uplift.errors import PlanError, SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.arrays import Method, SourceArray, TargetArray
from uplift.models.base import nearest
from uplift.zarr_metadata import data_types
from uplift.zarr_metadata.v3 import INDEX_CODECS

Codec = dict[str, Any]

_SHUFFLE_NAMES = {number: name for name, number in SHUFFLES.items()}
_ZLIB_DEFAULT_LEVEL = 6
_PURE = frozenset(
    {"blosc", "zstd", "gzip", "zlib", "bz2", "lzma", "lz4", "crc32c", *VLEN_FILTERS.values()}
)
_CORE = frozenset(
    {"transpose", "bytes", "vlen-utf8", "vlen-bytes", "blosc", "zstd", "gzip", "crc32c"}
)
_ARRAY_CODECS = ("transpose", "numcodecs.delta")
_BLOSC_LIMIT_BYTES = 2**31 - 1 - 16
_WRITABLE = (
    *sorted(_CORE),
    *(f"numcodecs.{name}" for name in ("zlib", "bz2", "lzma", "lz4", "shuffle", "delta")),
    *(f"numcodecs.{name}" for name in ("crc32", "adler32", "fletcher32")),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The v3 pipeline to declare when chunk bytes are kept (or only re-wrapped)."""

    codecs: tuple[Codec, ...]
    method: Literal["repack", "rewrap"]


def unsupported_reason(source: SourceArray) -> str | None:
    """Say why an array cannot be converted without loss, or None when it can."""
    try:
        chain = chain_of_source(source)
        data_types.data_type_v3(source)
        data_types.fill_value_v3(source)
        for config in chain.filters:
            if config["id"] not in _PURE:
                stages.numcodec(config)
    except (UnsupportedError, SourceError) as error:
        return str(error)
    if source.index_codecs is not None and not _is_plain_index(source.index_codecs):
        names = ", ".join(codec["name"] for codec in source.index_codecs)
        return f"index_codecs {names} are not supported"
    return None


def kept_codecs(source: SourceArray) -> Kept | None:
    """Pipeline under which every reader accepts the chunk bytes as they are, or None.

    The metadata are honest: what the source says, with the automatic shuffle resolved as the
    writer did, and ``typesize`` written out.

    Raises
    ------
    UnsupportedError
        An array that cannot be converted, see :func:`unsupported_reason`.
    """
    chain = chain_of_source(source)
    if source.zarr_format == 3:
        return Kept(tuple(_completed(codec, chain) for codec in source.codecs or ()), "repack")
    filters = [c for c in chain.filters if c["id"] not in VLEN_FILTERS.values()]
    little = data_types.is_little(chain.dtype)
    if len(filters) > 1 or (chain.dtype.fields is not None and not little):
        return None
    head = (*_transpose(chain), _serializer(chain, little=little))
    if not filters:
        return Kept(head, "repack")
    codec = _core_codec(filters[0], chain)
    rewrap = filters[0]["id"] == "zlib"
    if codec is None or (rewrap and chain.vlen):
        return None
    return Kept((*head, codec), "rewrap" if rewrap else "repack")


def may_shard(source: SourceArray) -> bool:
    """Whether the array may be sharded: not records and raw bytes.

    zarr-python 3.1 reads those unsharded only, since their fill values cannot be hashed.
    """
    return data_types.numpy_dtype(source).kind != "V"


def target_of(
    source: SourceArray,
    chunks: Shape,
    shards: Shape | None,
    codecs: Literal["keep"] | tuple[Codec, ...],
) -> tuple[TargetArray, Method]:
    """Describe the output array, and how its chunks come about.

    Parameters
    ----------
    chunks, shards
        Elements along each axis, length ndim; `shards` is a multiple of `chunks`, or None. Arrays
        that may not be sharded (:func:`may_shard`) are unsharded whatever it says.
    codecs
        ``keep``, or a v3 pipeline for one chunk, which may leave out ``bytes`` and ``typesize``.

    Raises
    ------
    PlanError
        A codec that is unknown, or loses precision, or does not go with the data type.
    UnsupportedError
        A source that cannot be converted, see :func:`unsupported_reason`.
    """
    chain = chain_of_source(source)
    kept = kept_codecs(source) if tuple(chunks) == source.chunks else None
    wanted = _recoded(source, chain) if codecs == "keep" else _explicit(codecs, chain)
    method: Method = "recode"
    if kept is not None and (codecs == "keep" or wanted == kept.codecs):
        wanted, method = kept.codecs, kept.method
    target = TargetArray(
        shape=source.shape,
        chunks=tuple(chunks),
        shards=tuple(shards) if shards is not None and may_shard(source) else None,
        data_type=data_types.data_type_v3(source),
        fill_value=data_types.fill_value_v3(source),
        codecs=wanted,
    )
    if codecs != "keep":
        _check_writable(target)
    if method == "recode":
        _check_blosc_size(target, chain)
    return target, method


def _is_plain_index(codecs: tuple[Codec, ...]) -> bool:
    first = dict(codecs[0]) if codecs else {}
    endian = (first.get("configuration") or {}).get("endian", "little")
    known = [codec["name"] for codec in INDEX_CODECS]
    return endian == "little" and [codec["name"] for codec in codecs] in (known[:1], known)


def _transpose(chain: Chain) -> tuple[Codec, ...]:
    if chain.order == tuple(range(len(chain.order))):
        return ()
    return ({"name": "transpose", "configuration": {"order": list(chain.order)}},)


def _serializer(chain: Chain, *, little: bool) -> Codec:
    if chain.vlen:
        return {"name": VLEN_FILTERS[chain.vlen]}
    if not data_types.has_byte_order(chain.dtype):
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": "little" if little else "big"}}


def _core_codec(config: Codec, chain: Chain) -> Codec | None:
    """Spell a compressor as the core v3 codec that reads the same bytes, if there is one."""
    kind = config["id"]
    if kind == "blosc":
        return _blosc(
            chain,
            config.get("cname", "lz4"),
            config.get("clevel", 5),
            config.get("shuffle", 1),
            config.get("blocksize", 0),
        )
    if kind == "zstd":
        level = min(22, max(-131072, _integer(config.get("level"), 0)))
        checksum = bool(config.get("checksum", False))
        return {"name": "zstd", "configuration": {"level": level, "checksum": checksum}}
    if kind in ("gzip", "zlib"):
        level = _integer(config.get("level"), 1)
        level = level if 0 <= level <= 9 else _ZLIB_DEFAULT_LEVEL
        return {"name": "gzip", "configuration": {"level": level}}
    return None


def _blosc(chain: Chain, cname: str, clevel: int, shuffle: int, blocksize: int) -> Codec:
    typesize = blosc_typesize(chain.dtype, chain.vlen)
    if shuffle == -1:
        # numcodecs resolves the automatic shuffle by the size of one element
        shuffle = 2 if chain.vlen or chain.dtype.itemsize == 1 else 1
    configuration = {
        "typesize": typesize,
        "cname": cname,
        "clevel": clevel,
        "shuffle": _SHUFFLE_NAMES[shuffle],
        "blocksize": blocksize,
    }
    return {"name": "blosc", "configuration": configuration}


def _default_shuffle(chain: Chain) -> int:
    return 0 if chain.vlen else 2 if chain.dtype.itemsize == 1 else 1


def _integer(value: Any, default: int) -> int:
    return value if type(value) is int else default


def _recoded(source: SourceArray, chain: Chain) -> tuple[Codec, ...]:
    """Pipeline of the same codec family, in C order and little endian."""
    names = [codec["name"] for codec in source.codecs or ()]
    if names and set(names) <= _CORE:
        little = [
            {"name": n} if n == "bytes" else c
            for n, c in zip(names, source.codecs or (), strict=True)
        ]
        return tuple(_completed(codec, chain) for codec in little if codec["name"] != "transpose")
    head = _serializer(chain, little=True)
    filters = [c for c in chain.filters if c["id"] not in VLEN_FILTERS.values()]
    if not filters:
        return (head,)
    codec = _core_codec(filters[0], chain) if len(filters) == 1 else None
    if codec is None:
        codec = _blosc(chain, "zstd", 5, _default_shuffle(chain), 0)
    return (head, codec)


def _explicit(codecs: tuple[Codec, ...], chain: Chain) -> tuple[Codec, ...]:
    """Fill in what a plan's pipeline may leave out."""
    if not codecs:
        raise PlanError('codecs is empty; name at least one, e.g. {"name": "zstd"}, or "keep"')
    for codec in codecs:
        _check_name(codec)
    names = [codec["name"] for codec in codecs]
    if not {"bytes", "vlen-utf8", "vlen-bytes"} & set(names):
        front = next((i for i, name in enumerate(names) if name not in _ARRAY_CODECS), len(names))
        codecs = (*codecs[:front], _serializer(chain, little=True), *codecs[front:])
    return tuple(_completed(codec, chain) for codec in codecs)


def _check_name(codec: Codec) -> None:
    name = codec.get("name")
    if name == "sharding_indexed":
        raise PlanError('codecs holds "sharding_indexed"; give the shard shape as "shards" instead')
    if name in ("numcodecs.blosc", "numcodecs.zstd", "numcodecs.gzip"):
        raise PlanError(f'codec "{name}" is read by few; use "{name.removeprefix("numcodecs.")}"')
    if name not in _WRITABLE:
        hint = nearest(str(name), list(_WRITABLE))
        raise PlanError(f'codec "{name}" is unknown or would lose precision{hint}')
    configuration = codec.get("configuration", {})
    if not isinstance(configuration, dict) or set(codec) - {"name", "configuration"}:
        raise PlanError(f'codec "{name}" wants the keys "name" and "configuration" only')


def _completed(codec: Codec, chain: Chain) -> Codec:
    """One codec as readers want it: ``endian``, ``typesize`` and defaults written out."""
    name, given = codec["name"], dict(codec.get("configuration") or {})
    if name == "bytes":
        little = given.get("endian", "little") == "little"
        return _serializer(chain, little=little)
    if name == "blosc":
        full = _blosc(chain, "zstd", 5, _default_shuffle(chain), 0)
        return {"name": name, "configuration": {**full["configuration"], **given}}
    if name == "zstd":
        return {"name": name, "configuration": {"level": 3, "checksum": False, **given}}
    if name == "gzip":
        return {"name": name, "configuration": {"level": 5, **given}}
    # zarr-python refuses its numcodecs wrappers without a configuration, were it an empty one
    spelled = given or name.startswith("numcodecs.")
    return {"name": name, "configuration": given} if spelled else {"name": name}


def _check_writable(target: TargetArray) -> None:
    try:
        chain_of_target(target)
        for codec in target.codecs:
            if codec["name"].startswith("numcodecs."):
                given = codec.get("configuration") or {}
                stages.numcodec({**given, "id": codec["name"].removeprefix("numcodecs.")})
    except UnsupportedError as error:
        raise PlanError(f"codecs: {error}") from None
    for codec in target.codecs:
        _check_settings(codec["name"], codec.get("configuration") or {})


def _check_blosc_size(target: TargetArray, chain: Chain) -> None:
    nbytes = chain.stage_bytes(target.chunks)[0] or 0
    if nbytes > _BLOSC_LIMIT_BYTES and any(c["name"] == "blosc" for c in target.codecs):
        raise PlanError(
            f"chunks {list(target.chunks)} hold {nbytes} bytes, more than the "
            f"{_BLOSC_LIMIT_BYTES} that blosc can encode; use smaller chunks or zstd"
        )


def _check_settings(name: str, given: Codec) -> None:
    levels = {"zstd": ("level", -131072, 22), "gzip": ("level", 0, 9), "blosc": ("clevel", 0, 9)}
    if name in levels:
        key, low, high = levels[name]
        if type(given.get(key)) is not int or not low <= given[key] <= high:
            raise PlanError(f'codec "{name}": {key} is {given.get(key)!r}, use {low} to {high}')
    if name == "blosc":
        choices = {"cname": BLOSC_NAMES, "shuffle": tuple(SHUFFLES)}
        for key, known in choices.items():
            if given.get(key) not in known:
                raise PlanError(
                    f'codec "blosc": {key} is {given.get(key)!r}, use one of {", ".join(known)}'
                )
    keys = {"zstd": {"level", "checksum"}, "gzip": {"level"}, "transpose": {"order"}}
    keys["blosc"] = {"typesize", "cname", "clevel", "shuffle", "blocksize"}
    extra = sorted(set(given) - keys.get(name, set(given)))
    if extra:
        raise PlanError(f'codec "{name}": unknown setting "{extra[0]}"')

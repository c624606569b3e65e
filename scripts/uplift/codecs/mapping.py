"""Decide how an array's chunks are converted: kept, rewrapped, or decoded and encoded again."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from uplift.codecs.chain import VLEN_CODECS, Chain, chain_of_source, chain_of_target
from uplift.codecs.codec import Codec as Row
from uplift.codecs.codec import Config, allows
from uplift.codecs.filters import numcodecs_problem
from uplift.codecs.table import BY_ID, BY_V3_NAME
from uplift.errors import PlanError, SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.arrays import Method, SourceArray, TargetArray
from uplift.models.base import nearest
from uplift.models.once import once_each
from uplift.zarr_metadata import data_types

Codec = dict[str, Any]
"""A codec as Zarr v3 writes it."""

LARGEST_CHUNK = 2**47
"""Bytes of a chunk, beyond what a process can address."""
_BLOSC_LIMIT_BYTES = 2**31 - 1 - 16
"""Most bytes that blosc encodes at once: its header counts in 31 bits."""
_WRITABLE = {name: row for name, row in BY_V3_NAME.items() if row.encode is not None}
_CORE = frozenset({"transpose", "bytes", *(n for n, row in _WRITABLE.items() if row.v3 == n)})


@dataclass(frozen=True, slots=True)
class Kept:
    """The v3 pipeline to declare when chunk bytes are kept (or only rewrapped)."""

    codecs: tuple[Codec, ...]
    method: Literal["repack", "rewrap"]


@once_each
def unsupported_reason(source: SourceArray) -> str | None:
    """Say why an array cannot be converted without loss, or None when it can."""
    try:
        size = chain_of_source(source).stage_bytes(source.chunks)[0]
        if (size or math.prod(source.chunks)) > LARGEST_CHUNK:
            return f"chunks of {list(source.chunks)} elements, which no computer's memory holds"
        data_types.data_type_v3(source)
        data_types.fill_value_v3(source)
    except (UnsupportedError, SourceError) as error:
        return str(error)
    return None


def kept_codecs(source: SourceArray) -> Kept | None:
    """Pipeline under which every reader accepts the chunk bytes as they are, or None.

    The metadata describe the bytes: they are the source's, with the automatic shuffle resolved as
    the writer did, and ``typesize`` written out.

    Raises
    ------
    UnsupportedError
        An array that cannot be converted, see :func:`unsupported_reason`.
    """
    chain = chain_of_source(source)
    codecs = chain.beyond_texts
    if source.zarr_format == 3:
        if any(row.kind == "serializer" for row, _ in codecs):
            return None
        return Kept(tuple(_completed(codec, chain) for codec in source.codecs or ()), "repack")
    little = data_types.is_little(chain.dtype)
    if len(codecs) > 1 or (chain.dtype.fields is not None and not little):
        return None
    head = (*_transpose(chain), _serializer(chain, little=little))
    if not codecs:
        return Kept(head, "repack")
    row, config = codecs[0]
    codec = _core_codec(row, config, chain)
    if codec is None or (row.rewrap is not None and chain.vlen):
        return None
    return Kept((*head, codec), "repack" if row.rewrap is None else "rewrap")


@once_each
def may_shard(source: SourceArray) -> bool:
    """Whether the array may be sharded: not records and raw bytes.

    zarr-python 3.1 reads those unsharded only, since their fill values cannot be hashed.
    """
    return data_types.numpy_dtype(source).kind != "V"


@once_each
def ordered_codecs(source: SourceArray) -> tuple[Codec, ...] | None:
    """Pipeline of the same codec for an array in another order than C; None: it is in C order."""
    chain = chain_of_source(source)
    in_order = chain.order == tuple(range(len(chain.order)))
    return None if in_order else _recoded(source, chain)


def not_kept(source: SourceArray) -> str | None:
    """Say what no core codec of Zarr v3 reads, so that chunks cannot be kept; None when they can.

    Raises
    ------
    UnsupportedError
        An array that cannot be converted, see :func:`unsupported_reason`.
    """
    if kept_codecs(source) is not None:
        return None
    chain = chain_of_source(source)
    if chain.dtype.fields is not None and not data_types.is_little(chain.dtype):
        return "big-endian records"
    rows = [row for row, _ in chain.beyond_texts]
    if any(row.id == "sharding_indexed" for row in rows):
        return "a shard as a chunk"
    return " and ".join(row.id for row in [row for row in rows if row.v3 is None] or rows)


def target_of(
    source: SourceArray,
    chunks: Shape,
    shards: Shape | None,
    codecs: Literal["keep"] | tuple[Codec, ...],
) -> tuple[TargetArray, Method]:
    """Describe the output array, and how its chunks are converted.

    Parameters
    ----------
    chunks, shards
        Elements along each axis, length ndim; `shards` is a multiple of `chunks`, or None. Arrays
        that may not be sharded (:func:`may_shard`) are unsharded whatever it says.
    codecs
        ``keep``, or a v3 pipeline for one chunk, which may leave out ``bytes`` and ``typesize``.

    Returns
    -------
    TargetArray, Method
        The array as its ``zarr.json`` is to describe it, and whether its chunks are kept,
        rewrapped or recoded.

    Raises
    ------
    PlanError
        A codec that is unknown, or loses precision, or does not go with the data type.
    UnsupportedError
        A source that cannot be converted, see :func:`unsupported_reason`.
    """
    # The arrays of a plate are alike: each kind once. JSON would have one text for null and NaN.
    key = repr((source.__dict__, chunks, shards, codecs))
    if key not in _TARGETS:
        if len(_TARGETS) >= _MOST_TARGETS:
            _TARGETS.clear()
        _TARGETS[key] = _target_of(source, chunks, shards, codecs)
    return _TARGETS[key]


_TARGETS: dict[str, tuple[TargetArray, Method]] = {}
_MOST_TARGETS = 1000


def _target_of(
    source: SourceArray,
    chunks: Shape,
    shards: Shape | None,
    codecs: Literal["keep"] | tuple[Codec, ...],
) -> tuple[TargetArray, Method]:
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


def _transpose(chain: Chain) -> tuple[Codec, ...]:
    if chain.order == tuple(range(len(chain.order))):
        return ()
    return ({"name": "transpose", "configuration": {"order": list(chain.order)}},)


def _serializer(chain: Chain, *, little: bool) -> Codec:
    if chain.vlen:
        return {"name": VLEN_CODECS[chain.vlen]}
    if not data_types.has_byte_order(chain.dtype):
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": "little" if little else "big"}}


def _core_codec(row: Row, config: Config, chain: Chain) -> Codec | None:
    """Write a compressor as the core v3 codec that reads the same bytes, if there is one."""
    if row.to_v3 is None:
        return None
    element_bytes = 1 if chain.vlen else chain.dtype.itemsize
    return {"name": row.v3, "configuration": row.to_v3(config, element_bytes)}


def _default_codec(row: Row, chain: Chain) -> Codec:
    """A core codec of which a plan says the name alone; shuffling texts would gain nothing."""
    unshuffled = {"shuffle": 0} if chain.vlen and "shuffle" in row.defaults else {}
    return _core_codec(row, {**row.defaults, **unshuffled}, chain) or {"name": row.v3}


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
    codecs = chain.beyond_texts
    for row, config in codecs:
        if row.id == "sharding_indexed":  # as its chunks are
            return _recoded(config["array"], chain_of_source(config["array"]))
    if not codecs:
        return (head,)
    codec = _core_codec(*codecs[0], chain) if len(codecs) == 1 else None
    return (head, codec or _default_codec(BY_ID["blosc"], chain))


def refuse_unknown(codecs: tuple[Codec, ...]) -> None:
    """Refuse names and settings that no array could be written with.

    Raises
    ------
    PlanError
        With the first one.
    """
    _check_names(codecs)
    for codec in codecs:
        row = BY_V3_NAME.get(codec["name"])
        if row is None or row.name_v3 == row.v3:
            _check_settings(codec["name"], codec.get("configuration") or {}, row)


def _check_names(codecs: tuple[Codec, ...]) -> None:
    if not codecs:
        raise PlanError('codecs is empty; name at least one, e.g. {"name": "zstd"}, or "keep"')
    for codec in codecs:
        _check_name(codec)


def _explicit(codecs: tuple[Codec, ...], chain: Chain) -> tuple[Codec, ...]:
    """Fill in what a plan's pipeline may leave out."""
    _check_names(codecs)
    names = [codec["name"] for codec in codecs]
    if not {"bytes", *VLEN_CODECS.values()} & set(names):
        front = next((i for i, name in enumerate(names) if not _is_array_codec(name)), len(names))
        codecs = (*codecs[:front], _serializer(chain, little=True), *codecs[front:])
    return tuple(_completed(codec, chain) for codec in codecs)


def _check_name(codec: Codec) -> None:
    name = codec.get("name")
    if not isinstance(name, str):
        raise PlanError(
            f'a codec is an object with a name, such as {{"name": "zstd"}}; not {codec}'
        )
    if name == "sharding_indexed":
        raise PlanError('codecs holds "sharding_indexed"; give the shard shape as "shards" instead')
    core = name.removeprefix("numcodecs.")
    if name != core and core in _CORE:
        raise PlanError(f'codec "{name}" is read by few; use "{core}"')
    if name not in _CORE and name not in _WRITABLE:
        hint = nearest(name, sorted(_CORE | _WRITABLE.keys()))
        raise PlanError(f'codec "{name}" is unknown or would lose precision{hint}')
    configuration = codec.get("configuration", {})
    if not isinstance(configuration, dict) or set(codec) - {"name", "configuration"}:
        raise PlanError(f'codec "{name}" wants the keys "name" and "configuration" only')


def _completed(codec: Codec, chain: Chain) -> Codec:
    """One codec as readers need it: ``endian``, ``typesize`` and defaults written out."""
    name, given = codec["name"], dict(codec.get("configuration") or {})
    if name == "bytes":
        little = given.get("endian", "little") == "little"
        return _serializer(chain, little=little)
    row = BY_V3_NAME.get(name)
    if row is not None and row.name_v3 == row.v3:
        given = {**_default_codec(row, chain).get("configuration", {}), **given}
    # zarr-python refuses its numcodecs wrappers without a configuration, were it an empty one
    needed = given or name.startswith("numcodecs.")
    return {"name": name, "configuration": given} if needed else {"name": name}


def _is_array_codec(name: str) -> bool:
    return name == "transpose" or (name in BY_V3_NAME and BY_V3_NAME[name].kind == "array")


def _check_writable(target: TargetArray) -> None:
    refuse_unknown(target.codecs)
    try:
        chain = chain_of_target(target)
    except UnsupportedError as error:
        raise PlanError(f"codecs: {error}") from None
    for row, config in chain.codecs:
        problem = None if row.name_v3 == row.v3 else numcodecs_problem(config)
        if problem is not None:
            raise PlanError(f"codecs: {problem}")


def _check_blosc_size(target: TargetArray, chain: Chain) -> None:
    nbytes = chain.stage_bytes(target.chunks)[0] or 0
    if nbytes > _BLOSC_LIMIT_BYTES and any(c["name"] == "blosc" for c in target.codecs):
        raise PlanError(
            f"chunks {list(target.chunks)} hold {nbytes} bytes, more than the "
            f"{_BLOSC_LIMIT_BYTES} that blosc can encode; use smaller chunks or zstd"
        )


def _check_settings(name: str, given: Codec, row: Row | None) -> None:
    """Check a configuration of a core codec; without a row it is ``bytes`` or ``transpose``."""
    for key, value in given.items():
        if key not in (("endian", "order") if row is None else row.settings):
            raise PlanError(f'codec "{name}": unknown setting "{key}"')
        allowed = () if row is None else row.settings[key]
        if not allowed or allows(allowed, value):
            continue
        known = f"{allowed[0]} to {allowed[-1]}"
        if not isinstance(allowed, range):
            known = f"one of {', '.join(map(str, allowed))}"
        raise PlanError(f'codec "{name}": {key} is {value!r}, use {known}')

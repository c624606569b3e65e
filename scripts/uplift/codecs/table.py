"""The table of codecs: one row for each codec.

What is not here is not read; what has no `encode` is not written. To add a codec, add its row, and
its function next to the others of its kind.
"""

import re
from typing import Any

import numpy as np

from uplift.codecs import compressors, filters, nested_shards, texts
from uplift.codecs.codec import Codec, Config, allows
from uplift.codecs.compressors import BLOSC_NAMES, SHUFFLES
from uplift.codecs.filters import decode_numcodecs, encode_numcodecs


def _data_decide(config: Config, size: int, dtype: np.dtype[Any]) -> None:
    return None


def _compressor(name: str, **columns: Any) -> Codec:
    return Codec(name, "bytes", size_after=_data_decide, **columns)


def _checksum(name: str, **columns: Any) -> Codec:
    columns = {"decode": filters.decode_checksum, "encode": encode_numcodecs, **columns}
    return Codec(name, "bytes", size_after=filters.size_with_checksum, **columns)


def _typed(name: str, **columns: Any) -> Codec:
    columns = {"decode": decode_numcodecs, "problem": filters.typed_problem, **columns}
    return Codec(name, "array", **columns)


def _serializer(name: str, **columns: Any) -> Codec:
    columns = {"problem": texts.problem, "size_after": _data_decide, **columns}
    return Codec(name, "serializer", **columns)


_BLOSC: dict[str, range | tuple[Any, ...]] = {
    "typesize": range(1, 256),
    "cname": BLOSC_NAMES,
    "clevel": range(10),
    "shuffle": tuple(SHUFFLES),
    "blocksize": range(2**31),
}

TABLE: tuple[Codec, ...] = (
    _compressor(
        "blosc",
        v3="blosc",
        to_v3=compressors.blosc_v3,
        settings=_BLOSC,
        defaults={"cname": "zstd", "clevel": 5, "shuffle": -1},
        check=compressors.check_blosc,
        decode=compressors.decode_blosc,
        encode=compressors.encode_blosc,
        problem=compressors.blosc_problem,
    ),
    _compressor(
        "zstd",
        names=("zstandard",),
        v3="zstd",
        to_v3=compressors.zstd_v3,
        settings={"level": range(-131072, 23), "checksum": (False, True)},
        defaults={"level": 3},
        check=compressors.check_zstd,
        decode=compressors.decode_zstd,
        encode=compressors.encode_zstd,
    ),
    _compressor(
        "gzip",
        v3="gzip",
        to_v3=compressors.gzip_v3,
        settings={"level": range(10)},
        defaults={"level": 5},
        decode=compressors.decode_gzip,
        encode=compressors.encode_gzip,
    ),
    _compressor(
        "zlib",
        v3="gzip",
        to_v3=compressors.gzip_v3,
        rewrap=compressors.zlib_to_gzip,
        decode=compressors.decode_gzip,
        encode=compressors.encode_gzip,
    ),
    _compressor(
        "bz2", names=("bzip2",), decode=compressors.decode_bz2, encode=compressors.encode_bz2
    ),
    _compressor(
        "lzma", names=("xz",), decode=compressors.decode_lzma, encode=compressors.encode_lzma
    ),
    _compressor("lz4", decode=compressors.decode_lz4, encode=compressors.encode_lz4),
    _checksum("crc32c", v3="crc32c", decode=filters.decode_crc32c, encode=filters.encode_crc32c),
    _checksum("crc32"),
    _checksum("adler32"),
    _checksum("fletcher32"),
    Codec("shuffle", "bytes", decode_numcodecs, encode_numcodecs, problem=filters.shuffle_problem),
    _typed("delta", encode=encode_numcodecs, size_after=filters.size_of_type),
    _typed("fixedscaleoffset", size_after=filters.size_of_type),
    _typed("astype", size_after=filters.size_of_type),
    _typed("packbits", size_after=filters.size_packed),
    _typed("bitround", changes_nothing=lambda _config, _dtype: True),
    _typed("quantize", size_after=filters.size_of_type, changes_nothing=filters.keeps_type),
    _serializer("vlen-utf8", v3="vlen-utf8", decode=texts.decode_vlen, encode=texts.encode_vlen),
    _serializer("vlen-bytes", v3="vlen-bytes", decode=texts.decode_vlen, encode=texts.encode_vlen),
    _serializer("json2", decode=texts.decode_json),
    _serializer("msgpack2", decode=texts.decode_msgpack),
    _serializer("pcodec", decode=filters.decode_pcodec, problem=filters.pcodec_problem),
    Codec(
        "sharding_indexed",
        "serializer",
        nested_shards.decode_shard,
        v3="sharding_indexed",
        size_after=_data_decide,
    ),
)
BY_ID = {row.id: row for row in TABLE}
BY_V3_NAME = {row.name_v3: row for row in TABLE}
_BY_NAME = {name: row.id for row in TABLE for name in (row.id, *row.names)}
_NO_CODEC = frozenset({"", "raw", "none", "null", "identity"})
_ENDIAN = {
    **dict.fromkeys(("little", "le", "<", "little-endian", "littleendian"), "little"),
    **dict.fromkeys(("big", "be", ">", "big-endian", "bigendian"), "big"),
}
_NUMBERS = frozenset({"level", "clevel", "blocksize", "shuffle", "elementsize", "acceleration"})


def config_of(value: Any) -> Config | None:
    """Read a Zarr v2 codec as its writer wrote it; None: it means that there is no codec.

    Other writers than zarr-python call the ``id`` ``type`` (N5 and its relatives) or ``name``, know
    codecs by other names, write the name alone, and numbers as texts.

    Parameters
    ----------
    value
        Decoded JSON: of the key ``compressor``, or an item of ``filters``.

    Returns
    -------
    config
        With the ``id`` of the table where there is one; else as it is written there.
    """
    given: Config = {"id": value} if isinstance(value, str) else dict(value or {})
    name = next((given.pop(key) for key in ("id", "type", "name") if key in given), None)
    nested = given.get("configuration")
    if isinstance(nested, dict):
        given = {**given, **nested}
        del given["configuration"]
    written = "" if name is None else str(name).strip().lower().removeprefix("numcodecs.")
    if written in _NO_CODEC:
        return None
    if given.get("useZlib") is True and written == "gzip":  # N5's word for zlib
        written = "zlib"
    settings = {key: _number(item) if key in _NUMBERS else item for key, item in given.items()}
    if written == "blosc":
        if isinstance(settings.get("cname"), str):
            settings["cname"] = settings["cname"].lower()
        settings = {key: item for key, item in settings.items() if _decides(key, item)}
    return {**settings, "id": _BY_NAME.get(written, str(name))}


def codec_v3_of(codec: Config, ndim: int, *, ordered: bool) -> Config:
    """Write a Zarr v3 codec as the specification does, where its words have one reading.

    Settings of compressors that are none are left out: readers go by the data's header.

    Parameters
    ----------
    codec
        An object with a ``name``.
    ndim
        Dimensions of the array.
    ordered
        Whether elements have a byte order; it is little endian where ``bytes`` does not say.

    Returns
    -------
    Config
        A codec of Zarr v3, with the keys that it had.
    """
    name, given = codec["name"], dict(codec.get("configuration") or {})
    # numcodecs' own names of core codecs, bare names of its codecs, and addresses (zarrs)
    row = BY_ID.get(name.rpartition("/")[2].removeprefix("numcodecs."))
    name = name if row is None else row.name_v3
    if name in ("bytes", "endian"):  # drafts of Zarr v3 called the codec endian
        endian = given.get("endian")
        if isinstance(endian, str):
            given["endian"] = _ENDIAN.get(endian.strip().lower().replace("_", "-"), endian)
        elif endian is None and ordered:
            given["endian"] = "little"
        elif endian is None:
            given.pop("endian", None)
        name = "bytes"
    elif name == "transpose" and given.get("order") in ("C", "F"):  # of drafts
        given["order"] = list(range(ndim))[:: 1 if given["order"] == "C" else -1]
    elif name in BY_V3_NAME and BY_V3_NAME[name].settings:
        allowed = BY_V3_NAME[name].settings
        numbers = {value: text for text, value in SHUFFLES.items()}
        given = {key: _number(item) if key in _NUMBERS else item for key, item in given.items()}
        if type(given.get("shuffle")) is int:
            given["shuffle"] = numbers.get(given["shuffle"])
        given = {key: item for key, item in given.items() if allows(allowed.get(key, ()), item)}
    plain = {**codec, "name": name}
    if given or "configuration" in codec:
        plain["configuration"] = given
    return plain


def _decides(key: str, value: Any) -> bool:
    """Whether a setting of blosc is valid: readers go by the data's header, not by these."""
    more = {"shuffle": (-1, *SHUFFLES.values()), "cname": (*BLOSC_NAMES, "snappy")}
    allowed = {**_BLOSC, **more}.get(key)  # snappy is one, which no reader has any more
    return allowed is None or allows(allowed, value)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in SHUFFLES:
        return SHUFFLES[text]
    return int(text) if re.fullmatch("-?[0-9]{1,9}", text) else value

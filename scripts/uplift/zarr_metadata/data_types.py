"""Data types: Zarr v2 ``dtype`` and Zarr v3 ``data_type`` to NumPy, and v2 to v3.

Beyond the core types, the extension types of zarr-python are used, each verified to be read back
equal by its oldest and newest supported release: fixed and variable-length strings and bytes, raw
bytes, records (``structured``) and times.
"""

import functools
import re
from typing import Any

import numpy as np

from uplift.errors import SourceError, UnsupportedError
from uplift.models.arrays import JsonValue, SourceArray
from uplift.models.json_text import cut
from uplift.zarr_metadata import fill_values
from uplift.zarr_metadata.fill_values import Vlen

_V2_NAME = re.compile(r"([<>|])([a-zA-Z])(\d*)(\[[^\[\]]*\])?")
_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
CORE_V3: dict[str, str] = {
    "bool": "b1",
    **{f"int{8 * n}": f"<i{n}" for n in (1, 2, 4, 8)},
    **{f"uint{8 * n}": f"<u{n}" for n in (1, 2, 4, 8)},
    **{f"float{8 * n}": f"<f{n}" for n in (2, 4, 8)},
    **{f"complex{8 * n}": f"<c{n}" for n in (8, 16)},
}
"""NumPy's name of each core data type, which is Zarr v3's, too, to its type code."""
_VLEN_V3: dict[str, Vlen] = {"string": "string", "bytes": "bytes", "variable_length_bytes": "bytes"}
_FIXED_V3 = {
    "null_terminated_bytes": ("S", 1),
    "fixed_length_utf32": ("U", 4),
    "raw_bytes": ("V", 1),
}
_TIME_V3 = {"numpy.datetime64": "M", "numpy.timedelta64": "m"}
_VLEN_CODECS: dict[Any, Vlen] = {
    **dict.fromkeys(("vlen-utf8", "json2", "msgpack2"), "string"),
    "vlen-bytes": "bytes",
}
"""Codecs of Zarr v2 that say what the elements of data type ``|O`` are."""


def numpy_dtype(source: SourceArray) -> np.dtype[Any]:
    """NumPy type of one element as stored, byte order included; ``object`` when variable-length.

    Raises
    ------
    UnsupportedError
        A data type that cannot be carried over without loss; the message names it.
    """
    if source.zarr_format == 2:
        vlen = vlen_of(source)
        if source.data_type == "|O" and vlen is None:
            used = [str(codec.get("id")) for codec in source.filters or ()]
            why = "; pickles are never read, they can run programs" if "pickle" in used else ""
            raise UnsupportedError(
                f'data type "|O" is supported with the filters {", ".join(_VLEN_CODECS)}, '
                f"not {', '.join(used) or 'none'}{why}"
            )
        return _numpy_dtype_v2(source.data_type, vlen)
    dtype = numpy_dtype_v3(source.data_type)
    for codec in source.codecs or ():
        if codec["name"] == "bytes" and codec.get("configuration", {}).get("endian") == "big":
            return dtype.newbyteorder(">")
    return dtype


def numpy_dtype_v3(data_type: JsonValue) -> np.dtype[Any]:
    """NumPy type (little endian) of a v3 ``data_type``; ``object`` when variable-length.

    Raises
    ------
    UnsupportedError
        An unknown data type.
    """
    name, configuration = _named(data_type)
    try:
        if name in CORE_V3:
            return np.dtype(CORE_V3[name])
        if name in _VLEN_V3:
            return np.dtype(object)
        if name in _FIXED_V3:
            kind, unit_bytes = _FIXED_V3[name]
            length = _positive(configuration["length_bytes"]) // unit_bytes
            return np.dtype(f"<{kind}{_positive(length)}")
        if name in _TIME_V3:
            scale, unit = _positive(configuration["scale_factor"]), configuration["unit"]
            of = "" if unit == "generic" else f"[{scale}{str(unit).replace('μ', 'u')}]"
            return np.dtype(f"<{_TIME_V3[name]}8{of}")
        if name == "structured":
            return _record_dtype_v3(configuration["fields"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UnsupportedError(f"data type {_shown(data_type)} is malformed") from None
    raise UnsupportedError(f"data type {_shown(data_type)} is not supported")


def vlen_of(source: SourceArray) -> Vlen | None:
    """Say whether elements are strings or bytes of variable length, else None."""
    if source.zarr_format == 3:
        return vlen_of_v3(source.data_type)
    if source.data_type != "|O":
        return None
    for codec in (*(source.filters or ()), source.compressor or {}):
        if codec.get("id") in _VLEN_CODECS:
            return _VLEN_CODECS[codec["id"]]
    return None


def vlen_of_v3(data_type: JsonValue) -> Vlen | None:
    """Say whether a v3 ``data_type`` is strings or bytes of variable length, else None."""
    return _VLEN_V3.get(_named(data_type)[0])


def data_type_v3(source: SourceArray) -> JsonValue:
    """Write the source's data type as ``zarr.json`` does.

    Raises
    ------
    UnsupportedError
        A data type that cannot be carried over without loss.
    """
    if source.zarr_format == 3:
        numpy_dtype_v3(source.data_type)
        return source.data_type
    vlen = vlen_of(source)
    return vlen or _data_type_of(_numpy_dtype_v2(source.data_type, vlen))


def fill_value_v3(source: SourceArray) -> JsonValue:
    """Write the source's fill value as ``zarr.json`` does; ``null`` becomes zero, empty or NaT.

    Raises
    ------
    SourceError
        A fill value that is none of the data type.
    UnsupportedError
        A data type that cannot be carried over without loss.
    """
    dtype, vlen = numpy_dtype(source), vlen_of(source)
    try:
        if source.zarr_format == 2:
            return fill_values.fill_from_v2(dtype, source.fill_value, vlen)
        if source.fill_value is not None:
            fill_values.scalar_from_v3(dtype, source.fill_value, vlen)
    except ValueError as error:
        raise SourceError(
            f"fill_value {_shown(source.fill_value)} does not fit data type "
            f"{_shown(source.data_type)}: {error}; correct the source's metadata"
        ) from None
    return source.fill_value


def repaired_fill_value(source: SourceArray) -> JsonValue:
    """What a v2 fill value means that is written in another form than its type's; else None.

    Numbers as texts, whole numbers with a fraction of zero, and zero for texts and records have
    one reading.
    """
    given, kind = source.fill_value, numpy_kind(source)
    if not kind:
        return None
    as_text = isinstance(given, str) and given not in fill_values.SPECIAL_FLOATS
    other = (
        (kind in "biu" and (as_text or isinstance(given, float)))
        or (kind == "f" and as_text and not str(given).startswith("0x"))
        or (kind == "U" and type(given) is int)
        or (kind == "V" and given == "")
    )
    return fill_value_v3(source) if other else None


def plain_fill_value(source: SourceArray) -> JsonValue:
    """Write a v3 fill value as its data type has it: other writers leave ``null``, or a text."""
    try:
        dtype = numpy_dtype_v3(source.data_type)
    except UnsupportedError:
        return source.fill_value
    if source.fill_value is not None and dtype.kind not in "biufc":
        return source.fill_value
    meant = fill_values.fill_from_v2(dtype, source.fill_value, vlen_of(source))
    number = type(source.fill_value) is int and dtype.kind in "fc"
    return source.fill_value if number else meant


def numpy_kind(source: SourceArray) -> str:
    """Letter of NumPy for the kind of the elements; empty when the data type is not supported."""
    try:
        return numpy_dtype(source).kind
    except UnsupportedError:
        return ""


def fill_scalar(data_type: JsonValue, fill_value: JsonValue) -> Any:
    """Build the NumPy scalar (native byte order) of a v3 fill value.

    Raises
    ------
    SourceError
        A fill value that is none of the data type.
    """
    dtype = numpy_dtype_v3(data_type)
    try:
        return fill_values.scalar_from_v3(dtype, fill_value, vlen_of_v3(data_type))
    except ValueError as error:
        raise SourceError(
            f"fill_value {_shown(fill_value)} does not fit data type {_shown(data_type)}: {error}"
        ) from None


def fill_of(source: SourceArray) -> Any:
    """NumPy scalar (native byte order) of a source's fill value."""
    return fill_scalar(data_type_v3(source), fill_value_v3(source))


def raw_length(data_type: JsonValue) -> int | None:
    """Bytes of an element without a meaning, by the name of the specification (``r16``)."""
    found = re.fullmatch(r"r([1-9]\d{0,5})", data_type) if isinstance(data_type, str) else None
    bits = int(found[1]) if found is not None else 1
    return None if bits % 8 else bits // 8


def is_raw_bytes(data_type: JsonValue) -> bool:
    """Whether the elements are bytes without a meaning, by either of their names in Zarr v3."""
    name = _named(data_type)[0]
    return name == "raw_bytes" or re.fullmatch(r"r\d+", name) is not None


def is_little(dtype: np.dtype[Any]) -> bool:
    """Whether no part of the type is stored big endian."""
    return dtype == dtype.newbyteorder("<")


def has_byte_order(dtype: np.dtype[Any]) -> bool:
    """Whether the ``bytes`` codec needs ``endian`` for this type."""
    return dtype.newbyteorder("<") != dtype.newbyteorder(">")


def _numpy_dtype_v2(name: JsonValue, vlen: Vlen | None) -> np.dtype[Any]:
    if isinstance(name, (list, tuple)):
        return _record_dtype_v2(name)
    if not isinstance(name, str):
        raise UnsupportedError(f"data type {_shown(name)} is not one of Zarr v2")
    return _simple_dtype_v2(name, vlen)


@functools.lru_cache(maxsize=1000)
def _simple_dtype_v2(name: str, vlen: Vlen | None) -> np.dtype[Any]:
    match = _V2_NAME.fullmatch(name)
    if match is None:
        raise UnsupportedError(f"data type {_shown(name)} is not one of Zarr v2")
    order, kind, size, unit = match.groups()
    if kind == "O":
        if vlen is None:
            raise UnsupportedError(f"data type {_shown(name)} is not supported here")
        return np.dtype(object)
    if kind in _SIZES and not unit and size and int(size) in _SIZES[kind]:
        if order == "|" and int(size) > 1:
            raise UnsupportedError(f"data type {_shown(name)} gives no byte order")
    elif not (kind in "SUV" and size and int(size) > 0 and not unit) and not (
        kind in "mM" and size == "8" and order != "|"
    ):
        raise UnsupportedError(f"data type {_shown(name)} is not supported")
    if kind == "U" and order == "|":
        raise UnsupportedError(f"data type {_shown(name)} gives no byte order")
    try:
        return np.dtype(name)
    except (TypeError, ValueError, OverflowError):
        raise UnsupportedError(f"data type {_shown(name)} is not supported") from None


def _record_dtype_v2(fields: list[Any] | tuple[Any, ...]) -> np.dtype[Any]:
    parts = []
    for field in fields:
        if not isinstance(field, (list, tuple)) or len(field) != 2 or isinstance(field[1], list):
            raise UnsupportedError(
                f"data type {_shown(list(fields))}: nested or array fields are not supported"
            )
        parts.append((field[0], _numpy_dtype_v2(field[1], None)))
    names = [name for name, _ in parts]
    if not all(isinstance(n, str) and n for n in names) or len(set(names)) < max(1, len(names)):
        raise UnsupportedError(f"data type {_shown(list(fields))} has unnamed or repeated fields")
    try:
        return np.dtype(parts)
    except ValueError:
        raise UnsupportedError(f"data type {_shown(list(fields))} is not supported") from None


def _record_dtype_v3(fields: Any) -> np.dtype[Any]:
    parts = []
    for name, data_type in fields:
        dtype = numpy_dtype_v3(data_type)
        if dtype.hasobject or not isinstance(name, str) or not name:
            raise ValueError(name)
        parts.append((name, dtype))
    if not parts:
        raise ValueError("no fields")
    return np.dtype(parts)


def _data_type_of(dtype: np.dtype[Any]) -> JsonValue:
    if dtype.fields is not None:
        fields = [[name, _data_type_of(dtype.fields[name][0])] for name in dtype.names or ()]
        return {"name": "structured", "configuration": {"fields": fields}}
    for name, (kind, _) in _FIXED_V3.items():
        if dtype.kind == kind:
            return {"name": name, "configuration": {"length_bytes": dtype.itemsize}}
    for name, kind in _TIME_V3.items():
        if dtype.kind == kind:
            unit, scale = np.datetime_data(dtype)
            return {"name": name, "configuration": {"unit": unit, "scale_factor": scale}}
    return dtype.name


def _named(data_type: JsonValue) -> tuple[str, dict[str, Any]]:
    if isinstance(data_type, str):
        return data_type, {}
    if isinstance(data_type, dict) and isinstance(data_type.get("name"), str):
        configuration = data_type.get("configuration", {})
        if isinstance(configuration, dict):
            return data_type["name"], configuration
    raise UnsupportedError(f"data type {_shown(data_type)} is malformed")


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(value)
    return value


def _shown(value: Any) -> str:
    return cut(f'"{value}"' if isinstance(value, str) else repr(value), 80)

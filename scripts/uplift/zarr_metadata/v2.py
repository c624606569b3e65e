"""Zarr v2 array documents (``.zarray``), after the Zarr v2 storage specification."""

import re
from typing import Any

import numpy as np

from uplift.errors import CORRECT, SourceError, UnsupportedError
from uplift.models.arrays import JsonValue, Shape, SourceArray
from uplift.models.changes import Change, respelling
from uplift.models.json_text import cut, without_bare_nan
from uplift.zarr_metadata import data_types

_NAMES = ("id", "type", "name")
"""What writers call the name of a codec: Zarr, N5 and its relatives, Zarr v3."""
_NO_ORDER = re.compile("[=|]?([biufc])([1-9][0-9]?)")
_LETTER = re.compile("([<>=|]?)([?bBhHiIqQefdFD])")
_NO_LISTS = ("zarr_format", "dtype", "order", "dimension_separator", "fill_value")
"""Keys whose value is no list of one, whatever the data type."""


def parse_v2(zarray: JsonValue, where: str, repairs: list[Change] | None = None) -> SourceArray:
    """Parse a ``.zarray`` document.

    A data type or codec that is legal but cannot be converted is not an error here: see
    :func:`uplift.codecs.mapping.unsupported_reason`.

    Parameters
    ----------
    zarray
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
    if not isinstance(zarray, dict):
        raise SourceError(f"{where}: not a JSON object; {CORRECT}")
    zarray, repaired = _with_unique_readings(zarray)
    if zarray.get("zarr_format") != 2:
        raise _bad_value(where, "zarr_format", zarray.get("zarr_format"), "2")
    shape = parse_shape(zarray.get("shape"), where, "shape", least=0)
    source = SourceArray(
        zarr_format=2,
        shape=shape,
        chunks=_chunks(zarray.get("chunks"), shape, where),
        data_type=_data_type(zarray.get("dtype"), where),
        fill_value=without_bare_nan(zarray.get("fill_value")),
        order=_allowed_value(zarray, "order", ("C", "F"), "C", where),
        separator=_allowed_value(zarray, "dimension_separator", (".", "/"), ".", where),
        compressor=_codec(zarray.get("compressor"), where, "compressor"),
        filters=_filters(zarray.get("filters"), where),
    )
    check_fill_value(source, where)
    if repairs is not None:
        repairs += repaired
        meant = data_types.repaired_fill_value(source)
        if meant is not None:
            repairs.append(respelling("fill_value", source.fill_value, meant))
    return source


def parse_shape(value: Any, where: str, key: str, *, least: int) -> Shape:
    """Parse a list of integers, each at least `least` and within 64 bits.

    Parameters
    ----------
    value
        Decoded JSON.
    where, key
        Name the document and the key in messages.
    least
        That each length may be.

    Returns
    -------
    Shape
        A length for each axis.

    Raises
    ------
    SourceError
        Anything else.
    """
    if not isinstance(value, (list, tuple)) or not all(
        type(n) is int and least <= n < 2**63 for n in value
    ):
        raise _bad_value(where, key, value, f"a list of integers, each at least {least}")
    return tuple(value)


def check_fill_value(source: SourceArray, where: str) -> None:
    """Raise :class:`SourceError` when the fill value is none of the data type."""
    try:
        data_types.fill_value_v3(source)
    except SourceError as error:
        raise SourceError(f"{where}: {error}") from None
    except UnsupportedError:
        return  # the data type has a reason of its own, see mapping.unsupported_reason


def _with_unique_readings(zarray: dict[str, Any]) -> tuple[dict[str, Any], list[Change]]:
    """Read what has one reading: numbers as texts, a codec without its list, and the like."""
    read = {
        key: _out_of_list(value) if key in _NO_LISTS else value for key, value in zarray.items()
    }
    read["zarr_format"] = whole(read.get("zarr_format", 2))
    if isinstance(read.get("dtype"), str):
        read["dtype"] = _with_byte_order(read["dtype"])
    for key in ("shape", "chunks"):
        if key in read:
            read[key] = lengths(read[key])
    order = read.get("order")
    read["order"] = "C" if order is None else order.upper() if order in ("c", "f") else order
    read.setdefault("fill_value", None)
    if read.get("dimension_separator", "") is None:
        del read["dimension_separator"]
    for key, plain in (("compressor", _codec_alone), ("filters", _list_of_codecs)):
        if key in zarray:
            read[key] = plain(zarray[key])
    changed = [key for key, value in zarray.items() if repr(value) != repr(read.get(key, ...))]
    changed += [key for key in ("zarr_format", "order", "fill_value") if key not in zarray]
    return read, [respelling(key, zarray.get(key, ...), read.get(key, ...)) for key in changed]


def lengths(value: Any) -> Any:
    """Read one length alone, as zarr-python does, and lengths as texts or floats."""
    if type(value) is int:
        return [value]
    return [whole(_out_of_list(item)) for item in value] if isinstance(value, list) else value


def _out_of_list(value: Any) -> Any:
    """Take a text or number out of a list of one, in which programs in R write it."""
    one = isinstance(value, list) and len(value) == 1 and isinstance(value[0], (str, int, float))
    return value[0] if one else value


def _codec_alone(value: Any) -> Any:
    """Read a name alone, a list of one, and what stands for none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return {"id": value}
    if isinstance(value, dict):
        return {key: _out_of_list(item) for key, item in value.items()}
    return None if value in (False, []) else value


def _list_of_codecs(value: Any) -> Any:
    if isinstance(value, list):
        return [_codec_alone(item) if isinstance(item, dict) else item
                for item in value if item is not None]  # fmt: skip
    if isinstance(value, dict):
        return [_codec_alone(value)]
    return None if value in (False, "") else value


def _with_byte_order(name: str) -> str:
    """Name a data type as Zarr v2 does, where its writer gave NumPy's name or no byte order.

    zarr-python 2 took both for the machine's own order, which is little endian wherever people
    write images. It also read NumPy's letters (`dtype.char`); ``l`` and ``L`` have no size of their
    own.
    """
    letter = _LETTER.fullmatch(name)
    if letter is not None:
        of_letter = np.dtype(letter[2]).newbyteorder(">" if letter[1] == ">" else "<")
        return of_letter.str
    match = _NO_ORDER.fullmatch(data_types.CORE_V3.get(name, name).lstrip("<"))
    if match is None:
        return name
    kind, size = match.groups()
    return f"{'|' if size == '1' else '<'}{kind}{size}"


def whole(value: Any) -> Any:
    """Read a whole number that is written as a text or a float; leave anything else alone."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value.strip()):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _chunks(value: Any, shape: Shape, where: str) -> Shape:
    chunks = parse_shape(value, where, "chunks", least=0)
    if len(chunks) != len(shape):
        raise SourceError(
            f"{where}: chunks {list(chunks)} and shape {list(shape)} differ in length; {CORRECT}"
        )
    if any(c == 0 and n > 0 for c, n in zip(chunks, shape, strict=True)):
        raise _bad_value(where, "chunks", list(chunks), "a list of integers, each at least 1")
    return tuple(max(1, c) for c in chunks)


def _data_type(value: Any, where: str) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and value):
        return value
    raise _bad_value(where, "dtype", value, 'a data type such as "<u2"')


def _allowed_value(
    zarray: dict[str, Any], key: str, allowed: tuple[str, ...], default: str, where: str
) -> Any:
    value = zarray.get(key)
    if value is None:
        return default
    if value not in allowed:
        raise _bad_value(where, key, value, " or ".join(f'"{item}"' for item in allowed))
    return value


def _codec(value: Any, where: str, key: str) -> dict[str, Any] | None:
    """One codec, whatever its writer calls it: see the table of codecs."""
    if value is None or value == {}:
        return None if value is None else {}
    if isinstance(value, dict):
        names = [value[name] for name in _NAMES if name in value]
        if names and all(name is None or isinstance(name, str) for name in names):
            return value
    raise _bad_value(where, key, value, 'null or an object with an "id"')


def _filters(value: Any, where: str) -> tuple[dict[str, Any], ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise _bad_value(where, "filters", value, "null or a list of objects")
    return tuple(_codec(item, where, "filters") or {} for item in value)


def _bad_value(where: str, key: str, value: Any, wanted: str) -> SourceError:
    return SourceError(f"{where}: {key} is {cut(repr(value), 80)}, expected {wanted}; {CORRECT}")

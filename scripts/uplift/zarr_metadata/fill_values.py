"""Fill values: from the words of a Zarr v2 document to those of v3, and to NumPy scalars.

All functions raise ``ValueError`` with a short reason; callers add the path.
Variable-length types have NumPy type ``object`` and say which by `vlen` (``string``/``bytes``).
"""

import base64
import binascii
import math
from typing import Any, Literal

import numpy as np

from uplift.models.json_text import without_bare_nan

Vlen = Literal["string", "bytes"]
SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
NOT_A_TIME = -(2**63)
_TRUTH = {"true": 1, "false": 0}


def fill_from_v2(dtype: np.dtype[Any], value: Any, vlen: Vlen | None = None) -> Any:
    """Translate a v2 ``fill_value`` to the JSON that v3 wants for the same value.

    ``null`` leaves absent chunks undefined in v2; it becomes zero, empty or NaT, which is what
    readers of v2 return.

    Parameters
    ----------
    dtype
        Of the elements.
    value
        JSON of the key ``fill_value``.
    vlen
        Kind of text or bytes of no fixed length; None for all others.

    Returns
    -------
    Any
        JSON of ``fill_value`` in ``zarr.json``.
    """
    if vlen == "string":
        return "" if value is None else _string_from_v2(value)
    if vlen == "bytes" or dtype.kind == "S" or (dtype.kind == "V" and dtype.fields is None):
        size = dtype.itemsize if dtype.kind == "V" else 0
        raw = bytes(size) if value in (None, 0, "") else _base64(value)
        _check_length(raw, dtype)
        return _text(raw)
    if dtype.fields is not None:
        raw = bytes(dtype.itemsize) if value in (None, 0, "") else _base64(value)
        _check_length(raw, dtype)
        stored = np.frombuffer(raw, dtype=dtype)
        return _text(stored.astype(dtype.newbyteorder("<")).tobytes())
    if dtype.kind == "U":
        return "" if value in (None, 0) else _plain_string(value)
    if dtype.kind in "mM":
        return _ticks("NaT" if value is None else value)
    if dtype.kind == "c":
        return _complex_json(dtype, 0 if value is None else value)
    if dtype.kind == "f":
        return _float_json(dtype, 0 if value is None else value)
    return _integer_json(dtype, 0 if value is None else value)


def scalar_from_v3(dtype: np.dtype[Any], value: Any, vlen: Vlen | None = None) -> Any:
    """Build the NumPy scalar that a v3 ``fill_value`` stands for (zarr v3 core, fill value).

    Parameters
    ----------
    dtype
        Of the elements.
    value
        JSON of ``fill_value`` in ``zarr.json``.
    vlen
        Kind of text or bytes of no fixed length; None for all others.

    Returns
    -------
    Any
        The value of elements in absent chunks.
    """
    if vlen == "string":
        return np.str_(_string_from_v2(value))
    if vlen == "bytes":
        return np.bytes_(_bytes_v3(value))
    if dtype.kind == "V":
        raw = _bytes_v3(value)
        _check_length(raw, dtype)
        return np.frombuffer(raw, dtype=dtype.newbyteorder("<"))[0]
    if dtype.kind == "S":
        return np.array(_bytes_v3(value), dtype=dtype)[()]
    if dtype.kind == "U":
        return np.array(_plain_string(value), dtype=dtype)[()]
    if dtype.kind in "mM":
        ticks = _ticks(value)
        ticks = NOT_A_TIME if ticks == "NaT" else ticks
        return np.array(ticks, dtype="i8").view(dtype.newbyteorder("="))[()]
    if dtype.kind == "c":
        real, imaginary = _pair(value)
        part = _part(dtype)
        both = np.array([_float_scalar(part, real), _float_scalar(part, imaginary)], dtype=part)
        return both.view(dtype.newbyteorder("="))[0]
    if dtype.kind == "f":
        return _float_scalar(dtype, value)
    return dtype.type(_integer_json(dtype, value))


def _string_from_v2(value: Any) -> str:
    # zarr-python wrote 0 for variable-length strings, and reads it back as "0"
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("a string is expected")


def _plain_string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("a string is expected")


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("base64 text is expected") from None


def _bytes_v3(value: Any) -> bytes:
    if isinstance(value, list) and all(type(item) is int and 0 <= item < 256 for item in value):
        return bytes(value)
    return _base64(value)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _check_length(raw: bytes, dtype: np.dtype[Any]) -> None:
    exact = dtype.kind == "V"
    if dtype.kind != "O" and (len(raw) > dtype.itemsize or (exact and len(raw) != dtype.itemsize)):
        raise ValueError(f"{len(raw)} bytes, but the data type has {dtype.itemsize}")


def _ticks(value: Any) -> int | str:
    if value == "NaT" or value == NOT_A_TIME:
        return "NaT"
    try:
        ticks = _whole_number(value)
    except ValueError:
        ticks = 2**63
    if not isinstance(value, bool) and abs(ticks) < 2**63:
        return ticks
    raise ValueError('a 64-bit integer or "NaT" is expected')


def _integer_json(dtype: np.dtype[Any], value: Any) -> int | bool:
    whole = _whole_number(value)
    if dtype.kind == "b":
        if isinstance(value, str) and whole not in (0, 1):
            raise ValueError("true or false is expected")
        if isinstance(value, str) and not whole:
            raise ValueError("readers take this text for true; write false without quotes")
        return bool(whole)  # NumPy, and so zarr-python, takes 255 for true
    limits = np.iinfo(dtype)
    if not int(limits.min) <= whole <= int(limits.max):
        raise ValueError(f"outside {limits.min} to {limits.max}")
    return whole


def _whole_number(value: Any) -> int:
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            meant = _TRUTH.get(value.strip().lower(), value)
        try:
            return _whole_number(float(meant))
        except (ValueError, OverflowError):
            pass
    raise ValueError("a whole number is expected")


def _float_json(dtype: np.dtype[Any], value: Any) -> float | str:
    if isinstance(value, str) and value.startswith("0x"):
        _float_scalar(dtype, value)
        return value
    scalar = _float_scalar(dtype, value)
    if math.isfinite(scalar):
        return _number(value)
    if math.isnan(scalar) and math.copysign(1, scalar) < 0:  # "-NaN": v3 has no word for it
        return f"0x{np.asarray(scalar, dtype.newbyteorder('>')).tobytes().hex()}"
    return str(without_bare_nan(float(scalar)))


def _number(value: Any) -> float:
    if isinstance(value, str) and value in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[value]
    if isinstance(value, (int, float, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError(
        'a number, "NaN", "Infinity", "-Infinity" or a hexadecimal pattern is expected'
    )


def _float_scalar(dtype: np.dtype[Any], value: Any) -> Any:
    """Bits of a hexadecimal pattern are kept as they are: it may be a NaN with a payload."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raise ValueError("not a hexadecimal number") from None
        if len(raw) != dtype.itemsize:
            raise ValueError(f"a pattern of {2 * dtype.itemsize} hexadecimal digits is expected")
        return np.frombuffer(raw, dtype=dtype.newbyteorder(">")).astype(dtype.newbyteorder("="))[0]
    number = _number(value)
    with np.errstate(over="ignore"):
        return np.array(number, dtype="f8").astype(dtype.newbyteorder("="))[()]


def _part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"f{dtype.itemsize // 2}")


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return value[0], value[1]
    raise ValueError("a list of real and imaginary part is expected")


def _complex_json(dtype: np.dtype[Any], value: Any) -> list[float | str]:
    if isinstance(value, str) and value not in SPECIAL_FLOATS:
        try:
            number = complex(value.replace(" ", ""))
        except ValueError:
            raise ValueError("a list of real and imaginary part is expected") from None
        value = [number.real, number.imag]
    real, imaginary = _pair(value) if isinstance(value, (list, tuple)) else (value, 0)
    return [_float_json(_part(dtype), real), _float_json(_part(dtype), imaginary)]

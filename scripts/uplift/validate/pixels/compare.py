"""Bitwise equality of decoded values: NaN payloads and the sign of zero count."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int

_WORDS = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<u8"}


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays hold the same values, bit for bit, whatever their byte order."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "OT" or other.dtype.kind in "OT":
        return _items(one) == _items(other)
    one, other = _little(one), _little(other)
    if one.dtype != other.dtype:
        return False
    if one.dtype.kind == "b":  # zarr-python leaves a byte that is neither 0 nor 1 as it is
        one, other = (np.asarray(values.view(np.uint8) != 0) for values in (one, other))
    if one.dtype.fields is None and one.flags.c_contiguous and other.flags.c_contiguous:
        # numpy would write what it finds of each element into memory of its own, and then read that
        return bool(_memcmp(one.ctypes.data, other.ctypes.data, one.nbytes) == 0)
    word = _WORDS.get(one.dtype.itemsize)
    if word is not None and one.dtype.fields is None:
        return bool(np.array_equal(one.view(word), other.view(word)))
    return bool(np.array_equal(_raw(one), _raw(other)))


def first_difference(one: NDArray[Any], other: NDArray[Any]) -> tuple[int, ...]:
    """Index of the first element that differs (shapes are equal, values are not)."""
    left, right = one.reshape(-1), other.reshape(-1)
    low, high = 0, left.size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if same_bits(left[low:middle], right[low:middle]) else (low, middle)
        )
    return tuple(int(i) for i in np.unravel_index(low, one.shape))


def _little(values: NDArray[Any]) -> NDArray[Any]:
    little = values.dtype.newbyteorder("<")
    return values if values.dtype == little else values.astype(little)


def _raw(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _items(values: NDArray[Any]) -> list[Any]:
    return [v.encode() if isinstance(v, str) else bytes(v) for v in values.ravel().tolist()]

"""Data types and fill values: tables, one row a case."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import numpy as np
import pytest

from uplift.errors import SourceError, UnsupportedError
from uplift.models.arrays import SourceArray
from uplift.zarr_metadata import data_types


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def v2_array(data_type: Any, fill_value: Any = None, **more: Any) -> SourceArray:
    return SourceArray(
        zarr_format=2,
        shape=(4,),
        chunks=(2,),
        data_type=data_type,
        fill_value=fill_value,
        order="C",
        separator=".",
        **more,
    )


STRINGS = {"filters": ({"id": "vlen-utf8"},)}
BYTES = {"filters": ({"id": "vlen-bytes"},)}


@pytest.mark.parametrize(
    ("v2", "v3"),
    [
        ("|b1", "bool"),
        ("|i1", "int8"),
        ("|u1", "uint8"),
        ("<u1", "uint8"),  # a byte order that means nothing, as some writers leave it
        ("<u2", "uint16"),
        (">u2", "uint16"),
        ("<i4", "int32"),
        (">i8", "int64"),
        ("<u8", "uint64"),
        ("<f2", "float16"),
        (">f4", "float32"),
        ("<f8", "float64"),
        ("<c8", "complex64"),
        (">c16", "complex128"),
        ("|S7", {"name": "null_terminated_bytes", "configuration": {"length_bytes": 7}}),
        (">U3", {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}}),
        ("|V5", {"name": "raw_bytes", "configuration": {"length_bytes": 5}}),
        (
            "<M8[25s]",
            {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 25}},
        ),
        (
            "<m8",
            {"name": "numpy.timedelta64", "configuration": {"unit": "generic", "scale_factor": 1}},
        ),
        (
            [["x", "<f4"], ["n", "|S2"]],
            {
                "name": "structured",
                "configuration": {
                    "fields": [
                        ["x", "float32"],
                        [
                            "n",
                            {"name": "null_terminated_bytes", "configuration": {"length_bytes": 2}},
                        ],
                    ]
                },
            },
        ),
    ],
)
def test_data_type_of_v2(v2: Any, v3: Any) -> None:
    source = v2_array(v2)
    assert data_types.data_type_v3(source) == v3
    stored = data_types.numpy_dtype(source)
    expected = [tuple(field) for field in v2] if isinstance(v2, list) else v2
    assert stored == np.dtype(expected)
    assert data_types.numpy_dtype_v3(v3) == stored.newbyteorder("<")


def test_variable_length_types() -> None:
    assert data_types.data_type_v3(v2_array("|O", **STRINGS)) == "string"
    assert data_types.data_type_v3(v2_array("|O", **BYTES)) == "bytes"
    assert data_types.numpy_dtype(v2_array("|O", **STRINGS)) == np.dtype(object)


@pytest.mark.parametrize(
    ("v2", "message"),
    [
        ("|O", "with the filters vlen-utf8, json2, msgpack2, vlen-bytes, not none"),
        ("<f16", 'data type "<f16" is not supported'),
        ("<c32", 'data type "<c32" is not supported'),
        ("|u2", 'data type "|u2" gives no byte order'),
        ("uint8", 'data type "uint8" is not one of Zarr v2'),
        ("|S0", 'data type "|S0" is not supported'),
        ("<M8[parsec]", 'data type "<M8[parsec]" is not supported'),
        ("<i3", 'data type "<i3" is not supported'),
        ([["a", "<i4", [2]]], "nested or array fields are not supported"),
        ([["a", [["b", "<i4"]]]], "nested or array fields are not supported"),
        ([["", "<i4"]], "has unnamed or repeated fields"),
        ([["a", "<i4"], ["a", "<i4"]], "has unnamed or repeated fields"),
        ([[["a"], "<i4"]], "has unnamed or repeated fields"),
        ([["a", "|O"]], 'data type "|O" is not supported here'),
    ],
)
def test_unsupported_data_types_are_named(v2: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=r".") as caught:
        data_types.numpy_dtype(v2_array(v2))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "v3",
    [
        "float128",
        "int4",
        7,
        None,
        {"name": "numpy.datetime64"},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 0}},
        {"name": "null_terminated_bytes", "configuration": {"length_bytes": "7"}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 3}},
        {"name": "structured", "configuration": {"fields": []}},
        {"name": "structured", "configuration": {"fields": [["a"]]}},
        {"name": "int32", "configuration": 5},
    ],
)
def test_unknown_v3_data_types(v3: Any) -> None:
    with pytest.raises(UnsupportedError):
        data_types.numpy_dtype_v3(v3)


NAN_PAYLOAD = "0x7fc0dead"


@pytest.mark.parametrize(
    ("v2", "given", "expected"),
    [
        ("|b1", None, False),
        ("|b1", True, True),
        ("|b1", 0, False),
        ("|u1", None, 0),
        ("|u1", 255.0, 255),
        ("|u1", "7", 7),
        ("<i8", 2**63 - 1, 2**63 - 1),
        ("<i8", -(2**63), -(2**63)),
        ("<u8", 2**64 - 1, 2**64 - 1),
        ("<f4", None, 0.0),
        ("<f4", 7, 7.0),
        ("<f4", 0.1, 0.1),
        ("<f4", "NaN", "NaN"),
        ("<f4", math.nan, "NaN"),  # json.loads accepts a bare NaN
        ("<f4", "-NaN", "0xffc00000"),  # the sign that readers of v2 take from the text
        (">f2", "-nan", "0xfe00"),
        ("<f4", "-Infinity", "-Infinity"),
        ("<f4", math.inf, "Infinity"),
        ("<f2", 1e9, "Infinity"),  # what readers of v2 make of it
        ("<f4", "1.5", 1.5),
        ("<f4", NAN_PAYLOAD, NAN_PAYLOAD),
        (">f8", "0x7ff8000000000001", "0x7ff8000000000001"),
        ("<c8", None, [0.0, 0.0]),
        ("<c8", 3, [3.0, 0.0]),
        ("<c8", [1, "NaN"], [1.0, "NaN"]),
        ("<c8", ["-nan", 1], ["0xffc00000", 1.0]),
        ("<c16", "(1+2j)", [1.0, 2.0]),
        ("<c16", "Infinity", ["Infinity", 0.0]),
        ("|S3", None, ""),
        ("|S3", "", ""),
        ("|S3", b64(b"ab"), b64(b"ab")),
        ("<U3", None, ""),
        ("<U3", 0, ""),
        ("<U3", "", ""),
        ("|u1", "7.0", 7),
        ("|b1", "true", True),
        ("|b1", 0.0, False),
        ("|b1", 255, True),  # as NumPy takes it
        ("<M8[ns]", "5", 5),
        ("<m8[s]", 0.0, 0),
        ("<U3", "äb", "äb"),
        ("|V3", None, b64(b"\0\0\0")),
        ("|V3", b64(b"a\0c"), b64(b"a\0c")),
        ("<M8[ns]", None, "NaT"),
        ("<M8[ns]", -(2**63), "NaT"),
        ("<m8[s]", 5, 5),
        ([["a", "<i4"], ["b", "|u1"]], None, b64(bytes(5))),
        ([["a", "<i4"], ["b", "|u1"]], 0, b64(bytes(5))),
        ([["a", "<i4"], ["b", "|u1"]], "", b64(bytes(5))),
        ([["a", ">i4"], ["b", "|u1"]], b64(b"\0\0\0\x01\x02"), b64(b"\x01\0\0\0\x02")),
    ],
)
def test_fill_value(v2: Any, given: Any, expected: Any) -> None:
    source = v2_array(v2, given)
    found = data_types.fill_value_v3(source)
    assert found == expected
    assert type(found) is type(expected)
    scalar = data_types.fill_scalar(data_types.data_type_v3(source), found)
    assert np.asarray(scalar).dtype.itemsize <= data_types.numpy_dtype(source).itemsize


@pytest.mark.parametrize(
    ("more", "given", "expected"),
    [
        (STRINGS, None, ""),
        (STRINGS, "x", "x"),
        (STRINGS, 0, "0"),  # as zarr-python reads it
        (BYTES, None, ""),
        (BYTES, 0, ""),
        (BYTES, b64(b"a\0"), b64(b"a\0")),
    ],
)
def test_fill_value_of_variable_length(more: Any, given: Any, expected: str) -> None:
    assert data_types.fill_value_v3(v2_array("|O", given, **more)) == expected


@pytest.mark.parametrize(
    ("v2", "given", "message"),
    [
        ("|u1", -1, "outside 0 to 255"),
        ("|u1", 256, "outside 0 to 255"),
        ("<i8", 2**63, "outside"),
        ("|u1", 0.5, "a whole number is expected"),
        ("|u1", "NaN", "a whole number is expected"),
        ("|u1", [0], "a whole number is expected"),
        ("|b1", "2", "true or false"),
        ("<f4", "zero", "a number"),
        ("<f4", "0x7fc0", "8 hexadecimal digits"),
        ("<f4", "0xzz", "hexadecimal"),
        ("<f4", {}, "a number"),
        ("<f8", 10**400, "a number"),
        ("<c8", [1], "real and imaginary"),
        ("<c8", "one", "real and imaginary"),
        ("|S3", "***", "base64"),
        ("|S3", b64(b"abcd"), "4 bytes"),
        ("|V3", b64(b"ab"), "2 bytes"),
        ("<U3", 5, "a string"),
        ("<M8[ns]", "today", "NaT"),
        ("<M8[ns]", 2**63, "64-bit"),
        ([["a", "<i4"]], b64(b"abc"), "3 bytes"),
    ],
)
def test_fill_value_that_does_not_fit(v2: Any, given: Any, message: str) -> None:
    with pytest.raises(SourceError, match=r"^fill_value ") as caught:
        data_types.fill_value_v3(v2_array(v2, given))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scalars_keep_every_bit() -> None:
    nan = data_types.fill_scalar("float32", NAN_PAYLOAD)
    assert nan.tobytes() == struct.pack("<I", 0x7FC0DEAD)
    half = data_types.fill_scalar("float16", "0x7e01")
    assert half.tobytes() == struct.pack("<H", 0x7E01)
    assert data_types.fill_scalar("int64", 2**63 - 1) == np.int64(2**63 - 1)
    assert data_types.fill_scalar("complex64", [1.5, "-Infinity"]) == np.complex64(
        complex(1.5, -math.inf)
    )
    assert math.copysign(1, data_types.fill_scalar("float64", -0.0)) == -1.0


def test_scalars_of_extension_types() -> None:
    record = {
        "name": "structured",
        "configuration": {"fields": [["a", "int32"], ["b", "uint8"]]},
    }
    assert data_types.fill_scalar(record, b64(b"\x01\0\0\0\x02")).tolist() == (1, 2)
    time = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}
    assert np.isnat(data_types.fill_scalar(time, "NaT"))
    assert data_types.fill_scalar(time, 5) == np.datetime64(5, "s")
    assert data_types.fill_scalar("bytes", [1, 0]) == b"\x01\0"
    assert data_types.fill_scalar("string", "é") == "é"
    assert (
        data_types.fill_scalar(
            {"name": "raw_bytes", "configuration": {"length_bytes": 2}}, b64(b"a\0")
        ).tobytes()
        == b"a\0"
    )

"""Parsing of ``.zarray``: dialects accepted, mistakes refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from uplift.errors import SourceError
from uplift.models.arrays import SourceArray
from uplift.zarr_metadata.v2 import parse_v2

GOOD: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [10, 20],
    "chunks": [5, 20],
    "dtype": "<u2",
    "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "fill_value": 0,
    "order": "C",
    "filters": None,
    "dimension_separator": "/",
}


def test_everything_is_taken_over() -> None:
    source = parse_v2(GOOD, "0/.zarray")
    assert source.shape == (10, 20)
    assert source.chunks == (5, 20)
    assert source.separator == "/"
    assert source.compressor == GOOD["compressor"]
    assert source.filters is None


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"dimension_separator": None}, "separator", "."),
        ({"order": None}, "order", "C"),
        ({"filters": []}, "filters", ()),
        ({"shape": [0, 20], "chunks": [0, 20]}, "chunks", (1, 20)),  # nothing is stored
        ({"shape": [], "chunks": []}, "shape", ()),
        ({"chunks": [100, 100]}, "chunks", (100, 100)),
        ({"nonsense": 1}, "order", "C"),
    ],
)
def test_dialects(change: dict[str, Any], field: str, expected: Any) -> None:
    document = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    assert getattr(parse_v2(document, "0/.zarray"), field) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zarr_format": 3}, "0/.zarray: zarr_format is 3, expected 2"),
        ({"shape": [-1, 20]}, "0/.zarray: shape is [-1, 20], expected a list of integers"),
        ({"shape": "10"}, "0/.zarray: shape is '10'"),
        ({"shape": [True, 2]}, "0/.zarray: shape is [True, 2]"),
        ({"shape": [2**63, 2]}, "0/.zarray: shape is"),
        ({"shape": None}, "0/.zarray: shape is None"),
        ({"chunks": [5]}, "chunks [5] and shape [10, 20] differ in length"),
        ({"chunks": [0, 20]}, "chunks is [0, 20]"),
        ({"chunks": [5.0, 20]}, "chunks is [5.0, 20]"),
        ({"dtype": None}, "dtype is None"),
        ({"dtype": []}, "dtype is []"),
        ({"order": "K"}, 'order is \'K\', expected "C" or "F"'),
        ({"dimension_separator": "-"}, "dimension_separator is '-'"),
        ({"compressor": "blosc"}, "compressor is 'blosc', expected null or an object"),
        ({"compressor": {"cname": "lz4"}}, "compressor is {'cname': 'lz4'}"),
        ({"filters": {"id": "delta"}}, "filters is {'id': 'delta'}, expected null or a list"),
        ({"filters": [None]}, "filters is [None]"),
        ({"filters": ["delta"]}, "filters is 'delta'"),
        ({"fill_value": -1}, '0/.zarray: fill_value -1 does not fit data type "<u2": outside'),
    ],
)
def test_mistakes_are_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_v2({**GOOD, **change}, "0/.zarray")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_not_an_object() -> None:
    with pytest.raises(SourceError, match=r"0/\.zarray: not a JSON object"):
        parse_v2([], "0/.zarray")


def test_a_bare_nan_is_spelled_out() -> None:
    document = {**GOOD, "dtype": "<f4", "fill_value": json.loads("NaN")}
    source = parse_v2(document, "x")
    assert source.fill_value == "NaN"
    assert SourceArray.parse(json.loads(json.dumps(source.to_json())), "x") == source


def test_an_unsupported_type_is_no_mistake() -> None:
    assert parse_v2({**GOOD, "dtype": "|O", "fill_value": 0}, "x").data_type == "|O"

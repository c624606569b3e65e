"""Parsing of ``.zarray``: dialects accepted, mistakes refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from uplift.errors import SourceError
from uplift.models.arrays import SourceArray
from uplift.models.changes import Change
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
        ({"chunks": [5.5, 20]}, "chunks is [5.5, 20]"),
        ({"zarr_format": "3"}, "zarr_format is 3, expected 2"),
        ({"dtype": None}, "dtype is None"),
        ({"dtype": []}, "dtype is []"),
        ({"order": "K"}, 'order is \'K\', expected "C" or "F"'),
        ({"dimension_separator": "-"}, "dimension_separator is '-'"),
        ({"compressor": 5}, "compressor is 5, expected null or an object"),
        ({"compressor": {"id": 5}}, "compressor is {'id': 5}, expected null or an object"),
        ({"compressor": {"cname": "lz4"}}, "compressor is {'cname': 'lz4'}"),
        ({"filters": "delta"}, "filters is 'delta', expected null or a list"),
        ({"filters": ["delta"]}, "filters is 'delta'"),
        ({"dtype": "|b1", "fill_value": "False"}, "readers take this text for true; write false"),
        ({"fill_value": -1}, '0/.zarray: fill_value -1 does not fit data type "<u2": outside'),
    ],
)
def test_mistakes_are_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_v2({**GOOD, **change}, "0/.zarray")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field", "expected", "repair"),
    [
        ({"zarr_format": "2"}, "zarr_format", 2, 'zarr_format "2" is read as 2'),
        ({"chunks": [5.0, "20"]}, "chunks", (5, 20), 'chunks [5.0, "20"] is read as [5, 20]'),
        ({"chunks": [[5], [20]]}, "chunks", (5, 20), "chunks [[5], [20]] is read as [5, 20]"),
        ({"dtype": "<H"}, "data_type", "<u2", 'dtype "<H" is read as "<u2"'),
        ({"dtype": ">f"}, "data_type", ">f4", 'dtype ">f" is read as ">f4"'),
        ({"dtype": "|B"}, "data_type", "|u1", 'dtype "|B" is read as "|u1"'),
        ({"order": "f"}, "order", "F", 'order "f" is read as "F"'),
        ({"order": ["F"]}, "order", "F", 'order ["F"] is read as "F"'),
        ({"zarr_format": [2]}, "zarr_format", 2, "zarr_format [2] is read as 2"),
        ({"dimension_separator": ["/"]}, "separator", "/", "is read as"),
        ({"dtype": ["<u2"]}, "data_type", "<u2", "is read as"),
        ({"fill_value": [0]}, "fill_value", 0, "fill_value [0] is read as 0"),
        (
            {"compressor": {"id": ["gzip"], "level": [1]}},
            "compressor",
            {"id": "gzip", "level": 1},
            "is read as",
        ),
        ({"order": None}, "order", "C", 'order null is read as "C"'),
        (
            {"dimension_separator": None},
            "separator",
            ".",
            "dimension_separator null is left out",
        ),
        ({"filters": [None]}, "filters", (), "filters [null] is read as []"),
        ({"filters": {"id": "crc32"}}, "filters", ({"id": "crc32"},), 'is read as [{"id"'),
        ({"fill_value": "7"}, "fill_value", "7", 'fill_value "7" is read as 7'),
        ({"fill_value": "7.0"}, "fill_value", "7.0", 'fill_value "7.0" is read as 7'),
        ({"fill_value": 7.0}, "fill_value", 7.0, "fill_value 7.0 is read as 7"),
        (
            {"dtype": "|b1", "fill_value": "True"},
            "fill_value",
            "True",
            'fill_value "True" is read as true',
        ),
        ({"dtype": "<f4", "fill_value": "1.5"}, "fill_value", "1.5", '"1.5" is read as 1.5'),
        ({"dtype": "<U4", "fill_value": 0}, "fill_value", 0, 'fill_value 0 is read as ""'),
    ],
)
def test_words_of_other_writers_with_one_reading(
    change: dict[str, Any], field: str, expected: Any, repair: str
) -> None:
    repairs: list[Change] = []
    source = parse_v2({**GOOD, **change}, "0/.zarray", repairs)
    assert getattr(source, field) == expected
    assert len(repairs) == 1
    assert repair in repairs[0].text


def test_one_length_alone_is_that_of_one_dimension() -> None:
    """As zarr-python reads it, and R writes a vector of one length."""
    repairs: list[Change] = []
    source = parse_v2({**GOOD, "shape": 9, "chunks": 4}, "x", repairs)
    assert (source.shape, source.chunks) == ((9,), (4,))
    assert [one.text for one in repairs] == ["shape 9 is read as [9]", "chunks 4 is read as [4]"]
    with pytest.raises(SourceError, match="differ in length"):
        parse_v2({**GOOD, "chunks": 4}, "x")
    with pytest.raises(SourceError, match="shape is True"):
        parse_v2({**GOOD, "shape": True, "chunks": 4}, "x")


def test_a_format_that_is_left_out_is_that_of_the_document() -> None:
    repairs: list[Change] = []
    source = parse_v2({k: v for k, v in GOOD.items() if k != "zarr_format"}, "x", repairs)
    assert (source.zarr_format, repairs[0].text) == (2, "no zarr_format is read as 2")


@pytest.mark.parametrize(("key", "read"), [("order", '"C"'), ("fill_value", "null")])
def test_what_every_document_has_to_say_is_noted_where_it_does_not(key: str, read: str) -> None:
    """zarr-python opens no such array."""
    repairs: list[Change] = []
    parse_v2({k: v for k, v in GOOD.items() if k != key}, "x", repairs)
    assert [one.text for one in repairs] == [f"no {key} is read as {read}"]


@pytest.mark.parametrize("compressor", ["zlib", {"type": "raw"}, {}, {"id": None}])
def test_codecs_of_other_writers_are_left_to_the_table(compressor: Any) -> None:
    found = parse_v2({**GOOD, "compressor": compressor}, "x").compressor
    assert found == ({"id": "zlib"} if compressor == "zlib" else compressor)


def test_nothing_is_repaired_in_what_zarr_python_writes() -> None:
    for change in (
        {},
        {"fill_value": None},
        {"dtype": "<f4", "fill_value": "NaN"},
        {"dtype": "<f4", "fill_value": "0x7fc00000"},
        {"dtype": "<f4", "fill_value": 0},
        {"dtype": "|S3", "fill_value": ""},
        {"dtype": "|b1", "fill_value": False},
    ):
        repairs: list[Change] = []
        parse_v2({**GOOD, **change}, "x", repairs)
        assert repairs == []


def test_not_an_object() -> None:
    with pytest.raises(SourceError, match=r"0/\.zarray: not a JSON object"):
        parse_v2([], "0/.zarray")


def test_a_bare_nan_is_written_out() -> None:
    document = {**GOOD, "dtype": "<f4", "fill_value": json.loads("NaN")}
    source = parse_v2(document, "x")
    assert source.fill_value == "NaN"
    assert SourceArray.parse(json.loads(json.dumps(source.to_json())), "x") == source


@pytest.mark.parametrize("fill_value", [0, 0.5, "", "0", None])
def test_an_unsupported_type_is_no_mistake(fill_value: Any) -> None:
    document = {**GOOD, "dtype": "|O", "filters": [{"id": "pickle"}], "fill_value": fill_value}
    repairs: list[Change] = []
    assert parse_v2(document, "x", repairs).data_type == "|O"
    assert repairs == []

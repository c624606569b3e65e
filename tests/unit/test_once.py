"""What equal models share is made once, and never for another one."""

import pytest

from uplift.models import once
from uplift.models.inventory import InventoryArray
from uplift.models.once import once_each, one_of

ARRAY = {
    "path": "0",
    "role": "array",
    "source": {"zarr_format": 2, "shape": [4], "chunks": [2], "data_type": "<u2", "fill_value": 0},
    "stored_chunks": 2,
    "stored_bytes": 8,
    "listing_sha256": "",
}


def test_a_function_is_called_once_for_each_object_and_argument():
    calls = []

    @once_each
    def made(value, number):
        calls.append((value, number))
        return [*value, number]

    one, equal = [1], [1]
    assert made(one, 2) is made(one, 2)
    assert made(one, 3) == [1, 3]
    assert made(equal, 2) == [1, 2]
    assert len(calls) == 3, "equal objects are not the same one"


def test_errors_are_not_kept_and_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(once, "_MOST", 2)
    calls = []

    @once_each
    def made(value):
        calls.append(value)
        if len(calls) == 1:
            raise ValueError("once")
        return value

    values = [[n] for n in range(5)]
    with pytest.raises(ValueError, match="once"):
        made(values[0])
    assert [made(value) for value in values] == values
    assert made(values[0]) is values[0]
    kinds = {}
    for n in range(5):
        one_of(kinds, {"n": n}, dict)
    assert len(kinds) <= 2


def test_equal_sources_of_an_inventory_are_one_object():
    other = {**ARRAY, "source": {**ARRAY["source"], "fill_value": 0.0}}
    first, second, third = (InventoryArray.parse(data, "x") for data in (ARRAY, ARRAY, other))
    assert first.source is second.source
    assert third.source is not first.source, "0 and 0.0 are written otherwise"

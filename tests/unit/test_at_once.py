"""Small arrays are read into memory that is used again: nothing of the array before may show."""

import json

import numpy as np
import pytest
import zarr

from support.steps import Conversion
from uplift.models.inventory import Inventory
from uplift.planning.batching import BatchSettings
from uplift.planning.in_force import plan_in_force
from uplift.storage.local import LocalStore
from uplift.validate.pixels.at_once import same_values
from uplift.work import json_files

SIDE = 64
TYPES = ("<u2", "<u2", "<u2", ">i4", "<f8", "|u1")


@pytest.fixture
def both(tmp_path):
    """Arrays of several types, the third and the last with one chunk of four, and their values."""
    group = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    rng = np.random.default_rng(1)
    expected = []
    for number, name in enumerate(TYPES):
        array = group.create_array(
            str(number), shape=(SIDE, SIDE), chunks=(SIDE // 2, SIDE // 2), dtype=name, fill_value=7
        )
        values = rng.integers(1, 100, (SIDE, SIDE)).astype(name)
        if number in (2, 5):
            array[: SIDE // 2, : SIDE // 2] = values[: SIDE // 2, : SIDE // 2]
        else:
            array[:] = values
        expected.append(array[:])
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work", threads=1
    )
    conversion.before_validation()
    inventory = json_files.read_model(tmp_path / "work" / "inventory.json", Inventory)
    plan = json.loads((tmp_path / "work" / "plan.json").read_text())
    where = {"dataset": "d", "output": conversion.output}
    (batch,) = plan_in_force(inventory, plan, BatchSettings(), **where).batches
    stores = LocalStore(str(tmp_path / "in.zarr")), LocalStore(str(tmp_path / "out.zarr"))
    return batch.items, stores, expected


def test_each_array_has_its_own_values(both):
    items, stores, expected = both
    some = [items[0], None, *items[1:]]
    found = [None if v is None else v.copy() for v in same_values(some, *stores)]
    assert found.pop(1) is None
    for values, wanted in zip(found, expected, strict=True):
        assert np.array_equal(values, wanted)


@pytest.mark.parametrize("damaged", range(len(TYPES)))
def test_a_damaged_array_is_not_taken_for_another(both, damaged, tmp_path):
    items, stores, _ = both
    folder = tmp_path / "in.zarr" / str(damaged)
    chunk = next(p for p in sorted(folder.rglob("*")) if not p.name.startswith("."))
    chunk.write_bytes(b"")
    known = [values is not None for values in same_values(items, *stores)]
    assert known == [number != damaged for number in range(len(TYPES))]
    values = np.full((SIDE // 2, SIDE // 2), 3, TYPES[damaged])
    array = zarr.open_array(folder, mode="r+")
    array[: SIDE // 2, : SIDE // 2] = values
    known = [values is not None for values in same_values(items, *stores)]
    assert known == [number != damaged for number in range(len(TYPES))]

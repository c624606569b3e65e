"""What a step asks for, counted: listings of both sides, and checks that are made once."""

from collections import Counter

import pytest

from support.hierarchies import Array, Group, write
from support.images import write_image
from support.steps import Conversion
from uplift.storage.local import LocalStore
from uplift.validate.metadata import arrays


@pytest.fixture
def listed(monkeypatch):
    """Folders that were listed with all below them, by store and folder."""
    found, list_tree = Counter(), LocalStore.list_tree

    def counting(store, prefix):
        found[store.url.rpartition("/")[2], prefix] += 1
        return list_tree(store, prefix)

    monkeypatch.setattr(LocalStore, "list_tree", counting)
    return found


def test_listings_of_a_run(tmp_path, listed):
    source = write_image(tmp_path / "in.zarr", size=32, chunk=16)
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.before_validation()
    assert {of for of in listed.elements() if of[1] == ""} == set(), "no side as a whole"
    of_arrays = {path: n for (store, path), n in listed.items() if store == "in.zarr"}
    assert set(of_arrays) == {"0", "1", "labels/nuclei/0", "labels/nuclei/1"}
    assert max(of_arrays.values()) <= 3, "inspection, and conversion (of sparse arrays twice)"
    conversion.validate()
    whole = {store: n for (store, path), n in listed.items() if path == ""}
    assert whole == {"out.zarr": 1}, "the output once, for all checks; the source no more"
    conversion.publish()
    whole = {store: n for (store, path), n in listed.items() if path == ""}
    assert whole == {"out.zarr": 2}, "what killed jobs left"


def test_arrays_that_are_alike_are_checked_once(tmp_path, monkeypatch):
    alike = {str(n): Array((4, 4), (2, 2)) for n in range(5)}
    write(tmp_path / "in.zarr", Group({**alike, "other": Array((4, 6), (2, 2))}))
    checked, faults = [], arrays._faults

    def counting(node, *others):
        checked.append(node.path)
        return faults(node, *others)

    monkeypatch.setattr(arrays, "_faults", counting)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.all()
    assert checked == ["0", "other"]

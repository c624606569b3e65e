"""Inspect: sources that cannot be listed."""

import shutil

import pytest

from support.images import write_image, write_json
from support.sources import (
    ARRAY_V3,
    GROUP_V3,
    Unlistable,
    codes,
    inspect,
    write_plate,
    write_series,
    write_small,
)
from uplift.inspect_source import inspect_source


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "in.zarr", size=32)


STRUCTURES = {
    "image": lambda root: write_image(root, size=32),
    "plate": write_plate,
    "series": write_series,
    "plate and series": lambda root: write_plate(root, **{"bioformats2raw.layout": 3}),
    "array": write_small,
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_unlistable_source(tmp_path, name):
    root = tmp_path / "in.zarr"
    STRUCTURES[name](root)
    (root / "notes.txt").unlink(missing_ok=True)
    listed, named = inspect(root), inspect_source(Unlistable(str(root)))
    assert named.arrays == listed.arrays
    assert named.groups == listed.groups
    assert named.files == listed.files
    assert codes(named) - codes(listed) == {("source.not_listable", "")}


def test_unlistable_series_without_a_list_are_counted(tmp_path):
    write_series(tmp_path)
    shutil.rmtree(tmp_path / "OME")
    named = inspect_source(Unlistable(str(tmp_path)))
    assert [a.path for a in named.arrays] == ["0/0", "1/0"]


def test_unlistable_source_with_consolidated_metadata(image):
    write_small(image / "tables" / "t")
    write_json(image / ".zmetadata", {"metadata": {"tables/t/.zarray": {}}})
    named = inspect_source(Unlistable(str(image)))
    assert "tables/t" in {a.path for a in named.arrays}
    assert [f.path for f in named.dropped] == [".zmetadata"]


def test_unlistable_v3_with_consolidated_metadata(tmp_path):
    held = {"metadata": {"a/b": {}}}
    write_json(tmp_path / "zarr.json", {**GROUP_V3, "consolidated_metadata": held})
    write_json(tmp_path / "a" / "b" / "zarr.json", ARRAY_V3)
    named = inspect_source(Unlistable(str(tmp_path)))
    assert [a.path for a in named.arrays] == ["a/b"]
    assert [g.path for g in named.groups] == ["", "a"]

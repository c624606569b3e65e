"""Inspect: sources that cannot be listed."""

import json
import shutil

import pytest

from support.images import write_image, write_json
from support.sources import (
    ARRAY_V3,
    GROUP_V3,
    Counting,
    Unlistable,
    codes,
    inspect,
    write_group,
    write_plate,
    write_series,
    write_small,
)
from uplift.errors import SourceError, UnsupportedError
from uplift.inspect_source.walk import inspect_source


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


@pytest.mark.parametrize("root_format", [2, 3])
def test_unlistable_nodes_of_both_formats(image, root_format):
    """A node of the other format than the group above it is found, too."""
    if root_format == 3:
        attributes = json.loads((image / ".zattrs").read_text())
        write_json(image / "zarr.json", {**GROUP_V3, "attributes": attributes})
        (image / ".zgroup").unlink()
        (image / ".zattrs").unlink()
    else:
        shape = json.loads((image / "0" / ".zarray").read_text())["shape"]
        shutil.rmtree(image / "0")
        grid = {"name": "regular", "configuration": {"chunk_shape": shape}}
        document = {**ARRAY_V3, "shape": shape, "chunk_grid": grid}
        write_json(image / "0" / "zarr.json", document)
    listed, named = inspect(image), inspect_source(Unlistable(str(image)))
    assert [array.source for array in named.arrays] == [array.source for array in listed.arrays]
    assert {array.source.zarr_format for array in named.arrays} >= {5 - root_format}
    assert ("zarr.mixed", "") in codes(named)


@pytest.mark.parametrize("gone", [[".zattrs"], [".zgroup", ".zattrs", "0/.zarray"]])
def test_documents_that_consolidated_metadata_alone_have(image, gone):
    before = inspect(image)
    keys = [*image.rglob(".z*")]
    held = {str(key.relative_to(image)): json.loads(key.read_text()) for key in keys}
    write_json(image / ".zmetadata", {"zarr_consolidated_format": 1, "metadata": held})
    for key in gone:
        (image / key).unlink()
    for found in (inspect(image), inspect_source(Unlistable(str(image)))):
        assert (found.arrays, found.groups) == (before.arrays, before.groups)
        assert ("source.repaired", "") in codes(found)
        assert found.consolidated


def test_documents_that_an_inner_group_s_consolidated_metadata_alone_have(tmp_path):
    """Each image of a plate may have been consolidated by itself."""
    write_plate(tmp_path)
    before = inspect(tmp_path)
    for field in ("A/1/0", "B/2/1"):
        folder = tmp_path / field
        keys = [*folder.rglob(".z*")]
        held = {str(key.relative_to(folder)): json.loads(key.read_text()) for key in keys}
        write_json(folder / ".zmetadata", {"zarr_consolidated_format": 1, "metadata": held})
    (tmp_path / "A" / "1" / "0" / ".zattrs").unlink()
    (tmp_path / "A" / "1" / "0" / "0" / ".zarray").unlink()
    for found in (inspect(tmp_path), inspect_source(Counting(str(tmp_path)))):
        assert (found.arrays, found.groups) == (before.arrays, before.groups)
        assert codes(found) == {("source.repaired", "")}
        assert (found.consolidated, found.consolidated_below) == (None, ("A/1/0",))
        assert [file.path for file in found.dropped] == ["A/1/0/.zmetadata", "B/2/1/.zmetadata"]
    write_json(tmp_path / "B" / "2" / "1" / ".zattrs", {"other": "words"})
    assert ("zarr.consolidated", "") in codes(inspect(tmp_path))


def test_a_level_that_is_not_there_is_dropped(image):
    """As where the source can be listed: nothing lies there."""
    shutil.rmtree(image / "1")
    for found in (inspect(image), inspect_source(Unlistable(str(image)))):
        assert "1" not in {one.path for one in found.arrays}
        assert not {"level.not_array", "level.absent"} & {code for code, _ in codes(found)}


def test_a_group_whose_metadata_name_no_array_is_refused(tmp_path):
    """A folder of images: what is in it is not seen, and nothing would be converted."""
    write_group(tmp_path)
    write_image(tmp_path / "a.zarr", size=32)
    assert inspect(tmp_path).arrays
    with pytest.raises(SourceError, match="name no array that is there"):
        inspect_source(Unlistable(str(tmp_path)))


def test_consolidated_metadata_are_not_read_where_a_document_is_newer(image):
    write_json(image / ".zmetadata", {"metadata": {"x/.zarray": {}, "0/.zarray": {"a": 1}}})
    write_json(image / "x" / "zarr.json", ARRAY_V3)
    found = inspect(image)
    assert "x" in {a.path for a in found.arrays}
    assert ("zarr.consolidated", "") in codes(found)
    assert found.consolidated is None


def test_a_grid_that_cannot_be_asked_for(tmp_path):
    write_small(tmp_path / "in.zarr")
    document = json.loads((tmp_path / "in.zarr" / ".zarray").read_text())
    write_json(
        tmp_path / "in.zarr" / ".zarray", {**document, "shape": [2**50] * len(document["shape"])}
    )
    with pytest.raises(UnsupportedError, match="cannot be listed; convert a copy on disk"):
        inspect_source(Unlistable(str(tmp_path / "in.zarr")))

"""Inspect: every path of a source is a group, an array, a chunk or a file."""

import json
import os
import shutil
import threading
import time
from functools import partial

import numpy as np
import pytest

from support.images import multiscales, write_array, write_image, write_json
from support.sources import (
    GROUP,
    Counting,
    Unlistable,
    codes,
    inspect,
    roles,
    write_group,
    write_plate,
    write_series,
    write_small,
)
from uplift.errors import SourceError
from uplift.inspect_source import listers
from uplift.inspect_source.listers import Listers
from uplift.inspect_source.walk import inspect_source
from uplift.storage import open_store
from uplift.storage.local import LocalStore
from uplift.storage.reading import ReadAhead


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "in.zarr", size=32)


def test_image(image):
    found = inspect(image)
    assert roles(found) == {
        "": ("image",),
        "labels": ("labels",),
        "labels/nuclei": ("image", "label image"),
    }
    levels = {a.path: (a.role, a.multiscale, a.level, a.axes) for a in found.arrays}
    assert levels["1"] == ("level", "", 1, ("c", "z", "y", "x"))
    assert levels["labels/nuclei/0"] == ("level", "labels/nuclei", 0, ("z", "y", "x"))
    assert [(f.path, f.bytes) for f in found.files] == [("notes.txt", 19)]
    assert (found.zarr_format, found.ome_versions, found.name) == (2, ("0.4",), "cells")
    assert found.findings == ()


def test_stored_chunks_and_bytes(image):
    entry = next(a for a in inspect(image).arrays if a.path == "0")
    files = [p for p in (image / "0").rglob("*") if p.is_file() and p.name != ".zarray"]
    assert entry.stored_chunks == len(files) > 0
    assert entry.stored_bytes == sum(p.stat().st_size for p in files)


def test_plate_with_implicit_rows(tmp_path):
    write_plate(tmp_path)
    found = inspect(tmp_path)
    assert roles(found)[""] == ("plate",)
    assert roles(found)["A"] == ("row",)
    assert roles(found)["A/1"] == ("well",)
    assert roles(found)["B/2/1"] == ("image", "field")
    assert {g.path for g in found.groups if not g.explicit} == {"A", "B"}
    assert found.name == "p1"


def test_bioformats2raw(tmp_path):
    write_series(tmp_path)
    found = inspect(tmp_path)
    assert roles(found)[""] == ("bioformats2raw",)
    assert roles(found)["OME"] == ("OME",)
    assert [f.path for f in found.files] == ["OME/METADATA.ome.xml"]


def test_plate_that_is_a_collection_too(tmp_path):
    write_plate(tmp_path, **{"bioformats2raw.layout": 3})
    write_group(tmp_path / "OME", {"series": ["A/1/0"]})
    assert roles(inspect(tmp_path))[""] == ("plate", "bioformats2raw")


def test_root_is_an_array(tmp_path):
    write_small(tmp_path)
    write_json(tmp_path / ".zmetadata", {})
    found = inspect(tmp_path)
    assert [a.path for a in found.arrays] == [""]
    assert (found.groups, found.files) == ((), ())
    assert [f.path for f in found.dropped] == [".zmetadata"]


def test_folders_without_metadata(image):
    write_small(image / "more" / "deep" / "a")
    write_json(image / "papers" / "2020" / "x.json", {})
    found = inspect(image)
    implicit = {g.path for g in found.groups if not g.explicit}
    assert implicit == {"more", "more/deep"}
    assert [f.path for f in found.files] == ["notes.txt", "papers/2020/x.json"]


def test_attributes_without_zgroup_are_kept(image):
    write_json(image / "more" / ".zattrs", {"k": 1})
    group = next(g for g in inspect(image).groups if g.path == "more")
    assert not group.explicit
    assert group.attributes_sha256 is not None


def test_crate_is_a_file_and_consolidated_metadata_is_dropped(image):
    write_json(image / "ro-crate-metadata.json", {})
    write_json(image / ".zmetadata", {})
    found = inspect(image)
    assert [f.path for f in found.files] == ["notes.txt", "ro-crate-metadata.json"]
    assert [f.path for f in found.dropped] == [".zmetadata"]


def test_objects_in_an_array_that_are_no_chunks(image):
    outside, note = image / "0" / "9" / "9" / "9" / "9", image / "0" / "note.txt"
    for path in (outside, note):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    before = inspect(image)
    assert {f.path for f in before.files} == {"notes.txt", "0/note.txt", "0/9/9/9/9"}
    assert ("array.strays", "0") in codes(before)


def test_an_array_whose_objects_have_names_of_no_chunks(image):
    for path in [p for p in (image / "0").rglob("*") if p.is_file() and p.name[0] != "."]:
        path.rename(path.with_name(f"chunk-{path.name}"))
    assert ("array.no_chunks", "0") in codes(inspect(image))


def test_objects_where_the_outputs_chunks_go_are_left_out(image):
    (image / "0" / "c" / "0").mkdir(parents=True)
    (image / "0" / "c" / "0" / "1").write_bytes(b"x")
    found = inspect(image)
    assert [f.path for f in found.dropped] == ["0/c/0/1"]
    assert ("array.outside_grid", "0") in codes(found)
    assert ("array.no_chunks", "0") not in codes(found)


def test_chunks_under_the_names_of_zarr_v3_are_no_chunks_of_v2(image):
    chunks = [path for path in (image / "0").iterdir() if path.name[0] != "."]
    (image / "0" / "c").mkdir()
    for path in chunks:
        path.rename(image / "0" / "c" / path.name)
    assert {("array.outside_grid", "0"), ("array.no_chunks", "0")} <= codes(inspect(image))


def test_metadata_inside_an_array_is_no_node(image):
    write_small(image / "0" / "inner")
    found = inspect(image)
    assert "0/inner" not in {a.path for a in found.arrays}
    assert "0/inner/.zarray" in {f.path for f in found.files}
    assert ("array.nested", "0") in codes(found)


def test_findings(image):
    (image / "labels" / "extra").mkdir()
    shutil.copytree(image / "labels" / "nuclei", image / "labels" / "extra", dirs_exist_ok=True)
    write_json(image / "labels" / ".zattrs", {"labels": ["nuclei", "gone"]})
    document = json.loads((image / "1" / ".zarray").read_text())
    write_json(image / "1" / ".zarray", {**document, "fill_value": None})
    attributes = {"multiscales": [{**multiscales(1, "yx")[0], "version": "0.3"}]}
    write_small(image / "old" / "0")
    write_group(image / "old", attributes)
    assert codes(inspect(image)) == {
        ("fill_value.null", "1"),
        ("label.unlisted", "labels/extra"),
        ("labels.absent", "labels"),
        ("version.mixed", ""),
    }


def test_a_folder_around_datasets_is_named_one(image):
    (found,) = (f for f in inspect(image.parent).findings if f.path == "")
    assert (found.code, found.severity) == ("source.around", "warning")
    assert f"{image.name!r} and not an OME-Zarr itself" in found.message
    write_group(image.parent)
    assert ("source.around", "") not in codes(inspect(image.parent))


@pytest.mark.parametrize("door", [LocalStore, Unlistable])
def test_of_a_key_that_stands_twice_the_last_one_counts(image, door):
    """As in JSON readers of Python and of browsers."""
    before = inspect(image)
    for name in (".zattrs", "0/.zarray"):
        words = (image / name).read_text().lstrip().removeprefix("{")
        first = "multiscales" if name == ".zattrs" else "shape"
        (image / name).write_text(f'{{"{first}": [], "deep": {{"a": 1, "a": 1}}, {words}')
    found = inspect_source(door(str(image)))
    assert found.arrays == before.arrays
    said = [one for one in found.findings if "twice" in one.message]
    assert {(one.code, one.path) for one in said} == {
        ("source.repaired", ""),
        ("source.repaired", "0"),
    }
    assert '.zattrs has the key "a" twice' in said[0].message
    assert any('.zarray has the key "shape" twice' in one.message for one in said)


def test_nodes_that_consolidated_metadata_alone_name(image):
    document = json.loads((image / "0" / ".zarray").read_text())
    held = {"0/.zarray": document, "9/.zarray": document, "9/.zattrs": {}, "g/.zgroup": GROUP}
    write_json(image / ".zmetadata", {"zarr_consolidated_format": 1, "metadata": held})
    (said,) = [one for one in inspect(image).findings if one.code == "zarr.consolidated"]
    assert "not there: 9/.zarray (and 1 more)" in said.message


def test_a_spatialdata_store_is_named_one(image):
    write_json(image / ".zattrs", {"spatialdata_attrs": {"version": "0.1"}})
    assert ("source.spatialdata", "") in codes(inspect(image))


def test_absent_wells_and_fields_are_findings(tmp_path):
    write_plate(tmp_path)
    shutil.rmtree(tmp_path / "B")
    shutil.rmtree(tmp_path / "A" / "1" / "1")
    assert codes(inspect(tmp_path)) == {("well.absent", "B/2"), ("field.absent", "A/1/1")}


@pytest.mark.parametrize("change", ["size", "stamp", "key"])
def test_listing_digest_tells_changes(image, change):
    digests = {a.path: a.listing_sha256 for a in inspect(image).arrays}
    chunk = image / "0" / "0" / "0" / "0" / "0"
    if change == "size":
        status = chunk.stat()
        chunk.write_bytes(chunk.read_bytes() + b"x")
        os.utime(chunk, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "stamp":
        os.utime(chunk, ns=(0, 1))
    else:
        chunk.rename(image / "0" / "1" / "4" / "0" / "0")
    after = {a.path: a.listing_sha256 for a in inspect(image).arrays}
    assert after.pop("0") != digests.pop("0")
    assert after == digests


def test_listing_digest_needs_no_order(image):
    class Reversed(LocalStore):
        def list_tree(self, prefix):
            return reversed(list(super().list_tree(prefix)))

    assert inspect_source(Reversed(str(image))).arrays == inspect(image).arrays


def test_remote_source_is_listed_once(image):
    store = Counting(str(image))
    assert inspect_source(store).arrays == inspect(image).arrays
    assert sorted(store.folders) == ["", "labels", "labels/nuclei"]
    assert sorted(store.trees) == ["0", "1", "labels/nuclei/0", "labels/nuclei/1"]


def test_corpus_agrees_with_the_digests_of_other_readers(corpus):
    truth = json.loads((corpus / "arrays_truth.json").read_text())
    for name, arrays in truth.items():
        if name.endswith(("_v05twin", "_v3_ref")):
            continue
        found = {a.path: a for a in inspect(corpus / f"{name}.zarr").arrays}
        assert set(found) == {array["path"] for array in arrays}, name
        for array in arrays:
            entry = found[array["path"]]
            assert list(entry.source.shape) == array["shape"], name
            assert entry.source.data_type == array["dtype"], name
            assert entry.stored_chunks == array["present"], name


def test_path_that_readers_do_not_find(tmp_path):
    """zarr-python takes a backslash in a path for a slash."""
    write_json(tmp_path / ".zgroup", GROUP)
    write_small(tmp_path / "a\\b")
    write_small(tmp_path / "c")
    problems = {
        array.path: array.problem for array in inspect_source(LocalStore(str(tmp_path))).arrays
    }
    assert "backslash" in problems["a\\b"]
    assert problems["c"] is None


@pytest.mark.parametrize("number", [1, 3, "3", 2.0])
def test_a_group_of_zarr_v2_is_one_whatever_its_document_says(tmp_path, number):
    write_json(tmp_path / ".zgroup", {"zarr_format": number})
    write_array(tmp_path / "a", np.zeros((4,), "u1"), (2,))
    found = inspect_source(LocalStore(str(tmp_path)))
    (text,) = (f.message for f in found.findings if f.code == "source.repaired")
    assert text == f"zarr_format {json.dumps(number)} is read as 2"
    assert [array.path for array in found.arrays] == ["a"]


@pytest.mark.parametrize("value", [None, True, "two", [2]])
def test_a_format_that_is_not_a_number_is_refused(tmp_path, value):
    write_json(tmp_path / ".zgroup", {"zarr_format": value})
    with pytest.raises(SourceError, match=r"\.zgroup: zarr_format is .*, expected 2"):
        inspect_source(LocalStore(str(tmp_path)))


def test_words_of_other_writers_are_repaired_and_listed(tmp_path):
    for path, document in (
        (".zgroup", {"zarr_format": "2"}),
        (
            "a/.zarray",
            {
                "zarr_format": "2",
                "shape": [4],
                "chunks": [4],
                "dtype": "<u2",
                "compressor": {"type": "raw"},
                "fill_value": "0",
                "order": "C",
                "filters": None,
            },
        ),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(document))
    (tmp_path / "a" / "0").write_bytes(bytes(8))
    found = inspect_source(LocalStore(str(tmp_path)))
    with pytest.raises(SourceError, match=r'zarr_format "2" is read as 2.*on_bad_metadata is fail'):
        inspect_source(LocalStore(str(tmp_path)), refuse_defects=True)
    assert [array.problem for array in found.arrays] == [None]
    assert [
        (f.path, f.severity, f.message) for f in found.findings if f.code == "source.repaired"
    ] == [
        ("", "warning", 'zarr_format "2" is read as 2'),
        ("a", "warning", 'compressor {"type": "raw"} is read as null'),
        ("a", "warning", 'fill_value "0" is read as 0'),
        ("a", "warning", 'zarr_format "2" is read as 2'),
    ]


def test_litter_is_left_out_and_listed_or_copied(image):
    litter = [".DS_Store", "0/.DS_Store", "0/._.zarray", "._0", "labels/Thumbs.db", "__MACOSX/a/b"]
    for name in (*litter, "notes.txt", "0/0/.nfs0000a1"):
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_bytes(b"x")
    litter = sorted([*litter, "0/0/.nfs0000a1"])
    found = inspect(image)
    assert sorted(one.path for one in found.dropped if one.path in litter) == litter
    assert [one.path for one in found.files if one.path in litter] == []
    assert "notes.txt" in {one.path for one in found.files}
    assert ("source.litter", "") in codes(found)
    copied = inspect_source(open_store(str(image)), copy_litter=True)
    assert sorted(one.path for one in copied.files if one.path in litter) == litter


class OverNetwork(LocalStore):
    """Files of a network file system; counts how many listings are waited for at once."""

    def __init__(self, root):
        super().__init__(root)
        self._ahead = ReadAhead(16)
        self._counting = threading.Lock()
        self.waiting = self.most = 0

    def _entries(self, prefix):
        with self._counting:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        time.sleep(0.01)
        with self._counting:
            self.waiting -= 1
        return super()._entries(prefix)


def test_a_plate_on_a_network_file_system_is_looked_into_by_threads(tmp_path):
    wells = [f"{row}/{column}" for row in "ABCD" for column in range(4)]
    write_plate(tmp_path / "in.zarr", wells=wells)
    alone, network = LocalStore(str(tmp_path / "in.zarr")), OverNetwork(str(tmp_path / "in.zarr"))
    assert inspect_source(network) == inspect_source(alone)
    assert network.most > 8, "round trips one after the other"


def test_large_arrays_on_a_network_file_system_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(listers, "ALONE_OBJECTS", 0)
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    reopen = partial(LocalStore, str(image))
    found = inspect_source(OverNetwork(str(image)), listers=Listers(reopen, 2))
    assert found == inspect_source(reopen())

"""Inspect: keys with either separator, nodes of Zarr v2, v3 and of both."""

import json

import numpy as np
import pytest

from support.images import multiscales, write_array, write_json
from support.sources import (
    ARRAY_V3,
    GROUP,
    GROUP_V3,
    Counting,
    Unlistable,
    codes,
    inspect,
    write_group,
)
from uplift.errors import SourceError
from uplift.inspect_source.walk import inspect_source
from uplift.models.json_text import sha256_of_json
from uplift.storage.local import LocalStore


def test_v3(tmp_path):
    ome = {"version": "0.5", "multiscales": multiscales(1, "yx")}
    write_json(tmp_path / "zarr.json", {**GROUP_V3, "attributes": {"ome": ome}})
    write_json(tmp_path / "0" / "zarr.json", {**ARRAY_V3, "dimension_names": ["y", "x"]})
    (tmp_path / "0" / "c" / "1").mkdir(parents=True)
    (tmp_path / "0" / "c" / "1" / "0").write_bytes(bytes(4))
    found = inspect(tmp_path)
    assert (found.zarr_format, found.ome_versions) == (3, ("0.5",))
    assert (found.arrays[0].stored_chunks, found.arrays[0].axes) == (1, ("y", "x"))


@pytest.mark.parametrize("declared", [".", "/", None])
@pytest.mark.parametrize("door", [LocalStore, Counting, Unlistable])
def test_separator_is_read_off_the_keys(tmp_path, declared, door):
    """Some writers say nothing, or the wrong thing, about the separator of their chunk keys."""
    used = "." if declared == "/" else "/"
    folder = tmp_path / "0"
    write_json(tmp_path / ".zgroup", GROUP)
    write_json(tmp_path / ".zattrs", {"multiscales": multiscales(1, "yx")})
    write_array(folder, np.arange(16, dtype="<u2").reshape(4, 4), (2, 2))
    document = json.loads((folder / ".zarray").read_text())
    del document["dimension_separator"]
    if declared is not None:
        document["dimension_separator"] = declared
    write_json(folder / ".zarray", document)
    if used == ".":
        for key in ("0/0", "0/1", "1/0", "1/1"):
            (folder / key).rename(folder / key.replace("/", "."))
    inventory = inspect_source(door(str(tmp_path)))
    [array] = inventory.arrays
    assert (array.source.separator, array.stored_chunks) == (used, 4)
    assert ("array.separator", "info") in {(f.code, f.severity) for f in inventory.findings}
    assert inventory.files == ()


def test_keys_with_both_separators(tmp_path):
    """The declared one is read, the other keys are files, and a warning says so."""
    write_array(tmp_path, np.arange(16, dtype="<u2").reshape(4, 4), (2, 2))
    (tmp_path / "0.0").write_bytes(b"old")
    inventory = inspect_source(LocalStore(str(tmp_path)))
    assert inventory.arrays[0].stored_chunks == 4
    assert [file.path for file in inventory.files] == ["0.0"]
    assert ("array.separator", "warning") in {(f.code, f.severity) for f in inventory.findings}


def v3_twin(folder, **more):
    """Lay a ``zarr.json`` of the same array next to its ``.zarray``."""
    old = json.loads((folder / ".zarray").read_text())
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": old["shape"],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": old["chunks"]}},
        "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
        **more,
    }
    write_json(folder / "zarr.json", document)


@pytest.fixture
def both(tmp_path):
    """A group of Zarr v2 and v3 with one array of both and one of v2 alone."""
    write_group(tmp_path, {"old": 1})
    write_json(tmp_path / "zarr.json", {**GROUP_V3, "attributes": {"new": 1}})
    for name in "ab":
        write_array(tmp_path / name, np.arange(16, dtype="u2").reshape(4, 4), (2, 2))
    return tmp_path


def test_nodes_of_both_formats_are_told_apart(both):
    v3_twin(both / "a")
    found = inspect(both)
    formats = {array.path: array.source.zarr_format for array in found.arrays}
    assert formats == {"a": 3, "b": 2}
    (root,) = found.groups
    assert (root.zarr_format, root.attributes_sha256) == (3, sha256_of_json({"new": 1}))
    dropped = {one.path for one in found.dropped}
    assert {".zgroup", ".zattrs", "a/.zarray"} <= dropped
    assert not {path for path in dropped if path.startswith("b/")}
    assert {array.path: array.stored_chunks for array in found.arrays} == {"a": 4, "b": 4}
    assert ("zarr.both", "a") in codes(found)
    assert ("zarr.mixed", "") in codes(found)


def test_chunks_of_the_older_form_are_listed(both):
    v3_twin(both / "a", chunk_key_encoding={"name": "default"})
    for key in ("0/0", "1/1"):
        (both / "a" / "c" / key).parent.mkdir(parents=True, exist_ok=True)
        (both / "a" / "c" / key).write_bytes(bytes(8))
    found = inspect(both)
    assert {array.path: array.stored_chunks for array in found.arrays}["a"] == 2
    assert len([one for one in found.dropped if one.path.startswith("a/")]) == 5
    assert not [one for one in found.files if one.path.startswith("a/")]


@pytest.mark.parametrize(
    "more", [{"shape": [8, 8]}, {"data_type": "uint8"}, {"chunk_key_encoding": {"name": "default"}}]
)
def test_two_forms_that_contradict_each_other_are_refused(both, more):
    v3_twin(both / "a", **more)
    with pytest.raises(SourceError, match=r"not about the same array|zarr.json has no chunks"):
        inspect(both)

"""Hierarchies as other writers leave them: published with equal pixels, and said what they are."""

import contextlib
import io
import json

import numpy as np
import pytest
import zarr

from support.hierarchies import Array, Group, image, plate, read_all, same_values, well, write
from support.steps import Conversion, StepError

SMALL = Array((2, 6, 6), (1, 4, 4), separator="/", seed=1)
LABEL = Array((2, 6, 6), (1, 4, 4), dtype="<u4", separator="/", seed=2)


def screen(**changes):
    node = plate({"A/1": well("0", SMALL), "B/1": well("0", SMALL)}, ["A/1", "B/1"])
    node.attributes["plate"] |= changes
    return node


def well_that_is_an_array():
    node = screen()
    node.nodes["B"].nodes["1"] = SMALL
    return node


def field_of_acquisition_2():
    node = screen(acquisitions=[{"id": 1}])
    node.nodes["B"].nodes["1"].attributes["well"]["images"][0]["acquisition"] = 2
    return node


def picture(**changes):
    node = image({"0": SMALL})
    node.attributes["multiscales"][0] |= changes
    return node


def levels(there, listed):
    words = image(dict.fromkeys(listed, SMALL)).attributes
    return Group(dict.fromkeys(there, SMALL), words)


def labelled(**changes):
    cells = image({"0": LABEL}, **{"image-label": {"version": "0.4", **changes}})
    return image({"0": SMALL}, {"cells": cells})


WELLS = screen().attributes["plate"]["wells"]
CASES = {
    "a well that is an array": (well_that_is_an_array(), {"well.absent"}),
    "another acquisition": (field_of_acquisition_2(), {"acquisition.absent"}),
    "wells by their paths": (screen(wells={w["path"]: w for w in WELLS}), {"dialect.plate.list"}),
    "rows by their names": (screen(rows={"A": {}, "B": {}}), {"dialect.plate.list"}),
    "one row alone": (screen(rows={"name": "A"}), {"source.repaired", "dialect.plate.well"}),
    "levels by their paths": (picture(datasets={"0": {}}), {"dialect.datasets.list"}),
    "one level alone": (picture(datasets={"path": "0"}), {"source.repaired"}),
    "colors by labels": (labelled(colors={"1": [1, 2, 3, 4]}), {"dialect.image-label.list"}),
    "a number of 401 digits": (
        picture(coordinateTransformations=[{"type": "scale", "scale": [10**400, 1, 1]}]),
        {"dialect.transforms.values"},
    ),
}


@pytest.mark.parametrize(("node", "codes"), CASES.values(), ids=CASES.keys())
def test_published_with_a_word_about_it(tmp_path, node, codes):
    expected = write(tmp_path / "in.zarr", node)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.crate = '{"enabled": false}'
    validation = conversion.all()
    assert validation["verdict"] == "valid"
    assert codes <= {one["code"] for one in validation["findings"]}
    found = read_all(tmp_path / "out.zarr", expected)
    assert all(same_values(found[path], np.asarray(expected[path])) for path in expected)


@pytest.mark.parametrize(
    ("there", "listed", "unlisted"),
    [
        (["1", "2"], ["0", "1", "2"], ""),  # a copy that was interrupted
        (["0", "1"], ["in.zarr/0", "1"], "; arrays there that it does not list: ['0']"),
    ],
)
def test_an_image_without_its_finest_level_is_said_to_be_one(tmp_path, there, listed, unlisted):
    write(tmp_path / "in.zarr", levels(there, listed))
    output = tmp_path / "out.zarr"
    conversion = Conversion(str(tmp_path / "in.zarr"), str(output), tmp_path / "work")
    conversion.crate = '{"enabled": false}'
    validation = conversion.all()
    assert (validation["verdict"], validation["conforms"]) == ("valid", "OME-Zarr with defects")
    (defect,) = validation["defects"]
    text = f"root: multiscales lists level {listed[0]!r}, which is not there{unlisted}"
    assert (defect["code"], defect["message"]) == ("level.absent", text)
    (entry,) = json.loads((output / "zarr.json").read_text())["attributes"]["ome"]["multiscales"]
    assert [level["path"] for level in entry["datasets"]] == listed


@pytest.mark.parametrize("word", [{}, {"lab": 1}, {"version": "0.5"}])
def test_an_object_ome_that_holds_no_metadata(tmp_path, word):
    """In Zarr v3, where 0.5 keeps its metadata below that name."""
    zarr.create_group(tmp_path / "in.zarr", zarr_format=3, attributes={"ome": word})
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.crate = '{"enabled": false}'
    validation = conversion.all()
    assert (validation["verdict"], validation["conforms"]) == ("valid", "plain Zarr")
    assert zarr.open_group(tmp_path / "out.zarr", mode="r").attrs["ome"] == word


def test_documents_as_windows_saves_them(tmp_path):
    """UTF-16 with a byte order mark, which Python's readers take."""
    expected = write(tmp_path / "in.zarr", image({"0": SMALL}))
    for name in (".zattrs", "0/.zarray"):
        document = tmp_path / "in.zarr" / name
        document.write_bytes(document.read_text().encode("utf-16"))
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.crate = '{"enabled": false}'
    validation = conversion.all()
    assert (validation["verdict"], validation["conforms"]) == ("valid", "OME-Zarr")
    found = read_all(tmp_path / "out.zarr", expected)
    assert same_values(found["0"], np.asarray(expected["0"]))


@pytest.mark.parametrize("inner", ["", "A"])
def test_documents_in_consolidated_metadata_alone(tmp_path, inner):
    """As zarr-python opens it, and each image of a folder of them by itself."""
    source = tmp_path / "in.zarr"
    node = image({"0": SMALL})
    expected = write(source, Group({inner: node}) if inner else node)
    folder = source / inner
    zarr.consolidate_metadata(folder, zarr_format=2)
    for key in [*folder.rglob(".zattrs"), *folder.rglob(".zgroup"), *folder.rglob(".zarray")]:
        key.unlink()
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.crate = '{"enabled": false}'
    validation = conversion.all()
    conforms = "plain Zarr" if inner else "OME-Zarr"
    assert (validation["verdict"], validation["conforms"]) == ("valid", conforms)
    assert "0x" not in (tmp_path / "work" / "validation.json").read_text()  # an address in memory
    found = read_all(tmp_path / "out.zarr", expected)
    assert all(same_values(found[path], np.asarray(expected[path])) for path in expected)
    if inner:
        document = json.loads((tmp_path / "out.zarr" / inner / "zarr.json").read_text())
        assert "multiscales" in document["attributes"]["ome"]


@pytest.mark.parametrize(
    "path", [".", "./", "", "..", "/", "../in.zarr/0", "C:\\in.zarr\\0", "https://a.org/in.zarr/0"]
)
def test_level_path_that_leads_nowhere_is_refused_in_one_line(tmp_path, path):
    write(tmp_path / "in.zarr", Group({"0": SMALL}, picture(datasets=[{"path": path}]).attributes))
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(StepError) as stopped:
        conversion.inspect()
    (line,) = [one for one in said.getvalue().splitlines() if one.startswith("error: ")]
    assert (stopped.value.code, "correct the source's metadata" in line) == (1, True)
    assert "path.outside" in line

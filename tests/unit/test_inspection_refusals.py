"""Inspect refuses in one line what it cannot read, as a function and as a program."""

import contextlib
import json
import os
import shutil
import socket

import numpy as np
import pytest

from support.images import multiscales, write_array, write_image, write_json
from support.sources import ARRAY_V3, GROUP_V3, inspect, write_group
from support.steps import program
from uplift.errors import UpliftError


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "in.zarr", size=32)


def refuse(root, *words):
    with pytest.raises(UpliftError) as caught:
        inspect(root)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_level_without_array(image):
    (image / "1" / ".zarray").unlink()
    refuse(image, "level '1'", "no array's metadata")


@pytest.mark.parametrize("path", ["../0", "/x/../0", "a/../0", "", "."])
def test_level_outside_its_group(image, path):
    entry = multiscales(1)[0]
    entry["datasets"][0]["path"] = path
    write_json(image / ".zattrs", {"multiscales": [entry]})
    refuse(image, repr(path), "multiscales[0].datasets[0].path")


@pytest.mark.parametrize("well", ["../A/1", "A/../../1"])
def test_well_outside_its_plate(tmp_path, well):
    write_group(tmp_path, {"plate": {"wells": [{"path": well}]}})
    refuse(tmp_path, repr(well))


DOCUMENTS = [
    (b"", "not JSON: the file is empty"),
    (b"5", "is a int, expected a JSON object"),
    (b'{"a": 1', "not JSON", "line 1"),
    (b"[1]", "expected a JSON object"),
    (b"\xff{}", "not Unicode"),
    (b'{"a": "\\ud800"}', "half of a surrogate pair"),
    (
        b'{"a": "\\ud83d\\ude00 \\\\ud83d",\n "b": "cut \\ud83d"}',
        r"\ud83d at line 2, column 12, is half of a surrogate pair",
    ),
    (b'{"a": ' + b"1" * 5000 + b"}", "more than 4300 digits"),
    (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested"),
]


@pytest.mark.parametrize(("data", "words"), [(d, w) for d, *w in DOCUMENTS])
def test_malformed_document(image, data, words):
    (image / "labels" / ".zattrs").write_bytes(data)
    refuse(image, "labels/.zattrs", *words)


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ({**GROUP_V3, "attributes": [1]}, "attributes"),
        ({**GROUP_V3, "node_type": "x"}, "node_type is 'x'"),
        ({**GROUP_V3, "zarr_format": 2}, "zarr_format is 2"),
        ({"my": "settings"}, "is no document of Zarr v3"),
    ],
)
def test_malformed_v3_document(tmp_path, document, word):
    write_json(tmp_path / "zarr.json", document)
    refuse(tmp_path, word)


def test_a_dataset_that_is_not_finished(image):
    (image / ".ngff-uplift.lock").write_text("{}")
    refuse(image, ".ngff-uplift.lock", "let it end first, or delete the file")


def test_one_node_of_both_formats(image):
    write_json(image / "zarr.json", GROUP_V3)
    refuse(image, ".zattrs has attributes and zarr.json has none")


def test_one_array_of_both_formats(image):
    write_json(image / "0" / "zarr.json", ARRAY_V3)
    refuse(image, ".zarray", "zarr.json")


def test_an_array_that_is_a_group_with_nodes_below(image):
    """Readers that look for an image see the group, zarr.open sees the array."""
    (image / ".zarray").write_text((image / "0" / ".zarray").read_text())
    with pytest.raises(UpliftError, match=r"has both \.zarray and \.zgroup, and 0/\.zarray below"):
        inspect(image)


def test_a_folder_in_the_place_of_a_document_of_the_output(image):
    write_json(image / "0" / "x" / "zarr.json", GROUP_V3)
    refuse(image, "0/x/zarr.json", "remove one of the two")
    (image / "0" / "x" / "zarr.json").unlink()
    for node in ("labels", "0"):
        (image / node).rename(image / "zarr.json")
        refuse(image, "a folder has the name zarr.json")
        (image / "zarr.json").rename(image / node)


def test_not_a_zarr(tmp_path):
    refuse(tmp_path / "absent", "no such dataset")
    refuse(tmp_path, "no such dataset")
    (tmp_path / "image.ome.tif").write_bytes(b"II*")
    refuse(tmp_path / "image.ome.tif", "is a file", "ends in .zip or .ozx")
    (tmp_path / "x.tif").write_bytes(b"")
    refuse(tmp_path, "not a Zarr", ".zgroup", ".zarray", "zarr.json")


def test_links(image):
    (image / "0").rename(image / "full")
    (image / "0").symlink_to("full")
    assert next(a for a in inspect(image).arrays if a.path == "0").role == "level"
    (image / "etc").symlink_to("/etc")
    refuse(image, "leads out of the dataset")


def test_links_in_a_circle(tmp_path):
    write_group(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "x").symlink_to("../b")
    (tmp_path / "b" / "y").symlink_to("../a")
    refuse(tmp_path, "leads to a folder above itself")


def test_a_level_inside_another(image):
    """Readers of Zarr v2 open it; in v3 an array has no nodes below it."""
    (image / "1").rename(image / "0" / "half")
    document = json.loads((image / ".zattrs").read_text())
    document["multiscales"][0]["datasets"][1]["path"] = "0/half"
    write_json(image / ".zattrs", document)
    refuse(image, "level '0/half', which lies inside the array '0'; move it next to that")


def pipe(place):
    os.mkfifo(place)


def device(place):
    os.mknod(place, 0o20644, os.makedev(1, 5))  # zeros without end


def socket_of_a_server(place):
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(place.parent):
        server.bind(place.name)  # its path has 107 letters at the most


def link_to_nothing(place):
    place.symlink_to("nothing")


def link_to_itself(place):
    place.symlink_to(place.name)


def link_outside(place):
    place.symlink_to("/dev/zero")


SPECIAL = {
    pipe: "is a pipe",
    device: "is a pipe",
    socket_of_a_server: "is a pipe",
    link_to_nothing: "leads nowhere",
    link_to_itself: "remove it or restore its target",
    link_outside: "remove it",
}
PLACES = [".zgroup", ".zattrs", "0/.zarray", "0/.zattrs", "0/0.0", "0", "other"]


@pytest.mark.parametrize("place", [*PLACES, "v3/zarr.json", "v3/c/0/0", "v3/c"])
@pytest.mark.parametrize("make", SPECIAL, ids=lambda make: make.__name__)
def test_what_is_neither_a_file_nor_a_folder(image, make, place):
    """It is refused in one line, and never waited for: nobody writes to the pipe."""
    if make is device and os.geteuid() != 0:
        pytest.skip("devices are made by root")
    write_json(image / "v3" / "zarr.json", ARRAY_V3)
    chunk = image / "v3" / "c" / "0" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"")
    if (image / place).is_dir():
        shutil.rmtree(image / place)
    (image / place).unlink(missing_ok=True)
    make(image / place)
    if (make, place) == (link_to_nothing, "other"):  # readers see nothing there, either
        found = [(one.code, one.path) for one in inspect(image).findings]
        assert ("source.link", place) in found
        return
    refuse(image, place, SPECIAL[make])


@pytest.mark.parametrize("kind", ["label", "field", "well", "row", "series", "number"])
def test_a_link_to_nothing_where_metadata_name_something(tmp_path, kind):
    """A disk that is not mounted looks like that: what is on it is not to be lost."""
    write_group(tmp_path)
    places = {"label": "labels/a", "field": "0", "well": "A/1", "row": "A", "series": "x"}
    words = {
        "field": {"well": {"images": [{"path": "0"}]}},
        "well": {"plate": {"wells": [{"path": "A/1"}]}},
        "row": {"plate": {"wells": [{"path": "A/1"}]}},
        "series": {"bioformats2raw.layout": 3},
        "number": {"bioformats2raw.layout": 3},
    }
    write_json(tmp_path / ".zattrs", words.get(kind, {}))
    if kind == "label":
        write_json(tmp_path / "labels" / ".zattrs", {"labels": ["a"]})
    if kind == "series":
        write_json(tmp_path / "OME" / ".zattrs", {"series": ["x"]})
        write_json(tmp_path / "OME" / ".zgroup", {"zarr_format": 2})
    place = tmp_path / places.get(kind, "7")
    place.parent.mkdir(exist_ok=True)
    write_json(place.parent / ".zgroup", {"zarr_format": 2})
    link_to_nothing(place)
    refuse(tmp_path, str(place), "restore its target")


def test_name_that_is_not_utf8(image):
    with open(os.fsencode(image) + b"/\xff", "wb"):  # noqa: PTH123
        pass
    refuse(image, "is not UTF-8")


def test_endless_folders(image):
    os.makedirs(str(image) + "/d" * 150)  # noqa: PTH103
    refuse(image, "nest more than 100 deep")


@pytest.mark.parametrize("value", [True, 5, "x", {"a": 1}, [1, None]])
@pytest.mark.parametrize("key", ["labels", "multiscales", "plate", "well"])
def test_keys_of_another_type_do_no_harm(image, key, value):
    folder = image / "labels"
    write_json(folder / ".zattrs", {key: value})
    assert "labels" in {group.path for group in inspect(image).groups}


# -- the program


def run(source, output, tmp_path, *options):
    return program("inspect_source")(
        [
            *("--source", str(source), "--output", str(output), "--dataset", "d"),
            *("--inventory", str(tmp_path / "inventory.json"), "--run", str(tmp_path / "run.json")),
            *options,
        ]
    )


def test_program_freezes_the_run(image, tmp_path):
    assert run(image, tmp_path / "out.zarr", tmp_path) == 0
    first = (tmp_path / "run.json").read_bytes()
    inventory = (tmp_path / "inventory.json").read_bytes()
    assert run(image, tmp_path / "out.zarr", tmp_path) == 0
    assert (tmp_path / "run.json").read_bytes() == first
    assert (tmp_path / "inventory.json").read_bytes() == inventory


@pytest.mark.parametrize("place", ["", "labels/out", ".."])
def test_output_that_overlaps_the_source(image, tmp_path, capsys, place):
    assert run(image, image / place, tmp_path) == 1
    assert "overlaps the source" in capsys.readouterr().err
    assert not (tmp_path / "inventory.json").exists()


def test_output_that_overlaps_by_a_link(image, tmp_path):
    (tmp_path / "link").symlink_to(image)
    assert run(image, tmp_path / "link" / "out.zarr", tmp_path) == 1


def test_unusable_source_leaves_no_inventory(tmp_path, capsys):
    assert run(tmp_path / "absent", tmp_path / "out.zarr", tmp_path) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "inventory.json").exists()


AXES = [{"name": name, "type": "space"} for name in "yx"]
SCALE = [{"type": "scale", "scale": [1, 1]}]
LEVELS = [{"path": "0", "coordinateTransformations": SCALE}]
WRONG = [
    ({"multiscales": [{"axes": AXES, "datasets": LEVELS}]}, "has 2 axes", "3 dimensions"),
    ({"multiscales": [{"version": "0.9"}]}, "'0.9' is not known"),
    ({"plate": {}, "ome": 1}, 'an attribute "ome"'),
]
IMAGE = {"version": "0.4", "axes": AXES, "datasets": [{**LEVELS[0], "path": "1"}]}
DEFECTS = [
    ({"plate": {"rows": []}}, "plate.rows is []", "(and 2 more in the log)"),
    ({"multiscales": [{**IMAGE, "axes": AXES[:1] * 2}]}, "a name occurs twice"),
    ({"multiscales": [{**IMAGE, "version": "v0.4"}]}, "'v0.4' is not one of OME-Zarr's"),
    ({"multiscales": [IMAGE], "omero": {"id": 1}}, "omero.channels is missing"),
    ({"multiscales": [{**IMAGE, "datasets": [*IMAGE["datasets"], LEVELS[0] | {"path": "9"}]}]},
     "dropped (no such array"),
    ({"labels": ["gone"]}, "which the source does not have"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "words"), [(a, w) for a, *w in WRONG])
def test_metadata_that_cannot_be_converted_are_refused_at_once(tmp_path, capsys, attributes, words):
    """Not after everything has been converted."""
    refuse_run(tmp_path, capsys, attributes, words)


def refuse_run(tmp_path, capsys, attributes, words, *options):
    source = tmp_path / "in.zarr"
    write_group(source, attributes)
    write_array(source / "0", np.zeros((2, 4, 4), "u1"), (1, 2, 2))
    write_array(source / "1", np.zeros((4, 4), "u1"), (2, 2))
    assert run(source, tmp_path / "out.zarr", tmp_path, *options) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    for word in ("/in.zarr: ", "root: ", *words):
        assert word in line
    assert not (tmp_path / "inventory.json").exists()


@pytest.mark.parametrize(("attributes", "words"), [(a, w) for a, *w in DEFECTS])
def test_defects_are_refused_where_that_is_asked_for(tmp_path, capsys, attributes, words):
    refuse_run(tmp_path, capsys, attributes, words, "--on-bad-metadata", "fail")
    assert run(tmp_path / "in.zarr", tmp_path / "out.zarr", tmp_path) == 0


def test_an_array_that_is_not_supported_is_no_defect(tmp_path):
    """Plan refuses it, or leaves it out where that is asked for."""
    write_group(tmp_path / "in.zarr")
    document = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "<f16", "fill_value": 0}
    write_json(tmp_path / "in.zarr" / "0" / ".zarray", {**document, "order": "C"})
    assert run(tmp_path / "in.zarr", tmp_path / "o", tmp_path, "--on-bad-metadata", "fail") == 0

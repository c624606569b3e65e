"""Odd but legal sources, each from end to end, read back by zarr-python."""

import base64
import gzip
import json
import math
import zlib

import numcodecs
import numpy as np
import pytest

from support.hierarchies import (
    Array,
    Group,
    Strings,
    image,
    plate,
    read_all,
    same_values,
    well,
    write,
)
from support.images import multiscales
from support.steps import Conversion, StepError

BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
SMALL = Array((2, 6, 6), (1, 4, 4), compressor=BLOSC, separator="/", seed=1)
FIVE = Array((1, 2, 3, 8, 8), (1, 1, 1, 4, 4), compressor=BLOSC, seed=2)
HALF = Array((1, 2, 3, 4, 4), (1, 1, 1, 4, 4), compressor=BLOSC, seed=3)


class Case:
    """A source of one hierarchy, on its way."""

    def __init__(self, home, node):
        self.source, self.output = home / "in.zarr", home / "out.zarr"
        self.expected = write(self.source, node)
        self.conversion = Conversion(str(self.source), str(self.output), home / "work")
        self.conversion.crate = '{"enabled": false}'

    def convert(self):
        """Convert, validate, publish; findings by code."""
        validation = self.conversion.all()
        assert validation["verdict"] == "valid"
        found = read_all(self.output, self.expected)
        for path, values in self.expected.items():
            assert same_values(found[path], values), path
        self.findings = [(f["code"], f["path"]) for f in validation["findings"]]
        return self

    def attributes(self, path=""):
        document = json.loads((self.output / path / "zarr.json").read_text())
        assert document["node_type"] == "group"
        return document["attributes"]

    def refused(self, capsys):
        """The one line that the conversion ends with."""
        with pytest.raises(StepError) as stopped:
            self.conversion.all()
        assert stopped.value.code == 1
        assert not (self.output / "zarr.json").exists()
        lines = capsys.readouterr().err.splitlines()
        (line,) = (one for one in lines if one.startswith("error: "))
        return line

    def record_of(self, path):
        """What convert noted of one array."""
        for place in (self.conversion.work / "records").iterdir():
            for item in json.loads(place.read_text())["items"]:
                if item["path"] == path:
                    return item
        raise AssertionError(path)


@pytest.fixture
def case(tmp_path):
    return lambda node: Case(tmp_path, node)


def old_image(version, **more):
    entry = {"version": version, "name": "old", "datasets": [{"path": "0"}, {"path": "1"}], **more}
    return Group({"0": FIVE, "1": HALF}, {"multiscales": [entry], "lab": 7})


@pytest.mark.parametrize(
    ("version", "more"),
    [("0.1", {}), ("0.2", {}), ("0.3", {"axes": ["t", "c", "z", "y", "x"]})],
)
def test_versions_before_axes_and_scales(case, version, more):
    attributes = case(old_image(version, **more)).convert().attributes()
    assert attributes["lab"] == 7
    assert attributes["ome"]["version"] == "0.5"
    (entry,) = attributes["ome"]["multiscales"]
    assert [axis["name"] for axis in entry["axes"]] == ["t", "c", "z", "y", "x"]
    scales = [one["coordinateTransformations"][0]["scale"] for one in entry["datasets"]]
    assert scales == [[1, 1, 1, 1, 1], [1, 1, 1, 2, 2]]


def test_plate_with_a_missing_well(case):
    done = case(plate({"A/1": well("01", SMALL)}, ["A/1", "B/2"])).convert()
    assert ("well.absent", "B/2") in done.findings
    assert [one["path"] for one in done.attributes()["ome"]["plate"]["wells"]] == ["A/1", "B/2"]


def test_plate_with_an_unlisted_well(case):
    done = case(plate({"A/1": well("0", SMALL), "B/2": well("0", SMALL)}, ["A/1"])).convert()
    assert [one["path"] for one in done.attributes()["ome"]["plate"]["wells"]] == ["A/1"]
    assert done.attributes("B/2")["ome"]["well"]["images"] == [{"path": "0"}]


def test_plate_with_a_missing_field(case):
    node = plate({"A/1": well("01", SMALL)}, ["A/1"])
    del node.nodes["A"].nodes["1"].nodes["1"]
    assert ("field.absent", "A/1/1") in case(node).convert().findings


def test_plate_that_is_a_bioformats2raw_collection(case):
    node = plate({"A/1": well("0", SMALL)}, ["A/1"], **{"bioformats2raw.layout": 3})
    node.nodes["OME"] = Group(
        attributes={"series": ["A/1/0"]}, files={"METADATA.ome.xml": b"<OME/>"}
    )
    done = case(node).convert()
    assert done.attributes()["ome"]["bioformats2raw.layout"] == 3
    assert done.attributes("OME")["ome"]["series"] == ["A/1/0"]
    assert (done.output / "OME" / "METADATA.ome.xml").read_bytes() == b"<OME/>"


@pytest.mark.parametrize("ome", [True, False])
def test_bioformats2raw_without_series(case, ome):
    nodes = {"0": image({"0": SMALL}), "1": image({"0": SMALL})}
    if ome:
        nodes["OME"] = Group(files={"METADATA.ome.xml": b"<OME/>"})
    done = case(Group(nodes, {"bioformats2raw.layout": 3})).convert()
    assert done.attributes()["ome"]["bioformats2raw.layout"] == 3
    assert "multiscales" in done.attributes("1")["ome"]


def test_two_multiscales_that_share_arrays(case):
    node = image({"0": SMALL, "1": Array((2, 3, 3), (1, 4, 4), compressor=BLOSC)})
    first = node.attributes["multiscales"][0]
    second = {**first, "name": "level 0 alone", "datasets": first["datasets"][:1]}
    node.attributes["multiscales"].append(second)
    done = case(node).convert()
    names = [one["name"] for one in done.attributes()["ome"]["multiscales"]]
    assert names == ["cells", "level 0 alone"]


def test_nested_level_paths(case):
    levels = {"s/0": SMALL, "s/1": Array((2, 3, 3), (1, 4, 4), compressor=BLOSC)}
    node = image(levels)
    done = case(Group({"s": Group({"0": SMALL, "1": levels["s/1"]})}, node.attributes)).convert()
    assert done.attributes("s") == {}


def label(array=SMALL):
    return image({"0": array}, **{"image-label": {"version": "0.4"}})


def test_nested_label_paths(case):
    node = image({"0": SMALL})
    node.nodes["labels"] = Group({"sub": Group({"nuclei": label()})}, {"labels": ["sub/nuclei"]})
    done = case(node).convert()
    assert done.attributes("labels")["ome"]["labels"] == ["sub/nuclei"]
    assert "image-label" in done.attributes("labels/sub/nuclei")["ome"]


def test_unlisted_label(case):
    node = image({"0": SMALL}, {"nuclei": label()})
    node.nodes["labels"].nodes["cells"] = label()
    done = case(node).convert()
    assert ("label.unlisted", "labels/cells") in done.findings
    assert done.attributes("labels")["ome"]["labels"] == ["nuclei"]
    assert "image-label" in done.attributes("labels/cells")["ome"]


def test_labels_of_a_label_image_are_not_the_images(case):
    inner = label()
    inner.nodes["labels"] = Group({"spots": label()}, {"labels": ["spots"]})
    node = image({"0": SMALL}, {"nuclei": inner})
    done = case(node).convert()
    assert not [code for code, _ in done.findings if code.endswith(".unlisted")]


def test_nan_in_the_attributes_of_an_array(case):
    """As xarray writes the ``_FillValue`` of floats."""
    done = case(Group({"a": Array((4, 4), (2, 2), attributes={"_FillValue": math.nan})})).convert()
    assert ("source.repaired", "a") in done.findings
    document = json.loads((done.output / "a" / "zarr.json").read_text())
    assert document["attributes"] == {"_FillValue": "NaN"}


def test_not_ome_at_all(case):
    node = Group({"table": Group({"x": SMALL, "names": Strings(("a", "", "ä€"))}, {"k": [1]})})
    done = case(node).convert()
    assert done.attributes("table") == {"k": [1]}


@pytest.mark.parametrize(
    "dtype",
    ["|S3", "<U2", ">U2", "<M8[ns]", ">M8[D]", "<m8[s]", "|V3", [["a", "<i4"], ["b", "|S3"]]],
)
@pytest.mark.parametrize("order", "CF")
def test_types_of_tables(case, dtype, order):
    node = Array((5, 3), (2, 2), dtype=dtype, compressor=BLOSC, fill=None, order=order, absent=0.3)
    case(Group({"a": node})).convert()


def bits(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("dtype", "fill", "element"),
    [
        ("|b1", True, True),
        ("|i1", -128, -128),
        ("<i8", -(2**63), -(2**63)),
        (">u8", 2**64 - 1, 2**64 - 1),
        ("<u8", 2**53 + 1, 2**53 + 1),
        ("<f2", "NaN", math.nan),
        (">f4", "Infinity", math.inf),
        ("<f8", "-Infinity", -math.inf),
        ("<f4", "0x7fc00001", np.uint32(0x7FC00001).view("f4")),
        ("<f8", 1e-300, 1e-300),
        ("<f4", 3, 3.0),
        ("<u2", "7", 7),
        ("<c8", [1.5, "NaN"], complex(1.5, math.nan)),
        (">c16", ["-Infinity", 0.0], complex(-math.inf, 0)),
        ("|S3", bits(b"ab\0"), b"ab"),
        ("|S3", "", b""),
        ("<U2", "", ""),
        ("<U2", "ä", "ä"),
        ("|V3", bits(b"\1\2\3"), b"\1\2\3"),
        ("<M8[s]", 7, np.datetime64(7, "s")),
        ("<m8[s]", -1, np.timedelta64(-1, "s")),
    ],
)
def test_fill_values(case, dtype, fill, element):
    """Every kind of fill value is what absent chunks read as."""
    made = case(Group({"a": Array((4,), (2,), dtype=dtype, fill=None)}))
    folder = made.source / "a"
    (folder / "1").unlink()
    document = json.loads((folder / ".zarray").read_text())
    (folder / ".zarray").write_text(json.dumps({**document, "fill_value": fill}))
    made.expected["a"] = made.expected["a"].copy()
    made.expected["a"][2:] = np.array(element, dtype)
    made.convert()


def test_clipped_edge_chunks(case):
    """Some writers leave chunks at the edge as small as the part inside the array."""
    made = case(Group({"a": Array((5, 6), (4, 4), compressor={"id": "zlib", "level": 1})}))
    values = made.expected["a"]
    codec = numcodecs.Zlib(1)
    for key, part in (("0.1", values[:4, 4:]), ("1.0", values[4:, :4]), ("1.1", values[4:, 4:])):
        (made.source / "a" / key).write_bytes(codec.encode(np.ascontiguousarray(part)))
    made.convert()
    assert len(made.record_of("a")["bad_chunks"]) == 3


@pytest.mark.parametrize("name", ["zlib", "gzip"])
def test_a_stream_that_lies_about_its_codec(case, name):
    """gzip under the name zlib, and the reverse: named by array and chunk, read as what it is."""
    made = case(Group({"a": Array((4, 4), (2, 2), compressor={"id": name, "level": 1})}))
    place = made.source / "a" / "0.1"
    raw = made.expected["a"][:2, 2:].tobytes()
    place.write_bytes(gzip.compress(raw) if name == "zlib" else zlib.compress(raw))
    made.convert()
    (bad,) = made.record_of("a")["bad_chunks"]
    assert bad["chunk"] == [0, 1]
    assert ("chunk.recoded", "a") in made.findings


@pytest.mark.parametrize("name", ["zlib", "gzip"])
def test_a_lying_stream_in_a_recode(case, name):
    """It is read as what it is there too."""
    made = case(Group({"a": Array((4, 4), (2, 2), compressor={"id": name, "level": 1})}))
    place = made.source / "a" / "0.1"
    raw = made.expected["a"][:2, 2:].tobytes()
    place.write_bytes(gzip.compress(raw) if name == "zlib" else zlib.compress(raw))
    made.conversion.plan_settings = '{"codec": [{"name": "zstd"}]}'
    made.convert()
    assert ("chunk.recoded", "a") in made.findings


def test_links_inside_are_followed(case):
    made = case(Group({"a": SMALL}))
    (made.source / "b").symlink_to("a")
    (made.source / "notes.txt").write_text("x")
    (made.source / "same.txt").symlink_to("notes.txt")
    made.expected["b"] = made.expected["a"]
    made.convert()
    assert (made.output / "same.txt").read_text() == "x"
    assert not any(place.is_symlink() for place in made.output.rglob("*"))


@pytest.mark.parametrize("verify", ["once", "reread"])
def test_links_that_lead_nowhere_are_left_out_and_named(case, verify):
    made = case(Group({"a": SMALL, "b": Group({})}))
    (made.source / "old.txt").symlink_to("gone/old.txt")
    (made.source / "b" / "raw").symlink_to("/nonexistent/raw")
    made.conversion.verify = verify
    made.convert()
    links = [path for code, path in made.findings if code == "source.link"]
    assert links == ["b/raw", "old.txt"]
    dropped = json.loads((made.conversion.work / "inventory.json").read_text())["dropped"]
    assert [one["path"] for one in dropped] == links
    assert not (made.output / "old.txt").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "chunk"])
def test_links_outside_are_refused(tmp_path, case, capsys, kind):
    made = case(Group({"a": SMALL}))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    if kind == "file":
        (made.source / "s.txt").symlink_to(outside / "secret")
    elif kind == "folder":
        (made.source / "s").symlink_to(outside)
    else:
        chunk = made.source / "a" / "0" / "0" / "0"
        chunk.unlink()
        chunk.symlink_to(outside / "secret")
    assert "link" in made.refused(capsys)


def test_an_array_listed_twice(case):
    node = image({"0": SMALL})
    entry = node.attributes["multiscales"][0]
    entry["datasets"].append(dict(entry["datasets"][0]))
    done = case(node).convert()
    assert ("source.repaired", "") in done.findings
    assert len(done.attributes()["ome"]["multiscales"][0]["datasets"]) == 1


def test_a_stray_multiscales_name_is_no_group(case):
    """`c`, the folder of chunks in the output, as the name of a group and of a level."""
    node = Group({"c": image({"c": SMALL})})
    entry = multiscales(1, "zyx")
    entry[0]["datasets"][0]["path"] = "c"
    node.nodes["c"].attributes["multiscales"] = entry
    case(node).convert()


@pytest.mark.parametrize("compressor", [None, BLOSC, {"id": "zstd", "level": 1}])
@pytest.mark.parametrize(
    ("name", "fill"),
    [
        *(("vlen-utf8", fill) for fill in (None, "", 0, "n/a")),
        ("vlen-bytes", None),
        ("vlen-bytes", ""),
    ],
)
def test_texts_of_tables(case, name, compressor, fill):
    """As tables keep their columns; what is not stored reads as zarr-python reads the source."""
    made = case(Group({"t": Group(attributes={"encoding-type": "dataframe", "_index": "i"})}))
    folder = made.source / "t" / "i"
    folder.mkdir()
    words = ["a", "", "ä€", "long enough"]
    values = np.array([w.encode() if name == "vlen-bytes" else w for w in words], dtype=object)
    document = {
        "zarr_format": 2,
        "shape": [6],
        "chunks": [2],
        "dtype": "|O",
        "filters": [{"id": name}],
        "compressor": compressor,
        "order": "C",
        "fill_value": fill,
    }
    (folder / ".zarray").write_text(json.dumps(document))
    codec = numcodecs.get_codec({"id": name})
    for number in range(2):
        data = codec.encode(values[2 * number : 2 * number + 2])
        if compressor is not None:
            data = numcodecs.get_codec(compressor).encode(data)
        (folder / str(number)).write_bytes(bytes(data))
    before = read_all(made.source, ["t/i"])["t/i"]
    made.convert()
    after = read_all(made.output, ["t/i"])["t/i"]
    assert list(after[:4]) == list(values)
    if fill is not None:
        assert list(after) == list(before)

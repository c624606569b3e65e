"""Other people's validators on documents in memory."""

import copy

import pytest

from uplift.models.findings import Findings
from uplift.validators import ome_zarr
from uplift.validators.documents import Documents
from uplift.validators.ome_zarr import Validators, run_validators

AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
LEVEL = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}
IMAGE = {"version": "0.5", "multiscales": [{"axes": AXES, "datasets": [LEVEL]}]}


def group(**ome):
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome} if ome else {}}


def array(**more):
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4, 4],
        "data_type": "uint16",
        "dimension_names": ["y", "x"],
        **more,
    }


def screen(wells):
    paths = [f"A/{number}" for number in range(1, wells + 1)]
    listed = [{"path": p, "rowIndex": 0, "columnIndex": i} for i, p in enumerate(paths)]
    plate = {
        "version": "0.5",
        "rows": [{"name": "A"}],
        "columns": [{"name": str(number)} for number in range(1, wells + 1)],
        "wells": listed,
    }
    documents = {"": group(version="0.5", plate=plate), "A": group()}
    for path in paths:
        well = {"version": "0.5", "images": [{"path": "0"}]}
        documents[path] = group(version="0.5", well=well)
        documents[f"{path}/0"] = group(**IMAGE)
        documents[f"{path}/0/0"] = array()
    return documents


def said(documents, reference=None):
    findings = Findings()
    run_validators(documents, lambda: reference or documents, findings)
    return [(one.severity, one.code, one.path) for one in findings.listed()]


def test_a_sound_plate_has_no_complaint_and_equal_groups_are_checked_once(monkeypatch):
    checked = []
    check = ome_zarr._complaints
    monkeypatch.setattr(
        ome_zarr, "_complaints", lambda held, path: checked.append(path) or check(held, path)
    )
    assert Validators().complaints(screen(50)) == []
    assert checked == ["", "A/1", "A/1/0"]


def named_screen(wells):
    """A plate whose images have names and places of their own, as those of real plates do."""
    documents = screen(wells)
    for number, path in enumerate(p for p in documents if p.endswith("/0") and p.count("/") == 2):
        moved = {"type": "translation", "translation": [0.5 * number, 1]}
        level = copy.deepcopy(LEVEL)
        level["coordinateTransformations"].append(moved)
        named = {"name": f"field {number}", "axes": AXES, "datasets": [level]}
        documents[path] = group(version="0.5", multiscales=[named])
    return documents


def test_names_and_places_make_no_other_check(monkeypatch):
    checked = []
    check = ome_zarr._complaints
    monkeypatch.setattr(
        ome_zarr, "_complaints", lambda held, path: checked.append(path) or check(held, path)
    )
    assert Validators().complaints(named_screen(20)) == []
    assert checked == ["", "A/1", "A/1/0"]


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        (("name",), 5),
        (("name",), ""),
        (("name",), "field 1"),
        (("axes", 0, "name"), "x"),
        (("datasets", 0, "coordinateTransformations", 1, "translation"), [1.5]),
        (("datasets", 0, "coordinateTransformations", 1, "translation"), [1.5, "2"]),
        (("datasets", 0, "coordinateTransformations", 1, "translation"), [1.5, True]),
        (("datasets", 0, "coordinateTransformations", 1, "translation"), [1.5, float("nan")]),
        (("datasets", 0, "coordinateTransformations", 1, "type"), "move"),
        (("datasets", 0, "coordinateTransformations", 0, "scale"), [-1, 0]),
    ],
)
def test_sharing_a_check_hides_no_complaint(monkeypatch, keys, wrong):
    documents = copy.deepcopy(named_screen(4))
    holder = documents["A/3/0"]["attributes"]["ome"]["multiscales"][0]
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = wrong
    shared = Validators().complaints(documents)
    monkeypatch.setattr(Documents, "fingerprint", lambda *_, **__: None)
    assert shared == Validators().complaints(documents)


def test_each_group_is_seen_whatever_is_wrong_above_it():
    documents = screen(3)
    documents[""]["attributes"]["ome"]["plate"]["wells"][0]["rowIndex"] = "x"
    documents["A/2/0/0"] = array(dimension_names=["a", "b"])
    paths = {one.path for one in Validators().complaints(documents)}
    assert {"", "A/2/0"} <= paths
    assert "A/1/0" not in paths


def test_what_the_source_has_too_is_inherited_and_anything_else_an_error():
    reference = screen(2)
    del reference["A/2/0"], reference["A/2/0/0"]
    output = copy.deepcopy(reference)
    assert said(output, reference) == [("warning", "yaozarrs.inherited", "A/2")]
    output["A/1/0/0"] = array(shape=[4])  # a fault of ours, elsewhere
    found = said(output, reference)
    assert ("warning", "yaozarrs.inherited", "A/2") in found
    assert {path for severity, _, path in found if severity == "error"} == {"A/1/0"}


def test_labels_are_looked_for_among_the_documents():
    label = {**IMAGE, "image-label": {"version": "0.5", "source": {"image": "../../"}}}
    documents = {
        "": group(**IMAGE),
        "0": array(),
        "labels": group(version="0.5", labels=["a"]),
        "labels/a": group(**label),
        "labels/a/0": array(),
    }
    assert said(documents) == []
    documents["labels/a/0"] = array(data_type="float32")
    assert ("warning", "yaozarrs.inherited", "labels/a") in said(documents)
    documents["labels/a"]["attributes"]["ome"]["image-label"]["source"]["image"] = "../../../b"
    assert any(path == "labels/a" for _, _, path in said(documents))


def test_a_suffix_of_the_version_hides_nothing():
    documents = {"": group(**{**IMAGE, "version": "0.5-dev-spatialdata"}), "0": array()}
    assert said(documents) == []
    documents["0"] = array(shape=[4])
    assert ("warning", "yaozarrs.inherited", "") in said(documents)

"""Lists of labels, series and images, and keys, that are written in another way."""

import pytest

from support.migrations import AXES, ENTRY, codes, levels_of, migrate, of_plate


@pytest.mark.parametrize(
    "labels", ["a", [{"path": "a"}], ["./a", "a/"], ["/x/labels/a"], ["\\x\\labels\\a"]]
)
def test_one_label_in_other_words(labels):
    result = migrate({"labels": labels}, "x/labels")
    assert result.attributes["ome"]["labels"] == ["a"]


@pytest.mark.parametrize(
    ("labels", "left"),
    [(["", "a"], ["a"]), ([None, "a", "a", "./a", ""], ["a"]), ([None, ""], []), (["", 0], ["0"])],
)
def test_items_without_a_name_are_no_labels(labels, left):
    result = migrate({"labels": labels}, "labels")
    assert result.attributes["ome"]["labels"] == left
    assert {code for _, code in codes(result)} <= {"source.repaired", "dialect.labels.empty"}


def test_items_in_lists_of_their_own():
    """As programs in R write a list of texts or numbers."""
    result = migrate({"labels": [["a"], ["b"]]}, "labels")
    assert result.attributes["ome"]["labels"] == ["a", "b"]
    result = migrate({"series": [["0"], [1]]}, "OME")
    assert result.attributes["ome"]["series"] == ["0", "1"]
    scale = [{"type": ["scale"], "scale": [[0.5], [0.5]]}]
    level = {"path": "0", "coordinateTransformations": scale}
    entry = {"version": "0.3", "axes": [["y"], ["x"]], "datasets": [level]}
    result = migrate({"multiscales": [entry]})
    assert result.attributes["ome"]["multiscales"][0]["axes"] == AXES
    assert levels_of(result) == [[{"type": "scale", "scale": [0.5, 0.5]}]]
    result = migrate({"labels": [["a", "b"]]}, "labels")
    assert result.attributes["ome"]["labels"] == [["a", "b"]]


def test_spellings_of_the_first_series():
    result = migrate({"series": ["./0", "1/", "/2", ".\\3"]}, "OME")
    assert result.attributes["ome"]["series"] == ["0", "1", "2", "3"]
    kept = ["", None, "."]
    result = migrate({"series": kept}, "OME")  # the order counts
    assert result.attributes["ome"]["series"] == kept


def test_keys_in_another_spelling():
    scale = [{"Type": "scale", "Scale": [0.5, 0.5]}]
    level = {"Path": "0", "coordinate_transformations": scale}
    entry = {"version": "0.4", "axes": AXES, "data_sets": [level], "extra_key": {"row_index": 1}}
    result = migrate({"multiscales": [entry]})
    (found,) = result.attributes["ome"]["multiscales"]
    assert levels_of(result) == [[{"type": "scale", "scale": [0.5, 0.5]}]]
    assert found["datasets"][0]["path"] == "0"
    assert found["extra_key"] == {"row_index": 1}
    wells = [{"path": "A/1", "row_index": 0, "ColumnIndex": 0}]
    sides = {"rows": [{"name": "A"}], "columns": [{"name": "1"}]}
    found = of_plate({"plate": {**sides, "wells": wells, "fieldCount": 2}})
    assert found["wells"] == [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    assert found["field_count"] == 2
    colors = {"colors": [{"label_value": 1, "RGBA": [1, 2, 3, 4]}]}
    result = migrate({"multiscales": [ENTRY], "image-label": colors}, "labels/a")
    (found,) = result.attributes["ome"]["image-label"]["colors"]
    assert found == {"label-value": 1, "rgba": [1, 2, 3, 4]}
    for key in ("coordinateTransformation", "coordinateTransformations_"):
        result = migrate({"multiscales": [{**ENTRY, "datasets": [{"path": "0", key: scale}]}]})
        assert levels_of(result) == [[{"type": "scale", "scale": [0.5, 0.5]}]]


@pytest.mark.parametrize("images", [{"path": ["0"]}, [{"PATH": [0]}]])
def test_a_repair_uncovers_another(images):
    well = migrate({"well": [{"Images": images}]}, "A/1")
    assert well.attributes["ome"]["well"]["images"] == [{"path": "0"}]
    scale = {"type": ["scale"], "Scale": [0.5, 0.5]}
    level = {"path": "0", "coordinate_transformations": scale}
    result = migrate({"multiscales": {"axes": "yx", "version": "0.4", "Datasets": level}})
    assert levels_of(result) == [[{"type": "scale", "scale": [0.5, 0.5]}]]


def test_two_spellings_of_one_key_stay():
    for more in ({"rowIndex": 0}, {"Row_Index": 1}):
        well = {"path": "A/1", "row_index": 0, "columnIndex": 0, **more}
        result = migrate({"plate": {"rows": ["A"], "columns": ["1"], "wells": [well]}})
        assert result.attributes["ome"]["plate"]["wells"] == [{"rowIndex": 0, **well}]

"""Faults of OME-Zarr metadata that have one reading."""

import math

import pytest

from support.migrations import (
    AXES,
    ENTRY,
    LEVEL,
    SCALE,
    codes,
    dropped,
    levels_of,
    migrate,
    of_plate,
    plate,
)


def test_repairs_of_json_types_are_reported():
    window = {"min": "0", "max": "1e3", "start": 0, "end": "x"}
    attributes = {
        "multiscales": [{**ENTRY, "datasets": [{**LEVEL, "path": 0}]}],
        "omero": {"channels": [{"color": "FF0000", "window": window}]},
    }
    result = migrate(attributes)
    ome = result.attributes["ome"]
    assert ome["multiscales"][0]["datasets"][0]["path"] == "0"
    found = ome["omero"]["channels"][0]["window"]
    assert found == {"min": 0, "max": 1000.0, "start": 0, "end": "x"}
    assert codes(result).count(("warning", "source.repaired")) == 3
    assert ("warning", "dialect.omero.channel") in codes(result)  # "x" is not a number


def test_numbers_and_texts_of_plates_scales_and_layouts_are_repaired():
    sides = {"rows": [{"name": "A"}], "columns": [{"name": 1}, {"name": "2"}]}
    result = migrate({"plate": {**sides, "wells": [{"path": "A/1"}]}})
    plate = result.attributes["ome"]["plate"]
    assert plate["columns"] == [{"name": "1"}, {"name": "2"}]
    assert plate["wells"] == [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    result = migrate({"bioformats2raw.layout": "3"})
    assert result.attributes["ome"]["bioformats2raw.layout"] == 3
    assert codes(result) == [("warning", "source.repaired")]
    scale = [{"type": "scale", "scale": ["1.5", 1]}]
    level = {**LEVEL, "coordinateTransformations": scale}
    result = migrate({"multiscales": [{**ENTRY, "datasets": [level]}]})
    (found,) = result.attributes["ome"]["multiscales"][0]["datasets"]
    assert found["coordinateTransformations"][0]["scale"] == [1.5, 1]
    assert ("warning", "source.repaired") in codes(result)


def test_levels_of_0_4_without_transformations_get_their_scale():
    """What 0.5 asks to write where scaling information is not available."""
    levels = [{"path": "0"}, {"path": "1"}]
    shapes = {"0": (8, 8), "1": (8, 4)}
    entry = {**ENTRY, "version": "0.4", "datasets": levels}
    result = migrate({"multiscales": [entry]}, arrays=shapes)
    found = result.attributes["ome"]["multiscales"][0]["datasets"]
    scales = [level["coordinateTransformations"][0]["scale"] for level in found]
    assert scales == [[1, 1], [1, 2]]
    assert codes(result) == [("warning", "source.repaired")] * 2
    levels[0]["coordinateTransformations"] = [{"type": "affine"}]  # wrong, not missing
    result = migrate({"multiscales": [entry]}, arrays=shapes)
    assert result.attributes["ome"]["multiscales"][0]["datasets"] == levels


def test_only_levels_behind_one_that_is_there_are_dropped():
    """Without the words of a first level that is absent, half resolution would pass for full."""
    entry = {**ENTRY, "datasets": [{**LEVEL, "path": path} for path in ("0", "1", "2")]}
    for there, left in (("0", "0"), ("02", "02"), ("1", "012"), ("12", "012")):
        result = migrate({"multiscales": [entry]}, arrays=dict.fromkeys(there, (8, 8)))
        levels = result.attributes["ome"]["multiscales"][0]["datasets"]
        assert "".join(level["path"] for level in levels) == left, there


def test_a_series_keeps_what_it_names_twice():
    """Each place is that of an image in METADATA.ome.xml."""
    result = migrate({"series": ["0", "./0", "1"]}, "OME")
    assert result.attributes["ome"]["series"] == ["0", "0", "1"]
    assert codes(result)[-1] == ("warning", "dialect.series.twice")


def test_identity_is_written_as_a_scale():
    """As iohub wrote it, for the levels and for all of them."""
    identity = [{"type": "identity"}]
    levels = [{"path": "0", "coordinateTransformations": identity}]
    entry = {**ENTRY, "datasets": levels, "coordinateTransformations": identity}
    result = migrate({"multiscales": [entry]})
    assert codes(result) == [("warning", "source.repaired")] * 2
    (found,) = result.attributes["ome"]["multiscales"]
    assert found["coordinateTransformations"] == SCALE
    assert found["datasets"][0]["coordinateTransformations"] == SCALE


MOVE = {"type": "translation", "translation": [3, 4]}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ([{"type": "identity"}, *SCALE], SCALE),
        ([*SCALE, {"type": "identity"}, MOVE], [*SCALE, MOVE]),
        ([{"type": "identity"}, MOVE], [{"type": "scale", "scale": [1.0, 1.0]}, MOVE]),
        ([{"type": "identity"}] * 2, [{"type": "scale", "scale": [1.0, 1.0]}]),
        ([{"type": "identity"}, {"type": "affine"}], None),
        ([{"type": "identity", "input": {"name": "yx"}}], None),
    ],
)
def test_an_identity_next_to_others_says_nothing(given, written):
    """One between named coordinate systems stays, and one next to what 0.5 does not know."""
    entry = {**ENTRY, "coordinateTransformations": given}
    result = migrate({"multiscales": [entry]})
    (found,) = result.attributes["ome"]["multiscales"]
    assert found["coordinateTransformations"] == (given if written is None else written)
    assert (("warning", "source.repaired") in codes(result)) == (written is not None)


def test_transformations_without_a_type_have_that_of_their_numbers():
    given = [{"scale": [1, 1]}, {"translation": [3, 4], "type": None}]
    level = {"path": "0", "coordinateTransformations": given}
    result = migrate({"multiscales": [{**ENTRY, "datasets": [level]}]})
    (found,) = result.attributes["ome"]["multiscales"][0]["datasets"]
    kinds = [one["type"] for one in found["coordinateTransformations"]]
    assert kinds == ["scale", "translation"]
    assert codes(result) == [("warning", "source.repaired")] * 2
    both = [{"scale": [1, 1], "translation": [0, 0]}]  # of two, which comes first?
    result = migrate({"multiscales": [{**ENTRY, "coordinateTransformations": both}]})
    assert ("warning", "source.repaired") not in codes(result)


def test_nulls_and_empty_lists_go_where_the_key_may_be_absent():
    """As libraries leave them that write every optional field."""
    levels = [
        {"path": str(i), "coordinateTransformations": empty} for i, empty in ((0, None), (1, []))
    ]
    entry = {**ENTRY, "datasets": levels, "coordinateTransformations": None}
    result = migrate({"multiscales": [entry]}, arrays={"0": (8, 8), "1": (4, 4)})
    (found,) = result.attributes["ome"]["multiscales"]
    assert [one["coordinateTransformations"][0]["scale"] for one in found["datasets"]] == [
        [1, 1],
        [2, 2],
    ]
    assert "coordinateTransformations" not in found
    axes = [{"name": "y", "type": "space", "unit": None}, {**AXES[1], "type": None, "unit": None}]
    entry = {**ENTRY, "axes": axes, "name": None, "type": None, "metadata": None}
    nulls = ("omero", "plate", "well", "image-label", "bioformats2raw.layout")
    result = migrate({"multiscales": [entry], **dict.fromkeys(nulls)})
    assert set(result.attributes["ome"]) == {"version", "multiscales"}
    (found,) = result.attributes["ome"]["multiscales"]
    assert set(found) == {"axes", "datasets"}
    assert found["axes"] == [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    assert set(codes(result)) == {("warning", "source.repaired")}
    assert dropped(migrate({"series": None}, "OME")) == ["series"]
    label = {"colors": [], "properties": None, "source": {"image": None, "mine": None}}
    result = migrate({"image-label": label})
    kept = {"source": {"mine": None}, "version": "0.5"}
    assert result.attributes["ome"]["image-label"] == kept
    assert dropped(result) == [
        "image-label.colors",
        "image-label.properties",
        "image-label.source.image",
    ]
    well = {"images": [{"path": "0", "acquisition": None}]}
    assert dropped(migrate({"well": well})) == ["well.images[0].acquisition"]
    plate = {"name": None, "acquisitions": [{"id": 0, "endtime": None}], "rows": None}
    result = migrate({"plate": plate})
    assert dropped(result) == ["plate.name", "plate.acquisitions[0].endtime"]


def test_rows_and_columns_come_from_the_wells():
    wells = [{"path": path} for path in ("B/10", "A/2", "B/2")]
    found = of_plate({"plate": {"version": "0.4", "wells": wells}})
    assert found["rows"] == [{"name": "A"}, {"name": "B"}]
    assert found["columns"] == [{"name": "2"}, {"name": "10"}]
    assert [(w["rowIndex"], w["columnIndex"]) for w in found["wells"]] == [(1, 1), (0, 0), (1, 0)]


def test_exact_repetitions_go_and_indices_follow():
    rows = [{"name": "A"}, {"name": "A"}, {"name": "B"}]
    well = {"path": "B/1", "rowIndex": 2, "columnIndex": 0}
    found = of_plate(plate(rows=rows, wells=[well, dict(well)]))
    assert found["rows"] == [{"name": "A"}, {"name": "B"}]
    assert found["wells"] == [{**well, "rowIndex": 1}]


def test_texts_of_numbers_in_acquisitions():
    """As bioformats2raw 0.3 and 0.4 wrote ids."""
    found = of_plate(plate(acquisitions=[{"id": "0", "maximumfieldcount": "2"}]))
    assert found["acquisitions"] == [{"id": 0, "maximumfieldcount": 2}]
    well = migrate({"well": {"images": [{"path": "./0/", "acquisition": "1"}]}}, "A/1")
    assert well.attributes["ome"]["well"]["images"] == [{"path": "0", "acquisition": 1}]


def test_axes_get_the_types_of_their_names_where_the_types_are_wanted():
    axes = [{"name": "C"}, {"name": "Y"}, {"name": "x", "type": None}]
    entry = {**ENTRY, "axes": axes}
    (found,) = migrate({"multiscales": [entry]}).attributes["ome"]["multiscales"]
    assert [axis["type"] for axis in found["axes"]] == ["channel", "space", "space"]
    odd = [{"name": "c"}, *AXES]  # fine as they are
    (found,) = migrate({"multiscales": [{**ENTRY, "axes": odd}]}).attributes["ome"]["multiscales"]
    assert found["axes"] == odd


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_missing_scale_comes_from_level_0_and_the_shapes(missing):
    scales = [[0.5, 0.25], [missing, 0.5]]
    datasets = [
        {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for i, scale in enumerate(scales)
    ]
    axes = [{**axis, "unit": "micrometer"} for axis in AXES]
    entry = {"version": "0.4", "axes": axes, "datasets": datasets}
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8), "1": (4, 4)})
    assert [level[0]["scale"] for level in levels_of(result)] == [[0.5, 0.25], [1.0, 0.5]]
    assert result.attributes["ome"]["multiscales"][0]["axes"] == axes
    scales[0][0] = missing  # nobody measured it: no unit
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8), "1": (4, 4)})
    assert [level[0]["scale"] for level in levels_of(result)] == [[1.0, 0.25], [2.0, 0.5]]
    assert result.attributes["ome"]["multiscales"][0]["axes"] == [AXES[0], axes[1]]


def test_a_unit_stays_where_the_multiscale_has_the_scale():
    axes = [{**axis, "unit": "micrometer"} for axis in AXES]
    entry = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    entry["coordinateTransformations"] = [{"type": "scale", "scale": [0.5, 0.5]}]
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8)})
    assert result.attributes["ome"]["multiscales"][0]["axes"] == axes


def test_a_translation_alone_gets_its_scale():
    move = {"type": "translation", "translation": [1, 1]}
    entry = {**ENTRY, "datasets": [{"path": "0", "coordinateTransformations": [move]}]}
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8)})
    assert levels_of(result) == [[{"type": "scale", "scale": [1.0, 1.0]}, move]]


def test_levels_that_are_not_there_go_where_others_are():
    entry = {**ENTRY, "datasets": [LEVEL, {**LEVEL, "path": "1"}]}
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8)})
    assert result.attributes["ome"]["multiscales"] == [ENTRY]
    for more in ({"arrays": {}}, {"arrays": {"0": (9, 8)}, "occupied": frozenset("1")}):
        result = migrate({"multiscales": [entry]}, **more)
        assert result.attributes["ome"]["multiscales"] == [entry]


@pytest.mark.parametrize("path", ["s3://bucket/1", "../1", "C:\\1"])
def test_levels_that_lie_elsewhere_do_not_go(path):
    entry = {**ENTRY, "datasets": [LEVEL, {**LEVEL, "path": path}]}
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8)})
    assert result.attributes["ome"]["multiscales"] == [entry]
    assert codes(result) == [("error", "path.outside")]


def test_a_scale_in_an_array_of_its_own_is_not_missing():
    level = {**LEVEL, "coordinateTransformations": [{"type": "scale", "path": "scales/0"}]}
    entry = {**ENTRY, "axes": [{**axis, "unit": "micrometer"} for axis in AXES]}
    result = migrate({"multiscales": [{**entry, "datasets": [level]}]}, arrays={"0": (9, 8)})
    assert result.attributes["ome"]["multiscales"] == [{**entry, "datasets": [level]}]
    assert codes(result) == [("warning", "dialect.transforms.values")]


def test_axes_that_the_arrays_name_themselves():
    entry = {"version": "0.4", "datasets": [LEVEL]}
    names = {"0": ("y", "x")}
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8)}, dimensions=names)
    assert result.attributes["ome"]["multiscales"][0]["axes"] == AXES


def test_the_transform_of_a_level_in_other_words():
    """As COSEM has it."""
    own = {"axes": ["y", "x"], "scale": [4.0, 4.0], "translate": [2.0, 2.0], "units": ["nm", "nm"]}
    entry = {"datasets": [{"path": "0", "transform": own}]}
    result = migrate({"multiscales": [entry]}, arrays={"0": (9, 8)})
    (found,) = result.attributes["ome"]["multiscales"]
    assert found["axes"] == [{**axis, "unit": "nm"} for axis in AXES]
    move = {"type": "translation", "translation": [2.0, 2.0]}
    assert levels_of(result) == [[{"type": "scale", "scale": [4.0, 4.0]}, move]]


def test_names_and_indices_of_the_wrong_type():
    result = migrate({"labels": [0, "a"]}, "labels")
    assert result.attributes["ome"]["labels"] == ["0", "a"]
    sides = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "field_count": "2"}
    wells = [{"path": "A/1", "rowIndex": "0", "columnIndex": 0}]
    result = migrate({"plate": {**sides, "wells": wells}})
    plate = result.attributes["ome"]["plate"]
    assert (plate["field_count"], plate["wells"][0]["rowIndex"]) == (2, 0)
    assert codes(result) == [("warning", "source.repaired")] * 2
    axes = [{**axis, "name": number} for number, axis in enumerate(AXES)]
    result = migrate({"multiscales": [{**ENTRY, "name": 7, "axes": axes}]})
    (found,) = result.attributes["ome"]["multiscales"]
    assert (found["name"], [axis["name"] for axis in found["axes"]]) == ("7", ["0", "1"])
    assert codes(result) == [("warning", "source.repaired")] * 3


@pytest.mark.parametrize(
    ("path", "written"),
    [("/0", "0"), ("/9", None), ("/scale0/image", "scale0/image"), ("/data/cells.zarr/0", "")],
)
def test_a_path_of_a_computer_is_none_of_the_dataset(path, written):
    """A level of one step may be absent; of more, one that is not there lies somewhere else."""
    levels = [LEVEL, {**LEVEL, "path": path}]
    result = migrate(
        {"multiscales": [{**ENTRY, "datasets": levels}]},
        arrays={"0": (8, 8), "scale0/image": (4, 4)},
    )
    found = [one["path"] for one in result.attributes["ome"]["multiscales"][0]["datasets"]]
    if written == "":
        assert found == ["0", path]
        assert ("error", "path.outside") in codes(result)
    else:
        expected = ["0", written] if written not in (None, "0") else ["0"]
        assert found == expected


def test_wells_of_another_computer_are_none_of_the_plate():
    result = migrate(plate(wells=[{"path": "/A/1"}, {"path": "/data/p.zarr/A/2"}]))
    wells = result.attributes["ome"]["plate"]["wells"]
    assert [well["path"] for well in wells] == ["A/1", "/data/p.zarr/A/2"]
    assert ("error", "path.outside") in codes(result)


def test_one_in_a_list_stands_alone():
    """As jsonlite writes each text and number of R, unless it is told otherwise."""
    axes = [{"name": [axis["name"]], "type": [axis["type"]]} for axis in AXES]
    scale = [{"type": ["scale"], "scale": [1, 1]}]
    entry = {"name": ["a"], "axes": axes, "version": ["0.4"]}
    entry["datasets"] = [{"path": ["0"], "coordinateTransformations": scale}]
    window = {"start": [0], "end": [1], "min": [0], "max": [1]}
    channel = {"label": ["a"], "color": ["FF0000"], "active": [True], "window": window}
    result = migrate({"multiscales": [entry], "omero": [{"channels": [channel]}]})
    ome = result.attributes["ome"]
    assert ome["multiscales"] == [{"name": "a", **ENTRY}]
    assert ome["omero"]["channels"][0]["window"] == {"start": 0, "end": 1, "min": 0, "max": 1}
    assert set(codes(result)) == {("warning", "source.repaired")}
    whole = plate()
    whole["plate"]["wells"][0] = {"path": ["A/1"], "rowIndex": [0], "columnIndex": [0]}
    result = migrate({"plate": [whole["plate"]]})
    assert result.attributes["ome"]["plate"]["wells"] == plate()["plate"]["wells"]
    assert set(codes(result)) == {("warning", "source.repaired")}


@pytest.mark.parametrize("odd", [["a", "b"], [["a"]], [None], [], [{"a": 1}]])
def test_a_list_of_something_else_stays(odd):
    """A name is one text or number."""
    result = migrate({"multiscales": [{**ENTRY, "name": odd}]})
    assert result.attributes["ome"]["multiscales"][0]["name"] == odd


def test_words_in_capitals_and_axes_in_one_text():
    axes = [{"name": "y", "type": "Space"}, {"name": "x", "type": "SPACE"}]
    level = {"path": "0", "coordinateTransformations": [{"type": "Scale", "scale": [1, 1]}]}
    (entry,) = migrate({"multiscales": [{"axes": axes, "datasets": [level]}]}).attributes["ome"][
        "multiscales"
    ]
    assert entry == {"axes": AXES, "datasets": [LEVEL]}
    (entry,) = migrate({"multiscales": [{"axes": "yx", "datasets": [LEVEL]}]}).attributes["ome"][
        "multiscales"
    ]
    assert entry["axes"] == AXES


def test_words_that_are_none_of_the_formats_stay():
    axes = [{"name": "y", "type": "Depth"}, {"name": "x", "type": "space"}]
    result = migrate({"multiscales": [{"axes": axes, "datasets": [LEVEL]}]})
    assert result.attributes["ome"]["multiscales"][0]["axes"] == axes
    result = migrate({"multiscales": [{"axes": "yq", "datasets": [LEVEL]}]})
    assert result.attributes["ome"]["multiscales"][0]["axes"] == "yq"

"""Attributes of 0.1 to 0.5, brought to 0.5."""

import math

import pytest

from uplift.errors import SourceError, UnsupportedError
from uplift.ngff.axes import array_names, level_names, relative_scales
from uplift.ngff.lossless import lost_attributes
from uplift.ngff.migrate import keep_attributes, migrate_attributes
from uplift.ngff.registry import Facts

AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
SCALE = [{"type": "scale", "scale": [1, 1]}]
LEVEL = {"path": "0", "coordinateTransformations": SCALE}
ENTRY = {"axes": AXES, "datasets": [LEVEL]}


def migrate(attributes, path="", arrays=None, zarr_format=2, **facts):
    facts = Facts(path, shapes=arrays, **facts)
    result = migrate_attributes(attributes, "0.5", facts, zarr_format=zarr_format)
    assert lost_attributes(attributes, result.attributes, result.changes) == []
    again = migrate_attributes(result.attributes, "0.5", facts, zarr_format=3)
    assert again.attributes == result.attributes
    assert list(again.attributes) == list(result.attributes)
    return result


def codes(result):
    return [(finding.severity, finding.code) for finding in result.findings]


def test_ome_keys_move_and_all_else_stays():
    attributes = {
        "acq": {"version": "7", "k": 1},
        "multiscales": [
            {**ENTRY, "version": "0.4", "name": "n", "metadata": {"version": "0.16.1"}, "x": [1]},
            {"version": "0.4", "axes": AXES, "datasets": [{**LEVEL, "path": "b/0"}]},
        ],
        "omero": {"version": "0.4", "id": 1, "channels": []},
        "_creator": {"name": "omero-zarr", "version": "0.4"},
        "version": "0.4",
        "labels": ["mine"],
    }
    result = migrate(attributes)
    assert result.attributes == {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {**ENTRY, "name": "n", "metadata": {"version": "0.16.1"}, "x": [1]},
                {"axes": AXES, "datasets": [{**LEVEL, "path": "b/0"}]},
            ],
            "omero": {"id": 1, "channels": []},
        },
        "acq": {"version": "7", "k": 1},
        "_creator": {"name": "omero-zarr", "version": "0.4"},
        "version": "0.4",
        "labels": ["mine"],
    }
    assert result.findings == ()
    actions = {change.key: change.action for change in result.changes}
    assert actions["multiscales"] == "moved"
    assert actions["acq"] == "kept"
    assert actions["multiscales[1].version"] == actions["omero.version"] == "dropped"


def test_versions_of_plate_well_and_label():
    plate = {
        "rows": [{"name": "A"}],
        "columns": [{"name": "1"}],
        "wells": [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}],
    }
    both = {"plate": {"version": "0.4", **plate}, "bioformats2raw.layout": 3}
    result = migrate(both)
    assert result.attributes == {
        "ome": {
            "version": "0.5",
            "plate": {"version": "0.5", **plate},
            "bioformats2raw.layout": 3,
        }
    }
    well = migrate({"well": {"images": [{"path": "0"}]}})
    assert well.attributes["ome"]["well"] == {"images": [{"path": "0"}], "version": "0.5"}
    label = migrate({"image-label": {"version": "0.4", "source": {"image": "../../"}}})
    assert label.attributes["ome"]["image-label"]["version"] == "0.5"
    series = migrate({"series": ["0", "1"]}, "OME")
    assert series.attributes == {"ome": {"version": "0.5", "series": ["0", "1"]}}
    labels = migrate({"labels": ["a"], "mine": 1}, "x/labels")
    assert labels.attributes == {"ome": {"version": "0.5", "labels": ["a"]}, "mine": 1}


def test_an_omero_version_of_its_own_stays():
    result = migrate({"multiscales": [{**ENTRY, "version": "0.4"}], "omero": {"version": "9"}})
    assert result.attributes["ome"]["omero"] == {"version": "9"}


@pytest.mark.parametrize("version", [{"version": "0.1"}, {"version": "0.2"}, {}])
def test_axes_and_scales_of_0_1_and_0_2(version):
    attributes = {"multiscales": [{**version, "datasets": [{"path": "0"}, {"path": "1"}]}]}
    arrays = {"0": (1, 2, 9, 271, 100), "1": (1, 2, 9, 135, 30)}
    (entry,) = migrate(attributes, arrays=arrays).attributes["ome"]["multiscales"]
    assert entry["axes"] == [
        {"name": "t", "type": "time"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space"},
        {"name": "y", "type": "space"},
        {"name": "x", "type": "space"},
    ]
    scales = [level["coordinateTransformations"] for level in entry["datasets"]]
    assert scales[0] == [{"type": "scale", "scale": [1.0] * 5}]
    assert scales[1] == [{"type": "scale", "scale": [1.0, 1.0, 1.0, 2.0, 100 / 30]}]


def test_axes_of_0_3():
    attributes = {"multiscales": [{"version": "0.3", "axes": ["c", "Y", "x"], "datasets": []}]}
    attributes["multiscales"][0]["datasets"] = [{"path": "0"}]
    (entry,) = migrate(attributes, arrays={"0": (1, 1, 1)}).attributes["ome"]["multiscales"]
    assert [axis["name"] for axis in entry["axes"]] == ["c", "Y", "x"]
    assert [axis["type"] for axis in entry["axes"]] == ["channel", "space", "space"]


def test_well_indices_of_0_3():
    plate = {
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": [{"path": "B/1"}, {"path": "A/2"}],
        "version": "0.2",
    }
    result = migrate({"plate": plate})
    wells = result.attributes["ome"]["plate"]["wells"]
    assert [(well["rowIndex"], well["columnIndex"]) for well in wells] == [(1, 0), (0, 1)]
    assert codes(result) == []
    late = migrate({"plate": {**plate, "version": "0.4"}})
    assert ("warning", "source.repaired") in codes(late)


@pytest.mark.parametrize("ome", ["mine", {"version": "0.5"}])
def test_an_ome_attribute_in_the_way_is_refused(ome):
    with pytest.raises(SourceError, match='attribute "ome" already'):
        migrate_attributes({"ome": ome}, "0.5", Facts("a/b"))


@pytest.mark.parametrize(
    ("entry", "arrays", "code"),
    [
        ({"version": "0.1", "datasets": [{"path": "0"}]}, {"0": (5, 5)}, "dialect.axes.list"),
        ({"datasets": [{"path": "0"}]}, {}, "dialect.axes.list"),
        ({"version": "0.2", "datasets": []}, {}, "dialect.datasets.list"),
        ({"version": "0.2"}, {}, "dialect.datasets.list"),
        (
            {"axes": ["y", "x"], "datasets": [{"path": "0"}, {"path": "1"}]},
            {"0": (4, 4), "1": (4, 4, 4)},
            "dialect.transforms.kinds",
        ),
        ({**ENTRY, "axes": [{"name": "x"}, {"name": "x"}]}, {}, "dialect.axes.names"),
    ],
)
def test_what_nothing_answers_is_kept_and_said(entry, arrays, code):
    result = migrate({"multiscales": [entry]}, arrays=arrays)
    assert ("warning", code) in codes(result)
    assert not [severity for severity, _ in codes(result) if severity == "error"]


@pytest.mark.parametrize("version", ["0.6rc0", "1.0"])
def test_unknown_versions_are_refused(version):
    with pytest.raises(UnsupportedError, match="not known"):
        migrate_attributes({"multiscales": [{"version": version}]}, "0.5", Facts())
    with pytest.raises(UnsupportedError, match="not known"):
        migrate_attributes({"ome": {"version": version}}, "0.5", Facts(), zarr_format=3)
    with pytest.raises(UnsupportedError, match="target version"):
        migrate_attributes({}, version, Facts())


@pytest.mark.parametrize("version", ["latest", "v0.4", "0.4.0", "draft"])
def test_a_version_that_is_none_is_read_off_the_content(version):
    result = migrate({"multiscales": [{**ENTRY, "version": version}]})
    assert result.attributes == {"ome": {"version": "0.5", "multiscales": [ENTRY]}}
    assert codes(result) == [("warning", "source.repaired")]


def test_0_5_stays_as_it_is():
    attributes = {
        "mine": 1,
        "ome": {
            "multiscales": [ENTRY],
            "omero": {"version": "0.5", "channels": []},
            "image-label": {},
            "version": "0.5",
            "@type": "ngff:Image",
        },
        "plate": {"somebody": "else's"},
    }
    result = migrate(attributes, zarr_format=3)
    assert result.attributes == attributes
    assert list(result.attributes["ome"]) == list(attributes["ome"])
    assert {change.action for change in result.changes} == {"kept"}


def test_0_4_words_in_a_v3_store_move():
    result = migrate({"multiscales": [{**ENTRY, "version": "0.4"}]}, zarr_format=3)
    assert result.attributes == {"ome": {"version": "0.5", "multiscales": [ENTRY]}}
    draft = {"ome": {"version": "0.5-dev", "multiscales": [ENTRY]}}
    assert migrate(draft, zarr_format=3).attributes["ome"]["version"] == "0.5"


def test_a_plate_of_0_5_gets_the_version_that_its_text_asks_for():
    plate = {"ome": {"version": "0.5", "plate": {"name": "p"}}}
    result = migrate(plate, zarr_format=3)
    assert result.attributes["ome"]["plate"] == {"name": "p", "version": "0.5"}


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


def test_identity_is_spelled_as_a_scale():
    """As iohub wrote it, for the levels and for all of them."""
    identity = [{"type": "identity"}]
    levels = [{"path": "0", "coordinateTransformations": identity}]
    entry = {**ENTRY, "datasets": levels, "coordinateTransformations": identity}
    result = migrate({"multiscales": [entry]})
    assert codes(result) == [("warning", "source.repaired")] * 2
    (found,) = result.attributes["ome"]["multiscales"]
    assert found["coordinateTransformations"] == SCALE
    assert found["datasets"][0]["coordinateTransformations"] == SCALE
    both = [*identity, *SCALE]  # not alone: stays
    result = migrate({"multiscales": [{**entry, "coordinateTransformations": both}]})
    assert ("warning", "dialect.transforms.kinds") in codes(result)


def dropped(result):
    return [change.key for change in result.changes if change.repair == "empty.dropped"]


def test_nulls_and_empty_lists_go_where_the_key_may_be_absent():
    """As libraries leave them that spell out every optional field."""
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


def plate(**more):
    sides = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "2"}]}
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    return {"plate": {"version": "0.4", **sides, "wells": wells, **more}}


def of_plate(attributes):
    result = migrate(attributes)
    assert {code for _, code in codes(result)} == {"source.repaired"}
    return result.attributes["ome"]["plate"]


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


@pytest.mark.parametrize("labels", ["a", [{"path": "a"}], ["./a", "a/"], ["/x/labels/a"]])
def test_one_label_in_other_words(labels):
    result = migrate({"labels": labels}, "x/labels")
    assert result.attributes["ome"]["labels"] == ["a"]


def test_axes_get_the_types_of_their_names_where_the_types_are_wanted():
    axes = [{"name": "C"}, {"name": "Y"}, {"name": "x", "type": None}]
    entry = {**ENTRY, "axes": axes}
    (found,) = migrate({"multiscales": [entry]}).attributes["ome"]["multiscales"]
    assert [axis["type"] for axis in found["axes"]] == ["channel", "space", "space"]
    odd = [{"name": "c"}, *AXES]  # fine as they are
    (found,) = migrate({"multiscales": [{**ENTRY, "axes": odd}]}).attributes["ome"]["multiscales"]
    assert found["axes"] == odd


def levels_of(result):
    (entry,) = result.attributes["ome"]["multiscales"]
    return [level["coordinateTransformations"] for level in entry["datasets"]]


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


def test_a_text_under_the_key_of_an_object_is_the_users_own():
    attributes = {"multiscales": [{**ENTRY, "version": "0.4"}], "plate": "P1", "well": 7}
    result = migrate(attributes)
    assert result.attributes == {
        "ome": {"version": "0.5", "multiscales": [ENTRY]},
        "plate": "P1",
        "well": 7,
    }


def test_names_and_indices_of_the_wrong_type():
    result = migrate({"labels": [0, "a"]}, "labels")
    assert result.attributes["ome"]["labels"] == ["0", "a"]
    sides = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "field_count": "2"}
    wells = [{"path": "A/1", "rowIndex": "0", "columnIndex": 0}]
    result = migrate({"plate": {**sides, "wells": wells}})
    plate = result.attributes["ome"]["plate"]
    assert (plate["field_count"], plate["wells"][0]["rowIndex"]) == (2, 0)
    assert codes(result) == [("warning", "source.repaired")] * 2


def test_nan_is_spelled_as_text():
    result = keep_attributes({"a": [math.nan, {"b": -math.inf}], "c": 1.5}, "0")
    assert result.attributes == {"a": ["NaN", {"b": "-Infinity"}], "c": 1.5}
    assert [finding.message.split(":")[0] for finding in result.findings] == ["a[0]", "a[1].b"]
    migrated = migrate({"multiscales": [ENTRY], "mine": math.inf}).attributes
    assert migrated["mine"] == "Infinity"


def test_groups_without_ome_metadata_are_left_alone():
    attributes = {"encoding-type": "anndata", "version": "0.1", "series": ["a"]}
    result = migrate(attributes, "tables/t")
    assert result.attributes == attributes
    assert migrate({}, "A").attributes == {}


@pytest.mark.parametrize(
    ("shapes", "factors"),
    [
        ([(271,), (135,), (67,), (33,)], [1, 2, 4, 8]),  # rounded down each time
        ([(271,), (136,), (68,), (34,)], [1, 2, 4, 8]),  # rounded up
        ([(100,), (30,)], [1, 100 / 30]),  # no integer explains it
        ([(5,), (5,), (5,)], [1, 1, 1]),
        ([(100,), (101,)], [1, 100 / 101]),
        ([(0,), (0,)], [1, 1]),
        ([(1000,), (1,)], [1, 1000]),
    ],
)
def test_relative_scales(shapes, factors):
    assert [scale for (scale,) in relative_scales(shapes)] == pytest.approx(factors)


def test_dimension_names():
    assert level_names((1, 2), ("y", "x")) == ("y", "x")
    assert level_names((1, 2), ("y", "y")) is None
    assert level_names((1, 2, 3), ("y", "x")) is None
    assert array_names({"_ARRAY_DIMENSIONS": ["a", "b"]}, (1, 2)) == ("a", "b")
    for names in (None, "ab", ["a"], ["a", 1]):
        assert array_names({"_ARRAY_DIMENSIONS": names}, (1, 2)) is None


@pytest.mark.parametrize(
    ("attributes", "path", "zarr_format"),
    [
        ({"series": None}, "OME", 2),  # was moved, and held to be somebody's own
        ({"labels": ["a"], "multiscales": [ENTRY]}, "x/labels", 2),
        ({"ome": {"axes": None}, "axes": {}}, "OME", 3),  # not OME-Zarr's `ome`
        ({"ome": 3}, "x", 3),
    ],
)
def test_migration_and_proof_agree_on_whose_a_key_is(attributes, path, zarr_format):
    migrate(attributes, path, zarr_format=zarr_format)

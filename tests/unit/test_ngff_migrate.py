"""Attributes of 0.1 to 0.5, brought to 0.5."""

import math

import pytest

from support.migrations import AXES, ENTRY, LEVEL, codes, migrate
from uplift.errors import SourceError, UnsupportedError
from uplift.ngff import migrate as migrating
from uplift.ngff.axes import array_names, level_names, relative_scales
from uplift.ngff.migrate import keep_attributes, migrate_attributes
from uplift.ngff.registry import Facts


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


@pytest.mark.parametrize("ome", ["mine", {}, {"lab": 1}])
def test_an_ome_attribute_in_the_way_is_refused(ome):
    with pytest.raises(SourceError, match='attribute "ome" already'):
        migrate_attributes({"ome": ome}, "0.5", Facts("a/b"))


def test_metadata_of_0_5_in_zarr_v2_are_read_where_they_are_alone():
    attributes = {"ome": {"version": "0.5", "labels": ["a"]}, "mine": 1}
    result = migrate(attributes, "labels")
    assert result.attributes == attributes
    assert codes(result) == [("warning", "source.repaired")]
    with pytest.raises(SourceError, match="remove those that are out of date"):
        migrate_attributes({**attributes, "labels": ["b"]}, "0.5", Facts("labels"))


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
        "plate": {"someone": "else's"},
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


def test_a_text_under_the_key_of_an_object_is_the_users_own():
    attributes = {"multiscales": [{**ENTRY, "version": "0.4"}], "plate": "P1", "well": 7}
    result = migrate(attributes)
    assert result.attributes == {
        "ome": {"version": "0.5", "multiscales": [ENTRY]},
        "plate": "P1",
        "well": 7,
    }


def test_nan_is_written_as_text():
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
        ({"series": None}, "OME", 2),  # was moved, and held to be a user's own
        ({"labels": ["a"], "multiscales": [ENTRY]}, "x/labels", 2),
        ({"ome": {"axes": None}, "axes": {}}, "OME", 3),  # not OME-Zarr's `ome`
        ({"ome": 3}, "x", 3),
    ],
)
def test_migration_and_proof_agree_on_whose_a_key_is(attributes, path, zarr_format):
    migrate(attributes, path, zarr_format=zarr_format)


def test_images_that_differ_in_a_name_alone_are_migrated_once(monkeypatch):
    migrated, made = migrating._migrated, []

    def counting(*others, **options):
        made.append(others)
        return migrated(*others, **options)

    monkeypatch.setattr(migrating, "_migrated", counting)
    migrating._migrated_alike.cache_clear()
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    names = [f"field {number}" for number in range(20)]
    for number, name in enumerate(names):
        entry = {"version": "0.4", "name": name, "axes": axes, "datasets": levels}
        facts = Facts(f"A/1/{number}", shapes={"0": (8, 8)})
        result = migrate_attributes({"multiscales": [entry]}, "0.5", facts)
        assert result.attributes["ome"]["multiscales"][0]["name"] == name
    assert len(made) == 1

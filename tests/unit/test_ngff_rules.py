"""Rules of 0.5, against the official suites where they are at hand."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from uplift.errors import UpliftError
from uplift.ngff.hierarchy_rules import TREE_RULES
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.pyramid import check_scales
from uplift.ngff.registry import Facts
from uplift.ngff.versions import TARGETS, check_metadata

SPEC = Path(__file__).resolve().parents[3] / "shared" / "data" / "spec"
needs_suites = pytest.mark.skipif(
    not SPEC.is_dir(), reason="no official suites: lay the folder `shared` next to this checkout"
)
MORE_THAN_THE_SUITES = {"dialect.unit", "dialect.transforms.negative"}
"""Rules of the text that the suites do not ask about."""


def cases(version):
    """(suite, name, data, valid) of every case of a version."""
    for path in sorted((SPEC / version / "tests").glob("*.json")):
        suite = path.name.removesuffix("_suite.json")
        for case in json.loads(path.read_text())["tests"]:
            name = f"{suite}:{case['formerly']}"
            yield pytest.param(suite, case["data"], case["valid"], id=name)


def schema_accepts(suite, data):
    schemas = {
        path.stem: json.loads(path.read_text())
        for path in (SPEC / "0.5" / "schemas").glob("*.schema")
    }
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema, default_specification=DRAFT202012))
        for schema in schemas.values()
    )
    return Draft202012Validator(schemas[suite], registry=registry).is_valid(data)


def broken(ome):
    found = check_metadata(ome, "0.5")
    return [finding for finding in found if finding.code not in MORE_THAN_THE_SUITES]


@needs_suites
@pytest.mark.parametrize(("suite", "data", "valid"), list(cases("0.5")))
def test_verdict_of_the_official_0_5_suites(suite, data, valid):
    """A case of the strict suites is about recommendations: valid in the sense of a MUST."""
    found = broken(data.get("ome", {}))
    assert (not found) == (valid or suite.startswith("strict_")), found


@needs_suites
@pytest.mark.parametrize(("suite", "data", "valid"), list(cases("0.4")))
def test_official_0_4_suites_migrate_or_are_reported(suite, data, valid):
    try:
        migrated = migrate_attributes(data, "0.5", Facts())
    except UpliftError:
        assert not valid
        return
    codes = {finding.code for finding in migrated.findings} - MORE_THAN_THE_SUITES
    if valid:
        assert schema_accepts(suite, migrated.attributes)
        # By their text, 0.4 and 0.5 forbid what these few cases do next to what they are about:
        # a scale of two values for three axes, and wells named column before row.
        assert codes <= {"dialect.transforms.values", "dialect.plate.well", "dialect.plate.index"}
    elif not suite.startswith("strict_"):
        assert migrated.findings


AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]


def image(*scales, axes=AXES, **more):
    levels = [
        {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
        for i, scale in enumerate(scales)
    ]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}], **more}


def named_transformations(*names):
    """Texts where objects belong."""
    found = image((1, 1), (2, 2))
    found["multiscales"][0]["datasets"][1]["coordinateTransformations"] = list(names)
    return found


def channel(**values):
    window = {"start": 0, "end": 1, "min": 0, "max": 1}
    return {"channels": [{"color": "FFFFFF", "window": window, **values}]}


def typed(*kinds):
    return [{"name": str(i), "type": kind} for i, kind in enumerate(kinds)]


def codes(ome):
    return [finding.code for finding in check_metadata({"version": "0.5", **ome}, "0.5")]


@pytest.mark.parametrize(
    ("ome", "expected"),
    [
        (image((1, 1)), []),
        (image((1, 1), axes=typed("time", "space", "space")), ["dialect.transforms.values"]),
        (image((1,) * 3, axes=typed("space", "space", "time")), ["dialect.axes.order"]),
        (
            image((1,) * 3, axes=typed("channel", "time", "space")),
            ["dialect.axes.types", "dialect.axes.order"],
        ),
        (image((1,) * 4, axes=typed("channel", "a", "space", "space")), ["dialect.axes.types"]),
        (image((1, 1), axes=[{"name": "y"}] * 2), ["dialect.axes.names", "dialect.axes.types"]),
        (image((1, 1), axes=[axis | {"unit": 1} for axis in AXES]), ["dialect.unit.text"] * 2),
        (image((1, 1), axes=[axis | {"unit": "um"} for axis in AXES]), ["dialect.unit"] * 2),
        (image((1, 1), (2, 2), (4, 4)), []),
        (image((2, 2), (1, 1)), ["dialect.datasets.order"]),
        (image((-1, -1), (-2, -2)), ["dialect.transforms.negative"]),
        (
            image((-2, -2), (-1, 1)),
            ["dialect.datasets.order", "dialect.transforms.negative"],
        ),
        (image((1, 1), (1, 1)), []),
        (named_transformations("scale"), ["dialect.transforms.kinds"]),
        (named_transformations("scale", "translation"), ["dialect.transforms.kinds"]),
        ({"version": "0.4", "labels": ["a"]}, ["ome.version"]),
        ({"version": None, "labels": ["a"]}, ["ome.version"]),
        ({"labels": []}, ["dialect.labels.empty"]),
        ({"labels": [1]}, ["dialect.labels.list"]),
        ({"labels": ["../a"]}, ["path.outside"]),
        ({"series": "0"}, ["dialect.series.list"]),
        ({"series": ["0", "1", "0"]}, ["dialect.series.twice"]),
        ({"series": ["."]}, ["dialect.path.self"]),
        ({"series": ["", "0", "./", "/.", ".\\"]}, ["dialect.path.self"] * 4),
        ({"series": ["..", "./.."]}, ["path.outside"] * 2),
        ({"labels": [".", "a"]}, ["dialect.path.self"]),
        ({"well": {"images": [{"path": ""}]}}, ["dialect.path.self", "dialect.well.path"]),
        ({"bioformats2raw.layout": 2}, ["dialect.bioformats2raw.layout"]),
        (image((1, 1), omero={}), ["dialect.omero.channels"]),
        (image((1, 1), omero=None), ["dialect.omero.channels"]),
        (image((1, 1), omero={"id": 1}), ["dialect.omero.channels"]),
        (image((1, 1), omero=channel(window={"start": "NaN"})), ["dialect.omero.channel"]),
        (image((1, 1), omero=channel()), []),
        (image((1, 1), omero=channel(color="#FFFFFF")), ["dialect.omero.channel"]),
        (image((1, 1), omero=channel(color=255)), ["dialect.omero.channel"]),
        (image((1, 1), omero=channel(window=None)), ["dialect.omero.channel"]),
        (image((1, 1), omero=channel(label=1, active=1)), ["dialect.omero.channel"]),
        ({"well": {"images": [{"path": "0_mip"}]}}, ["dialect.well.path"]),
        ({"well": {"images": [{"path": 0}]}}, ["dialect.well.path"]),
        ({"well": {"images": []}}, ["dialect.well.list"]),
        (
            {"image-label": {"colors": [{"label-value": 1, "rgba": None}]}},
            ["dialect.image-label.color"],
        ),
    ],
)
def test_rules(ome, expected):
    assert codes(ome) == expected


def test_transformations_between_named_systems_are_a_dialect():
    ome = image((1, 1))
    foreign = {"type": "identity", "input": {"name": "yx"}, "output": {"name": "global"}}
    ome["multiscales"][0]["coordinateTransformations"] = [foreign]
    (finding,) = check_metadata(ome, "0.5")
    assert (finding.code, finding.severity) == ("dialect.transforms.systems", "warning")


@pytest.mark.parametrize(
    ("wells", "expected"),
    [
        ([{"path": "A/1", "rowIndex": 0, "columnIndex": 0}], []),
        ([{"path": "A/1", "rowIndex": 1, "columnIndex": 0}], ["dialect.plate.index"]),
        ([{"path": "A/1", "rowIndex": 9, "columnIndex": 0}], ["dialect.plate.index"]),
        ([{"path": "C/1", "rowIndex": 0, "columnIndex": 0}], ["dialect.plate.well"]),
        ([{"path": "A/1", "rowIndex": 0, "columnIndex": 0}] * 2, ["dialect.plate.list"]),
        ([], ["dialect.plate.list"]),
        ([3], ["dialect.plate.list"]),
    ],
)
def test_wells(wells, expected):
    plate = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}], "wells": wells}
    assert codes({"plate": plate}) == expected


@pytest.mark.parametrize(
    ("scales", "shapes", "expected"),
    [
        ([(1, 1), (2, 2)], [(100, 100), (50, 50)], []),
        ([(0.13, 0.13), (0.26, 0.26)], [(271, 271), (135, 136)], []),  # rounded down and up
        ([(1, 1), (4, 4)], [(7, 7), (1, 2)], []),
        ([(1, 1), (1, 1)], [(100, 100), (50, 50)], ["pyramid.scale"]),  # forgotten
        ([(1, 1), (2, 2)], [(100, 100), (50, 100)], ["pyramid.scale"]),
        ([(1, 1), (2, 2)], [(50, 50), (100, 100)], ["pyramid.order", "pyramid.scale"]),
        ([(0, 1), (0, 2)], [(100, 100), (100, 50)], []),
        ([(1, 1)], [(5000, 10)], ["pyramid.single-level"]),
        ([(1, 1)], [(4096, 10)], []),
        ([(1, 1), (2, 2)], [(100, 100)], []),  # an absent level is the inventory's business
    ],
)
def test_scales_against_shapes(scales, shapes, expected):
    (entry,) = image(*scales)["multiscales"]
    by_path = {str(i): shape for i, shape in enumerate(shapes)}
    found = check_scales(entry, by_path, path="p")
    assert [finding.code for finding in found] == expected
    assert all(finding.severity == "warning" and finding.path == "p" for finding in found)


@pytest.mark.parametrize("junk", [None, 1, "x", [], [None], [[1]], [{}], {}, {"datasets": [1]}])
def test_junk_is_found_and_never_fatal(junk):
    for key in ("multiscales", "omero", "image-label", "plate", "well", "labels", "series"):
        codes({key: junk})
    for key in ("axes", "datasets", "coordinateTransformations", "name"):
        ome = image((1, 1))
        ome["multiscales"][0][key] = junk
        codes(ome)
        check_scales(ome["multiscales"][0], {"0": (1, 1)})
    for key in ("rows", "columns", "wells", "acquisitions", "field_count"):
        assert codes({"plate": {key: junk}})


def test_each_rule_says_what_a_breach_costs():
    for rule in (*TARGETS["0.5"].rules, *TREE_RULES):
        assert rule.breaks, rule.code
        assert rule.asks, rule.code
    assert {rule.outcome for rule in TARGETS["0.5"].rules} == {"refuse", "keep"}

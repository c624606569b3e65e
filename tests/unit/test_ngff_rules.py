"""Rules of 0.5, against the official suites where they are at hand."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from uplift.errors import UpliftError
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.rules import check_metadata, check_scales

SPEC = Path(__file__).resolve().parents[3] / "shared" / "data" / "spec"
needs_suites = pytest.mark.skipif(
    not SPEC.is_dir(), reason="no official suites: lay the folder `shared` beside this checkout"
)
ROLES = {"image": "image", "label": "label image", "plate": "plate", "well": "well"}


def cases(version):
    """(suite, name, data, valid) of every case of a version."""
    for path in sorted((SPEC / version / "tests").glob("*.json")):
        suite = path.name.removesuffix("_suite.json")
        for case in json.loads(path.read_text())["tests"]:
            name = f"{suite}:{case['formerly']}"
            yield pytest.param(suite, case["data"], case["valid"], id=name)


def role_of(suite):
    return (ROLES[suite.removeprefix("strict_")],)


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


@needs_suites
@pytest.mark.parametrize(("suite", "data", "valid"), list(cases("0.5")))
def test_verdict_of_the_official_0_5_suites(suite, data, valid):
    strict = suite.startswith("strict_")
    found = check_metadata(data.get("ome", {}), role_of(suite), strict=strict)
    bad = [finding for finding in found if strict or finding.severity == "error"]
    assert (not bad) == valid, found


@needs_suites
@pytest.mark.parametrize(("suite", "data", "valid"), list(cases("0.4")))
def test_official_0_4_suites_migrate_or_are_reported(suite, data, valid):
    try:
        migrated = migrate_attributes(data, "", role_of(suite), "0.5", {})
    except UpliftError:
        assert not valid
        return
    errors = {finding.code for finding in migrated.findings if finding.severity == "error"}
    if valid:
        assert schema_accepts(suite, migrated.attributes)
        # By their text, 0.4 and 0.5 forbid what these few cases do beside what they are about:
        # a scale of two values for three axes, and wells named column before row.
        assert errors <= {"multiscales.transforms", "plate.wells"}
    elif suite.startswith("strict_"):
        strict = check_metadata(migrated.attributes["ome"], role_of(suite), strict=True)
        added = [change for change in migrated.changes if change.action == "added"]
        assert strict or added
    else:
        assert migrated.findings


AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]


def image(*scales, axes=AXES, **more):
    levels = [
        {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
        for i, scale in enumerate(scales)
    ]
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}], **more}


def channel(**values):
    window = {"start": 0, "end": 1, "min": 0, "max": 1}
    return {"channels": [{"color": "FFFFFF", "window": window, **values}]}


def typed(*kinds):
    return [{"name": str(i), "type": kind} for i, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("ome", "roles", "expected"),
    [
        (image((1, 1)), ("image",), []),
        (
            image((1, 1), axes=typed("time", "space", "space")),
            ("image",),
            ["multiscales.transforms"],
        ),
        (image((1,) * 3, axes=typed("space", "space", "time")), ("image",), ["multiscales.axes"]),
        (image((1,) * 3, axes=typed("channel", "time", "space")), (), ["multiscales.axes"] * 2),
        (image((1,) * 4, axes=typed("channel", "a", "space", "space")), (), ["multiscales.axes"]),
        (image((1, 1), (2, 2), (4, 4)), (), []),
        (image((2, 2), (1, 1)), (), ["multiscales.order"]),
        (image((-1, -1), (-2, -2)), (), ["dialect.transforms"]),
        (image((-2, -2), (-1, 1)), (), ["dialect.transforms", "multiscales.order"]),
        (image((1, 1), (1, 1)), (), []),
        ({"version": "0.4", "labels": ["a"]}, ("labels",), ["ome.version"]),
        ({"labels": ["a"]}, ("labels",), ["ome.version"]),
        ({"version": "0.5", "labels": []}, ("labels",), ["dialect.labels"]),
        ({"version": "0.5", "labels": [1]}, ("labels",), ["labels"]),
        ({}, ("labels",), ["dialect.labels"]),
        ({}, ("OME",), []),
        ({"version": "0.5", "series": "0"}, ("OME",), ["series"]),
        ({"version": "0.5", "bioformats2raw.layout": 2}, (), ["bioformats2raw"]),
        ({}, ("image", "plate", "well"), ["ome.missing"] * 3),
        ({}, ("group", "row"), []),
        ({}, ("field",), ["dialect.well"]),
        (image((1, 1), omero={}), (), ["dialect.omero"]),
        (image((1, 1), omero=None), (), ["dialect.omero"]),
        (image((1, 1), omero={"id": 1}), (), ["omero"]),
        (image((1, 1), omero=channel(window={"start": "NaN"})), (), ["dialect.omero"]),
        (image((1, 1), omero=channel()), (), []),
        (image((1, 1), omero=channel(color="#FFFFFF")), (), ["dialect.omero"]),
        (image((1, 1), omero=channel(color=255)), (), ["omero"]),
        (image((1, 1), omero=channel(window=None)), (), ["dialect.omero"]),
        (image((1, 1), omero=channel(window={"start": "0"})), (), ["omero", "dialect.omero"]),
        (image((1, 1), omero=channel(label=1, active=1)), (), ["dialect.omero"]),
        ({"version": "0.5", "well": {"images": [{"path": "0_mip"}]}}, (), ["dialect.well"]),
        ({"version": "0.5", "well": {"images": [{"path": 0}]}}, (), ["well"]),
        (
            {"version": "0.5", "image-label": {"colors": [{"label-value": 1, "rgba": None}]}},
            (),
            ["dialect.image-label"],
        ),
    ],
)
def test_rules(ome, roles, expected):
    assert [finding.code for finding in check_metadata(ome, roles)] == expected


def test_transformations_between_named_systems_are_a_dialect():
    ome = image((1, 1))
    foreign = {"type": "identity", "input": {"name": "yx"}, "output": {"name": "global"}}
    ome["multiscales"][0]["coordinateTransformations"] = [foreign]
    (finding,) = check_metadata(ome, ("image",))
    assert (finding.code, finding.severity) == ("dialect.transforms", "warning")


@pytest.mark.parametrize(
    ("wells", "expected"),
    [
        ([{"path": "A/1", "rowIndex": 0, "columnIndex": 0}], []),
        ([{"path": "A/1", "rowIndex": 1, "columnIndex": 0}], ["dialect.plate"]),
        ([{"path": "A/1", "rowIndex": 9, "columnIndex": 0}], ["plate.wells"]),
        ([{"path": "C/1", "rowIndex": 0, "columnIndex": 0}], ["plate.wells"]),
        ([{"path": "A/1", "rowIndex": 0, "columnIndex": 0}] * 2, ["plate.wells"]),
        ([], ["plate.wells"]),
        ([3], ["plate.wells"]),
    ],
)
def test_wells(wells, expected):
    plate = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}], "wells": wells}
    found = check_metadata({"version": "0.5", "plate": plate}, ("plate",))
    assert [finding.code for finding in found] == expected


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
        assert isinstance(check_metadata({key: junk}, ()), tuple)
    for key in ("axes", "datasets", "coordinateTransformations", "name"):
        ome = image((1, 1))
        ome["multiscales"][0][key] = junk
        check_metadata(ome, ("image",))
        check_scales(ome["multiscales"][0], {"0": (1, 1)})
    for key in ("rows", "columns", "wells", "acquisitions", "field_count"):
        check_metadata({"plate": {key: junk}}, ("plate",))

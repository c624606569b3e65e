"""The proof that no attribute is lost: what it lets pass, and what it does not."""

import copy
import math

import pytest

from uplift.ngff.lossless import lost_array_attributes, lost_attributes
from uplift.ngff.migrate import migrate_attributes

SOURCE = {
    "multiscales": [
        {
            "version": "0.4",
            "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5]}]}
            ],
            "metadata": {"version": "1"},
            "name": "n",
        }
    ],
    "omero": {"version": "0.4", "channels": [{"label": "a", "active": True}], "id": 1},
    "image-label": {"version": "0.4", "colors": [{"label-value": 1}]},
    "mine": {"version": "3", "values": [1, 1.0, True, None, "1"]},
}
OUTPUT = migrate_attributes(SOURCE, "", ("image",), "0.5", {}).attributes


def test_the_migration_loses_nothing():
    assert lost_attributes(SOURCE, OUTPUT, ("image",)) == []
    assert lost_attributes(OUTPUT, OUTPUT, ("image",)) == []


def places(value, at=()):
    """Every place in a JSON value, the containers included."""
    if at:
        yield at
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*at, key))


def without(value, at):
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    del inner[at[-1]]
    return value


def with_other(value, at):
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = "something else"
    return value


ALLOWED = {("ome", "image-label", "version"), ("ome", "version")}


@pytest.mark.parametrize("at", list(places(OUTPUT)), ids=str)
def test_every_missing_and_every_changed_value_is_seen(at):
    assert lost_attributes(SOURCE, without(OUTPUT, at), ("image",))
    if at not in ALLOWED:
        assert lost_attributes(SOURCE, with_other(OUTPUT, at), ("image",))


@pytest.mark.parametrize(
    ("source", "output", "roles", "lost"),
    [
        ({"a": 1}, {"a": 1.0}, (), ["a: 1 in the source, 1.0 in the output"]),
        ({"a": True}, {"a": 1}, (), ["a: True in the source, 1 in the output"]),
        ({"a": [1]}, {"a": [1, 2]}, (), ["a: 1 entries in the source, 2 in the output"]),
        ({}, {"a": 1}, (), ["a: in the output, not in the source"]),
        ({"plate": {}}, {"plate": {}}, (), ["ome: missing in the output"]),
        ({"plate": {}}, {"ome": {"plate": {}}}, (), ["ome.version: missing in the output"]),
        ({"labels": ["a"]}, {"ome": {"version": "0.5", "labels": ["a"]}}, ("labels",), []),
        ({"labels": ["a"]}, {"labels": ["a"]}, (), []),  # somebody's own attribute
        ({"a": math.nan}, {"a": "NaN"}, (), []),
        (
            {"a": math.inf},
            {"a": "-Infinity"},
            (),
            ["a: inf in the source, '-Infinity' in the output"],
        ),
    ],
)
def test_cases(source, output, roles, lost):
    assert lost_attributes(source, output, roles) == lost


def test_an_invented_value_is_seen():
    output = copy.deepcopy(OUTPUT)
    output["ome"]["omero"]["channels"][0]["color"] = "FFFFFF"
    (text,) = lost_attributes(SOURCE, output, ("image",))
    assert text == "omero.channels[0].color: in the output, not in the source"


def test_a_wrong_repair_is_seen():
    source = {"multiscales": [{"axes": ["y"], "datasets": [{"path": 0}]}]}
    good = {"axes": [{"name": "y", "type": "space"}], "datasets": [{"path": "0"}]}
    output = {"ome": {"version": "0.5", "multiscales": [good]}}
    assert lost_attributes(source, output, ("image",)) == []
    output["ome"]["multiscales"][0]["datasets"][0]["path"] = "1"
    assert lost_attributes(source, output, ("image",))


def test_arrays_keep_ome_words_where_they_are():
    attributes = {"plate": 1, "_ARRAY_DIMENSIONS": ["y"]}
    assert lost_array_attributes(attributes, dict(attributes)) == []
    assert lost_array_attributes(attributes, {"plate": 1})

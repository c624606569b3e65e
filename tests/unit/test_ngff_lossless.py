"""The proof that no attribute is lost: what it lets pass, and what it does not."""

import copy
import math

import pytest

from uplift.models.changes import Change
from uplift.ngff.lossless import lost_attributes
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.registry import Facts

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
MIGRATED = migrate_attributes(SOURCE, "0.5", Facts())
OUTPUT, CHANGES = MIGRATED.attributes, MIGRATED.changes


def test_the_migration_loses_nothing():
    assert lost_attributes(SOURCE, OUTPUT, CHANGES) == []
    assert lost_attributes(OUTPUT, OUTPUT) == []


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


@pytest.mark.parametrize("at", list(places(OUTPUT)), ids=str)
def test_every_missing_and_every_changed_value_is_seen(at):
    assert lost_attributes(SOURCE, without(OUTPUT, at), CHANGES)
    assert lost_attributes(SOURCE, with_other(OUTPUT, at), CHANGES)


@pytest.mark.parametrize(
    ("source", "output", "lost"),
    [
        ({"a": 1}, {"a": 1.0}, ["a: 1 in the source, 1.0 in the output"]),
        ({"a": True}, {"a": 1}, ["a: True in the source, 1 in the output"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: 1 entries in the source, 2 in the output"]),
        ({}, {"a": 1}, ["a: in the output, not in the source"]),
        ({"a": 1}, {}, ["a: missing in the output"]),
        ({"a": math.nan}, {"a": "NaN"}, []),
        (
            {"a": math.inf},
            {"a": "-Infinity"},
            ["a: inf in the source, '-Infinity' in the output"],
        ),
    ],
)
def test_cases_without_changes(source, output, lost):
    assert lost_attributes(source, output) == lost


def test_an_invented_value_is_seen():
    output = copy.deepcopy(OUTPUT)
    output["ome"]["omero"]["channels"][0]["color"] = "FFFFFF"
    (text,) = lost_attributes(SOURCE, output, CHANGES)
    assert text == "omero.channels[0].color: in the output, not in the source"


def change(key, action, **more):
    place = "/" + key.replace(".", "/").replace("[", "/").replace("]", "")
    return Change(key=key, action=action, place=place, **more)


@pytest.mark.parametrize(
    ("source", "output", "changed", "lossless"),
    [
        ({"a": "7"}, {"a": 7}, change("a", "changed", old="7", new=7), True),
        ({"a": "7"}, {"a": 8}, change("a", "changed", old="7", new=8), False),
        ({"a": "./b/"}, {"a": "b"}, change("a", "changed", old="./b/", new="b"), True),
        ({"a": "./b/"}, {"a": "c"}, change("a", "changed", old="./b/", new="c"), False),
        ({"a": 7}, {"a": "7"}, change("a", "changed", old=7, new="7"), True),
        ({"a": {"b": 1}}, {"a": [{"b": 1}]}, change("a", "changed", old={"b": 1}, new=[{"b": 1}]),
         True),
        ({"a": "A"}, {"a": {"name": "A"}}, change("a", "changed", old="A", new={"name": "A"}),
         True),
        ({"a": "A"}, {"a": {"name": "B"}}, change("a", "changed", old="A", new={"name": "B"}),
         False),
        ({"a": None}, {}, change("a", "dropped", old=None), True),
        ({"a": "x"}, {}, change("a", "dropped", old="x"), False),
        ({"a": [1, 1]}, {"a": [1]}, change("a[1]", "dropped", old=1), True),
        ({"a": [1, 2]}, {"a": [1]}, change("a[1]", "dropped", old=2), False),
        ({}, {"a": 1}, change("a", "added", new=1), False),
        ({"plate": {}}, {"plate": {"rows": []}}, change("plate.rows", "added", new=[]), True),
        ({"a": "7"}, {"a": 9}, change("a", "changed", old="7", new=7), False),  # not what is there
    ],
)  # fmt: skip
def test_a_change_says_the_same_in_other_words_or_is_a_loss(source, output, changed, lossless):
    assert (lost_attributes(source, output, [changed]) == []) == lossless


def test_what_the_changes_do_not_say_is_a_loss():
    lost = lost_attributes({"a": "7"}, {"a": 1}, [change("a", "changed", old="7", new=7)])
    assert lost[0] == "a: 1 in the output, 7 written"

"""Guarantee: sound metadata broken at random are refused by inspect in one line, or published.

Nothing is found invalid after it was converted, no step ends in a traceback, and ``migration.json``
gives the source's metadata back.
"""

import contextlib
import copy
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.hierarchies import Array, Group, image, plate, read_all, same_values, well, write
from support.images import multiscales
from support.steps import Conversion, StepError
from support.undoing import check_undone

EXAMPLES = int(os.environ.get("UPLIFT_BROKEN", "40"))
ARRAY = Array((2, 6, 6), (1, 4, 4), separator="/", seed=1)
HALF = Array((2, 3, 3), (1, 4, 4), separator="/", seed=2)
LABEL = Array((2, 6, 6), (1, 4, 4), dtype="<u4", separator="/", seed=3)
OLD = Array((1, 1, 2, 4, 4), (1, 1, 1, 4, 4), seed=4)
WINDOW = {"min": 0, "max": 255, "start": 0, "end": 255}
CHANNEL = {"color": "FF0000", "label": "a", "active": True, "window": WINDOW}
NAMED = {
    "version": "0.4",
    "colors": [{"label-value": 1, "rgba": [1, 2, 3, 255]}],
    "properties": [{"label-value": 1, "area": 5}],
    "source": {"image": "../../"},
}
ACQUISITIONS = {"field_count": 2, "acquisitions": [{"id": 0, "name": "a", "starttime": 1}]}


def labelled():
    labels = {"cells": image({"0": LABEL}, **{"image-label": NAMED})}
    node = image({"0": ARRAY, "1": HALF}, labels, omero={"version": "0.4", "channels": [CHANNEL]})
    node.attributes["multiscales"][0]["axes"][0]["unit"] = "micrometer"
    return node


def screen():
    node = plate({"A/1": well("01", ARRAY), "B/2": well("0", ARRAY)}, ["A/1", "B/2"])
    node.attributes["plate"] |= ACQUISITIONS
    return node


def series():
    nodes = {"0": image({"0": ARRAY}), "OME": Group(attributes={"series": ["0"]})}
    return Group(nodes, {"bioformats2raw.layout": 3})


def old(version, axes):
    entry = {"version": version, "datasets": [{"path": "0"}], **axes}
    return Group({"0": OLD}, {"multiscales": [entry]})


SOUND = [
    labelled,
    screen,
    series,
    lambda: old("0.2", {}),
    lambda: old("0.3", {"axes": ["t", "c", "z", "y", "x"]}),
    lambda: Group({"s": Group({"0": ARRAY})}, {"multiscales": _nested()}),
]


def _nested():
    entry = multiscales(1, "zyx")
    entry[0]["datasets"][0]["path"] = "s/0"
    return entry


WORDS = st.sampled_from(
    ["path", "name", "type", "version", "axes", "datasets", "scale", "rows", "wells", "labels"]
)
PATHS = st.sampled_from(
    ["./0", "0/", "/0", "../0", "9", "s", "labels", "A/1/", "A/02", "A/1/01/0", ".", ""]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2**70)
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=3)
)
VALUES = st.recursive(
    SCALARS | PATHS | WORDS | st.sampled_from(["latest", "v0.4", "0.9", "1", "x", "space"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def other_words(value):
    """The same in another type, as writers have it: a text for a number, a list of one, …"""
    found = [str(value), [value], {"path": value}, {"name": value}, {"0": value}]
    if isinstance(value, str) and value.isdecimal():
        found.append(int(value))
    if isinstance(value, list) and value:
        found.append(value[0])
    if isinstance(value, dict):  # its type, name or path alone
        found += [word for word in value.values() if isinstance(word, str)]
    return st.sampled_from(found)


def places(value, at=()):
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield (*at, key)
        yield from places(item, (*at, key))


def break_once(draw, attributes):
    """Drop, retype, repeat or rename what is at one place."""
    found = list(places(attributes))
    if not found:
        return
    at = draw(st.sampled_from(found))
    holder = attributes
    for key in at[:-1]:
        holder = holder[key]
    last, how = at[-1], draw(st.sampled_from(["drop", "retype", "other", "repeat", "rename"]))
    if how == "drop":
        del holder[last]
    elif how == "retype":
        holder[last] = draw(VALUES)
    elif how == "other":
        holder[last] = draw(other_words(holder[last]))
    elif isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    else:
        holder[draw(WORDS)] = holder.pop(last)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), make=st.sampled_from(SOUND), times=st.integers(1, 3))
def test_broken_metadata_are_refused_at_once_or_published(data, make, times):
    home = Path(tempfile.mkdtemp())
    try:
        expected = write(home / "in.zarr", make())
        documents = sorted((home / "in.zarr").rglob(".zattrs"))
        for _ in range(times):
            place = data.draw(st.sampled_from(documents))
            attributes = json.loads(place.read_text())
            break_once(data.draw, attributes)
            place.write_text(json.dumps(attributes))
        check(home, expected)
    finally:
        shutil.rmtree(home)


def check(home, expected):
    conversion = Conversion(str(home / "in.zarr"), str(home / "out.zarr"), home / "work")
    conversion.crate = '{"enabled": false}'
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            validation = conversion.all()
    except StepError as error:
        lines = [x for x in said.getvalue().splitlines() if x.startswith("error: ")]
        assert (error.step, error.code, len(lines)) == ("inspect_source", 1, 1), said.getvalue()
        assert "Traceback" not in said.getvalue()
        return
    assert validation["verdict"] == "valid"
    check_undone(home / "in.zarr", home / "out.zarr", home / "work")
    found = read_all(home / "out.zarr", expected)
    for path, values in expected.items():
        assert same_values(found[path], values), path

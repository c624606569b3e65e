"""Roles, versions and levels of groups."""

import pytest

from uplift.errors import UnsupportedError
from uplift.ngff.detect import Context, multiscales_of, ome_keys_of, ome_version, roles_of
from uplift.ngff.paths import plain_path
from uplift.ngff.reading import as_read
from uplift.ngff.versions import check_metadata

IMAGE = {"multiscales": [{"datasets": [{"path": "0"}], "axes": [{"name": "y"}, {"name": "x"}]}]}
PLATE = {"plate": {"wells": [{"path": "A/1"}], "rows": [{"name": "A"}], "columns": [{"name": "1"}]}}
LAYOUT = {"bioformats2raw.layout": 3}


def walk(tree, path="", context=None):
    """Roles of every group in {name: (attributes, children)} form."""
    attributes, children = tree
    context = context or Context()
    roles = roles_of(path, attributes, context)
    found = {path: roles}
    for name, child in children.items():
        below = f"{path}/{name}" if path else name
        found |= walk(child, below, context.below(path, attributes, roles))
    return found


def test_roles_of_a_plate_that_is_a_bioformats2raw_collection_too():
    field = (IMAGE, {"labels": ({"labels": ["c"]}, {"c": (IMAGE, {})})})
    well = ({"well": {"images": [{"path": "0"}, {"path": "9"}]}}, {"0": field, "1": (IMAGE, {})})
    tree = ({**PLATE, **LAYOUT}, {"A": ({}, {"1": well, "2": (well[0], {})}), "OME": ({}, {})})
    assert walk(tree) == {
        "": ("plate", "bioformats2raw"),
        "A": ("row",),
        "A/1": ("well",),
        "A/1/0": ("image", "field"),
        "A/1/0/labels": ("labels",),
        "A/1/0/labels/c": ("image", "label image"),
        "A/1/1": ("image", "field"),  # not listed
        "A/2": ("well",),  # not listed
        "OME": ("OME",),
    }


def test_nested_and_unlisted_labels():
    labels = ({"labels": ["sub/cells"]}, {"sub": ({}, {"cells": (IMAGE, {})}), "no": (IMAGE, {})})
    found = walk((IMAGE, {"labels": labels}))
    assert found["labels/sub"] == ("group",)
    assert found["labels/sub/cells"] == found["labels/no"] == ("image", "label image")


@pytest.mark.parametrize(
    ("path", "attributes", "keys"),
    [
        ("labels", {"labels": ["a"]}, ("labels",)),
        ("0/labels", {"labels": []}, ("labels",)),
        ("0", {"labels": ["a"], "series": ["b"]}, ()),  # a user's own attributes
        ("OME", {"series": ["0"], "labels": ["a"]}, ("series",)),
        ("", {"labels": ["a"]}, ("labels",)),  # a labels group that is a dataset by itself
        ("", {"labels": ["a"], **IMAGE}, ("multiscales",)),
        ("", {"labels": [1]}, ()),
        ("x", {"ome": {"version": "0.5", "labels": ["a"], "mine": 1}}, ("labels",)),
        ("x", {"ome": "mine", **IMAGE}, ("multiscales",)),
    ],
)
def test_keys_that_belong_to_ome(path, attributes, keys):
    assert ome_keys_of(path, attributes) == keys


@pytest.mark.parametrize(
    ("attributes", "version"),
    [
        ({"multiscales": [{"version": "0.4"}]}, "0.4"),
        ({"multiscales": [{"version": 0.4}]}, "0.4"),
        ({"multiscales": [{}, {"version": "0.3"}]}, "0.3"),
        ({"multiscales": [{"version": "0.5-dev1"}]}, "0.5"),
        ({"multiscales": [{"version": "v0.4"}]}, "0.4"),
        ({"multiscales": [{"version": "0.4.0"}]}, "0.4"),
        ({"multiscales": [{"version": "latest", "axes": ["y", "x"]}]}, "0.3"),
        ({"multiscales": [{"version": "", "axes": ["y", "x"]}]}, "0.3"),
        ({"multiscales": [{"axes": [{"name": "x"}]}]}, "0.4"),
        ({"multiscales": [{"axes": ["y", "x"]}]}, "0.3"),
        ({"multiscales": [{"datasets": []}]}, "0.1"),
        ({"multiscales": []}, None),
        ({"plate": {"version": "0.2"}}, "0.2"),
        ({"plate": {"wells": [{"rowIndex": 0}]}}, "0.4"),
        ({"plate": {"wells": [{"path": "A/1"}]}}, "0.3"),
        ({"image-label": {"version": "0.4"}}, "0.4"),
        ({"ome": {"version": "0.5"}}, "0.5"),
        ({"labels": ["a"]}, None),
        ({}, None),
    ],
)
def test_version(attributes, version):
    assert ome_version(attributes) == version


@pytest.mark.parametrize("version", ["0.45", "0.6rc0", "0.6.dev2", "1.0", "v2.1"])
def test_numbers_of_no_known_version_are_refused(version):
    with pytest.raises(UnsupportedError, match="is not known"):
        ome_version({"multiscales": [{"version": version}]})


def test_levels_are_read_below_ome_too():
    levels = [{"path": "scale0/image"}, {"path": 1}, {"path": "./2/"}, {}, "3"]
    entry = {"name": "n", "axes": ["y", "x"], "datasets": levels}
    for attributes in (
        {"multiscales": [entry]},
        {"ome": {"version": "0.5", "multiscales": [entry]}},
    ):
        (found,) = multiscales_of(as_read(attributes))
        assert (found.name, found.axes) == ("n", ("y", "x"))
        assert found.levels == ("scale0/image", "1", "2", "3")


@pytest.mark.parametrize("path", ["../0", "/0", "a/../../b", "", ".", "C:\\b", "a://b", "/"])
def test_paths_that_lead_out_are_not_followed_and_refused(path):
    for attributes in (
        {"multiscales": [{"datasets": [{"path": path}]}]},
        {"plate": {"wells": [{"path": path}]}},
        {"well": {"images": [{"path": path}]}},
        {"labels": [path]},
    ):
        words = as_read(attributes, "x/labels")
        assert Context().below("x/labels", words, ()).listed == {}
        assert all(not entry.levels for entry in multiscales_of(words))
        found = {one.code for one in check_metadata(words, "0.5")}
        # such a path decides no pixel of a plate, a well or labels; an empty one is no label at all
        itself = path in ("", ".", "/") and "multiscales" not in attributes
        empty = {"dialect.labels.empty", "dialect.path.self"}
        assert found & empty if itself else "path.outside" in found


@pytest.mark.parametrize(
    ("path", "group", "plain"),
    [
        ("./a", "g", "a"),
        ("a//b/", "g", "a/b"),
        ("/g/a", "g", "a"),  # from the root of the dataset
        ("/a", "", "a"),
        ("/a", "g", None),
        ("a/../b", "g", None),
    ],
)
def test_plain_paths(path, group, plain):
    assert plain_path(path, group) == plain


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [None], [[]], {"a": 1}, [{"datasets": 3}]])
def test_malformed_metadata_is_passed_over(value):
    keys = ("multiscales", "plate", "well", "labels", "series", "image-label", "ome")
    for key in keys:
        attributes = {key: value}
        roles = roles_of("x", attributes, Context())
        Context().below("x", attributes, roles)
        ome_version(attributes)
        assert all(not entry.levels for entry in multiscales_of(attributes))

"""Random attributes: migrating loses nothing, twice is once, valid stays valid."""

import json

from hypothesis import given
from hypothesis import strategies as st
from yaozarrs.v05 import Image, Plate, Well

from uplift.errors import UpliftError
from uplift.ngff import migrate, reading, versions
from uplift.ngff.detect import Context, roles_of
from uplift.ngff.json_kinds import items_of
from uplift.ngff.lossless import lost_attributes
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.pyramid import check_scales
from uplift.ngff.reading import as_read
from uplift.ngff.registry import Facts
from uplift.ngff.versions import check_metadata

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
WORDS = st.sampled_from(
    [
        *("multiscales", "axes", "datasets", "path", "name", "type", "version", "unit", "ome"),
        *("coordinateTransformations", "scale", "translation", "omero", "channels", "color"),
        *("window", "min", "max", "label", "plate", "wells", "rows", "columns", "rowIndex"),
        *("images", "acquisition", "acquisitions", "well", "labels", "image-label", "colors"),
        *("label-value", "rgba", "series", "bioformats2raw.layout", "field_count"),
    ]
)
VALUES = st.sampled_from(["0", "1", "A/1", "y", "x", "space", "scale", "0.4", "0.5", 0, 1, 3])
json_values = st.recursive(
    VALUES | scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
junk = st.dictionaries(WORDS | st.text(max_size=4), json_values, max_size=6)


@given(junk, st.sampled_from(["", "labels", "OME", "A/1"]), st.sampled_from([2, 3]))
def test_any_json_is_migrated_without_loss_or_refused(attributes, path, zarr_format):
    arrays = {"0": (5, 5), "1": (2, 2)}
    facts = Facts(path, shapes=arrays, dimensions={"0": ("y", "x"), "1": ("y", "x")})
    try:
        words = as_read(attributes, path)
        Context().below(path, words, roles_of(path, words, Context()))
        result = migrate_attributes(attributes, "0.5", facts, zarr_format=zarr_format)
    except UpliftError as error:
        assert "\n" not in str(error)
        return
    assert lost_attributes(attributes, result.attributes, result.changes) == []
    again = migrate_attributes(result.attributes, "0.5", facts, zarr_format=3)
    assert again.attributes == result.attributes
    json.dumps(result.attributes, allow_nan=False)
    ome = result.attributes.get("ome")
    if isinstance(ome, dict):
        for entry in items_of(ome.get("multiscales")):
            if isinstance(entry, dict):
                check_scales(entry, arrays)


names = st.text(max_size=5) | st.sampled_from(["0", "A/1", "/A/1/0", "labels", "NaN"])
paths = st.sampled_from(["", "labels", "OME", "A/1", "B/2/labels"])


def _named(attributes, name):
    """Attributes with a name in each place that may have one."""
    multiscales = attributes.get("multiscales")
    named = dict(attributes)
    if isinstance(multiscales, list):
        named["multiscales"] = [
            {**one, "name": name} if isinstance(one, dict) else one for one in multiscales
        ]
    if isinstance(attributes.get("omero"), dict):
        named["omero"] = {**attributes["omero"], "name": name}
    return named


def _found(function, *others, **options):
    try:
        return function(*others, **options)
    except UpliftError as error:
        return str(error)


@given(
    st.fixed_dictionaries(
        {"multiscales": st.lists(json_values, max_size=2)}, optional={"omero": json_values}
    )
    | junk,
    st.tuples(paths, names),
    st.tuples(paths, names),
    st.sampled_from([2, 3]),
)
def test_what_is_known_of_a_group_that_is_alike_is_right_for_this_one(
    attributes, one, other, zarr_format
):
    for path, name in (one, other):
        words, facts = _named(attributes, name), Facts(path, shapes={"0": (5, 5)})
        known = _found(migrate_attributes, words, "0.5", facts, zarr_format=zarr_format)
        assert known == _found(migrate._migrated, words, "0.5", facts, zarr_format)
        read = _found(as_read, words, path)
        reading._is_read_unchanged.cache_clear()
        assert read == _found(as_read, words, path)
        checked = check_metadata(words, "0.5", path)
        versions._is_faultless.cache_clear()
        assert checked == check_metadata(words, "0.5", path)
    migrate._migrated_alike.cache_clear()


@st.composite
def images(draw):
    """Attributes of a well-formed 0.4 image, with attributes of a user's own."""
    time = draw(st.sampled_from([[], [{"name": "t", "type": "time", "unit": "second"}]]))
    channel = draw(st.sampled_from([[], [{"name": "c", "type": "channel"}], [{"name": "p"}]]))
    space = [{"name": name, "type": "space"} for name in "zyx"[draw(st.integers(0, 1)) :]]
    axes = [*time, *channel, *space]
    numbers = st.floats(0.1, 1e6) | st.integers(1, 9)
    scale = draw(st.lists(numbers, min_size=len(axes), max_size=len(axes)))
    levels = []
    for level in range(draw(st.integers(1, 4))):
        moves = [{"type": "scale", "scale": [value * 2**level for value in scale]}]
        if draw(st.booleans()):
            moves.append({"type": "translation", "translation": [0.5] * len(axes)})
        levels.append({"path": f"s{level}", "coordinateTransformations": moves})
    entry = {"axes": axes, "datasets": levels, "version": "0.4"}
    if draw(st.booleans()):
        entry |= {"name": draw(st.text()), "metadata": {"version": "1"}, "type": "gaussian"}
    own = draw(st.dictionaries(st.text(min_size=1), scalars, max_size=3))
    return {"multiscales": [entry], **{f"my{key}": value for key, value in own.items()}}


@given(images())
def test_a_valid_image_of_0_4_becomes_a_valid_image_of_0_5(attributes):
    result = migrate_attributes(attributes, "0.5", Facts())
    assert [f for f in result.findings if f.code != "source.repaired"] == []
    Image.model_validate(result.attributes["ome"])


@given(images(), st.data())
def test_what_the_rules_accept_other_validators_accept(attributes, data):
    """One value of a valid image is replaced by anything: no fault may pass unseen."""
    ome = migrate_attributes(attributes, "0.5", Facts()).attributes["ome"]
    at = ome
    while True:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        inner = isinstance(at[key], (dict, list)) and at[key] and data.draw(st.booleans())
        if not inner:
            break
        at = at[key]
    at[key] = data.draw(json_values)
    if not check_metadata(ome, "0.5"):
        Image.model_validate(ome)


names = st.text("AB12", min_size=1, max_size=2)


@given(
    st.lists(names, min_size=1, unique=True), st.lists(names, min_size=1, unique=True), st.data()
)
def test_plates_before_0_4_get_their_indices(rows, columns, data):
    every = [f"{row}/{column}" for row in rows for column in columns]
    paths = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    plate = {
        "version": data.draw(st.sampled_from(["0.1", "0.2", "0.3"])),
        "rows": [{"name": name} for name in rows],
        "columns": [{"name": name} for name in columns],
        "wells": [{"path": path} for path in paths],
    }
    result = migrate_attributes({"plate": plate}, "0.5", Facts())
    assert result.findings == ()
    assert lost_attributes({"plate": plate}, result.attributes, result.changes) == []
    for well in Plate.model_validate(result.attributes["ome"]).plate.wells:
        assert well.path == f"{rows[well.rowIndex]}/{columns[well.columnIndex]}"
    images = [{"path": str(i)} for i in range(len(paths))]
    well = migrate_attributes({"well": {"images": images}}, "0.5", Facts("A/1"))
    assert len(Well.model_validate(well.attributes["ome"]).well.images) == len(paths)

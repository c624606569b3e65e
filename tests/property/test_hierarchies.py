"""Guarantee: any Zarr v2 hierarchy goes through all steps, is valid, and reads back bit for bit."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorstore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.hierarchies import Array, Group, Strings, dtype_of, image, read_all, same_values, write
from support.steps import Conversion

EXAMPLES = int(os.environ.get("UPLIFT_HIERARCHIES", "20"))

CORE = ["|b1", "|i1", "|u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">u4", "<i8", ">u8", "<f2", ">f4"]
CORE += ["<f4", ">f8", "<c8", ">c16"]
EXTENSIONS = ["|S3", "<U2", ">U2", "<M8[ns]", ">M8[D]", "<m8[s]", "|V3"]
EXTENSIONS += [[["a", "<i4"], ["b", "|S3"]]]
COMPRESSORS = [
    None,
    *(
        {"id": "blosc", "cname": cname, "clevel": 3, "shuffle": shuffle, "blocksize": 0}
        for cname in ("lz4", "zstd", "zlib", "blosclz", "lz4hc")
        for shuffle in (-1, 0, 1, 2)
    ),
    {"id": "zstd", "level": 0},
    {"id": "zstd", "level": 3, "checksum": True},
    {"id": "gzip", "level": 1},
    {"id": "gzip", "level": -1},
    {"id": "zlib", "level": 1},
    {"id": "bz2", "level": 1},
    {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
    {"id": "lz4", "acceleration": 1},
]
CHECKSUMS = [{"id": "crc32"}, {"id": "adler32"}, {"id": "fletcher32"}]
SCALED = {
    "<u2": [
        [
            {
                "id": "fixedscaleoffset",
                "scale": 2,
                "offset": 1,
                "dtype": "<u2",
                "astype": "<u4",
            }
        ]
    ],
    ">u4": [[{"id": "astype", "encode_dtype": ">u8", "decode_dtype": ">u4"}]],
}
NAMES = ["0", "1", "a b", "ä", "c", "x.y", "labels", "%20", "-", "OME", "0.0", "Straße", "'\""]
FILES = ["notes.txt", ".hidden", "OME.xml", "sub/deep/file.bin", "c.txt"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
attributes = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key not in ("ome", "well", "plate")),
    json_values,
    max_size=3,
)


def fills(dtype):
    """Fill values of a data type as documents write them."""
    if dtype.names is not None or dtype.kind in "SVU":
        return [None, ""] if dtype.kind in "US" else [None]
    if dtype.kind == "b":
        return [None, False, True]
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return [None, 0, 1, int(info.min), int(info.max)]
    if dtype.kind == "f":
        return [None, 0, 0.5, "NaN", "Infinity", "-Infinity", -0.0]
    if dtype.kind == "c":
        return [None, [0.0, 0.0], [1.5, "NaN"]]
    return [None, 0, 7]


def filters_for(dtype):
    """Filters that hold values of this type without loss, or as they then decode."""
    if dtype.kind in "iu":
        delta = {"id": "delta", "dtype": dtype.str}
        found = [None, [], [delta], [delta, CHECKSUMS[0]], *([one] for one in CHECKSUMS)]
        return [*found, *SCALED.get(dtype.str, [])]
    if dtype.kind == "b":
        return [None, [{"id": "packbits"}]]
    if dtype.kind == "f" and dtype.itemsize >= 4:
        found = [None, [{"id": "shuffle", "elementsize": dtype.itemsize}]]
        return [*found, [{"id": "bitround", "keepbits": 5}]] if dtype.str[0] == "<" else found
    return [None, []]


@st.composite
def arrays(draw, ndim=None, names=(*CORE, *EXTENSIONS)):
    ndim = draw(st.integers(0, 3)) if ndim is None else ndim
    shape = tuple(draw(st.integers(0, 9)) for _ in range(ndim))
    written = draw(st.sampled_from(names))
    dtype = dtype_of(written)
    declared = draw(st.sampled_from([".", "/", None]))
    return Array(
        shape=shape,
        chunks=tuple(draw(st.integers(1, 5)) for _ in range(ndim)),
        dtype=written,
        compressor=draw(st.sampled_from(COMPRESSORS)),
        filters=draw(st.sampled_from(filters_for(dtype))),
        order=draw(st.sampled_from("CF")),
        separator=declared,
        keys=draw(st.sampled_from([None, None, ".", "/"])),
        fill=draw(st.sampled_from(fills(dtype))),
        absent=draw(st.sampled_from([0.0, 0.3, 1.0])),
        seed=draw(st.integers(0, 2**32 - 1)),
        attributes=draw(attributes),
        files=draw(st.sampled_from([(), (), ("note.txt",)])),
    )


strings = st.builds(
    Strings, st.lists(st.text(max_size=5), min_size=1, max_size=5).map(tuple), st.integers(1, 3)
)


@st.composite
def images(draw):
    ndim = draw(st.integers(2, 5))
    name = draw(st.sampled_from(CORE[1:]))

    def levels(n, names):
        array = arrays(ndim=ndim, names=names)
        return {str(level): draw(array) for level in range(n)}

    labels = None
    if draw(st.booleans()):
        inner = levels(1, [draw(st.sampled_from(["|u1", "<u4", ">i2"]))])
        labels = {"nuclei": image(inner, **{"image-label": {"version": "0.4"}})}
    return image(levels(draw(st.integers(1, 2)), [name]), labels, **draw(attributes))


def groups(children):
    return st.builds(
        Group,
        st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
        attributes,
        st.dictionaries(st.sampled_from(FILES), st.binary(max_size=20), max_size=2),
    )


nodes = groups(arrays() | strings | images() | groups(arrays() | groups(arrays())))
plans = st.sampled_from(
    [
        {},
        {"min_shards": 1, "max_chunks_per_shard": 4, "small_array_mib": 0},
        {"codec": [{"name": "zstd", "configuration": {"level": 1, "checksum": False}}]},
        {"keep_chunk_min_kib": 0},
    ]
)


def convert(home, node, plan=None):
    """Convert a hierarchy; its values, and where the output is."""
    expected = write(home / "in.zarr", node)
    conversion = Conversion(
        str(home / "in.zarr"),
        str(home / "out.zarr"),
        home / "work",
        plan_settings=json.dumps(plan or {}),
        crate='{"enabled": false}',
    )
    validation = conversion.all()
    assert [f for f in validation["findings"] if f["severity"] == "error"] == []
    return expected, home / "out.zarr", validation


def convert_again(home, plan):
    """Convert the output, a Zarr v3 hierarchy, by another plan."""
    conversion = Conversion(
        str(home / "out.zarr"),
        str(home / "again.zarr"),
        home / "work2",
        plan_settings=json.dumps(plan),
        crate='{"enabled": false}',
    )
    assert conversion.all()["verdict"] == "valid"
    return home / "again.zarr"


def check(output, expected):
    """Two readers find the values bit for bit."""
    for path, found in read_all(output, expected).items():
        assert same_values(found, expected[path]), path
        if expected[path].dtype.kind in "biufc":
            place = f"{output / path if path else output}/"
            spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": place}}
            read = tensorstore.open(spec).result().read().result()
            assert same_values(read, expected[path]), f"{path} by tensorstore"


def check_tree(source, output):
    """Custom attributes and files are where they were."""
    for place in source.rglob("*"):
        path = place.relative_to(source)
        if place.name == ".zattrs":
            document = json.loads((output / path.parent / "zarr.json").read_text())
            given = json.loads(place.read_text())
            ome = document["attributes"].get("ome", {})
            assert {**ome, **document["attributes"]}.keys() >= given.keys()
        elif place.is_file() and place.suffix in (".txt", ".xml", ".bin"):
            assert (output / path).read_bytes() == place.read_bytes()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(node=nodes, plan=plans, second=st.none() | plans)
def test_any_hierarchy(node, plan, second):
    """With a second plan, the output becomes a source: labs change their mind about shards."""
    home = Path(tempfile.mkdtemp())
    try:
        expected, output, _ = convert(home, node, plan)
        check(output, expected)
        check_tree(home / "in.zarr", output)
        if second is not None:
            check(convert_again(home, second), expected)
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("order", ["C", "F"])
def test_array_at_the_root(tmp_path, order):
    expected, output, _ = convert(tmp_path, Array((7, 5), (3, 2), order=order, separator="/"))
    check(output, expected)


@pytest.mark.parametrize("plan", [{}, {"codec": [{"name": "zstd"}]}])
@pytest.mark.parametrize("shape", [(), (2, 1)])
def test_raw_bytes(tmp_path, shape, plan):
    """Tensorstore opens raw bytes with one more dimension: another reader has to compare them."""
    node = Array(shape, tuple(3 for _ in shape), dtype="|V3", fill=None)
    expected, output, _ = convert(tmp_path, Group({"a": node}), plan)
    check(output, expected)


@pytest.mark.parametrize("dtype", ["<M8[ns]", ">M8[D]", "<m8[s]"])
def test_times_without_fill_value(tmp_path, dtype):
    """What is not stored is not a time, not even the first of January 1970."""
    node = Array((4,), (2,), dtype=dtype, fill=None, absent=1.0)
    expected, output, _ = convert(tmp_path, Group({"a": node}))
    assert np.isnat(expected["a"]).all()
    check(output, expected)


@pytest.mark.parametrize("dtype", ["<U2", "|S3"])
def test_one_text_without_axes(tmp_path, dtype):
    """zarr-python gives one text alone, and numpy then takes it for as long as it happens to be."""
    node = Array((), (), dtype=dtype, fill=None, absent=1.0)
    expected, output, _ = convert(tmp_path, Group({"a": node}))
    check(output, expected)


def test_records_that_are_not_stored(tmp_path):
    """Of a fill value of null zarr-python makes a text "0" in records of Zarr v2."""
    node = Array((1, 1), (1, 1), dtype=[["a", "<i4"], ["b", "|S3"]], fill=None, absent=1.0)
    expected, output, _ = convert(tmp_path, Group({"a": node}))
    check(output, expected)

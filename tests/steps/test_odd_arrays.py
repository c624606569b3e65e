"""Arrays as other writers leave them: converted, published, every value compared, and listed."""

import json

import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr

from support.images import multiscales, write_json
from support.steps import Conversion, StepError
from support.undoing import as_written, check_undone, done, nodes_of
from uplift.codecs.chain import chain_of_source
from uplift.inspect_source.nodes import node_of
from uplift.zarr_metadata.data_types import fill_value_v3

NUMBERS = np.arange(20, dtype="<u2").reshape(4, 5)
WORDS = np.array([f"wörd {i}" for i in range(4)], dtype=object)
JSON = {"id": "json2", "encoding": "utf-8"}
RECORDS = np.zeros(4, dtype=[("a", "<i4"), ("b", "u1")])


def zarray(values, **changes):
    document = {
        "zarr_format": 2,
        "shape": list(values.shape),
        "chunks": list(values.shape),
        "dtype": values.dtype.str if values.dtype.fields is None else values.dtype.descr,
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    return {**document, **changes}


def pcodec(values):
    return bytes(numcodecs.get_codec({"id": "pcodec"}).encode(values.ravel()))


CASES = {
    "format as text": (NUMBERS, {"zarr_format": "2"}, None),
    "lengths as texts": (NUMBERS, {"shape": ["4", "5"], "chunks": [4.0, "5"]}, None),
    "raw": (NUMBERS, {"compressor": {"type": "raw"}}, None),
    "N5's gzip": (NUMBERS, {"compressor": {"type": "gzip", "level": -1}}, numcodecs.GZip(1)),
    "a bare name": (NUMBERS, {"compressor": "zstd"}, numcodecs.Zstd(1)),
    "bzip2": (NUMBERS, {"compressor": {"type": "bzip2", "blockSize": 9}}, numcodecs.BZ2(1)),
    "xz": (NUMBERS, {"compressor": {"type": "xz", "preset": 6}}, numcodecs.LZMA()),
    "fill value as text": (NUMBERS, {"fill_value": "7.0"}, None),
    "fill value as float": (NUMBERS, {"fill_value": 3.0}, None),
    "truth as text": (NUMBERS > 3, {"fill_value": "true"}, None),
    "NumPy's name": (NUMBERS, {"dtype": "uint16"}, None),
    "no byte order": (NUMBERS, {"dtype": "=u2"}, None),
    "not a codec": (NUMBERS, {"compressor": False, "filters": False}, None),
    "a list of one": (NUMBERS, {"compressor": [{"id": "zstd", "level": 1}]}, numcodecs.Zstd(1)),
    "settings of blosc": (
        NUMBERS,
        {"compressor": {"id": "blosc", "cname": "LZ4", "clevel": None, "shuffle": 9}},
        numcodecs.Blosc("lz4"),
    ),
    "a compressor of blosc that is none": (
        NUMBERS,
        {"compressor": {"id": "blosc", "cname": "default"}},
        numcodecs.Blosc("zstd"),
    ),
    "ordered bytes": (np.array([b"a", b"bcd"], dtype="|S3"), {"dtype": "<S3"}, None),
    "zero for texts": (np.array(["a", "bcd", "", "e"], dtype="<U3"), {}, None),
    "zero for bytes": (np.array([b"a", b"bcd", b"", b"e"], dtype="|S3"), {}, None),
    "zero for records": (RECORDS, {}, None),
    "empty for records": (RECORDS, {"fill_value": ""}, None),
    "pcodec": (NUMBERS, {"compressor": {"id": "pcodec", "level": 8}}, pcodec),
    "texts in JSON": (WORDS, {"filters": [JSON], "fill_value": ""}, numcodecs.JSON()),
    "texts in MessagePack": (
        WORDS, {"filters": [{"id": "msgpack2"}], "fill_value": 0}, numcodecs.MsgPack()
    ),
}  # fmt: skip
SILENT = {
    "ordered bytes",
    "zero for bytes",
    "zero for records",
    "pcodec",
    "texts in JSON",
    "texts in MessagePack",
}
"""Legal words, or codecs with their own name: nothing was read as something else."""


@pytest.fixture
def converted(tmp_path):
    source = tmp_path / "in.zarr"
    source.mkdir()
    (source / ".zgroup").write_text('{"zarr_format": 2}')
    for name, (values, changes, encode) in CASES.items():
        folder = source / name
        folder.mkdir()
        (folder / ".zarray").write_text(json.dumps(zarray(values, **changes)))
        encode = getattr(encode, "encode", encode)
        data = bytes(encode(values)) if encode else values.tobytes()
        (folder / ".".join("0" * values.ndim)).write_bytes(data)
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.all()
    return tmp_path, conversion


@pytest.mark.parametrize("on_bad_chunk", ["fail", "fill"])
def test_null_among_texts_is_no_damage(tmp_path, on_bad_chunk, capsys):
    words = np.array(["a", None, "b"], dtype=object)
    folder = tmp_path / "in.zarr" / "names"
    write_json(folder.parent / ".zgroup", {"zarr_format": 2})
    write_json(folder / ".zarray", zarray(words, dtype="|O", filters=[JSON], fill_value=""))
    (folder / "0").write_bytes(numcodecs.JSON().encode(words))
    conversion = Conversion(str(folder.parent), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.on_bad_chunk = on_bad_chunk
    with pytest.raises(StepError):
        conversion.all()
    told = capsys.readouterr().err
    assert "names/0: cannot be converted: item 1 is not a text but null; write the array" in told
    assert "on_bad_chunk" not in told.splitlines()[-1]


@pytest.mark.parametrize("value", [b"xy", b"ends in zeros\0\0", b""])
def test_bytes_of_any_length_without_an_axis_are_recoded(tmp_path, value):
    """zarr-python gives them with a length of their own, and the zeros at their end are padding."""
    values = np.empty((), dtype=object)
    values[()] = value
    words = {"dtype": "|O", "filters": [{"id": "vlen-bytes"}], "fill_value": None}
    folder = tmp_path / "in.zarr" / "blob"
    write_json(folder.parent / ".zgroup", {"zarr_format": 2})
    write_json(folder / ".zarray", zarray(values, **words, compressor={"id": "zlib", "level": 1}))
    data = numcodecs.VLenBytes().encode(values.reshape(1))
    (folder / "0").write_bytes(bytes(numcodecs.Zlib(1).encode(data)))
    conversion = Conversion(str(folder.parent), str(tmp_path / "out.zarr"), tmp_path / "work")
    assert conversion.all()["verdict"] == "valid"


def test_every_array_is_published_with_its_values_and_what_was_read_otherwise_is_listed(converted):
    home, conversion = converted
    for name, (values, _, _) in CASES.items():
        read = zarr.open_array(home / "out.zarr" / name, mode="r", zarr_format=3)[...]
        assert np.asarray(read).tolist() == values.tolist(), name
    inventory = json.loads(conversion.path("inventory.json").read_text())
    listed = {one["path"] for one in inventory["findings"] if one["code"] == "source.repaired"}
    assert listed == CASES.keys() - SILENT
    check_words(home / "in.zarr", home / "out.zarr", conversion, listed)
    verdict = json.loads(conversion.path("validation.json").read_text())
    assert verdict["verdict"] == "valid"


def check_words(source, output, conversion, changed):
    """Documents in their specification's words mean the same, and the source's come back."""
    check_undone(source, output, conversion.work)
    found = set()
    for path, kind, _, changes in nodes_of(conversion.work):
        if kind == "array" and changes:
            found.add(path)
            written, _ = as_written(source / path)
            name = "zarr.json" if (source / path / "zarr.json").exists() else ".zarray"
            before, plain = (
                node_of({name: one}, path) for one in (written, done(written, changes))
            )
            assert plain.words == (), path
            assert meaning(plain.array) == meaning(before.array), path
    assert found == changed


def meaning(array):
    return array.shape, array.chunks, fill_value_v3(array), chain_of_source(array)


GZIP = {"name": "gzip", "configuration": {"level": "9"}}
BLOSC = {"name": "blosc", "configuration": {"cname": "lz4", "shuffle": 1, "clevel": 5}}
CASES_V3 = {
    "no fill value": ({"fill_value": None}, None),
    "fill value as text": ({"fill_value": "7"}, None),
    "fill value as float": ({"fill_value": 7.0}, None),
    "lengths as texts": ({"shape": ["4", "5"]}, None),
    "chunk keys as usual": ({"chunk_key_encoding": None}, None),
    "type as object": ({"data_type": {"name": "uint16", "configuration": {}}}, None),
    "gzip": ({"codecs": ["bytes", GZIP]}, numcodecs.GZip(1)),
    "blosc": ({"codecs": ["bytes", BLOSC]}, numcodecs.Blosc("lz4")),
    "numcodecs' blosc": (
        {"codecs": ["bytes", {"name": "numcodecs.blosc", "configuration": {"cname": "lz4"}}]},
        numcodecs.Blosc("lz4"),
    ),
    "an address": (
        {"codecs": ["bytes", {"name": "https://codec.zarrs.dev/bytes_to_bytes/zstd"}]},
        numcodecs.Zstd(1),
    ),
    "transpose of drafts": (
        {"codecs": [{"name": "transpose", "configuration": {"order": "C"}}, "bytes"]},
        None,
    ),
    "names of other dimensions": ({"dimension_names": ["y"]}, None),
    "an empty extension": ({"extensions": []}, None),
    "no type of node": ({"node_type": None}, None),
    "no attributes": ({"attributes": [], "shape": ["4", "5"]}, None),
    "no configuration": ({"codecs": [{"name": "bytes", "configuration": None}]}, None),
    "endian of drafts": ({"codecs": [{"name": "endian", "configuration": None}]}, None),
    **{
        f"endian {word}": ({"codecs": [{"name": "bytes", "configuration": {"endian": word}}]}, None)
        for word in ("Little", "LE", "<", "little_endian", None, "BIG", ">")
    },
}


def test_arrays_of_zarr_v3_in_other_words(tmp_path):
    """Each is written as the specification has it, so that every reader takes it."""
    source = tmp_path / "in.zarr"
    write_json(source / "zarr.json", {"zarr_format": 3, "node_type": "group"})
    for name, (changes, encode) in CASES_V3.items():
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [4, 5],
            "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 5]}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": 0,
            "codecs": ["bytes"],
        }
        write_json(source / name / "zarr.json", {**document, **changes})
        values = NUMBERS.astype(">u2") if name.endswith(("BIG", ">")) else NUMBERS
        (source / name / "c" / "0").mkdir(parents=True)
        data = encode.encode(values) if encode else values.tobytes()
        (source / name / "c" / "0" / "0").write_bytes(bytes(data))
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    assert conversion.all()["verdict"] == "valid"
    for name in CASES_V3:
        place = f"{tmp_path}/out.zarr/{name}/"
        read = zarr.open_array(place, mode="r", zarr_format=3)[...]
        np.testing.assert_array_equal(read, NUMBERS, err_msg=name)
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": place}}
        np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), NUMBERS)
    inventory = json.loads(conversion.path("inventory.json").read_text())
    listed = {one["path"] for one in inventory["findings"] if one["code"] == "source.repaired"}
    assert listed == CASES_V3.keys()
    check_words(source, tmp_path / "out.zarr", conversion, listed)


@pytest.mark.parametrize(
    ("order", "codecs"), [("auto", ["bytes"]), ("keep", ["transpose", "bytes"])]
)
def test_an_image_in_f_order(tmp_path, order, codecs):
    """C order, or kept on request; an array outside the image keeps its own."""
    source = tmp_path / "in.zarr"
    values = np.arange(4 * 6 * 8, dtype="<u2").reshape(4, 6, 8)
    write_json(source / ".zgroup", {"zarr_format": 2})
    write_json(source / ".zattrs", {"multiscales": multiscales(1, "zyx")})
    for name in ("0", "table"):
        write_json(source / name / ".zarray", zarray(values, order="F"))
        (source / name / "0.0.0").write_bytes(values.tobytes(order="F"))
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.plan_settings = json.dumps({"image_order": order})
    conversion.all()
    for name, expected in (("0", codecs), ("table", ["transpose", "bytes"])):
        document = json.loads((tmp_path / "out.zarr" / name / "zarr.json").read_text())
        assert [codec["name"] for codec in document["codecs"]] == expected
        read = zarr.open_array(tmp_path / "out.zarr" / name, mode="r", zarr_format=3)[...]
        np.testing.assert_array_equal(read, values)


def test_levels_of_both_formats_have_one_data_type(tmp_path):
    """And an entry of `multiscales` is one image: another may have another data type."""
    values = np.arange(64, dtype="<u2").reshape(8, 8)
    entries = [*multiscales(2, "yx"), *multiscales(1, "yx")]
    entries[1]["datasets"][0]["path"] = "mask"
    write_json(tmp_path / "in.zarr" / ".zgroup", {"zarr_format": 2})
    write_json(tmp_path / "in.zarr" / ".zattrs", {"multiscales": entries})
    for name, dtype in (("0", "<u2"), ("mask", "<u4")):
        write_json(tmp_path / "in.zarr" / name / ".zarray", zarray(values.astype(dtype)))
        (tmp_path / "in.zarr" / name / "0.0").write_bytes(values.astype(dtype).tobytes())
    options = {"shape": (4, 4), "dtype": "u2", "zarr_format": 3}
    zarr.create_array(tmp_path / "in.zarr" / "1", **options)[...] = values[::2, ::2]
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    validation = conversion.all()
    assert (validation["verdict"], validation["conforms"]) == ("valid", "OME-Zarr")
    codes = {one["code"] for one in validation["findings"]}
    assert "zarr.mixed" in codes
    assert "pyramid.data_types" not in codes
    read = zarr.open_array(tmp_path / "out.zarr" / "1", mode="r")[...]
    np.testing.assert_array_equal(read, values[::2, ::2])


@pytest.mark.parametrize("codec", [None, {"id": "zlib", "level": 1}, {"id": "blosc"}])
def test_booleans_that_are_neither_0_nor_1(tmp_path, codec):
    """A mask of 255 under the name of booleans: NumPy reads true, tensorstore an error."""
    mask = np.array([[0, 1, 255, 0], [0, 1, 1, 0]], dtype="u1")
    write_json(tmp_path / "in.zarr" / ".zgroup", {"zarr_format": 2})
    folder = tmp_path / "in.zarr" / "0"
    document = zarray(mask, dtype="|b1", compressor=codec, chunks=[1, 4], fill_value=False)
    write_json(folder / ".zarray", document)
    for row in (0, 1):
        data = mask[row].tobytes()
        encoded = numcodecs.get_codec(dict(codec)).encode(data) if codec else data
        (folder / f"{row}.0").write_bytes(encoded)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    validation = conversion.all()
    (said,) = [one for one in validation["findings"] if one["code"] == "chunk.recoded"]
    assert "bytes other than 0 and 1" in said["message"]
    found = zarr.open_array(tmp_path / "out.zarr" / "0", mode="r")[...]
    assert found.view("u1").tolist() == (mask > 0).astype("u1").tolist()


def test_bytes_without_a_meaning_by_the_name_of_the_specification(tmp_path):
    """zarr-python knows them by another name."""
    source = tmp_path / "in.zarr"
    write_json(source / "zarr.json", {"zarr_format": 3, "node_type": "group"})
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [5],
        "data_type": "r24",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": [1, 2, 3],
        "codecs": ["bytes"],
    }
    write_json(source / "a" / "zarr.json", document)
    (source / "a" / "c").mkdir()
    (source / "a" / "c" / "0").write_bytes(bytes(range(12)))
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    assert conversion.all()["verdict"] == "valid"
    check_words(source, tmp_path / "out.zarr", conversion, {"a"})
    read = zarr.open_array(tmp_path / "out.zarr" / "a", mode="r", zarr_format=3)[...]
    assert read.tobytes() == bytes([*range(12), 1, 2, 3])


@pytest.mark.parametrize("words", ["[]", "null"])
def test_no_attributes_as_writers_in_r_have_it(tmp_path, words):
    source = tmp_path / "in.zarr"
    write_json(source / ".zgroup", {"zarr_format": 2})
    write_json(source / "a" / ".zarray", zarray(NUMBERS))
    (source / "a" / "0.0").write_bytes(NUMBERS.tobytes())
    for place in (source, source / "a"):
        (place / ".zattrs").write_text(words)
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    assert conversion.all()["verdict"] == "valid"

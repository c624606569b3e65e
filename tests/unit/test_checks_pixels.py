"""Validation of batches: what is sound passes, each kind of damage is named."""

import json

import numpy as np
import pytest
import xxhash
import zarr

from support.converted import PATH, Case, Converted, recoded
from uplift import grid
from uplift.arrays import readers
from uplift.arrays.digests import PIXEL_ROW
from uplift.arrays.readers.protocol import ReaderError
from uplift.arrays.readers.with_zarr_python import ZarrReader
from uplift.codecs import shard_index
from uplift.codecs.mapping import target_of
from uplift.storage.local import LocalStore
from uplift.validate.pixels.compare import same_bits
from uplift.zarr_metadata.v3 import parse_v3

SHARDED = Case()
UNSHARDED = Case(shards=None)
SPARSE = Case(absent=((0, 1), (1, 1), (2, 3)))
CASES = {
    "sharded": SHARDED,
    "unsharded": UNSHARDED,
    "sparse": SPARSE,
    "big endian, F order": Case(dtype=">f4", order="F"),
    "rewrapped": Case(compressor={"id": "zlib", "level": 1}),
    "rewrapped, big endian, F order": Case(
        compressor={"id": "zlib", "level": 1}, dtype=">i2", order="F", shards=None
    ),
    "0-d": Case(shape=(), chunks=(), shards=None),
    "no elements": Case(shape=(0, 4), chunks=(2, 2), shards=None),
    "no chunks": Case(shape=(4, 4), chunks=(4, 4), shards=None, absent=((0, 0),), fill=7),
    "recoded": recoded(Case(), target_chunks=(10, 32), shards=(30, 64)),
    "recoded, unsharded": recoded(Case(), target_chunks=(7, 9), shards=None),
    "recoded, sparse": recoded(SPARSE, target_chunks=(10, 32), shards=(20, 32)),
    "recoded, very sparse": recoded(SPARSE, target_chunks=(10, 16), shards=(20, 32)),
    "recoded, bz2": Case(compressor={"id": "bz2", "level": 1}, codecs="keep"),
}


def digests_of_chunks(array):
    """XXH3-128 of what each stored chunk holds inside the array, as documented."""
    source, case = array.item.source, array.case
    found = []
    for index in grid.all_indices(grid.grid_shape(case.shape, case.chunks)):
        if index not in case.absent and (array.source_folder / name_of(index)).exists():
            part = array.values[(..., *grid.element_slices(index, source.chunks, source.shape))]
            little = np.ascontiguousarray(part.astype(part.dtype.newbyteorder("<")))
            found.append(xxhash.xxh3_128(little.tobytes()).digest())
    return found


def name_of(index):
    return ".".join(map(str, index)) or "0"


@pytest.mark.parametrize("name", CASES)
def test_a_sound_array_has_no_findings_and_the_digests_of_its_chunks(name, tmp_path):
    array = Converted(tmp_path, CASES[name]).convert()
    for results in (array.results, array.validate(), array.validate("reread")):
        (one,) = results
        assert one.findings == ()
        assert one.chunks == array.stored_chunks()
        assert one.objects == len(array.objects())
        table = np.frombuffer(one.rows, dtype=PIXEL_ROW)
        assert list(table["index"]) == sorted(table["index"])
        assert [bytes(row["digest"]) for row in table] == digests_of_chunks(array)


@pytest.mark.parametrize("name", ["sharded", "recoded", "sparse", "recoded, sparse"])
def test_items_of_a_split_array_compare_all_of_it_once(name, tmp_path):
    array = Converted(tmp_path, CASES[name]).split(1, 2).convert()
    for results in (array.results, array.validate(), array.validate("reread")):
        assert [one.findings for one in results] == [(), (), ()]
        assert sum(one.chunks for one in results) == array.stored_chunks()
        indices = np.concatenate([np.frombuffer(r.rows, PIXEL_ROW)["index"] for r in results])
        assert len(set(indices)) == len(indices) == array.stored_chunks()


def test_rows_do_not_depend_on_the_plan(tmp_path):
    one = Converted(tmp_path / "1", SPARSE).convert()
    two = Converted(tmp_path / "2", CASES["recoded, sparse"]).convert()
    assert one.results[0].rows == two.results[0].rows


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["sharded", "unsharded", "sparse", "big endian, F order"])
def test_a_flipped_byte_in_a_kept_chunk(name, tmp_path):
    array = Converted(tmp_path, CASES[name]).convert()
    flip(array.objects()[0], 100)
    assert "chunk.bytes_differ" in array.codes()


def test_a_flipped_byte_in_a_rewrapped_chunk(tmp_path):
    array = Converted(tmp_path, CASES["rewrapped"]).convert()
    flip(array.objects()[0], 100)
    assert "chunk.bytes_differ" in array.codes()


def test_a_flag_in_the_header_of_a_rewrapped_chunk(tmp_path):
    """Readers pass over it; it is another byte than was written all the same."""
    array = Converted(tmp_path, CASES["rewrapped"]).convert()
    flip(array.objects()[0], 3)
    assert "chunk.bytes_differ" in array.codes()


def test_a_flipped_byte_in_raw_recoded_data(tmp_path):
    raw = ({"name": "bytes", "configuration": {"endian": "little"}},)
    case = Case(codecs=raw, target_chunks=(10, 32), shards=(30, 64))
    array = Converted(tmp_path, case).convert()
    flip(array.objects()[0], 100)
    assert array.codes() == ["object.bytes_differ", "pixels.differ"]
    finding = array.findings()[1]
    assert "element (1, 18)" in finding.message
    assert "0.1" in finding.message


def test_a_flipped_byte_in_an_index(tmp_path):
    array = Converted(tmp_path, SHARDED).convert()
    flip(array.objects()[0], -20)
    assert array.codes() == ["shard.index"]


def test_dropped_objects(tmp_path):
    for name, code in (
        ("sharded", "object.missing"),
        ("unsharded", "chunk.missing"),
        ("recoded", "object.missing"),
        ("recoded, unsharded", "chunk.missing"),
    ):
        array = Converted(tmp_path / name, CASES[name]).convert()
        array.objects()[0].unlink()
        assert code in array.codes(), name


def rewrite(path, cells, change):
    """Change a shard's index and give it a right checksum."""
    data = path.read_bytes()
    size = shard_index.index_bytes(cells)
    index = shard_index.decode_index(data[-size:], cells, "t").copy()
    body = change(index, data[:-size])
    path.write_bytes((data[:-size] if body is None else body) + shard_index.encode_index(index))


def set_cell(cell, value):
    def change(index, _body):
        index[cell] = value

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_cell(0, shard_index.ABSENT), "chunk.missing"),
        (set_cell(0, (shard_index.ABSENT, 5)), "shard.index"),
        (set_cell(0, (2**63, 2**63)), "shard.offset_outside"),
        (set_cell(1, (0, 10)), "shard.overlap"),
        (lambda _index, body: body + b"more", "shard.gap"),
    ],
)
def test_a_damaged_index_with_a_right_checksum(tmp_path, change, code):
    array = Converted(tmp_path, SHARDED).convert()
    rewrite(array.objects()[0], 4, change)
    assert code in array.codes()


def test_a_chunk_beyond_the_edge(tmp_path):
    array = Converted(tmp_path, SHARDED).convert()
    last = array.objects()[-1]  # rows 40-80 of 50: its lower cells are outside

    def change(index, body):
        index[3] = (len(body), 4)
        return body + b"more"

    rewrite(last, 4, change)
    assert "shard.cell_beyond_edge" in array.codes()


def test_chunks_that_the_source_does_not_have(tmp_path):
    array = Converted(tmp_path, SPARSE).convert()

    def change(index, body):
        index[1] = (len(body), 4)
        return body + b"more"

    rewrite(array.objects()[0], 4, change)
    assert "chunk.unexpected" in array.codes()
    whole = Case(absent=tuple(grid.indices_in(((0, 2), (0, 2)))))
    array = Converted(tmp_path / "2", whole).convert()
    other = array.objects()[0]
    (array.folder / "c" / "0").mkdir(exist_ok=True)
    (array.folder / "c" / "0" / "0").write_bytes(other.read_bytes())
    assert "object.unexpected" in array.codes()


def test_a_recoded_bad_chunk_is_compared_by_value(tmp_path):
    array = Converted(tmp_path, Case(compressor=None))
    edge = array.source_folder / "2.0"
    whole = np.frombuffer(edge.read_bytes(), dtype="<u2").reshape(20, 16)
    edge.write_bytes(whole[:10].tobytes())  # clipped at the edge of the array
    array.convert()
    assert [bad.action for bad in array.bad] == ["recoded"]
    for verify in ("once", "reread"):
        findings = array.findings(verify)
        assert [(f.code, f.severity) for f in findings] == [("chunk.recoded", "warning")]
    flip(array.objects()[-1], 30)
    assert array.codes() in (["pixels.differ"], ["chunk.bytes_differ"])


@pytest.mark.parametrize("case", [Case(), recoded(Case(), target_chunks=(10, 32), shards=(30, 64))])
def test_a_filled_chunk_is_a_warning(tmp_path, case):
    array = Converted(tmp_path, case, fill_bad=True)
    (array.source_folder / "1.1").write_bytes(b"damage")
    array.convert()
    for results in (array.results, array.validate(), array.validate("reread")):
        (one,) = results
        assert [(f.code, f.severity) for f in one.findings] == [("chunk.filled", "warning")]
        assert len(one.rows) == 11 * PIXEL_ROW.itemsize
    read = ZarrReader(array.output, PATH).read((slice(None), slice(None)))
    assert not read[20:40, 16:32].any()


def test_a_source_that_changed(tmp_path):
    array = Converted(tmp_path, SHARDED).convert()
    (array.source_folder / "0.0").unlink()
    assert array.codes() == []
    assert array.codes("reread") == ["source.changed"]
    array = Converted(tmp_path / "2", SHARDED).convert()
    (array.source_folder / "0.0").write_bytes(b"damage")
    assert array.codes() == []
    assert array.codes("reread") == ["chunk.undecodable"]
    array = Converted(tmp_path / "3", SHARDED).convert()
    (array.source_folder / "0.0").write_bytes((array.source_folder / "0.1").read_bytes())
    assert array.codes("reread") == ["chunk.bytes_differ"]


def test_many_equal_findings_are_shortened(tmp_path):
    array = Converted(tmp_path, Case(chunks=(5, 5), shards=None)).convert()
    for path in array.objects():
        path.unlink()
    findings = [f for f in array.findings() if f.code == "chunk.missing"]
    assert len(findings) == 21
    assert findings[-1].message == "and 100 more like the ones before"


@pytest.mark.parametrize("shards", [None, (8, 10), (20, 35)])
@pytest.mark.parametrize("codecs", ["keep", ({"name": "gzip", "configuration": {"level": 1}},)])
def test_zarr_v3_sources(tmp_path, shards, codecs):
    values = np.arange(20 * 33, dtype="<i4").reshape(20, 33) + 1
    values[4:12] = 0
    folder = tmp_path / "in" / "a" / "0"
    opened = zarr.create_array(folder, shape=(20, 33), chunks=(4, 5), shards=shards, dtype="<i4")
    opened[:4], opened[12:] = values[:4], values[12:]
    facts = parse_v3(json.loads((folder / "zarr.json").read_text()), "test")
    target, method = target_of(facts, (4, 5), (12, 15), codecs)
    array = Converted(tmp_path / "unused", Case())
    array.root, array.folder = tmp_path, tmp_path / "out" / "a" / "0"
    array.source = LocalStore(str(tmp_path / "in"))
    array.output = LocalStore(str(tmp_path / "out"), writable=True, durability="none")
    changes = {"source": facts, "target": target, "method": method, "stop": 6, "stored_chunks": 21}
    item = array.item.model_copy(update=changes)
    array.batch = array.batch.model_copy(update={"items": (item,)})
    array.convert()
    for results in (array.results, array.validate("reread")):
        assert results[0].findings == ()
        assert results[0].chunks == 21
    assert same_bits(ZarrReader(array.output, PATH).read((slice(None), slice(None))), values)
    flip(array.objects()[0], 20)
    assert array.codes()


@pytest.mark.parametrize("name", ["sharded", "sparse", "big endian, F order", "recoded, sparse"])
def test_zarr_python_reads_through_the_projects_storage(name, tmp_path, monkeypatch):
    array = Converted(tmp_path, CASES[name]).convert()
    reader = ZarrReader(array.output, PATH)
    assert same_bits(reader.read((slice(None), slice(None))), array.values)
    monkeypatch.setattr(readers, "TensorstoreReader", refusing)
    assert array.codes() == []


def refusing(*_arguments, **_options):
    raise ReaderError.of("tensorstore", ValueError("not today"))

"""Parts of the validation that need no converted array."""

import hashlib
import json
import math

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from uplift import grid
from uplift.arrays.digests import (
    NO_OBJECT,
    PIXEL_ROW,
    digest_of_values,
    digests_in,
    digests_in_text,
    pixel_row,
    row,
    rows_to_text,
    sorted_pixel_rows,
)
from uplift.arrays.index_problems import index_problems
from uplift.codecs.shard_index import ABSENT
from uplift.errors import InputError
from uplift.models.findings import Finding, Findings
from uplift.models.json_text import document_bytes
from uplift.validate.pixels import whole
from uplift.validate.pixels.compare import first_difference, same_bits
from uplift.validate.pixels.digests import (
    chunks_sha256,
    digests_file,
    first_gap,
    runs_of,
)
from uplift.validate.pixels.recoded import region_steps


def write_digests(file, items):
    file.write_bytes(b"".join(digests_file((*item, 8) for item in items)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.array([1, 2], "<u2"), np.array([1, 2], ">u2"), True),
        (np.array([1, 2], "<u2"), np.array([1, 2], "<i2"), False),
        (np.array([1, 2], "<u2"), np.array([[1, 2]], "<u2"), False),
        (np.array([0.0], "<f4"), np.array([-0.0], "<f4"), False),  # the sign of zero
        (np.array([np.nan], "<f8"), np.array([np.nan], ">f8"), True),
        (
            np.array([0x7FC00000], "<u4").view("<f4"),
            np.array([0x7FC00001], "<u4").view("<f4"),
            False,  # the payload of a NaN
        ),
        (np.array([1j], "<c16"), np.array([1j], ">c16"), True),
        (np.array([b"a", b""], "S3"), np.array([b"a", b""], "S3"), True),
        (np.array(["é"], "<U2"), np.array(["é"], ">U2"), True),
        (np.array(["a", "bcd"], "<U3"), np.array(["a", "bce"], "<U3"), False),  # 12 bytes each
        (np.array(["a", ""], object), np.array(["a", ""], np.dtypes.StringDType()), True),
        (np.array(["a"], object), np.array(["b"], object), False),
        (np.array(7, "<u1"), np.array(7, "<u1"), True),
        (np.array(True), np.array(True), True),
        (np.array(True), np.array(False), False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True),
    ],
)
def test_same_bits(one, other, same):
    assert same_bits(one, other) is same


@given(st.integers(1, 40), st.integers(0, 39))
def test_first_difference(size, at):
    one = np.zeros((size, 2), "u1")
    other = one.copy()
    other.reshape(-1)[at % one.size :] = 1
    assert first_difference(one, other) == np.unravel_index(at % one.size, one.shape)


shapes = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=4)


class InMemory:
    """Reads an array as other readers do."""

    name = "memory"

    def __init__(self, values):
        self.shape = values.shape
        self._values = values

    def read(self, region):
        return self._values[region]


@given(shapes, st.integers(1, 60), st.integers(60, 2000))
def test_slabs_follow_each_other_in_c_order(axes, small, most):
    shape, steps = tuple(a[0] for a in axes), tuple(a[1] for a in axes)
    values = np.arange(math.prod(shape), dtype="<u4").reshape(shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole, "SLAB_BYTES", small)
        patch.setattr(whole, "MOST_SLAB_BYTES", most)
        regions = whole.slabs_of(shape, steps, 4)
        digest = whole.array_sha256(InMemory(values), steps)
    if regions is None:
        assert values.nbytes > most
        assert digest is None
        return
    for region in regions:
        assert all(low % step == 0 for (low, _), step in zip(region, steps, strict=True))
        piece = values[tuple(slice(a, b) for a, b in region)]
        assert piece.nbytes <= max(small, most)
    assert digest == hashlib.sha256(values.tobytes()).hexdigest()


@given(shapes, st.lists(st.integers(1, 7), min_size=4, max_size=4))
def test_regions_tile_the_array_and_respect_source_chunks(axes, target):
    shape, chunks = tuple(a[0] for a in axes), tuple(a[1] for a in axes)
    steps = region_steps(shape, chunks, tuple(target[: len(shape)]), 4)
    seen = np.zeros(shape, int)
    for region in grid.regions_in(tuple((0, n) for n in shape), steps):
        seen[tuple(slice(a, b) for a, b in region)] += 1
        assert all(low % c == 0 for (low, _), c in zip(region, chunks, strict=True))
    assert (seen == 1).all()


def test_regions_are_not_larger_than_they_must_be():
    steps = region_steps((1000, 4096, 4096), (1, 1024, 1024), (64, 256, 256), 2)
    assert math.prod(steps) * 2 <= 64 * 2**20
    assert region_steps((9, 9), (9, 9), (7, 7), 1) == (9, 9)


def test_index_of_a_sound_shard():
    index = np.array([[0, 5], [ABSENT, ABSENT], [5, 3]], "<u8")
    assert index_problems(index, 8, np.array([True, True, True])) == []
    nothing = np.full((2, 2), ABSENT, "<u8")
    assert index_problems(nothing, 0, np.array([True, False])) == []


@pytest.mark.parametrize(
    ("index", "code"),
    [
        ([[0, 5], [3, 5]], "shard.overlap"),
        ([[0, 4], [5, 3]], "shard.gap"),
        ([[1, 3], [4, 4]], "shard.gap"),
        ([[0, 5], [5, 2]], "shard.gap"),
        ([[0, 5], [5, 9]], "shard.offset_outside"),
        ([[0, 5], [ABSENT - 1, 3]], "shard.offset_outside"),
        ([[0, 8], [ABSENT, 3]], "shard.index"),
    ],
)
def test_index_problems(index, code):
    found = index_problems(np.array(index, "<u8"), 8, np.array([True, True]))
    assert [problem[0] for problem in found] == [code]


def test_digests_of_several_batches_are_merged_in_grid_order(tmp_path):
    values = {i: np.array([i], "<u2") for i in range(5000)}
    rows = {i: pixel_row(i, digest_of_values(v)) for i, v in values.items()}
    mine = sorted_pixel_rows(b"".join(rows[i] for i in reversed(range(0, 5000, 2))))
    theirs = sorted_pixel_rows(b"".join(rows[i] for i in range(1, 5000, 2)))
    write_digests(tmp_path / "1.digests", [("other", 0, 1, b""), ("a", 0, 1, mine)])
    write_digests(tmp_path / "2.digests", [("a", 1, 2, theirs)])
    runs = [r for n in "12" for r in runs_of(tmp_path / f"{n}.digests") if r.path == "a"]
    expected = hashlib.sha256(b"".join(rows[i] for i in range(5000))).hexdigest()
    assert chunks_sha256(runs) == (expected, 5000, True)
    assert chunks_sha256([runs[0], runs[0]])[2] is False
    assert chunks_sha256([]) == (hashlib.sha256().hexdigest(), 0, True)


def test_rows_of_strings_and_of_any_byte_order():
    one, other = (digest_of_values(np.array([1], kind)) for kind in (">u2", "<u2"))
    assert one == other
    for kind in (object, np.dtypes.StringDType()):
        found = digest_of_values(np.array(["a", "é"], kind))
        assert found == xxhash.xxh3_128(b'["a","\\u00e9"]').digest()
    assert len(pixel_row(3, found)) == PIXEL_ROW.itemsize


def test_digests_of_a_line_of_the_journal():
    rows = row(7, 2, b"a" * 16) + row(NO_OBJECT, 3, b"b" * 16)
    expected = {(7, 2): b"a" * 16, (NO_OBJECT, 3): b"b" * 16}
    assert digests_in(rows) == digests_in_text(rows_to_text(rows)) == expected
    assert digests_in_text("") == digests_in_text("no base64") == digests_in_text("YQ==") == {}


@pytest.mark.parametrize(("stored", "gap"), [([0, 1, 2], None), ([0, 2], 1), ([1, 2], 0), ([], 0)])
def test_the_first_absent_chunk(tmp_path, stored, gap):
    rows = [b"".join(pixel_row(i, bytes(16)) for i in stored[part::2]) for part in (0, 1)]
    write_digests(tmp_path / "b.digests", [("a", i, i + 1, part) for i, part in enumerate(rows)])
    assert first_gap(runs_of(tmp_path / "b.digests"), 3) == gap


@pytest.mark.parametrize("cut", [5, 60, 80])
def test_a_damaged_digests_file(tmp_path, cut):
    file = tmp_path / "b.digests"
    write_digests(file, [("a", 0, 1, pixel_row(0, bytes(16)))])
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(InputError, match="validate again: the same command"):
        runs_of(file)
    with pytest.raises(InputError, match="no such file"):
        runs_of(tmp_path / "none.digests")


def test_many_findings_are_shortened_alike_in_one_piece_and_in_parts():
    numbers = range(100)
    whole, parts = Findings(), Findings()
    for number in numbers:
        whole.error("pixels.differ", "0", f"element {number:03} differs")
    for first in (0, 1, 2):
        part = Findings()
        for number in numbers[first::3]:
            part.error("pixels.differ", "0", f"element {number:03} differs")
        parts.extend(part.listed())
    assert parts.listed() == whole.listed()
    assert whole.listed()[-1].message == "and 80 more like the ones before"
    assert len(whole.listed()) == 21


def test_findings_come_in_order_and_once():
    findings = Findings()
    findings.info("c", "a", "third")
    findings.warning("b", "a", "second")
    findings.error("z", "b", "last of the errors")
    findings.error("a", "a", "first")
    findings.error("a", "a", "first")
    assert [f.message for f in findings.listed()] == [
        "first",
        "last of the errors",
        "second",
        "third",
    ]
    assert all(isinstance(f, Finding) for f in findings.listed())


def image(**more):
    return {"version": "0.5", "multiscales": [{}], **more}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), values, max_size=4))
def test_a_document_that_was_read_is_written_as_it_was(document):
    """By that a document is known that others wrote to."""
    written = document_bytes(document)
    assert document_bytes(json.loads(written)) == written

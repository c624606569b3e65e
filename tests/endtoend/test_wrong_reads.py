"""Any byte of the output that changed is found; so is a source that was read wrongly."""

import random
from dataclasses import replace

import pytest

from support.converted import PATH, Case, Converted, recoded
from uplift.codecs.mapping import target_of
from uplift.storage.local import LocalStore
from uplift.storage.protocol import key_of
from uplift.validate.pixels.chosen import Chosen, regions_of
from uplift.validate.pixels.regions import check_arrays
from uplift.zarr_metadata.v2 import parse_v2

CASES = {
    "kept": Case(),
    "unsharded": Case(shards=None),
    "rewrapped": Case(compressor={"id": "zlib", "level": 1}),
    "recoded": recoded(Case(), target_chunks=(10, 32), shards=(30, 64)),
    "recoded, unsharded": recoded(Case(), shards=None),
}


@pytest.mark.parametrize("name", CASES)
def test_any_byte_of_the_output(name, tmp_path):
    array = Converted(tmp_path, CASES[name]).convert()
    assert array.codes() == []
    rng = random.Random(name)
    unseen = []
    for path in array.objects():
        data = path.read_bytes()
        for at in {*range(8), len(data) - 1, *rng.sample(range(len(data)), 12)}:
            changed = bytearray(data)
            changed[at] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            unseen += [] if array.codes() else [(path.name, at)]
        for changed in (data + b"\0", data + data, data[:-1], b""):
            path.write_bytes(changed)
            unseen += [] if array.codes() else [(path.name, len(changed))]
        path.write_bytes(data)
    # the window of a zstd frame may be larger than it needs to be: no value depends on it
    assert unseen == []


class Misread:
    """What a lying store says that a file holds."""

    def __init__(self, info, data):
        self.info, self.data = info, data

    def read_into(self, buffer, at=0, *, start=0, length=None):
        missing = at + len(self.data) - len(buffer)
        if missing > 0:
            buffer.extend(bytes(missing))
        buffer[at : at + len(self.data)] = self.data
        return len(self.data)

    def close(self):
        pass


class Lying(LocalStore):
    """Serves something else for some chunks, while `lies`."""

    lies = True
    wrong = None

    def get(self, wanted):
        return self._told(wanted)

    def open_object(self, wanted):
        data = self._told(wanted)
        info = self.stat(key_of(wanted))
        return None if data is None else Misread(info, data)

    def _told(self, wanted):
        read = LocalStore(self.root).get
        key = key_of(wanted)
        lies = self.lies and not key.endswith(".zarray")
        return self.wrong(key, read) if lies else read(key)


def flipped(key, read):
    data = bytearray(read(key))
    if key.endswith("1.1"):
        data[-1] ^= 1
    return bytes(data)


def swapped(key, read):
    head, _, name = key.rpartition("/")
    return read(f"{head}/{ {'1.1': '1.2', '1.2': '1.1'}.get(name, name) }")


def stale(key, read):
    head, _, name = key.rpartition("/")
    return read(f"{head}/{'0.0' if name == '1.1' else name}")


@pytest.fixture(params=[flipped, swapped, stale])
def lied_to(request, tmp_path):
    """Makes an array that was converted from wrong reads of the source."""

    def make(case):
        array = Converted(tmp_path, case)
        array.source = Lying(str(tmp_path / "in"))
        array.source.wrong = request.param
        array.convert()
        array.source.lies = False
        return array

    return make


@pytest.mark.parametrize("name", ["kept", "recoded"])
def test_a_source_read_wrongly_is_found_by_reading_again(name, lied_to):
    raw = Case(compressor=None)
    array = lied_to(raw if name == "kept" else recoded(raw))
    assert array.codes() == [], "the output holds what was read"
    assert array.codes("reread"), "and the source holds something else"


def test_a_source_read_wrongly_is_found_from_end_to_end(lied_to):
    """All chunks of a small array are looked at by other readers."""
    array = lied_to(Case(compressor=None))
    chosen = Chosen(PATH, array.item.source, array.item.target)
    (found,) = check_arrays([chosen], array.source, array.output, None, 0)
    assert found.count == array.stored_chunks()
    assert {finding.code for finding in found.findings} == {"reader.differs"}


def test_regions_of_a_large_array_are_the_same_every_time():
    document = {
        "zarr_format": 2,
        "shape": [2, 40, 4096, 4096],
        "chunks": [1, 1, 256, 256],
        "dtype": "<u2",
        "compressor": None,
        "filters": None,
        "order": "C",
        "fill_value": 0,
    }
    source = parse_v2(document, "0")
    target, _ = target_of(source, (1, 1, 256, 256), (1, 4, 1024, 1024), "keep")
    special = {"largest": (1, 3, 3, 3), "absent": (0, 9, 9, 9), "named": ((1, 5, 6, 7),)}
    chosen = Chosen("0", source, target, borders=(160,), **special)
    regions, others = regions_of(chosen)
    assert (regions, others) == (regions_of(chosen)[0], [])
    assert len(set(regions)) == len(regions) >= 16
    chunks = {
        tuple(a // c for (a, _), c in zip(region, source.chunks, strict=True)) for region in regions
    }
    for axis, n in enumerate((2, 40, 16, 16)):
        assert {0, n - 1} <= {chunk[axis] for chunk in chunks}
    assert {(0, 0, 0, 0), (1, 39, 15, 15), (1, 3, 3, 3), (0, 9, 9, 9), (1, 5, 6, 7)} <= chunks
    assert {(0, 39, 15, 15), (1, 0, 0, 0)} <= chunks, "both sides of the border"
    again = ((0, 7, 7, 7), (1, 3, 3, 3), (1, 7, 8, 9))
    counted, others = regions_of(
        replace(chosen, repeated_reads=again, filled=frozenset({(1, 7, 8, 9)}))
    )
    assert counted == regions, "what a verdict says does not depend on the network"
    assert others == [((0, 1), (7, 8), (7 * 256, 8 * 256), (7 * 256, 8 * 256))]

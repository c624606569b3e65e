"""What each step does for an array and for a chunk, counted at three sizes: no step grows faster.

Counted are calls of functions, which no other program on the machine changes, as it changes times.
"""

import json
import sys
import tracemalloc
from collections import Counter

import pytest

from support.hierarchies import Array, Group, write
from support.steps import Conversion
from uplift.batches import portions
from uplift.inspect_source.walk import inspect_source
from uplift.planning import batching
from uplift.storage import open_store
from uplift.storage.local import LocalStore
from uplift.storage.protocol import ObjectInfo

SIZES = (10, 30, 90)
STEPS = ("inspect", "plan", "claim", "convert", "migrate", "write_crate", "validate", "publish")


class Calls:
    """Counts calls of functions, of Python and of C, in this thread: zarr-python has its own."""

    def __init__(self):
        self.number = 0

    def __call__(self, frame, event, argument):
        if event in ("call", "c_call"):
            self.number += 1

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)


def steps_of(folder, tree):
    """Calls of each step of a conversion by one process."""
    folder.mkdir()
    write(folder / "in.zarr", tree)
    made = Conversion(str(folder / "in.zarr"), str(folder / "out.zarr"), folder / "w", threads=1)
    found = Counter()
    for step in STEPS:
        with Calls() as calls:
            getattr(made, step)()
        found[step] = calls.number
    return found


def test_no_step_does_more_for_an_array_the_more_there_are(tmp_path):
    steps_of(tmp_path / "first", Group({"0": Array((4, 4), (2, 2))}))  # imports, and caches
    found = {
        size: steps_of(
            tmp_path / str(size), Group({f"{n:03}": Array((4, 4), (2, 2)) for n in range(size)})
        )
        for size in SIZES
    }
    few, more, many = SIZES
    for step in STEPS:
        small = (found[more][step] - found[few][step]) / (more - few)
        large = (found[many][step] - found[more][step]) / (many - more)
        assert large <= 1.2 * small + 5, (step, small, large)


@pytest.fixture
def made_up(monkeypatch):
    """Writes an array of rows of a hundred chunks, which are listed and are not there."""

    def write_array(folder, rows, chunks):
        write(folder, Group({"0": Array((0, 1000), (10, 10), separator="/")}))
        about = json.loads((folder / "0" / ".zarray").read_text())
        (folder / "0" / ".zarray").write_text(json.dumps({**about, "shape": [10 * rows, 1000]}))

        def list_tree(_, prefix):
            for n in range(chunks):
                yield ObjectInfo(f"{prefix}/{n // 100}/{n % 100}", 100, "stamp", 1.0)

        monkeypatch.setattr(LocalStore, "list_tree", list_tree)

    return write_array


def test_inspection_does_the_same_for_each_chunk_and_keeps_none(tmp_path, made_up):
    made_up(tmp_path / "first", 1, 100)
    inspect_source(open_store(str(tmp_path / "first")))  # imports, and caches
    calls, memory = {}, {}
    for chunks in (10_000, 20_000, 40_000):
        place = tmp_path / str(chunks)
        made_up(place, chunks // 100, chunks - 7)
        with Calls() as counted:
            inventory = inspect_source(open_store(str(place)))
        assert inventory.arrays[0].stored_chunks == chunks - 7
        calls[chunks] = counted.number
        tracemalloc.start()
        inspect_source(open_store(str(place)))
        memory[chunks] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    first, second = calls[20_000] - calls[10_000], calls[40_000] - calls[20_000]
    assert second == pytest.approx(2 * first, rel=0.01)
    # a key is 56 bytes at the least; other threads of the process are counted as well
    assert memory[40_000] < memory[10_000] + 20 * 30_000


def test_an_array_is_cut_into_as_many_batches_and_portions_as_it_has_objects(
    tmp_path, monkeypatch, made_up
):
    monkeypatch.setattr(batching, "MAX_OBJECTS", 1000)
    monkeypatch.setattr(portions, "PORTION_BYTES", 2**12)
    calls = {}
    for rows in (10, 100, 200, 400):  # the first one is for imports, and caches
        place = tmp_path / str(rows)
        made_up(place / "in.zarr", rows, 100 * rows)
        settings = '{"shards": "none", "chunks": [10, 10]}'
        sides = (str(place / name) for name in ("in.zarr", "out.zarr"))
        made = Conversion(*sides, place / "w", plan_settings=settings)
        made.batch_settings = '{"batch_mib": 1}'
        made.inspect()
        made.plan()
        with Calls() as counted:
            batches = made.in_force().batches
            cut = [part for batch in batches for part in portions.portions_of(batch)]
        assert len(made.batches()) == rows // 10
        assert len(cut) >= rows // 10
        calls[rows] = counted.number
    first, second = calls[200] - calls[100], calls[400] - calls[200]
    assert second <= 2.4 * first + 100

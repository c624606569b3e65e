"""Batches: what is packed together, what is split, and that edits move nothing else."""

import itertools

import pytest

from support.inventories import entry_of, image, inventory_of
from uplift.errors import UnsupportedError
from uplift.models import json_text
from uplift.models.batch import Batch
from uplift.planning import batching
from uplift.planning.batching import BatchSettings, batch_name, skipped_arrays, split
from uplift.planning.checks import Wanted, target_for
from uplift.planning.estimates import MIB
from uplift.planning.in_force import plan_in_force, slice_of
from uplift.work.json_files import keep_backup

PLANE_CHUNK = (1, 1, 1, 512, 512)  # 512 KiB


def targets(inventory, shards=None, chunks=None):
    """Targets by path; `shards` and `chunks` by path where they differ from the source."""
    return {
        e.path: target_for(
            Wanted(
                e,
                (chunks or {}).get(e.path, e.source.chunks),
                (shards or {}).get(e.path),
                "keep",
                "",
            )
        )
        for e in inventory.arrays
        if e.problem is None
    }


def batches_of(inventory, batch_mib=4096, **changes):
    settings = BatchSettings(batch_mib=batch_mib)
    return split(inventory, targets(inventory, **changes), "d", "file:///out.zarr", settings)


def runs(batches):
    return [[(item.path, item.start, item.stop) for item in batch.items] for batch in batches]


def test_small_arrays_share_a_batch():
    inventory = inventory_of(*image(size=1024))
    assert runs(batches_of(inventory)) == [[("0", 0, 64), ("1", 0, 16), ("2", 0, 16)]]


def test_a_batch_is_full_at_its_size():
    arrays = [entry_of(f"{n}", (1, 1, 8, 512, 512), PLANE_CHUNK) for n in range(5)]  # 4 MiB each
    assert [len(batch.items) for batch in batches_of(inventory_of(*arrays), 8)] == [2, 2, 1]
    assert [len(batch.items) for batch in batches_of(inventory_of(*arrays), 4)] == [1] * 5


def test_large_arrays_are_cut_and_small_ones_go_on_together():
    arrays = [
        entry_of("a", (1, 1, 2, 512, 512), PLANE_CHUNK),
        entry_of("b", (1, 1, 20, 512, 512), PLANE_CHUNK),
        entry_of("c", (1, 1, 2, 512, 512), PLANE_CHUNK),
    ]
    batches = batches_of(inventory_of(*arrays), 4)
    assert runs(batches) == [
        [("a", 0, 2), ("c", 0, 2)],
        [("b", 0, 7)],
        [("b", 7, 14)],
        [("b", 14, 20)],
    ]
    assert [batch.batch for batch in batches] == [
        batch_name("a", 0),
        *(batch_name("b", start) for start in (0, 7, 14)),
    ]


def test_path_order_not_inventory_order():
    arrays = [entry_of(path, (8,), (4,)) for path in ("b", "a-b/0", "a/1", "a/0")]
    (batch,) = batches_of(inventory_of(*arrays))
    assert [item.path for item in batch.items] == ["a/0", "a/1", "a-b/0", "b"]


def test_sparse_arrays_weigh_what_is_stored():
    shape, chunks = (1, 1, 1_000_000, 512, 512), PLANE_CHUNK
    nothing = entry_of("0", shape, chunks, stored=0)
    assert runs(batches_of(inventory_of(nothing), 1)) == [[("0", 0, 1_000_000)]]
    little = entry_of("0", shape, chunks, stored=4)
    assert runs(batches_of(inventory_of(little), 1)) == [
        [("0", 0, 500_000)],
        [("0", 500_000, 1_000_000)],
    ]


def test_runs_hold_a_bounded_number_of_objects_and_chunks(monkeypatch):
    monkeypatch.setattr(batching, "MAX_OBJECTS", 100)
    monkeypatch.setattr(batching, "MAX_CHUNKS", 150)
    array = entry_of("0", (1, 1, 1000, 512, 512), PLANE_CHUNK)
    unsharded = batches_of(inventory_of(array), 400)
    assert max(batch.items[0].stop - batch.items[0].start for batch in unsharded) == 100
    sharded = batches_of(inventory_of(array), 400, shards={"0": (1, 1, 10, 512, 512)})
    assert [batch.items[0].stop for batch in sharded] == [15, 30, 45, 60, 75, 90, 100]


def test_an_array_below_the_batch_size_stays_whole(monkeypatch):
    monkeypatch.setattr(batching, "MAX_OBJECTS", 10)
    monkeypatch.setattr(batching, "MAX_CHUNKS", 10)
    arrays = [entry_of(f"{n}", (1, 1, 20, 512, 512), PLANE_CHUNK) for n in range(2)]
    assert runs(batches_of(inventory_of(*arrays))) == [[("0", 0, 20)], [("1", 0, 20)]]


def test_a_batch_file_stays_small_enough_for_checksums():
    arrays = [entry_of(f"{n:04}", (1, 1, 8, 512, 512), PLANE_CHUNK) for n in range(600)]
    batches = batches_of(inventory_of(*arrays))
    assert [len(batch.items) for batch in batches] == [256, 256, 88]
    assert len(json_text.readable_json(batches[0].to_json())) < 10**6


def test_an_edit_changes_its_own_batches_only():
    arrays = [
        *(entry_of(f"a/{n}", (1, 1, 8, 512, 512), PLANE_CHUNK) for n in range(4)),
        entry_of("big", (1, 1, 64, 512, 512), PLANE_CHUNK),
        *(entry_of(f"z/{n}", (1, 1, 8, 512, 512), PLANE_CHUNK) for n in range(4)),
    ]
    inventory = inventory_of(*arrays)
    before = {batch.batch: batch for batch in batches_of(inventory, 8)}
    small = {b.batch: b for b in batches_of(inventory, 8, shards={"a/2": (1, 1, 8, 512, 512)})}
    assert small.keys() == before.keys()
    changed = [name for name in before if before[name] != small[name]]
    assert [item.path for item in before[changed[0]].items] == ["a/2", "a/3"]
    assert len(changed) == 1
    untouched = [
        a.fingerprint == b.fingerprint
        for a, b in zip(before[changed[0]].items, small[changed[0]].items, strict=True)
    ]
    assert untouched == [False, True]
    large = {b.batch: b for b in batches_of(inventory, 8, shards={"big": (1, 1, 4, 512, 512)})}
    differing = {
        name for name in before.keys() | large.keys() if before.get(name) != large.get(name)
    }
    assert all(name.startswith("big.") for name in differing)


def test_fingerprints_depend_on_source_listing_target_and_method():
    array = entry_of("0", (8, 8), (4, 4))
    variants = [
        (array, {}),
        (array.model_copy(update={"listing_sha256": "1" * 64}), {}),
        (entry_of("0", (8, 8), (4, 4), dtype="<u4"), {}),
        (array, {"shards": {"0": (8, 8)}}),
        (array, {"chunks": {"0": (2, 2)}}),
    ]
    marks = [batches_of(inventory_of(e), **c)[0].items[0].fingerprint for e, c in variants]
    assert len(set(marks)) == len(variants)
    assert marks[0] == batches_of(inventory_of(array))[0].items[0].fingerprint


NAMES = [
    ("A/1/0/0", "A-1-0-0.cfdba86e.0"),
    ("", "array.e3b0c442.0"),
    ("../é ü/0", "0."),
    ("x" * 300, f"{'x' * 40}."),
]


@pytest.mark.parametrize(("path", "start"), NAMES)
def test_names(path, start):
    assert batch_name(path, 0).startswith(start)
    assert len(batch_name(path, 10**12)) < 80


def test_a_level_of_an_image_is_never_left_out():
    level = entry_of("0", (4,), (2,), problem='codec "zfpy" is not supported')
    inventory = inventory_of(level.model_copy(update={"role": "level"}))
    for how in ("fail", "skip"):
        with pytest.raises(UnsupportedError, match=r'"0".* "zfpy" .*level of an image'):
            skipped_arrays(inventory, BatchSettings(unsupported=how))


def test_unsupported_arrays():
    inventory = inventory_of(
        entry_of("0", (4,), (2,)), entry_of("t/x", (4,), (2,), problem='data type "|O" with pickle')
    )
    with pytest.raises(UnsupportedError) as error:
        skipped_arrays(inventory, BatchSettings())
    assert str(error.value) == (
        'array "t/x" of file:///in.zarr cannot be converted: data type "|O" with pickle; '
        "set unsupported: skip in the config to leave such arrays out"
    )
    skipped = skipped_arrays(inventory, BatchSettings(unsupported="skip"))
    assert skipped == {"t/x": 'data type "|O" with pickle'}
    plan = {"arrays": [], "settings": {}}
    settings = BatchSettings(unsupported="skip")
    found = plan_in_force(inventory, plan, settings, dataset="d", output="/out.zarr")
    assert found.skipped == skipped
    assert [item.path for batch in found.batches for item in batch.items] == ["0"]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_slices_share_all_batches_evenly(count):
    inventory = inventory_of(*image("b", size=2048), *image("a", size=1024))
    batches = batches_of(inventory, 16)
    parts = [slice_of(batches, number, count) for number in range(1, count + 1)]
    assert [batch for part in parts for batch in part] == batches
    if count < len(batches) // 2:
        assert max(map(len, parts)) <= 2 * len(batches) // count
    assert slice_of([], 1, count) == []


def test_batches_survive_a_round_trip():
    for batch in batches_of(inventory_of(*image(size=1024)), shards={"0": (1, 2, 8, 1024, 1024)}):
        assert Batch.parse(batch.to_json(), "batch") == batch


def test_items_tile_the_objects_of_a_large_array():
    array = entry_of("0", (1, 1, 1000, 512, 512), PLANE_CHUNK)
    edges = [(b.items[0].start, b.items[0].stop) for b in batches_of(inventory_of(array), 7)]
    assert edges[0][0] == 0
    assert edges[-1][1] == 1000
    assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
    assert all((b - a) * 512 * 1024 <= 7 * MIB for a, b in edges)


def test_the_backup_follows_the_edit(tmp_path):
    plan = tmp_path / "plan.json"
    for text in ("one", "one", "two"):
        plan.write_text(text)
        keep_backup(plan)
        assert (tmp_path / "plan.json~").read_text() == text

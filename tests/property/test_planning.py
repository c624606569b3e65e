"""Whatever the array: plans are carried out within their limits, and batches are a partition."""

import itertools
import json
import math

from hypothesis import assume, given
from hypothesis import settings as options
from hypothesis import strategies as st

from support.inventories import entry_of, inventory_of
from uplift import grid
from uplift.errors import PlanError
from uplift.models.plan import Plan, PlanSettings
from uplift.plan.decision import decide
from uplift.planning import estimates
from uplift.planning.batching import BatchSettings, cost_bytes, split
from uplift.planning.checks import Wanted, target_for
from uplift.planning.heuristics import PROPOSED_CHUNK_BYTES, axis_roles
from uplift.planning.plan_files import is_edited, stamped, targets_of_plan
from uplift.planning.proposal import (
    plan_array,
    propose_plan,
)

AXES = ("tczyx", "czyx", "zyx", "yx", "tyx", "x", "yxc", None)
DTYPES = ("|u1", "<u2", ">u2", "<f4", "<f8", "<c16", "|b1", "|S3")


@st.composite
def entries(draw, path="0"):
    axes = draw(st.sampled_from(AXES))
    ndim = len(axes) if axes is not None else draw(st.integers(0, 5))
    side = st.one_of(st.integers(0, 9), st.integers(1, 3000), st.integers(1, 100_000))
    shape = tuple(draw(side) for _ in range(ndim))
    chunks = tuple(draw(st.one_of(st.integers(1, 9), st.integers(1, 2000))) for _ in shape)
    cells = math.prod(grid.grid_shape(shape, chunks))
    return entry_of(
        path,
        shape,
        chunks,
        dtype=draw(st.sampled_from(DTYPES)),
        axes=axes,
        level=draw(st.sampled_from([None, 0, 1])),
        stored=draw(st.one_of(st.just(cells), st.integers(0, cells))),
    )


settings_drawn = st.builds(
    PlanSettings,
    min_shards=st.integers(1, 20),
    shard_mib=st.integers(1, 1024),
    max_chunks_per_shard=st.integers(1, 5000),
    small_array_mib=st.integers(0, 128),
    keep_chunk_min_kib=st.integers(0, 256),
    keep_chunk_max_mib=st.integers(1, 32),
    recode_memory_mib=st.integers(64, 4096),
    image_order=st.sampled_from(["C", "keep"]),
    shards=st.sampled_from([None, None, "none"]),
)


def per_shard(planned):
    shards = planned.shards if planned.shards is not None else planned.chunks
    return grid.chunks_per_shard(shards, planned.chunks)


@given(entries(), settings_drawn)
def test_every_proposal_can_be_carried_out(entry, settings):
    planned = plan_array(entry, settings)
    wanted = Wanted(entry, planned.chunks, planned.shards, planned.codecs, "plan")
    target, method = target_for(wanted, settings.recode_memory_mib)
    assert (target.shape, method) == (entry.source.shape, planned.method)
    if method == "recode":
        needed = estimates.recode_memory_bytes(entry.source, target)
        assert needed <= settings.recode_memory_mib * estimates.MIB


@given(entries(), settings_drawn)
def test_chunks_are_kept_or_between_1_and_4_mib(entry, settings):
    planned = plan_array(entry, settings)
    if planned.chunks == entry.source.chunks:
        return
    size = estimates.decoded_bytes(entry.source, planned.chunks)
    volume = [
        n if role in ("z", "y", "x") else 1
        for role, n in zip(axis_roles(entry), entry.source.shape, strict=True)
    ]
    assert size < 4 * PROPOSED_CHUNK_BYTES
    covers = planned.chunks == tuple(volume)
    assert size >= PROPOSED_CHUNK_BYTES or covers


@given(entries(), settings_drawn)
def test_shards_stay_within_their_limits(entry, settings):
    planned = plan_array(entry, settings)
    if planned.shards is None:
        return
    cells = per_shard(planned)
    chunk_grid = grid.grid_shape(entry.source.shape, planned.chunks)
    assert all(k <= max(1, n) for k, n in zip(cells, chunk_grid, strict=True))
    assert 1 < math.prod(cells) <= settings.max_chunks_per_shard
    array_bytes = estimates.decoded_bytes(entry.source, entry.source.shape)
    if array_bytes <= settings.small_array_mib * estimates.MIB:
        return
    size = estimates.decoded_bytes(entry.source, planned.shards)
    assert size <= settings.shard_mib * estimates.MIB
    roles = axis_roles(entry)
    assert all(k == 1 for k, role in zip(cells, roles, strict=True) if role not in ("z", "y", "x"))
    # z only grows over a full plane, unless shards were cut to be more
    shards = math.prod(grid.grid_shape(chunk_grid, cells))
    if entry.level != 0:
        plane = [
            k == n
            for k, n, role in zip(cells, chunk_grid, roles, strict=True)
            if role in ("y", "x")
        ]
        deep = [k > 1 for k, role in zip(cells, roles, strict=True) if role == "z"]
        assert all(plane) or not any(deep)
    else:
        assert shards >= min(settings.min_shards, math.prod(chunk_grid)) or all(
            k == 1 for k, role in zip(cells, roles, strict=True) if role in ("z", "y", "x")
        )


@given(entries(), settings_drawn)
def test_small_arrays_become_one_object(entry, settings):
    planned = plan_array(entry, settings)
    cells = math.prod(grid.grid_shape(entry.source.shape, planned.chunks))
    small = settings.small_array_mib * estimates.MIB
    whole = estimates.decoded_bytes(entry.source, entry.source.shape) <= small
    if settings.shards is None and whole and cells <= settings.max_chunks_per_shard:
        assert planned.objects == min(1, entry.stored_chunks)
    if cells <= 1:
        assert planned.shards is None


lengths_drawn = st.one_of(
    st.none(),
    st.lists(st.integers(1, 600), min_size=1, max_size=5).map(tuple),
    st.dictionaries(st.sampled_from("tczyx"), st.integers(1, 600), min_size=1),
)


@given(entries(), lengths_drawn, lengths_drawn, st.sampled_from(["keep", "zstd", "none"]))
def test_settings_are_carried_out_or_refused_in_one_line(entry, chunks, shards, codec):
    settings = PlanSettings(chunks=chunks, shards=shards, codec=codec)
    try:
        planned = plan_array(entry, settings)
    except PlanError as error:
        assert "\n" not in str(error)
        assert any(word in str(error) for word in ("use ", "set "))
        return
    assert all(k >= 1 for k in per_shard(planned))


@given(entries(), settings_drawn)
def test_plans_survive_their_file(entry, settings):
    plan = stamped(propose_plan(inventory_of(entry), settings, "d"))
    data = json.loads(json.dumps(plan.to_json()))
    assert Plan.parse(data, "plan.json") == plan
    assert not is_edited(data)
    data["arrays"][0]["chunks"] = [n + 1 for n in data["arrays"][0]["chunks"]] or [1]
    assert is_edited(data)


@given(st.lists(entries(), max_size=3), settings_drawn)
def test_deciding_twice_is_deciding_once(drawn, settings):
    arrays = [entry.model_copy(update={"path": f"{n}"}) for n, entry in enumerate(drawn)]
    inventory = inventory_of(*arrays)
    fresh = propose_plan(inventory, settings, "d")

    def propose(entry):
        return plan_array(entry, settings)

    def again(**given):
        return decide(
            inventory, fresh, propose, memory_mib=settings.recode_memory_mib, **given
        ).plan.to_json()

    first = again()
    assert again(existing=(first, "plan.json")) == first
    assert again(supplied=(first, "mine.json")) == first


@options(deadline=None)
@given(st.lists(entries(), max_size=6), st.sampled_from([1, 64, 4096]), st.data())
def test_batches_are_a_partition_with_stable_names(drawn, batch_mib, data):
    arrays = [entry.model_copy(update={"path": f"{n % 2}/{n}"}) for n, entry in enumerate(drawn)]
    assume(sum(map(cost_bytes, arrays)) < 100 * batch_mib * estimates.MIB)
    assume(sum(entry.stored_chunks for entry in arrays) < 10**7)
    inventory, settings = inventory_of(*arrays), BatchSettings(batch_mib=batch_mib)
    plan = propose_plan(inventory, PlanSettings(), "d")
    targets = targets_of_plan(plan, inventory)
    batches = split(inventory, targets, "d", "out", settings)
    names = [batch.batch for batch in batches]
    assert len(set(names)) == len(names)
    runs: dict[str, list[tuple[int, int]]] = {entry.path: [] for entry in arrays}
    for item in itertools.chain.from_iterable(batch.items for batch in batches):
        runs[item.path].append((item.start, item.stop))
    for entry in arrays:
        target = targets[entry.path][0]
        objects = math.prod(grid.grid_shape(target.shape, target.object_shape))
        edges = [(0, 0), *runs[entry.path], (objects, objects)]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
        if cost_bytes(entry) <= batch_mib * estimates.MIB:
            assert runs[entry.path] == [(0, objects)]
    if not arrays:
        return
    # another plan for one array leaves the batches of all others as they are
    changed = data.draw(st.sampled_from(arrays)).path
    other = dict(targets)
    target, method = targets[changed]
    other[changed] = (target.model_copy(update={"shards": None}), method)
    after = {batch.batch: batch for batch in split(inventory, other, "d", "out", settings)}
    for batch in batches:
        if all(item.path != changed for item in batch.items):
            assert after[batch.batch] == batch

"""What a plan is predicted to take, and the table of it."""

import pytest

from support.inventories import entry_of, image, inventory_of
from uplift.models.plan import Plan, PlanSettings
from uplift.planning import estimates
from uplift.planning.costs import COPIES, PROGRAM_BYTES, Rates, costs_of, wall_seconds
from uplift.planning.files import targets_of_plan
from uplift.planning.planning import propose_plan
from uplift.planning.table import as_text, bytes_text, rows_of, seconds_text


def planned(*entries, dataset="d", **settings) -> Plan:
    return propose_plan(inventory_of(*entries), PlanSettings(**settings), dataset)


def costs(*entries, **settings):
    return planned(*entries, **settings).estimate.costs


LEVEL = entry_of("0", (16, 2048, 2048), (1, 512, 512), axes="zyx", level=0)


def test_requests_and_bytes_are_those_of_the_chunks_and_shards():
    found = costs(LEVEL)
    plan = planned(LEVEL)
    shards = plan.arrays[0].objects
    # every chunk is fetched once; shards are written and read again; four requests for documents
    # of the array, two for the group
    assert found.requests == 256 + 2 * shards + 4 + 2
    assert found.written_bytes == plan.arrays[0].bytes
    assert found.read_bytes == 256 * 100 + plan.arrays[0].bytes


def test_a_recode_takes_more_of_everything_that_a_core_has():
    large = entry_of("0", (16, 8192, 8192), (1, 2048, 2048), axes="zyx", level=0)
    kept, recoded = costs(large), costs(large, codec="zstd")
    assert recoded.cpu_seconds > kept.cpu_seconds
    assert recoded.memory_mib > kept.memory_mib


def test_memory_is_bounded_by_the_engines_own_numbers():
    level = entry_of("0", (64, 8192, 8192), (1, 1024, 1024), axes="zyx", level=0)
    found = costs(level, codec="zstd").memory_mib * 2**20
    block, chunk = estimates.RECODE_BLOCK_BYTES, 2 * 1024 * 1024
    assert found == PROGRAM_BYTES + block + COPIES * 2 * chunk


def test_memory_does_not_grow_with_the_shards():
    small = costs(LEVEL, shards={"y": 512, "x": 512})
    large = costs(LEVEL, shards={"z": 16, "y": 2048, "x": 2048})
    assert small.memory_mib == large.memory_mib
    assert costs(LEVEL).memory_mib <= 300


def test_rates_of_another_machine():
    inventory = inventory_of(LEVEL)
    targets = targets_of_plan(planned(LEVEL), inventory)
    slow = Rates(array=10.0)
    assert costs_of(inventory, targets, slow).cpu_seconds == pytest.approx(
        costs_of(inventory, targets).cpu_seconds + 10, abs=0.11
    )


def test_the_slowest_of_cpu_transfer_and_requests_decides():
    found = costs(LEVEL).model_copy(
        update={"cpu_seconds": 100.0, "read_bytes": 10**9, "written_bytes": 0, "requests": 6400}
    )
    assert wall_seconds(found, 4, bytes_per_second=1e9, request_seconds=0) == 25
    assert wall_seconds(found, 100, bytes_per_second=1e8, request_seconds=0) == 10
    assert wall_seconds(found, 100, bytes_per_second=1e9, request_seconds=0.04) == 4


def test_the_table():
    plate = planned(*image("A/1/0", size=1024), *image("A/1/1", size=1024), dataset="plate")
    table = entry_of("0", (64, 1024, 1024), (1, 512, 512), axes="zyx", level=0, order="F")
    rows = rows_of([plate, planned(table, dataset="fortran")])
    assert [row.dataset for row in rows] == ["plate", "fortran", "total"]
    assert rows[2].before.objects == rows[0].before.objects + rows[1].before.objects
    assert rows[2].costs.cpu_seconds == pytest.approx(
        rows[0].costs.cpu_seconds + rows[1].costs.cpu_seconds, abs=0.1
    )
    lines = as_text(rows).splitlines()
    assert lines[0].split() == [
        "dataset", "arrays", "objects", "bytes", "CPU", "memory/core", "requests",
    ]  # fmt: skip
    assert lines[1].startswith("plate ")
    assert lines[2] == "  repack 6: chunks keep their bytes"
    assert lines[4] == (
        "  recode 1: F order becomes C order: several viewers show images in F order black"
    )
    assert lines[5].startswith("total ")
    assert f"{rows[2].before.objects:,} → {rows[2].after.objects:,}" in lines[5]


def test_one_dataset_has_no_total():
    assert len(rows_of([planned(LEVEL)])) == 1
    assert rows_of([Plan(dataset="old", arrays=())]) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (2 * 10**18, "2,000 PB")],
)
def test_bytes(count, text):
    assert bytes_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12600, "3.5 h")])
def test_seconds(seconds, text):
    assert seconds_text(seconds) == text

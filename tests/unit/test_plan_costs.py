"""What a plan is predicted to take, and the table of it."""

import pytest

from support.inventories import entry_of, image, inventory_of
from uplift.errors import PlanError
from uplift.models.plan import Plan, PlanSettings
from uplift.models.site import SiteCosts
from uplift.models.words import size_text
from uplift.planning import estimates
from uplift.planning.costs import COPIES, PROGRAM_BYTES, Rates, costs_of
from uplift.planning.loads import THREADED, load_of_plan
from uplift.planning.plan_files import targets_of_plan
from uplift.planning.proposal import propose_plan
from uplift.planning.rates import Measured
from uplift.planning.space import Space, space_of
from uplift.planning.table import Planned, as_text, rows_of, seconds_text


def proposed(*entries, dataset="d", **settings):
    """A plan and the inventory that it is made from."""
    inventory = inventory_of(*entries)
    return propose_plan(inventory, PlanSettings(**settings), dataset), inventory


def planned(*entries, **settings) -> Plan:
    return proposed(*entries, **settings)[0]


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
    # in object stores each document is asked for by several steps, and regions are compared
    far = inventory_of(LEVEL).model_copy(update={"source": "s3://b/in.zarr"})
    there = propose_plan(far, PlanSettings(), "d").estimate.costs.requests
    assert there > 256 + 3 * shards + 2 * 16
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


def rows(*pairs, costs=None, cores=1, **about):
    planned = [
        Planned(pair[0], load_of_plan(*pair, 1, threads=16), cores, **about) for pair in pairs
    ]
    return rows_of(planned, Measured(), costs or SiteCosts(), cores)


def test_the_table():
    plate = proposed(*image("A/1/0", size=1024), *image("A/1/1", size=1024), dataset="plate")
    table = entry_of("0", (64, 1024, 1024), (1, 512, 512), axes="zyx", level=0, order="F")
    about = {"needed": Space(10**9, 100), "free": Space(4 * 10**9, 1000)}
    found = rows(plate, proposed(table, dataset="fortran"), **about)
    assert [row.dataset for row in found] == ["plate", "fortran", "total"]
    assert found[2].before.objects == found[0].before.objects + found[1].before.objects
    assert found[2].cpu_seconds == pytest.approx(found[0].cpu_seconds + found[1].cpu_seconds)
    lines = as_text(found).splitlines()
    assert lines[0].split() == [
        "dataset", "arrays", "objects", "bytes", "time", "CPU", "memory/core", "requests", "space",
    ]  # fmt: skip
    assert lines[1].startswith("plate ")
    assert lines[1].endswith("  1.0 GB of 4.0 GB")
    assert lines[2] == "  repack 6: chunks keep their bytes"
    assert lines[4] == (
        "  recode 1: F order becomes C order: several viewers show images in F order black"
    )
    assert lines[5].startswith("total ")
    assert lines[5].endswith("  2.0 GB")
    assert f"{found[2].before.objects:,} → {found[2].after.objects:,}" in lines[5]


def test_money_is_shown_where_a_site_has_prices():
    pair = proposed(LEVEL)
    (free,) = rows(pair)
    assert free.money == 0
    prices = SiteCosts(currency="EUR", core_hour=1.0, put_1000=2.0)
    (row,) = rows(pair, costs=prices)
    puts = pair[0].estimate.after.objects + 1  # the crate
    core_hours = Measured().total("core_seconds", load_of_plan(*pair, 1)) / 3600
    assert row.money == pytest.approx(core_hours + 2.0 * puts / 1000)
    head, line, *_ = as_text([row], prices.currency).splitlines()
    assert head.endswith("money EUR")
    assert line.endswith(f"{row.money:,.2f}")
    assert "  -  " in line, "no file system whose space is known"


def test_time_is_that_of_the_slowest_of_cores_bytes_and_requests():
    big = entry_of("0", (64, 16384, 16384), (1, 512, 512), axes="zyx", level=0)
    pair = proposed(big, codec="zstd")
    (one,), (many,) = rows(pair), rows(pair, cores=16)
    load, rates = load_of_plan(*pair, 1, threads=16), Measured()
    alone = sum(rates.step_seconds(step, load, 1) for step in load.steps if step not in THREADED)
    assert one.seconds == pytest.approx(rates.wall_seconds(load, 1))
    start = sum(rates.rates["core_seconds"][step]["job"] for step in THREADED)
    worker = sum(rates.rates["core_seconds"][step].get("worker", 0) for step in THREADED)
    shared = one.seconds - alone - start
    assert many.seconds == pytest.approx(alone + start + worker + shared / 16)
    moved = sum(rates.total(name, load) for name in ("bytes_read", "bytes_written"))
    (slow,) = rows(pair, cores=16, costs=SiteCosts(megabytes_per_second=0.001))
    assert slow.seconds == pytest.approx(moved / 1e3)
    (far,) = rows(pair, cores=16, costs=SiteCosts(request_ms=10_000))
    assert far.seconds == pytest.approx(far.requests * 10 / 256, rel=1e-4)
    (remote,) = rows(proposed(big), cores=1000, is_local=False)
    assert remote.seconds == pytest.approx(remote.requests * 0.04 / 256, rel=1e-4)


def test_space_counts_folders_and_archives():
    # c/0, c/1, then c/0/0 .. c/1/2 below the array's own folder and its c
    assert space_of(20, 500, [(2, 3, 4)]) == Space(500, 20 + 2 + 2 + 6)
    assert space_of(20, 500, [()], archive=True) == Space(1000, 20 + 2 + 1)
    assert Space(10, 5).fits(Space(10, None))
    assert not Space(10, 5).fits(Space(10, 4))
    assert Space(10, 5).less(Space(4, 9)) == Space(6, 0)


def test_one_dataset_has_no_total():
    assert len(rows(proposed(LEVEL))) == 1
    with pytest.raises(PlanError, match="no estimate; run snakemake plans"):
        load_of_plan(Plan(dataset="old", arrays=()), inventory_of(LEVEL), 1)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (999_949_999, "999.9 MB"),
        (999_950_000, "1.0 GB"),
        (2 * 10**18, "2,000.0 PB"),
    ],
)
def test_bytes(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12600, "3.5 h")])
def test_seconds(seconds, text):
    assert seconds_text(seconds) == text

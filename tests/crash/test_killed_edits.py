"""Killed after an edit of the plan: a reader sees the old dataset, the new one or none."""

import json
import os
import random

import pytest

from crash.kills import count_calls, deaths, log_of, run_in_child, shards_started
from crash.tally import account
from support.images import write_image
from support.steps import Conversion
from support.workflow import contents
from uplift.storage.files import is_temporary

RUNS = max(1, int(os.environ.get("UPLIFT_CRASH_RUNS", "2")) // 4)
THREADS = 2
EDIT = {"shards": [1, 5, 64, 32]}
OLD = '{"shards": {"z": 5, "y": 32, "x": 32}}'
NO_PART = (".ngff-uplift.lock", "ro-crate-metadata.json")
"""The lock says that a run is at work; the crate names the output."""


def published(server, source, root):
    """Convert once, uninterrupted."""
    conversion = Conversion(
        str(source), str(root / "out.zarr"), root / "work", plan_settings=OLD, threads=THREADS
    )
    assert run_in_child(server, conversion) == 0, log_of(conversion)
    return conversion


def edit(conversion):
    """Edit one array of the plan; what follows from it is due, as Snakemake would find."""
    plan = json.loads(conversion.path("plan.json").read_text())
    (entry,) = [array for array in plan["arrays"] if array["path"] == "0"]
    entry.update(EDIT)
    conversion.path("plan.json").write_text(json.dumps(plan))
    names = ["plan", "migrate", "crate", "validate", "publish"]
    names += [f"convert-{number}" for number in conversion.numbers()]
    for name in names:
        conversion.path("started", name).touch()


def seen(conversion):
    """The objects that a reader finds: what is unfinished has no name of the dataset."""
    found = contents(conversion.work.parent / "out.zarr").items()
    return {key: data for key, data in found if key not in NO_PART and not is_temporary(key)}


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    source = write_image(root / "in.zarr", size=64)
    conversion = published(server, source, root)
    old = seen(conversion)
    edit(conversion)
    trace = root / "shards.txt"
    calls = count_calls(server, conversion, "local", trace=trace)
    return source, old, seen(conversion), calls, shards_started(trace)


@pytest.mark.parametrize("seed", range(RUNS))
def test_killed_after_an_edit(seed, whole, server, tmp_path):
    source, old, new, calls, shards = whole
    conversion = published(server, source, tmp_path)
    edit(conversion)
    rng = random.Random(f"edit {seed}")
    drawn = deaths(rng, rng.randint(1, 3), calls, seconds=1.0)
    trace, kills = tmp_path / "shards.txt", []
    for death in drawn:
        if run_in_child(server, conversion, death, trace=trace) < 0:
            kills.append(death.word)
        found = seen(conversion)
        assert "zarr.json" not in found or found in (old, new), (death, log_of(conversion))
    code = run_in_child(server, conversion, trace=trace)
    story = f"{drawn}\n{log_of(conversion)}"
    assert code == 0, story
    assert not list((tmp_path / "out.zarr").rglob(".uplift-tmp.*")), story
    started, made = shards_started(trace), seen(conversion)
    account(
        "local edited plan",
        kills=kills,
        same=made == new,
        shards=shards,
        started=started,
        workers=THREADS,
    )
    assert made == new, story
    assert started <= shards + THREADS * len(kills), story

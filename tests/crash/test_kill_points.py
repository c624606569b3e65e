"""Killed at any point and resumed, a dataset has the bytes of an uninterrupted run."""

import os
import random

import pytest

from crash.kills import kill_points, run_in_child, tree_digest
from support.images import write_image
from support.steps import Conversion

RUNS = int(os.environ.get("UPLIFT_CRASH_RUNS", "12"))
KILLS_A_RUN = 3


def conversion_of(root, source, recode):
    settings = '{"shards": {"z": 5, "y": 48, "x": 48}}'
    if recode:
        settings = '{"shards": {"z": 5, "y": 48, "x": 48}, "chunks": {"z": 1, "y": 24, "x": 24}}'
    return Conversion(str(source), str(root / "out.zarr"), root / "work", plan_settings=settings)


@pytest.fixture(scope="module", params=["repack", "recode"])
def uninterrupted(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    source = write_image(root / "in.zarr")
    recode = request.param == "recode"
    conversion = conversion_of(root, source, recode)
    assert run_in_child(conversion, None) == 0, (root / "child.log").read_text()
    return source, recode, tree_digest(root / "out.zarr")


@pytest.mark.parametrize("seed", range(RUNS))
def test_killed_and_resumed(seed, uninterrupted, tmp_path):
    source, recode, expected = uninterrupted
    conversion = conversion_of(tmp_path, source, recode)
    points = list(kill_points(seed, random.Random(seed).randint(1, KILLS_A_RUN)))
    for point in points:
        status = run_in_child(conversion, point)
        assert os.WIFSIGNALED(status) or status == 0, (point, (tmp_path / "child.log").read_text())
        root = tmp_path / "out.zarr" / "zarr.json"
        if root.exists():
            assert conversion.path("validation.json").exists(), f"root before the verdict: {point}"
    status = run_in_child(conversion, None)
    story = f"{[str(point) for point in points]}\n{(tmp_path / 'child.log').read_text()}"
    assert status == 0, story
    assert tree_digest(tmp_path / "out.zarr") == expected, story

"""Damaged work files cost a redo, or one line that names the file; the dataset comes out the same.

`UPLIFT_DAMAGES=75` tries every damage of every file.
"""

import itertools
import os
import random
import shutil

import pytest

from support.images import write_image
from support.workflow import contents, snakemake

RUNS = int(os.environ.get("UPLIFT_DAMAGES", "5"))
SETTINGS = ("--config", "input=in.zarr", "output=out.zarr", "license=CC0-1.0", "previews=false")
FILES = (
    *("run.json", "inventory.json", "plan.json", "convert/1-of-1.json"),
    *("claim.json", "records/{batch}.json", "journal/{batch}.jsonl", "migration.json"),
    *("root.zarr.json", "crate.json", "records/{batch}.digests"),
    "convert/plan.in_force",
    *("validation.json", "published.json"),
)
DAMAGES = {
    "cut short": lambda data, other: data[: len(data) // 2],
    "emptied": lambda data, other: b"",
    "overwritten in the middle": lambda data, other: data[: len(data) // 2] + b"\xff\0" + data[-2:],
    "of another program": lambda data, other: b'{"some": "thing"}\n',
    "of another dataset": lambda data, other: other,
}
CASES = list(itertools.product(FILES, DAMAGES))
# the verdict on a published dataset is not read again, and both have the same root document
CASES.remove(("validation.json", "of another dataset"))
random.Random(5).shuffle(CASES)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a finished conversion, and next to it another dataset's work files."""
    root = tmp_path_factory.mktemp("damage")
    for name, size in (("here", 48), ("other", 32)):
        write_image(root / name / "in.zarr", size=size)
        run = snakemake(root / name, *SETTINGS)
        assert run.code == 0, run.text
    shutil.copytree(root / "here", root / "kept")
    return root


def work_file(folder, name):
    batch = min((folder / "results/in/records").glob("*.json")).stem
    return folder / "results/in" / name.format(batch=batch)


@pytest.mark.parametrize(("name", "damage"), CASES[:RUNS])
def test_a_damaged_file_costs_a_redo_or_one_line(name, damage, done):
    folder = done / "here"
    shutil.rmtree(folder)
    shutil.copytree(done / "kept", folder)
    path = work_file(folder, name)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(
        DAMAGES[damage](path.read_bytes(), work_file(done / "other", name).read_bytes())
    )
    os.utime(path, ns=times)
    work = folder / "results/in"
    if path.name != "validation.json":  # so that all of them are read
        (work / "validation.json").unlink()
    run = snakemake(folder, *SETTINGS)
    if run.code:
        assert len(set(run.errors)) == 1, run.text
        # what another dataset's file says may first be noticed by the verdict
        named = path.relative_to(folder).as_posix() in run.errors[0]
        assert named or damage == "of another dataset", run.text
        assert "Traceback" not in run.text
        path.unlink()
        run = snakemake(folder, *SETTINGS)
    assert run.code == 0, run.text
    assert contents(folder / "out.zarr") == contents(done / "kept" / "out.zarr")
    verdict = (done / "kept/results/in/validation.json").read_bytes()
    assert (work / "validation.json").read_bytes() == verdict

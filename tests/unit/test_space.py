"""Free space: asked for before anything is written, for all datasets of a file system together."""

import os
import re
from pathlib import Path

import pytest

from support.images import write_image
from support.steps import Conversion, StepError
from uplift.batches.space import Need, space_for
from uplift.errors import OutputError
from uplift.outputs import space as of_outputs
from uplift.outputs.space import file_system_of, space_taken
from uplift.planning.space import Space, space_of_batches
from uplift.settings.columns import Sample
from uplift.work.folder import WorkFolder
from uplift.work.journal import Done, Journal
from uplift.workflow import space


@pytest.fixture
def disk(monkeypatch):
    """Says what is free on all file systems: bytes and inodes."""

    def have(size, inodes=10**6):
        real = os.statvfs("/")
        found = list(real)
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")
        values = (1, 1, size, size, size, inodes, inodes)
        found[: len(names)] = values
        found[7] = inodes  # f_favail
        monkeypatch.setattr(of_outputs.os, "statvfs", lambda _: os.statvfs_result(found))

    return have


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Two datasets that are planned."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.zarr", size=64, chunk=32)
        made = Conversion(f"{name}.zarr", f"{name}.out", tmp_path / "results" / name)
        made.inspect()
        made.plan()
    return [Sample(dataset=name, input=f"{name}.zarr", output=f"{name}.out") for name in "ab"]


def needed(sheet):
    return [space.needed_by(WorkFolder(Path("results", one.dataset)), one) for one in sheet]


def test_the_space_that_is_predicted_is_what_the_output_takes(sheet, tmp_path):
    (found, _) = needed(sheet)
    made = Conversion("a.zarr", "a.out", tmp_path / "results" / "a")
    made.claim()
    made.convert()
    made.migrate()
    files = [path for path in Path("a.out").rglob("*") if path.is_file()]
    inodes = sum(1 for _ in Path("a.out").rglob("*"))
    own = ("zarr.json", ".ngff-uplift.lock")
    data = sum(path.stat().st_size for path in files if path.name not in own)
    assert data == found.bytes
    assert inodes - 5 <= found.inodes <= inodes + 5  # lock and root document, folders of groups
    twice = space.needed_by(WorkFolder(Path("results/a")), sheet[0], archive=True)
    assert twice.bytes == 2 * found.bytes


def test_datasets_of_a_file_system_are_added_up(sheet, disk):
    total = sum(needed(sheet), Space(0))
    disk(total.bytes, total.inodes)
    (shared,) = space.shared_by(sheet, "results")
    assert shared.little() is None
    disk(total.bytes - 1)
    (shared,) = space.shared_by(sheet, "results")
    assert "too little space for a, b: " in shared.little()
    assert " needed, " in shared.little()
    disk(total.bytes, total.inodes - 1)
    (shared,) = space.shared_by(sheet, "results")
    assert f"{total.inodes:,} files and folders needed, " in shared.little()
    (alone,) = space.shared_by(sheet[:1], "results")
    assert alone.little() is None


def test_what_is_converted_needs_nothing_and_what_stands_is_replaced(sheet, disk, tmp_path):
    Conversion("a.zarr", "a.out", tmp_path / "results" / "a").all()
    assert needed(sheet)[0] == Space(0)
    elsewhere = sheet[0].model_copy(update={"output": "other.out"})
    assert needed([elsewhere])[0].bytes > 0
    disk(1, 10**6)
    plan = tmp_path / "results" / "a" / "plan.json"
    later = plan.with_name("published.json").stat().st_mtime + 10  # as after an edit
    os.utime(plan, (later, later))
    (shared,) = space.shared_by(sheet[:1], "results")
    assert shared.needed.bytes > 1
    assert shared.little() is None, "the objects that stand there are replaced one by one"


def test_nothing_is_said_where_nothing_is_known(sheet):
    assert file_system_of("s3://bucket/out.zarr") is None
    Path("results/a/plan.json").write_text('{"estimate": 1}')
    assert needed(sheet)[0] is None
    other = Sample(dataset="new", input="new.zarr", output="new.out")
    assert space.shared_by([other], "results") == []


def test_a_file_system_without_inodes_has_enough_of_them(disk, tmp_path):
    disk(10**9, 0)
    assert file_system_of(str(tmp_path / "a" / "b")).free == Space(10**9, None)


def test_a_job_refuses_what_does_not_fit(sheet, disk, tmp_path, capsys):
    made = Conversion("a.zarr", "a.out", tmp_path / "results" / "a")
    made.claim()
    disk(100)
    with pytest.raises(StepError, match="convert ended with exit code 1"):
        made.convert()
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "error: " in one]
    assert re.search(r"a\.out: too little space: .* needed, 100 B free; free some, choose", line)
    assert not list(Path("a.out").rglob("c"))
    made.on_little_space = "warn"
    made.convert()
    assert space_taken("a.out").bytes > 1000
    made.on_little_space = "fail"
    made.convert()  # nothing is left to be written


def test_an_archive_that_does_not_fit_is_not_begun(sheet, disk, tmp_path, capsys):
    made = Conversion("a.zarr", "a.zarr.out", tmp_path / "results" / "a")
    made.all()
    made.archive()
    archive = tmp_path / "a.zarr.out.ozx"
    size, before = archive.stat().st_size, archive.stat()
    disk(size - 1)
    with pytest.raises(StepError, match="archive ended with exit code 1"):
        made.archive()
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "error: " in one]
    assert re.search(r"a\.zarr\.out\.ozx: too little space: .* needed, .* free; free some", line)
    assert archive.stat() == before, "the old one stays"
    disk(size)
    made.archive()
    disk(1)
    made.on_little_space = "warn"
    made.archive()
    assert archive.stat().st_mtime_ns > before.st_mtime_ns


@pytest.fixture
def plans(sheet, tmp_path):
    """By dataset: what its convert job looks for space with."""
    found = {}
    for name in "ab":
        made = Conversion(f"{name}.zarr", f"{name}.out", tmp_path / "results" / name)
        batches = made.in_force().batches
        found[name] = (batches, batches, WorkFolder(tmp_path / "results" / name), f"{name}.out")
    return found


def test_a_job_counts_what_others_still_write(plans, disk, tmp_path):
    size = space_of_batches(plans["a"][0]).bytes
    disk(2 * size - 1)
    with space_for(*plans["a"]):
        refused = pytest.raises(OutputError, match=r"needed, .* free for this and 1 more jobs that")
        with refused, space_for(*plans["b"]):
            pytest.fail("does not fit")
        disk(2 * size)
        with space_for(*plans["b"]):
            assert len(list((tmp_path / "results" / ".space").glob("*.json"))) == 2
    disk(2 * size - 1)
    with space_for(*plans["b"]):  # alone it fits
        assert len(list((tmp_path / "results" / ".space").glob("*.json"))) == 1
    assert not (tmp_path / "results" / ".space").exists()


def test_what_a_running_job_has_written_is_not_counted_again(plans, disk, tmp_path):
    size = space_of_batches(plans["a"][0]).bytes
    (batch, *more), _, work, _ = plans["a"]
    assert not more
    journal = Journal(work.journal(batch.batch))
    with space_for(*plans["a"]):
        disk(size)
        with pytest.raises(OutputError, match="too little space"), space_for(*plans["b"]):
            pytest.fail("does not fit")
        journal.start([])
        written = {"objects": 1, "bytes": size, "chunks": 1}
        journal.add(Done(path="0", fingerprint="f", start=0, stop=1, **written))
        with space_for(*plans["b"]):
            pass


def test_a_job_that_was_killed_needs_no_space(plans, disk, tmp_path):
    size = space_of_batches(plans["a"][0]).bytes
    killed = tmp_path / "results" / ".space" / "killed.json"
    killed.parent.mkdir()
    batches, _, work, output = plans["a"]
    names = {one.batch: Space(size) for one in batches}
    killed.write_text(Need(output, work, names, tuple(names)).to_text())
    disk(2 * size - 1)
    with space_for(*plans["b"]):
        assert not killed.exists()
    assert not killed.parent.exists()


def test_objects_that_a_job_replaces_are_not_those_that_it_wrote(plans, disk, tmp_path):
    """Half of an output was written by a killed job: the rest must fit, and replaces nothing."""
    size = space_of_batches(plans["a"][0]).bytes
    (batch,), _, work, output = plans["a"]
    half = Path(output, "0", "half")
    half.parent.mkdir(parents=True)
    half.write_bytes(bytes(size // 2))
    journal = Journal(work.journal(batch.batch))
    journal.start([])
    written = {"objects": 1, "bytes": size // 2, "chunks": 1}
    journal.add(Done(path="0", fingerprint="f", start=0, stop=1, **written))
    disk(size - size // 2 - 1)
    with pytest.raises(OutputError, match="too little space"), space_for(*plans["a"]):
        pytest.fail("does not fit")
    disk(size - size // 2)
    with space_for(*plans["a"]):
        pass

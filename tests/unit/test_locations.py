"""Local outputs that cannot be made, or that others of a group could not read."""

import os
import struct
from contextlib import contextmanager

import pytest

from uplift.settings.config import Config
from uplift.settings.locations import closed_to_the_group, folders_to_bind, unusable_output
from uplift.settings.mistakes import MistakesError
from uplift.settings.samples import load_samples

NOBODY = 65534


@contextmanager
def as_nobody():
    """As a user without rights; tests may run as root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_an_output_that_this_user_cannot_write():
    with as_nobody():
        (line,) = unusable_output("/usr/lib/new/out.zarr")
        assert line == (
            "output: /usr/lib/new/out.zarr: this user may not write to /usr/lib; ask for the "
            "permission or choose another location"
        )
        assert list(unusable_output("s3://bucket/out.zarr")) == []


def test_what_is_published_needs_no_writing(tmp_path):
    (tmp_path / "zarr.json").touch()
    assert list(unusable_output(str(tmp_path))) == []


def test_it_is_said_with_the_other_mistakes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.zarr").mkdir()
    (tmp_path / "note.txt").touch()
    (tmp_path / "s.csv").write_text(
        "dataset,input,output,license\na,in.zarr,note.txt/a.zarr,MIT\nb,gone.zarr,,MIT\n"
    )
    with pytest.raises(MistakesError) as caught:
        load_samples(Config(samples="s.csv"))
    first, second = caught.value.lines
    place = tmp_path / "note.txt"
    said = f"output: note.txt/a.zarr: {place} is a file; choose another location"
    assert first == f's.csv, line 2 (dataset "a"): {said}'
    assert "gone.zarr: no such folder" in second


def test_a_group_that_could_not_read(tmp_path, umask):
    outputs = [f"{tmp_path}/shared/{name}.zarr" for name in "ab"]
    outputs += ["s3://bucket/c.zarr", f"{tmp_path}/own/d.zarr"]
    for name in ("shared", "own"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared").chmod(0o2770)
    assert list(closed_to_the_group(outputs)) == []
    umask(0o077)
    (line,) = closed_to_the_group(outputs)
    assert line == (
        f"{tmp_path}/shared: a group shares this folder, and others of the group will not be able "
        "to read what is written there (umask 0077); run umask 0027 first"
    )
    assert umask(0o077) == 0o077, "looking changes nothing"
    (tmp_path / "shared" / "a.zarr").mkdir()
    (tmp_path / "shared" / "a.zarr" / "zarr.json").touch()
    assert list(closed_to_the_group(outputs[:1])) == []


def test_access_control_lists_of_the_folder_decide(tmp_path, umask):
    tmp_path.chmod(0o2770)
    umask(0o077)
    every, group, others = (0x01, 7, 2**32 - 1), (0x04, 5, 2**32 - 1), (0x20, 0, 2**32 - 1)
    rules = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *one) for one in (every, group, others)
    )
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", rules)
    except OSError:
        pytest.skip("no access control lists on this file system")
    assert list(closed_to_the_group([f"{tmp_path}/a.zarr"])) == []


def test_folders_that_a_container_is_shown(tmp_path, monkeypatch):
    here, data, store = (tmp_path / name for name in ("here", "data", "store"))
    for folder in (here, data / "in.zarr", data / "a", store / "far.zarr"):
        folder.mkdir(parents=True)
    (data / "link.zarr").symlink_to(store / "far.zarr")
    monkeypatch.chdir(here)
    assert folders_to_bind(["in.zarr", "s3://bucket/in.zarr", "results/out.zarr"]) == []
    inside = [f"file://{data}/in.zarr", f"{data}/a/not yet/out.zarr", "../data/in.zarr"]
    assert folders_to_bind(inside) == [str(data)]
    assert folders_to_bind([f"{data}/link.zarr"]) == [str(data), str(store)]
    assert folders_to_bind(["/no-such/out.zarr", "/usr"]) == ["/usr"]


def test_many_folders_are_shown_by_those_above_them(tmp_path, monkeypatch):
    monkeypatch.chdir("/usr")
    for row in range(100):
        (tmp_path / "sub" / str(row)).mkdir(parents=True)
    few, many = ([f"{tmp_path}/sub/{row}/in.zarr" for row in range(n)] for n in (2, 100))
    assert folders_to_bind(few) == [f"{tmp_path}/sub/0", f"{tmp_path}/sub/1"]
    assert folders_to_bind(many) == [f"{tmp_path}/sub"]

"""A disk that fails or is full: one line, nothing torn, and a rerun ends with the right bytes."""

import errno
import os
import random
import shutil
import subprocess

import pytest

from crash.faults import FaultPoint
from crash.kills import log_of, run_in_child
from support.images import write_image
from support.steps import Conversion
from support.workflow import contents

RUNS = int(os.environ.get("UPLIFT_FAULT_POINTS", "16"))
CALLS = ["open", "writev", "replace", "link", "fsync", "makedirs", "read", "scandir"]
ERRORS = [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EMFILE]


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    source = write_image(root / "in.zarr", size=48)
    conversion = Conversion(str(source), str(root / "out.zarr"), root / "work")
    assert run_in_child(server, conversion) == 0, log_of(conversion)
    return source, contents(root / "out.zarr")


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_system_call_fails(seed, whole, server, tmp_path):
    source, expected = whole
    rng = random.Random(seed)
    out = tmp_path / "out.zarr"
    conversion = Conversion(str(source), str(out), tmp_path / "work")
    name = CALLS[seed % len(CALLS)]
    below = str(source) if name == "scandir" else str(out)
    point = FaultPoint(name, rng.randint(1, 25), rng.choice(ERRORS), below)
    failed = run_in_child(server, conversion, point)
    log = log_of(conversion)
    assert "Traceback" not in log, (point, log)
    assert failed in (0, 101), (point, failed, log)
    if failed:
        errors = [line for line in log.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, (point, log)
        if (out / "zarr.json").exists():  # it failed after that: all of it is there
            assert contents(out).items() >= expected.items(), point
    assert run_in_child(server, conversion) == 0, (point, log_of(conversion))
    assert contents(out) == expected


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root and mount, for a tmpfs of 600 kB")
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs a system that lets root mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(whole, server, small_disk, tmp_path):
    source, expected = whole
    (small_disk / "ballast").write_bytes(bytes(500 * 2**10))
    out = small_disk / "out.zarr"
    conversion = Conversion(str(source), str(out), tmp_path / "work")
    assert run_in_child(server, conversion) == 101
    text = log_of(conversion)
    (line,) = [x for x in text.splitlines() if x.startswith("error: ")]
    assert "No space left on device" in line
    assert "free some space" in line
    assert not (out / "zarr.json").exists()
    (small_disk / "ballast").unlink()
    assert run_in_child(server, conversion) == 0, log_of(conversion)
    assert contents(out) == expected


@pytest.mark.parametrize("started", [False, True], ids=["from the start", "in between"])
def test_a_disk_that_is_read_only(started, whole, server, small_disk, tmp_path):
    source, expected = whole
    out = small_disk / "out.zarr"
    conversion = Conversion(str(source), str(out), tmp_path / "work")
    for step in (conversion.inspect, conversion.plan, conversion.claim):
        if started:
            step()
    before = contents(small_disk)
    remount(small_disk, "ro")
    assert run_in_child(server, conversion) == 101
    text = log_of(conversion)
    (line,) = [x for x in text.splitlines() if x.startswith("error: ")]
    assert "Read-only file system" in line
    assert str(out) in line
    assert "Traceback" not in text
    assert contents(small_disk) == before
    remount(small_disk, "rw")
    assert run_in_child(server, conversion) == 0, log_of(conversion)
    assert contents(out) == expected


def remount(place, mode):
    subprocess.run(["mount", "-o", f"remount,{mode}", str(place)], check=True)

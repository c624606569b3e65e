"""Unsharded copies on a file system that can share blocks: no second copy of the data."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import zarr

from support.images import write_array, write_image
from support.steps import Conversion


@pytest.fixture
def btrfs(tmp_path):
    if os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None:
        pytest.skip("needs root and mkfs.btrfs (Debian package btrfs-progs)")
    image, place = tmp_path / "disk", tmp_path / "mnt"
    with image.open("wb") as stream:
        stream.truncate(300 * 2**20)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True).returncode:
        pytest.skip("needs a kernel that mounts btrfs images (loop device)")
    yield place
    subprocess.run(["umount", place], check=True)


def used(place):
    subprocess.run(["sync", "-f", place], check=True)
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_chunks_share_their_blocks_and_stay_independent(btrfs, tmp_path):
    source = write_image(btrfs / "in.zarr", size=32, labels=False)
    values = np.random.default_rng(0).integers(0, 2**16, (2, 4, 2048, 2048), dtype="<u2")
    write_array(source / "big", values, (1, 1, 1024, 1024), compressor={})
    before = used(btrfs)
    conversion = Conversion(
        str(source), str(btrfs / "out.zarr"), tmp_path / "work", plan_settings='{"shards": "none"}'
    )
    conversion.all()
    assert used(btrfs) - before < values.nbytes / 4
    chunk = btrfs / "out.zarr" / "big" / "c" / "0" / "0" / "0" / "0"
    with chunk.open("r+b") as stream:
        stream.write(b"\xff" * 100)
    copied = zarr.open_array(btrfs / "out.zarr" / "big", mode="r")
    assert (copied[1] == values[1]).all()
    assert (zarr.open_array(source / "big", mode="r", zarr_format=2)[...] == values).all()

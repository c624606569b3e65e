"""Source and output on a network file system: what is waited for is asked for side by side."""

import os
import signal
import subprocess
import time

import pytest

from servers import network_files
from support.images import write_image
from support.sources import write_plate
from support.steps import Conversion
from support.workflow import command, contents, environment, snakemake
from uplift.storage import is_on_network

ABOUT = ("license=CC-BY-4.0", "organism=NCBI:txid9606", "modality=confocal")
CRATE = "ro-crate-metadata.json"


@pytest.fixture
def network(tmp_path):
    reason = network_files.why_not()
    if reason:
        pytest.skip(f"no network file system: {reason}")
    try:
        files = network_files.NetworkFiles(tmp_path / "net")
    except OSError as error:
        pytest.skip(f"no network file system: {error}; run as root, where FUSE may be mounted")
    yield files
    files.close()


def write_screen(root):
    """A plate of 24 arrays, and an image of several shards next to it."""
    write_plate(root, wells=[f"{row}/{column}" for row in "ABC" for column in range(4)])
    write_image(root / "overview", size=128, chunk=16)


def data_of(output):
    """All files but the crate, which names the source."""
    return {key: data for key, data in contents(output).items() if key != CRATE}


@pytest.fixture
def there(network, tmp_path):
    """What a conversion on a disk makes of the same source."""
    write_screen(network.data / "in.zarr")
    local = tmp_path / "local.zarr"
    Conversion(str(network.data / "in.zarr"), str(local), tmp_path / "local").all()
    return data_of(local)


def test_round_trips_overlap(network, there, tmp_path):
    assert is_on_network(str(network.mount / "in.zarr"))
    output = network.mount / "out.zarr"
    steps = Conversion(str(network.mount / "in.zarr"), str(output), tmp_path / "work")
    at_once = {}
    for step in ("inspect", "plan", "claim", "convert", "migrate", "write_crate", "validate"):
        network.forget()
        getattr(steps, step)()
        at_once[step] = network.most_at_once
    steps.publish()
    assert data_of(network.data / "out.zarr") == there
    slow = {step: at_once[step] for step in ("inspect", "convert", "migrate", "validate")}
    assert min(slow.values()) >= 8, f"requests at once: {slow}"


@pytest.mark.parametrize("part", [0.5])
def test_a_killed_run_goes_on(network, there, tmp_path, part):
    def ends(name):
        return f"input={network.mount}/in.zarr", f"output={network.mount}/{name}.zarr"

    assert snakemake(tmp_path / "whole", "--config", *ends("whole"), *ABOUT).code == 0
    requests = network.requests
    network.forget()
    words = command(tmp_path / "work", "--config", *ends("out"), *ABOUT)
    victim = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )
    while network.requests < part * requests and victim.poll() is None:
        time.sleep(0.01)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    assert not (network.data / "out.zarr" / "zarr.json").exists(), "seen half done"
    snakemake(tmp_path / "work", "--unlock", "--config", *ends("out"), *ABOUT)
    again = snakemake(tmp_path / "work", "--rerun-incomplete", "--config", *ends("out"), *ABOUT)
    assert again.code == 0, again.text
    assert data_of(network.data / "out.zarr") == there

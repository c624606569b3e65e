"""The workflow on a real SLURM, with the profile that users get."""

import shutil
import signal
import subprocess
import time

import pytest
import zarr

from servers import slurm
from support.crates import without_times
from support.images import write_image
from support.workflow import ROOT, command, contents, environment, snakemake

QUICK = ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
ONE = ["--config", "input=in.zarr", "output=out.zarr", "license=CC0-1.0"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = slurm.why_not()
    if reason is not None:
        pytest.skip(reason)
    with slurm.Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def on_cluster(folder):
    line = [word for word in command(folder) if word not in ("--cores", "2")]
    profile = ["--workflow-profile", str(ROOT / "profiles" / "slurm")]
    return [*line, *profile, *QUICK, *ONE]


def test_jobs_that_outlive_snakemake_do_no_harm(tmp_path, cluster):
    """Snakemake dies while jobs run; the next run meets them at the same output."""
    alone, folder = tmp_path / "alone", tmp_path / "w"
    for place in (alone, folder):
        place.mkdir()
    write_image(alone / "in.zarr", size=512, chunk=64)
    shutil.copytree(alone / "in.zarr", folder / "in.zarr")
    assert snakemake(alone, *ONE).code == 0

    variables = environment()
    with (tmp_path / "first.log").open("wb") as log:
        first = subprocess.Popen(on_cluster(folder), env=variables, stdout=log, stderr=log)
        wait_for_job(cluster, "convert", first)
        first.send_signal(signal.SIGKILL)
        first.wait()
    unlock = subprocess.run([*on_cluster(folder), "--unlock"], env=variables, check=False)
    assert unlock.returncode == 0
    second = subprocess.run(
        on_cluster(folder), env=variables, check=False, capture_output=True, text=True, timeout=400
    )
    assert second.returncode == 0, second.stderr
    assert "out: valid" in second.stderr or "in: valid" in second.stderr
    found, expected = contents(folder / "out.zarr"), contents(alone / "out.zarr")
    # the cluster's jobs do not see SOURCE_DATE_EPOCH, and a copy of a source has another inventory
    crates = [without_times(tree.pop("ro-crate-metadata.json")) for tree in (found, expected)]
    for crate in crates:
        (inventory,) = (one for one in crate if one["@id"] == "#source-inventory")
        crate.remove(inventory)
    assert crates[0] == crates[1]
    assert found == expected
    assert zarr.open_group(folder / "out.zarr", mode="r").attrs["ome"]["version"] == "0.5"


def wait_for_job(cluster, rule, process):
    """Until a job of a rule is with SLURM."""
    end = time.monotonic() + 120
    while rule not in cluster.ask("squeue", "-h", "-o", "%k %T"):
        assert process.poll() is None, "Snakemake ended before"
        assert time.monotonic() < end, "no such job"
        time.sleep(0.05)

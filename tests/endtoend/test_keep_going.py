"""One bad dataset stops no other, in every way in; a fault that meets all of them stops the run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from servers.web import WebServer
from support.images import write_image
from support.outer import OUTER, run_outer
from support.workflow import ROOT, command, contents, environment, snakemake
from uplift.work import ledger

NAMES = [f"d{number}" for number in range(8)]
SETTINGS = ["samples=sheet.csv", "defaults={license: CC0-1.0}", "previews=false"]


def write_sheet(folder, names, source="{name}.zarr"):
    rows = [f"{name},{source.format(name=name)},out/{name}.zarr" for name in names]
    (folder / "sheet.csv").write_text("\n".join(["dataset,input,output", *rows]) + "\n")


def as_a_module(folder):
    (folder / "Snakefile").write_text(OUTER.format(root=ROOT))
    settings = {"samples": "sheet.csv", "defaults": {"license": "CC0-1.0"}, "previews": False}
    (folder / "outer.yaml").write_text(json.dumps({"uplift": settings}))
    return run_outer(folder)[0]


def with_the_profile(folder):
    """As on a cluster, but for the cluster and Snakemake's plugin for it."""
    lines = (ROOT / "profiles/slurm/config.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("executor:", "slurm-"))]
    profile = folder / "profile"
    profile.mkdir()
    (profile / "config.yaml").write_text("\n".join(kept) + "\n")
    return snakemake(folder, "--workflow-profile", str(profile), "--config", *SETTINGS).code


@pytest.mark.parametrize("way", [as_a_module, with_the_profile])
def test_one_bad_row(tmp_path, way):
    names = ["a", "bad", "c", "d"]
    for name in names:
        write_image(tmp_path / f"{name}.zarr", size=32, labels=False)
    (tmp_path / "bad.zarr" / ".zattrs").write_text("{")
    write_sheet(tmp_path, names)
    assert way(tmp_path) == 1
    found = {path.parent.name for path in (tmp_path / "out").glob("*/zarr.json")}
    assert found == {"a.zarr", "c.zarr", "d.zarr"}


def test_an_output_that_is_gone_stops_no_other(tmp_path):
    for name in "abc":
        write_image(tmp_path / f"{name}.zarr", size=32, labels=False)
    write_sheet(tmp_path, "ab")
    assert snakemake(tmp_path, "--config", *SETTINGS).code == 0
    shutil.rmtree(tmp_path / "out" / "a.zarr")
    write_sheet(tmp_path, "abc")
    # once with something to do, and once with nothing
    for _ in range(2):
        run = snakemake(tmp_path, "--config", *SETTINGS, "results=./results/")
        assert run.code == 1
        (line,) = [line for line in run.errors if "is gone" in line]
        assert line.startswith("error: out/a.zarr: the output of dataset 'a' is gone; put it back")
        assert "redundant" not in run.text
        assert (tmp_path / "out/c.zarr/zarr.json").is_file()
        assert not (tmp_path / "out/a.zarr").exists()
    for options in (["-n"], ["--", "results/a/published.json"]):
        asked = snakemake(tmp_path, "--config", *SETTINGS, *options)
        assert line in asked.errors
        assert len(asked.errors) == 1
    # who asks for everything again means this one, too
    run = snakemake(tmp_path, "-R", "claim", "--config", *SETTINGS)
    assert run.code == 0, run.text
    assert (tmp_path / "out/a.zarr/zarr.json").is_file()


AS_IN_A_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("given", "ended"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGHUP, 1)], ids=str
)
def test_an_end_is_one_line(tmp_path, given, ended):
    """Ctrl-C while the rules are read, and a terminal that is closed while data are converted."""
    write_image(tmp_path / "a.zarr", size=1024, chunk=16, labels=False)
    write_sheet(tmp_path, "a")
    sheet = (tmp_path / "sheet.csv").read_bytes()
    if given == signal.SIGINT:  # whoever opens it waits until there is something to read
        (tmp_path / "sheet.csv").unlink()
        os.mkfifo(tmp_path / "sheet.csv")
    # a process in the background, as of a CI, has inherited that these do nothing
    words = [sys.executable, "-c", AS_IN_A_TERMINAL, *command(tmp_path, "--config", *SETTINGS)]
    words = [word for word in words if word not in ("--quiet", "host")]
    log = tmp_path / "log"
    with log.open("wb") as stream:
        running = subprocess.Popen(words, env=environment(), stdout=stream, stderr=stream)
        if given == signal.SIGINT:
            with (tmp_path / "sheet.csv").open("wb") as writer:  # until it is opened there
                running.send_signal(given)
                code = running.wait(60)
                writer.write(sheet[:0])
        else:
            journal = tmp_path / "results/a/journal"
            while running.poll() is None and not journal.is_dir():
                time.sleep(0.01)
            running.send_signal(given)
            code = running.wait(60)
    lines = [line for line in log.read_text().splitlines() if "changed" not in line]
    assert code == ended, lines
    assert not any("Traceback" in line for line in lines)
    assert sum("run the same command again" in line for line in lines) == 1, lines
    assert list((tmp_path / ".snakemake" / "locks").glob("*")) == []


def tried(folder, step):
    """Datasets whose step failed."""
    failed = set()
    for name in NAMES:
        path = folder / "results" / name / ledger.NAME
        spent = ledger.read(path) if path.exists() else ()
        failed |= {name for one in spent if one.step == step and one.exit_code}
    return failed


def the_line(text):
    """Line that says why the run stopped."""
    (line,) = [line for line in text.splitlines() if "datasets failed since" in line]
    return line


def test_a_server_that_goes_down(tmp_path):
    web = tmp_path / "web"
    for name in NAMES:
        write_image(web / f"{name}.zarr", size=64, labels=False)
    server = WebServer(web)
    write_sheet(tmp_path, NAMES, f"{server.url}/{{name}}.zarr")
    storage = {server.url: {"retries": 0, "timeout": 2}}
    line = command(tmp_path, "--config", *SETTINGS, f"storage={json.dumps(storage)}")
    log = tmp_path / "log"
    with log.open("wb") as stream, server:
        run = subprocess.Popen(line, env=environment(), stdout=stream, stderr=stream)
        end = time.monotonic() + 120
        while not list(tmp_path.glob("results/*/claim.json")):
            assert run.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
    assert run.wait(timeout=120) == 1
    said = log.read_text()
    assert "since the server does not answer: no further job was started" in the_line(said)
    assert len(tried(tmp_path, "convert")) < len(NAMES)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root alone mounts disks")
def test_a_full_disk(tmp_path):
    for name in NAMES:
        write_image(tmp_path / f"{name}.zarr", size=256, labels=False)
    write_sheet(tmp_path, NAMES)
    (tmp_path / "out").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path / "out")]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        run = snakemake(tmp_path, "--config", *SETTINGS, "on_little_space=warn")
    finally:
        subprocess.run(["umount", str(tmp_path / "out")], check=True)
    assert run.code == 1
    assert "since the disk is full: no further job was started" in the_line(run.text)
    assert len(tried(tmp_path, "convert")) < len(NAMES)


@pytest.mark.parametrize("setting", ["consolidated_metadata", "manifest"])
def test_a_setting_about_one_object_is_switched_on_and_off(tmp_path, setting):
    """Nothing else is written then."""
    write_image(tmp_path / "a.zarr", size=64)
    write_sheet(tmp_path, "a")
    found = []
    for value in ("false", "true", "false"):
        run = snakemake(tmp_path, "--config", *SETTINGS, f"{setting}={value}")
        assert run.code == 0, run.text
        found.append(contents(tmp_path / "out" / "a.zarr"))
    assert found[0] == found[2]
    assert found[0] != found[1]

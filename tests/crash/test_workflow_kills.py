"""Kill the whole workflow: Snakemake, one of its workers or all of them, and run it again.

The finished dataset has the bytes of an uninterrupted run, and each kill costs at most the shard
that each worker had in hand.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from support.images import write_image
from support.workflow import command, contents, environment, snakemake

RUNS = max(1, int(os.environ.get("UPLIFT_CRASH_RUNS", "3")) // 3)
"""Runs of each method, with `KILLS` kills each."""
KILLS = 3
WORKERS = 2
METHODS = {"repack": "codec=keep", "recode": "codec=zstd"}
VICTIMS = ("snakemake", "worker", "everything", "snakemake, asked", "everything, asked")


@dataclass(frozen=True)
class Reference:
    """A source, and what uninterrupted runs made of it."""

    source: Path
    outputs: dict[str, dict[str, bytes]]
    verdicts: dict[str, bytes]
    seconds: float


def settings(source: Path, method: str) -> list[str]:
    given = [f"input={source}", "output=out.zarr", "license=CC0-1.0", METHODS[method]]
    given += ["batch_mib=4", "threads=1", "shards=[1,1,512,512]", "previews=false"]
    return ["--config", *given]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    source = write_image(folder / "in.zarr", size=1024, chunk=32, labels=False)
    outputs, verdicts, began = {}, {}, time.monotonic()
    for method in METHODS:
        place = folder / method
        place.mkdir()
        run = snakemake(place, *settings(source, method))
        assert run.code == 0, run.text
        outputs[method] = contents(place / "out.zarr")
        verdicts[method] = (place / "results" / "in" / "validation.json").read_bytes()
    return Reference(source, outputs, verdicts, (time.monotonic() - began) / len(METHODS))


@pytest.mark.parametrize("seed", range(RUNS))
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_workflow_ends_like_an_uninterrupted_one(tmp_path, reference, method, seed):
    moment = random.Random(f"{method} {seed}")
    arguments = settings(reference.source, method)
    story, redone = [], 0
    finished = {}
    for _ in range(KILLS):
        story.append(kill_a_run(tmp_path, arguments, moment, reference.seconds))
        now = shards(tmp_path / "out.zarr")
        redone += sum(now.get(key) != state for key, state in finished.items())
        finished = now
    assert snakemake(tmp_path, *arguments, "--unlock").code == 0, story
    run = snakemake(tmp_path, *arguments)
    assert run.code == 0, f"{story}\n{run.text}"
    now = shards(tmp_path / "out.zarr")
    redone += sum(now.get(key) != state for key, state in finished.items())
    assert differing(contents(tmp_path / "out.zarr"), reference.outputs[method]) == [], story
    verdict = (tmp_path / "results" / "in" / "validation.json").read_bytes()
    assert verdict == reference.verdicts[method], story
    assert redone <= WORKERS * KILLS, story


def kill_a_run(folder: Path, arguments: list[str], moment: random.Random, seconds: float) -> str:
    """Start the workflow, as after a kill, and kill again; a description for messages."""
    unlocked = snakemake(folder, *arguments, "--unlock")
    assert unlocked.code == 0, unlocked.text
    process = subprocess.Popen(
        command(folder, *arguments),
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    victim, wait = moment.choice(VICTIMS), moment.uniform(0.2, 1.0) * seconds
    if moment.random() < 0.5:  # most of what can go wrong is in the middle of converting
        wait_for_shards(folder, moment.randrange(40), process)
        wait = moment.uniform(0, 0.3)
    with suppress(subprocess.TimeoutExpired):
        process.wait(wait)
    strike(process, victim)
    if victim in ("everything", "everything, asked"):
        process.wait()
    return f"{victim} after {wait:.2f} s"


def strike(process: subprocess.Popen[bytes], victim: str) -> None:
    """Send the signal; whoever got SIGTERM, or lost a worker, is given time to end by itself."""
    if victim == "everything":
        signal_group(process.pid, signal.SIGKILL)
    elif victim == "everything, asked":
        signal_group(process.pid, signal.SIGTERM)
        process.wait()
        signal_group(process.pid, signal.SIGKILL)
    elif victim == "snakemake":
        process.kill()  # its workers go on, beside those of the next run
        process.wait()
    elif victim == "snakemake, asked":
        process.terminate()
        process.wait()
    else:
        with suppress(psutil.NoSuchProcess):
            found = workers(process.pid)
            if found:
                found[0].kill()
        process.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def workers(pid: int) -> list[psutil.Process]:
    """Processes that run a program of a rule."""
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if any(".snakemake/scripts" in w for w in child.cmdline())]


def wait_for_shards(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while len(shards(folder / "out.zarr")) < count and process.poll() is None:
        time.sleep(0.02)


def shards(output: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each shard at its final name."""
    found = {}
    for path in output.glob("*/c/**/*"):
        with suppress(FileNotFoundError):
            if path.is_file() and not path.name.startswith("."):
                status = path.stat()
                found[str(path.relative_to(output))] = (status.st_ino, status.st_mtime_ns)
    return found


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))

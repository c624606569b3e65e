"""Kill the whole workflow: Snakemake, one of its workers or all of them, and run it again.

The finished dataset has the bytes of an uninterrupted run, and each kill costs at most the shard
that each worker had in hand.
"""

import os
import random
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crash.tally import account
from crash.victims import Strike, strike, strikes, wait_for_survivors
from support import s3
from support.images import write_image
from support.workflow import command, contents, environment, snakemake

RUNS = max(1, int(os.environ.get("UPLIFT_CRASH_RUNS", "2")) // 6)
"""Runs of each kind."""
KILLS_A_RUN = 3
WORKERS = 2
METHODS = {"repack": "codec=keep", "recode": "codec=zstd"}
KINDS = [("local", "repack"), ("local", "recode"), ("s3", "repack"), ("s3", "recode")]
SHORT = [("local", "recode")]
WORK = Path("results", "in")
CRATE = "ro-crate-metadata.json"

State = dict[str, object]
"""Of each shard at the output, what tells one writing of it from another."""


@dataclass
class Place:
    """Where the outputs of one kind are, and what an uninterrupted run made."""

    kind: tuple[str, str]
    source: Path
    client: object | None
    output: dict[str, bytes]
    verdict: bytes

    def target(self, folder: Path) -> str:
        return f"s3://{folder.name}/out.zarr" if self.client else "out.zarr"

    def settings(self, folder: Path) -> list[str]:
        given = [f"input={self.source}", f"output={self.target(folder)}", "license=CC0-1.0"]
        given += [METHODS[self.kind[1]], "batch_mib=4", "threads=1", "shards=[1,1,512,512]"]
        return ["--config", *given, "previews=false"]

    def contents(self, folder: Path) -> dict[str, bytes]:
        if self.client:
            return s3.objects(self.client, folder.name, "out.zarr")
        return contents(folder / "out.zarr")

    def shards(self, folder: Path) -> State:
        if self.client:
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=folder.name)
            listed = [entry for page in pages for entry in page.get("Contents", ())]
            return {e["Key"]: e["LastModified"] for e in listed if "/c/" in e["Key"]}
        return local_shards(folder / "out.zarr")


def local_shards(output: Path) -> State:
    found = {}
    for path, _, names in os.walk(output):
        for name in names:
            if f"{os.sep}c{os.sep}" in path and not name.startswith("."):
                try:
                    status = Path(path, name).stat()
                except FileNotFoundError:
                    continue
                found[f"{path}/{name}"] = (status.st_ino, status.st_mtime_ns)
    return found


class Watcher:
    """Looks all the time, and counts how often a shard was written."""

    def __init__(self, look: Callable[[], State]) -> None:
        self._look = look
        self._seen: defaultdict[str, set[object]] = defaultdict(set)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._note()

    def there(self) -> int:
        return len(self._seen)

    def written(self) -> int:
        return sum(len(states) for states in self._seen.values())

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._note()

    def _note(self) -> None:
        for key, state in self._look().items():
            self._seen[key].add(state)


@pytest.fixture(scope="module", params=KINDS if RUNS > 1 else SHORT, ids="-".join)
def place(request, tmp_path_factory, monkeypatch_module):
    root = tmp_path_factory.mktemp("reference")
    source = write_image(root / "in.zarr", size=1024, chunk=32, labels=False)
    client = None
    if request.param[0] == "s3":
        server = request.getfixturevalue("s3_server")
        client = s3.client(server)
        for name, value in s3.variables(server).items():
            monkeypatch_module.setenv(name, value)
    made = Place(request.param, source, client, {}, b"")
    folder = new_folder(made, root, "whole")
    run = snakemake(folder, *made.settings(folder))
    assert run.code == 0, run.text
    made.output = made.contents(folder)
    made.verdict = (folder / WORK / "validation.json").read_bytes()
    return made


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def new_folder(place: Place, root: Path, name: str) -> Path:
    """Make a working folder; for S3, of the name of a new bucket."""
    folder = root / (s3.new_bucket(place.client) if place.client else name)
    folder.mkdir()
    return folder


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_killed_workflow_ends_like_an_uninterrupted_one(tmp_path, place, seed):
    folder = new_folder(place, tmp_path, "w")
    drawn = strikes(random.Random(f"{place.kind} {seed}"), KILLS_A_RUN)
    story, groups = "; ".join(map(str, drawn)), []
    kills: list[str] = []
    with Watcher(lambda: place.shards(folder)) as watcher:
        for one in drawn:
            killed, group = kill_a_run(place, folder, one, watcher)
            kills += [one.victim] if killed else []
            groups.append(group)
        unlock_if_asked(place, folder)
        run = snakemake(folder, *place.settings(folder))
        assert run.code == 0, f"{story}\n{run.text}"
        for group in groups:
            wait_for_survivors(group)
    different = differing(place, place.contents(folder), place.output)
    shards = sum("/c/" in key for key in place.output)
    account(
        f"workflow {' '.join(place.kind)}",
        kills=kills,
        same=not different,
        shards=shards,
        started=watcher.written(),
        workers=WORKERS,
    )
    assert different == [], story
    if not place.client:
        assert (folder / WORK / "validation.json").read_bytes() == place.verdict, story
    assert watcher.written() <= shards + WORKERS * len(kills), story
    if place.client:
        assert s3.dangling(place.client, folder.name) == [], story


def kill_a_run(place: Place, folder: Path, one: Strike, watcher: Watcher) -> tuple[bool, int]:
    """Start the workflow, as users do after a kill, and kill it if it has not ended before."""
    unlock_if_asked(place, folder)
    log = folder.parent / "killed.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command(folder, *place.settings(folder)),
            env=environment(),
            start_new_session=True,
            stdout=stream,
            stderr=stream,
        )
        killed = strike(process, folder / WORK, one, watcher.there)
    assert killed or process.returncode == 0, (one, log.read_text())
    assert not is_locked(folder) or one.victim in ("snakemake", "everything"), one
    return killed, process.pid


def is_locked(folder: Path) -> bool:
    return any((folder / ".snakemake" / "locks").glob("*"))


def unlock_if_asked(place: Place, folder: Path) -> None:
    """Only Snakemake's own lock asks for it, when Snakemake could not end by itself."""
    if is_locked(folder):
        run = snakemake(folder, *place.settings(folder), "--unlock")
        assert run.code == 0, run.text


def differing(place: Place, one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Keys of the objects that differ; the crate says where the output is."""
    keys = one.keys() | other.keys()
    if place.client:
        keys -= {CRATE}
    return sorted(key for key in keys if one.get(key) != other.get(key))

"""Killed at any point and resumed, a dataset has the bytes of an uninterrupted run."""

import os
import random
import signal
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from crash.kills import (
    MOMENTS,
    Death,
    Kill,
    count_calls,
    deaths,
    log_of,
    run_in_child,
    shards_started,
)
from crash.tally import account
from support import s3
from support.images import write_image
from support.steps import Conversion
from support.workflow import contents
from uplift.arrays.tasks import TASK_CHUNKS

RUNS = int(os.environ.get("UPLIFT_CRASH_RUNS", "2"))
KILLS_A_RUN = 3
THREADS = 2
WORKERS = {"local": THREADS, "s3": 4}
"""Shards under way at once: of S3 the four small arrays go side by side."""
PART_BYTES = 4096
"""Of the multipart uploads, so that small shards are sent in several."""

SECONDS = {"local": 0.8, "s3": 3.0}
"""How long an uninterrupted run may take."""

KINDS = [("local", "repack"), ("local", "recode"), ("s3", "repack"), ("s3", "recode")]
"""Where the output is, and what becomes of the chunks."""

SHARDS = '"shards": {"z": 5, "y": 32, "x": 32}'
SETTINGS = {
    "repack": f"{{{SHARDS}}}",
    "recode": f'{{{SHARDS}, "chunks": {{"z": 1, "y": 32, "x": 16}}}}',
}


@dataclass
class Place:
    """Where outputs of one kind are, and what an uninterrupted run makes there."""

    kind: tuple[str, str]
    source: Path
    client: object | None
    environment: dict[str, str]

    def conversion(self, folder: Path) -> Conversion:
        where, method = self.kind
        output = str(folder / "out.zarr")
        if where == "s3":
            output = f"s3://{s3.new_bucket(self.client, folder.name)}/a/out.zarr"
        settings = SETTINGS[method]
        return Conversion(
            str(self.source), output, folder / "work", plan_settings=settings, threads=THREADS
        )

    def setting(self, folder: Path) -> dict[str, object]:
        return {
            "environment": self.environment,
            "part_bytes": PART_BYTES,
            "trace": folder / "shards.txt",
        }

    def objects(self, folder: Path) -> dict[str, bytes]:
        if self.client is None:
            return contents(folder / "out.zarr")
        return s3.objects(self.client, folder.name, "a/out.zarr")

    def archived(self, folder: Path) -> dict[str, bytes]:
        """What the archive next to the output holds."""
        path = folder / "out.ozx"
        if self.client is not None:
            path.write_bytes(s3.objects(self.client, folder.name, "a")["out.ozx"])
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def leftovers(self, folder: Path) -> list[object]:
        """Whatever is at the output or next to it and belongs to no dataset."""
        if self.client is not None:
            return s3.dangling(self.client, folder.name)
        return list(folder.rglob(".uplift-tmp.*"))

    def has_root(self, folder: Path) -> bool:
        if self.client is None:
            return (folder / "out.zarr" / "zarr.json").exists()
        listed = self.client.list_objects_v2(Bucket=folder.name, Prefix="a/out.zarr/zarr.json")
        return listed["KeyCount"] > 0


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def place(request, tmp_path_factory):
    source = write_image(tmp_path_factory.mktemp("source") / "in.zarr", size=64)
    if request.param[0] == "local":
        return Place(request.param, source, None, {})
    running = request.getfixturevalue("s3_server")
    return Place(request.param, source, s3.client(running), s3.variables(running))


@pytest.fixture(scope="module")
def whole(place, server, tmp_path_factory):
    """Objects, shards and calls of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole-run")
    conversion = place.conversion(folder)
    calls = count_calls(server, conversion, place.kind[0], **place.setting(folder))
    return without_crate(place.objects(folder)), shards_started(folder / "shards.txt"), calls


def without_crate(objects):
    """The crate says where the output is, which differs."""
    return {key: data for key, data in objects.items() if key != "ro-crate-metadata.json"}


@pytest.mark.parametrize("seed", range(RUNS))
def test_killed_and_resumed(seed, place, whole, server, tmp_path):
    expected, shards, calls = whole
    folder = tmp_path / f"r{seed}-{random.Random(str(tmp_path)).randrange(10**9)}"
    folder.mkdir()
    conversion, setting = place.conversion(folder), place.setting(folder)
    rng = random.Random(f"{place.kind} {seed}")
    drawn = deaths(rng, rng.randint(1, KILLS_A_RUN), calls, SECONDS[place.kind[0]])
    kills = [death.word for death in drawn if die(server, conversion, death, place, folder)]
    code = run_in_child(server, conversion, **setting)
    story = f"{drawn}\n{log_of(conversion)}"
    assert code == 0, story
    started = shards_started(folder / "shards.txt")
    found = place.objects(folder)
    made = without_crate(found)
    account(
        " ".join(place.kind),
        kills=kills,
        same=made == expected,
        shards=shards,
        started=started,
        workers=WORKERS[place.kind[0]],
    )
    assert made == expected, story
    assert started <= shards + WORKERS[place.kind[0]] * len(kills), story
    assert place.archived(folder) == found, story
    assert place.leftovers(folder) == [], story


def die(server, conversion: Conversion, death: Death, place: Place, folder: Path) -> bool:
    """Run until the death; whether it came before the end."""
    code = run_in_child(server, conversion, death, **place.setting(folder))
    assert code <= 0, (death, log_of(conversion))
    if place.has_root(folder):
        assert conversion.path("validation.json").exists(), f"root before the verdict: {death}"
    return code < 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_chunks_without_shards_are_resumed_in_groups(moment, server, tmp_path):
    """What was journaled of thousands of small objects is not written again."""
    source = write_image(tmp_path / "in.zarr", size=112, chunk=8, labels=False)
    homes = {name: tmp_path / name for name in ("whole", "killed")}
    made = {}
    for name, home in homes.items():
        home.mkdir()
        settings = '{"shards": "none", "codec": "keep"}'
        conversion = Conversion(
            *(str(source), str(home / "out.zarr"), home / "work"),
            plan_settings=settings,
            threads=THREADS,
        )
        trace = home / "shards.txt"
        deaths_due = [Kill("uplift.work.journal:Journal.add", 3, moment)] * 2
        for death in deaths_due if name == "killed" else []:
            assert run_in_child(server, conversion, death, trace=trace) == -signal.SIGKILL
        assert run_in_child(server, conversion, trace=trace) == 0, log_of(conversion)
        started = shards_started(trace.with_suffix(".chunks"))
        made[name] = without_crate(contents(home / "out.zarr")), started
    objects = sum("/c/" in key for key in made["whole"][0])
    assert objects > 7 * TASK_CHUNKS
    assert made["whole"][1] == objects
    assert made["killed"][0] == made["whole"][0]
    assert made["killed"][1] <= objects + 2 * THREADS * TASK_CHUNKS

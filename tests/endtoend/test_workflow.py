"""The workflow from sheet to published dataset, run as users run it."""

import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import zarr

from support.images import write_image
from support.workflow import batches_of, command, contents, environment, snakemake

SMALL = ["--config", "samples=s.csv", "batch_mib=1"]


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A folder with odd names, one dataset converted in several batches, one that cannot be."""
    folder = tmp_path_factory.mktemp("w 'ü $x")
    write_image(folder / "in put's $(touch x).zarr", size=512, chunk=256)
    rows = (
        "\ufeffdataset;input;output;license;name\n"
        '001 \'a\' $b;"in put\'s $(touch x).zarr";"out ""q"" ü.zarr";CC0-1.0;NA\n'
        "bad;nothing.zarr;;MIT;\n"
    )
    (folder / "s.csv").write_bytes(rows.encode())
    (folder / "nothing.zarr").mkdir(exist_ok=True)
    return folder, snakemake(folder, *SMALL)


@pytest.fixture
def one(tmp_path, converted):
    """A copy of the converted dataset, alone in its sheet."""
    shutil.copytree(converted[0], tmp_path / "w")
    sheet = tmp_path / "w" / "s.csv"
    sheet.write_text("".join(sheet.read_text().splitlines(keepends=True)[:2]))
    return tmp_path / "w"


WORK = "results/001 'a' $b"
OUTPUT = 'out "q" ü.zarr'


def edit_plan(folder, path, **changes):
    plan = folder / WORK / "plan.json"
    data = json.loads(plan.read_text())
    for array in data["arrays"]:
        if array["path"] == path:
            array.update(changes)
    plan.write_text(json.dumps(data))


def test_the_good_one_is_there_and_the_bad_one_has_one_line(converted):
    folder, run = converted
    assert run.code == 1
    assert len(run.errors) == 1
    assert "nothing.zarr: " in run.errors[0]
    assert "Traceback" not in run.text
    assert not (folder / "output").exists()
    assert not (folder / "x").exists()
    assert zarr.open_group(folder / OUTPUT, mode="r").attrs["ome"]["version"] == "0.5"
    assert json.loads((folder / WORK / "validation.json").read_text())["verdict"] == "valid"
    assert "001 'a' $b: valid, 4 arrays with every pixel compared" in run.text
    assert "bad: not finished: " in run.text
    crate = json.loads((folder / OUTPUT / "ro-crate-metadata.json").read_text())
    assert next(node for node in crate["@graph"] if node["@id"] == "./")["name"] == "NA"


def test_the_report_has_every_dataset_and_can_be_made_again(converted, one):
    def states_of(results):
        with (results / "catalog.csv").open(encoding="utf-8", newline="") as stream:
            return {row["dataset"]: row["state"] for row in csv.DictReader(stream)}

    results = converted[0] / "results"
    states = {"001 'a' $b": "valid", "bad": "refused"}
    assert states_of(results) == states
    assert "nothing.zarr" in (results / "report.html").read_text(encoding="utf-8")
    assert (converted[0] / WORK / "preview.webp").is_file()
    (one / "results" / "report.html").unlink()
    assert snakemake(one, "report", *SMALL).code == 0
    assert states_of(one / "results") == states, "also those that left the sheet"
    assert (one / "results" / "report.html").is_file()


def test_the_log_repeats_its_job(one):
    log = one / WORK / "logs" / "validate.log"
    words = shlex.split(log.read_text().splitlines()[0])
    done = subprocess.run(words, cwd=one, env=environment(), check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_second_run_has_nothing_to_do(one):
    changes = ["overwrite=true", "threads=2", "durability=none"]
    run = snakemake(one, *SMALL, *changes, 'storage={"s3://x/": {anon: true, retries: 3}}')
    assert run.code == 0
    assert "Nothing to be done" in run.text
    for name in ("published.json", "inventory.json", "convert/1-of-1.json"):
        run = snakemake(one, f"results/other/{name}", *SMALL)
        assert run.code == 1
        assert "'other' is not a dataset of the sheet" in run.text


def test_an_edit_converts_its_array_alone_and_is_kept(one):
    before = contents(one / OUTPUT)
    edit_plan(one, "0", shards=[1, 1, 1000, 512])
    for _ in range(2):
        run = snakemake(one, *SMALL)
        assert run.code == 1
        assert len(run.errors) == 1
        assert "plan.json" in run.errors[0]
        assert "1000" in run.errors[0]
    assert contents(one / OUTPUT) == before

    edit_plan(one, "0", shards=[1, 5, 256, 512])
    run = snakemake(one, *SMALL)
    assert run.code == 0, run.text
    assert batches_of(one / WORK, "converting") == ["0"]
    after = contents(one / OUTPUT)
    stored = {key for key in after if key.startswith("0/c/")}
    assert stored == {f"0/c/{c}/0/{y}/0" for c in (0, 1) for y in (0, 1)}
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert {key.partition("/")[0] for key in changed} == {"0"}
    assert batches_of(one / WORK, "validated again", "validate") == [], "what stands is not read"

    label = min(path for path in (one / OUTPUT / "labels/nuclei/0/c").rglob("*") if path.is_file())
    good = label.read_bytes()
    label.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    edit_plan(one, "0", shards=[1, 1, 256, 512])
    run = snakemake(one, *SMALL)
    assert "no longer published, it is invalid: chunk" in run.errors[0], (
        "damaged since it was compared"
    )
    label.write_bytes(good)
    edit_plan(one, "0", shards=[1, 5, 256, 512])
    run = snakemake(one, *SMALL)
    assert run.code == 0, run.text

    run = snakemake(one, *SMALL, "planning={small_array_mib: 0}")
    assert run.code == 0, run.text
    assert batches_of(one / WORK, "converting") == []
    arrays = json.loads((one / WORK / "plan.json").read_text())["arrays"]
    assert next(a for a in arrays if a["path"] == "0")["shards"] == [1, 5, 256, 512]
    assert (one / WORK / "plan.proposed.json").is_file()


def test_an_invalid_output_is_not_published(one):
    shard = next(path for path in (one / OUTPUT / "0" / "c").rglob("*") if path.is_file())
    written = shard.stat().st_mtime_ns
    run = snakemake(one, *SMALL, "--until", "convert", "-R", "claim")
    assert run.code == 0, run.text
    assert not (one / OUTPUT / "zarr.json").exists()
    assert shard.stat().st_mtime_ns != written, "what is forced is done again, journal or not"
    good = shard.read_bytes()
    shard.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    run = snakemake(one, *SMALL)
    assert run.code == 1
    assert len(run.errors) == 1
    assert "no longer published, it is invalid" in run.errors[0]
    assert not (one / OUTPUT / "zarr.json").exists()
    assert json.loads((one / WORK / "validation.json").read_text())["verdict"] == "invalid"
    shard.write_bytes(good)
    words = shlex.split(run.errors[0].partition("validate again: ")[2])
    words = [*command(one)[:3], *words[1:]]
    done = subprocess.run(words, cwd=one, env=environment(), check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (one / OUTPUT / "zarr.json").exists()


def test_what_decays_after_publication_is_hidden_until_it_is_repaired(one):
    before = contents(one / OUTPUT)
    shard = next(path for path in (one / OUTPUT / "0" / "c").rglob("*") if path.is_file())
    good = shard.read_bytes()
    shard.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    run = snakemake(one, *SMALL, "-R", "validate")
    assert run.code == 1
    assert "no longer published, it is invalid" in run.errors[0]
    assert not (one / OUTPUT / "zarr.json").exists()
    shard.write_bytes(good)
    run = snakemake(one, *SMALL, "-R", "validate")
    assert run.code == 0, run.text
    assert contents(one / OUTPUT) == before


def test_a_deleted_root_document_is_noticed_and_put_back(one):
    before = contents(one / OUTPUT)
    run = snakemake(one, *SMALL, "-R", "publish")  # the fixture moved it since it was published
    assert run.code == 0, run.text
    (one / OUTPUT / "zarr.json").unlink()
    run = snakemake(one, *SMALL)
    assert run.code == 1
    assert len(run.errors) == 1
    run = snakemake(one, *SMALL, *shlex.split(run.errors[0].rpartition(" with ")[2]))
    assert run.code == 0, run.text
    assert contents(one / OUTPUT) == before


def test_a_deleted_output_is_noticed_redone_killed_and_resumed(one):
    before = contents(one / OUTPUT)
    shutil.rmtree(one / OUTPUT)
    run = snakemake(one, *SMALL)
    assert run.code == 1
    assert len(run.errors) == 1
    assert "is gone" in run.errors[0]
    again = shlex.split(run.errors[0].rpartition(" with ")[2])

    running = subprocess.Popen(
        command(one, *SMALL, *again),
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list((one / OUTPUT).glob("*/c")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (one / OUTPUT / "zarr.json").exists()

    assert snakemake(one, *SMALL, "--unlock").code == 0
    run = snakemake(one, *SMALL)
    assert run.code == 0, run.text
    assert contents(one / OUTPUT) == before


def test_damaged_work_files_cost_only_a_redo(one):
    before, verdict = contents(one / OUTPUT), (one / WORK / "validation.json").read_bytes()
    record = min((one / WORK / "records").glob("*.json"))
    damaged = [record, one / WORK / "claim.json", one / WORK / "convert" / "1-of-1.json"]
    for path in damaged:
        os.truncate(path, path.stat().st_size // 2)
    run = snakemake(one, *SMALL)
    assert run.code == 0, run.text
    for path in damaged:
        assert f"{path.relative_to(one)}: was damaged" in run.text
    assert contents(one / OUTPUT) == before
    assert (one / WORK / "validation.json").read_bytes() == verdict


def test_one_dataset_without_a_sheet(tmp_path):
    write_image(tmp_path / "cells.ome.zarr", size=64)
    arguments = ["input=cells.ome.zarr", "license=cc-by-4.0", "chunks=[1,1,32,32]", "shards=none"]
    run = snakemake(tmp_path, "plans", "--config", *arguments)
    assert run.code == 0, run.text
    assert (tmp_path / "results" / "cells" / "plan.json").is_file()
    table = (tmp_path / "results" / "plans.txt").read_text()
    assert table.splitlines()[1].startswith("cells ")
    assert table in run.text
    assert not (tmp_path / "output").exists()
    run = snakemake(tmp_path, "--config", *arguments)
    assert run.code == 0, run.text
    array = zarr.open_array(tmp_path / "output" / "cells.zarr" / "0", mode="r")
    assert (array.chunks, array.shards) == ((1, 1, 32, 32), None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["input=a.zarr", "name=001", "license=MIT"], "error: --config name=001: Snakemake reads"),
        (["samples=no.csv"], "error: no.csv: no such file"),
        (["input=a.zarr"], 'error: config (dataset "a"): license: missing'),
        (["smaples=s.csv"], 'error: --config: smaples: unknown key "smaples"; did you mean'),
    ],
)
def test_mistakes_end_at_once(tmp_path, arguments, expected):
    (tmp_path / "a.zarr").mkdir()
    run = snakemake(tmp_path, "--config", *arguments)
    assert run.code == 1
    assert [line[: len(expected)] for line in run.errors] == [expected]
    assert "Traceback" not in run.text
    assert "Snakefile" not in "".join(run.errors)


def test_a_config_in_the_working_folder_stands_above(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(
        "input: a.zarr\ncrate: {enabled: yes please}\n"
    )
    run = snakemake(tmp_path, "-n")
    assert run.errors == [
        'error: config/config.yaml: crate.enabled: "yes please" is not true or false'
    ]


def test_the_demo_is_what_the_sheet_says():
    sheet = Path(__file__).resolve().parents[2] / "config" / "samples.csv"
    assert "demo/ihc.zarr" in sheet.read_text()


def test_a_real_plate_and_a_collection_by_a_sheet(corpus, tmp_path):
    rows = "".join(
        f"{name},{corpus / name}.zarr\n" for name in ("challenge_hcs", "challenge_bf2raw")
    )
    (tmp_path / "s.csv").write_text(f"dataset,input\n{rows}")
    settings = ["output_root=out", "defaults={license: CC0-1.0, organism: 'NCBI:txid9606'}"]
    run = snakemake(tmp_path, "--config", "samples=s.csv", *settings)
    assert run.code == 0, run.text
    plate = zarr.open_group(tmp_path / "out" / "challenge_hcs.zarr", mode="r")
    assert plate.attrs["ome"]["plate"]["wells"]
    collection = zarr.open_group(tmp_path / "out" / "challenge_bf2raw.zarr", mode="r")
    assert collection["OME"].attrs["ome"]["series"]
    crate = json.loads((tmp_path / "out/challenge_hcs.zarr/ro-crate-metadata.json").read_text())
    root = next(node for node in crate["@graph"] if node["@id"] == "./")
    assert root["license"] == "https://creativecommons.org/publicdomain/zero/1.0/"

"""The same config and source give the same bytes: outputs, plans and verdicts."""

import shutil
from pathlib import Path

import pytest

from support.images import write_image
from support.steps import Conversion
from support.workflow import snakemake
from uplift.outputs.lock import LOCK_KEY

EPOCH = "2023-11-14T22:13:20"
"""What SOURCE_DATE_EPOCH is in runs of `support.workflow.snakemake`."""
SETTINGS = {
    "repack": "{}",
    "unsharded": '{"shards": "none"}',
    "recode": '{"chunks": {"z": 2, "y": 24, "x": 24}, "codec": "zstd"}',
    "blosc": '{"codec": "blosc", "shards": {"z": 5, "y": 48, "x": 48}}',
}


def tree(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", SETTINGS)
def test_two_runs_are_equal(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    source = write_image(tmp_path / "in.zarr")
    runs = []
    for number, threads in enumerate((1, 2, 5)):
        home = tmp_path / f"run {number}"
        conversion = Conversion(
            str(source),
            str(home / "out.zarr"),
            home / "work",
            threads=threads,
            plan_settings=SETTINGS[kind],
            crate='{"enabled": true}',
        )
        conversion.all()
        files = {
            name: conversion.path(name).read_bytes() for name in ("plan.json", "validation.json")
        }
        runs.append((tree(home / "out.zarr"), files))
    assert len(runs[0][0]) > 5
    assert runs[1] == runs[0]
    assert runs[2] == runs[0]


def test_a_recode_gives_the_same_bytes_twenty_times(tmp_path):
    """Threads finish in another order each time; what they write does not depend on it."""
    source = write_image(tmp_path / "in.zarr", labels=False, size=64)
    settings = '{"chunks": {"z": 2, "y": 24, "x": 24}, "shards": {"z": 2, "y": 48, "x": 48}}'
    first = None
    for number in range(20):
        home = tmp_path / f"run {number}"
        conversion = Conversion(
            str(source),
            str(home / "out.zarr"),
            home / "work",
            threads=1 + number % 5,
            plan_settings=settings,
        )
        for step in (conversion.inspect, conversion.plan, conversion.claim):
            step()
        conversion.convert()
        made = tree(home / "out.zarr")
        made.pop(Path(LOCK_KEY))
        first = first or made
        assert made == first
    assert len([path for path in first if "c" in path.parts]) > 20


def test_a_plan_can_be_replayed_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    source = write_image(tmp_path / "in.zarr")
    first = Conversion(
        str(source),
        str(tmp_path / "one" / "out.zarr"),
        tmp_path / "one" / "work",
        plan_settings='{"shards": {"z": 5, "y": 32, "x": 32}}',
        crate='{"enabled": true}',
    )
    first.all()
    supplied = tmp_path / "d.json"
    shutil.copy(first.path("plan.json"), supplied)
    second = Conversion(
        str(source),
        str(tmp_path / "two" / "out.zarr"),
        tmp_path / "two" / "work",
        crate='{"enabled": true}',
    )
    second.inspect()
    second.plan(supplied)
    for step in (second.claim, second.convert, second.migrate, second.write_crate):
        step()
    second.validate()
    second.publish()
    assert tree(tmp_path / "two" / "out.zarr") == tree(tmp_path / "one" / "out.zarr")


def test_snakemake_makes_the_same_dataset_in_another_folder(tmp_path, monkeypatch):
    """A kept plan says what is converted; the day comes from sheet, config or environment."""
    write_image(tmp_path / "in.zarr", size=48)
    sheet = ["dataset,input,output,license", f"d,{tmp_path}/in.zarr,out.zarr,MIT"]
    dated = [f"{sheet[0]},date_published", f"{sheet[1]},2026-01-31"]
    for name, rows in (("sheet", dated), ("config", sheet), ("environment", sheet)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "s.csv").write_text("\n".join(rows))
    settings = ["--config", "samples=s.csv", "previews=false"]
    first = tmp_path / "sheet"
    run = snakemake(first, *settings, "planning={min_shards: 1}", "batch_mib=1")
    assert run.code == 0, run.text

    for name in ("config", "environment"):
        (tmp_path / name / "config" / "plans").mkdir(parents=True)
        shutil.copy(first / "results/d/plan.json", tmp_path / name / "config/plans/d.json")
    run = snakemake(tmp_path / "config", *settings, "date_published=2026-01-31")
    assert run.code == 0, run.text
    assert tree(tmp_path / "config" / "out.zarr") == tree(first / "out.zarr")
    for name in ("plan.json", "validation.json"):
        made, kept = (tmp_path / n / "results" / "d" / name for n in ("config", "sheet"))
        assert made.read_bytes() == kept.read_bytes()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1769817600")
    run = snakemake(tmp_path / "environment", *settings, "--until", "crate")
    assert run.code == 0, run.text
    crate = "out.zarr/ro-crate-metadata.json"
    by_sheet, by_environment = (
        (home / crate).read_text() for home in (first, tmp_path / "environment")
    )
    assert '"datePublished": "2026-01-31"' in by_sheet
    # the environment says when the conversion began and ended, too; nothing else differs
    for name in ("startTime", "endTime"):
        there, then = (f'"{name}": "{day}+00:00"' for day in (EPOCH, "2026-01-31T00:00:00"))
        assert (by_sheet.count(there), by_environment.count(then)) == (1, 1)
        by_environment = by_environment.replace(then, there)
    assert by_environment == by_sheet


def test_the_source_is_never_touched(tmp_path):
    source = write_image(tmp_path / "in.zarr")
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino, path.stat().st_mode)
        for path in sorted(source.rglob("*"))
    }
    for path in sorted(source.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    frozen = {path: (*facts[:2], path.stat().st_mode) for path, facts in before.items()}
    Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work").all()
    after = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino, path.stat().st_mode)
        for path in sorted(source.rglob("*"))
    }
    assert after == frozen
    for path in [source, *source.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)

"""The same config and source give the same bytes: outputs, plans and verdicts."""

import shutil

import pytest

from support.images import write_image
from support.steps import Conversion

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
    for step in (second.split, second.claim, second.convert, second.migrate, second.write_crate):
        step()
    second.validate()
    second.publish()
    assert tree(tmp_path / "two" / "out.zarr") == tree(tmp_path / "one" / "out.zarr")


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

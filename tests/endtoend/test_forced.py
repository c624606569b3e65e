"""`-F` does everything again; a row taken out deletes nothing; durability changes no byte."""

import pytest

from support.images import write_image
from support.steps import Conversion
from support.workflow import contents, snakemake
from uplift.storage import local


def identities(folder):
    return {p.relative_to(folder): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def sheet(tmp_path):
    write_image(tmp_path / "in.zarr", size=48)
    write_image(tmp_path / "b.zarr", size=32, labels=False, seed=1)
    rows = ["dataset\tinput\toutput", "a\tin.zarr\ta.out.zarr", "b\tb.zarr\tb.out.zarr"]
    (tmp_path / "rows.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "one.tsv").write_text("\n".join(rows[:2]) + "\n")
    return tmp_path


def settings(name, *more):
    return ["--config", f"samples={name}", "defaults={license: CC0-1.0}", "previews=false", *more]


def test_forced_again_and_a_row_taken_out(sheet):
    run = snakemake(sheet, *settings("rows.tsv"))
    assert run.code == 0, run.text
    expected = {name: contents(sheet / f"{name}.out.zarr") for name in ("a", "b")}
    verdict = (sheet / "results/a/validation.json").read_bytes()
    old = {name: identities(sheet / f"{name}.out.zarr") for name in ("a", "b")}

    alone = settings("one.tsv")
    run = snakemake(sheet, "-F", "results/a/migration.json", *alone, "--until", "claim")
    assert run.code == 0, run.text
    assert not (sheet / "a.out.zarr" / "zarr.json").exists(), "hidden before the first write"
    hidden = {key: node for key, node in old["a"].items() if str(key) != "zarr.json"}
    assert identities(sheet / "a.out.zarr").items() >= hidden.items(), "nothing is written yet"

    run = snakemake(sheet, "-F", "--cores", "1", *alone)
    assert run.code == 0, run.text
    new = identities(sheet / "a.out.zarr")
    shards = [key for key in new if "c" in key.parts]
    assert shards
    assert not [key for key in shards if new[key] == old["a"][key]], "each shard is written again"
    assert contents(sheet / "a.out.zarr") == expected["a"]
    assert (sheet / "results/a/validation.json").read_bytes() == verdict
    assert identities(sheet / "b.out.zarr") == old["b"], "its row was taken out, nothing more"


def test_durability_changes_no_byte(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")  # else the crate says when it was made
    calls = []
    monkeypatch.setattr(local, "syncfs", lambda descriptor: calls.append(descriptor) or 0)
    source = write_image(tmp_path / "in.zarr", size=48)
    synced = {}
    for durability in ("fsync", "none"):
        home = tmp_path / durability
        conversion = Conversion(
            str(source), str(home / "out.zarr"), home / "work", durability=durability
        )
        for step in (conversion.inspect, conversion.plan, conversion.claim):
            step()
        calls.clear()
        conversion.convert()
        synced[durability] = bool(calls)
        conversion.migrate()
        conversion.write_crate()
        conversion.validate()
        conversion.publish()
    assert contents(tmp_path / "fsync" / "out.zarr") == contents(tmp_path / "none" / "out.zarr")
    assert synced == {"fsync": True, "none": False}

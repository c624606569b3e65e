"""The program that splits: batches, their summary, and what an edit changes."""

import json

import pytest

from support.inventories import entry_of, image, inventory_of
from support.steps import program
from uplift.models.record import ItemRecord, Record
from uplift.work import json_files
from uplift.work.batches import load_batches, load_summary

main = program("split_batches")


@pytest.fixture
def work(tmp_path):
    make(tmp_path, inventory_of(*image("a", size=2048), *image("b", size=2048)))
    return tmp_path


def make(work, inventory, settings="{}"):
    json_files.write_json(work / "inventory.json", inventory)
    code = program("plan_chunks")(
        ["--inventory", str(work / "inventory.json"), "--plan", str(work / "plan.json"),
         "--dataset", "d", "--settings", settings]
    )  # fmt: skip
    assert code == 0


def split(work, code=0, **settings):
    argv = [
        "--inventory", str(work / "inventory.json"), "--plan", str(work / "plan.json"),
        "--batches", str(work / "batches"), "--dataset", "d", "--output", "/data/out.zarr",
        "--settings", json.dumps(settings),
    ]  # fmt: skip
    assert main(argv) == code


def edit(work, **changes):
    data = json.loads((work / "plan.json").read_text())
    data.update(changes)
    (work / "plan.json").write_text(json.dumps(data))


def contents(work):
    return {path.name: path.read_text() for path in (work / "batches").iterdir()}


def test_batches_and_their_summary(work):
    split(work, batch_mib=100)
    summary = load_summary(work / "batches")
    batches = load_batches(work / "batches")
    assert {path.name for path in (work / "batches").iterdir()} == {
        "summary.json", *(f"{batch.batch}.json" for batch in batches)
    }  # fmt: skip
    assert [batch.items[0].path for batch in batches] == ["a/0", "a/0", "a/1", "b/0", "b/0"]
    assert [item.path for item in batches[2].items] == ["a/1", "a/2", "b/1", "b/2"]
    assert all(batch.source == "file:///in.zarr" for batch in batches)
    assert summary.methods == {"repack": 6}
    assert summary.before.objects > summary.after.objects
    assert summary.before.objects == 2 * (256 + 64 + 16) + 6 + 1


def test_an_edit_changes_the_batches_concerned(work):
    split(work, batch_mib=100)
    before = contents(work)
    (work / "batches" / "older.00000000.0.json").write_text("{}")
    edit(work, rules=[{"match": "b/0", "shards": None}])
    split(work, batch_mib=100)
    after = contents(work)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert "summary.json" in changed
    assert all(name.startswith("b-0.") for name in changed - {"summary.json"})
    assert (work / "plan.json~").exists()
    summary = load_summary(work / "batches")
    assert summary.after.objects == (8 + 1 + 1) + (256 + 1 + 1) + 6 + 1


def test_settings_of_the_plan_stand_in_for_what_an_edit_leaves_out(work):
    plan = json.loads((work / "plan.json").read_text())
    edit(work, arrays=plan["arrays"][:1], settings={**plan["settings"], "shards": "none"})
    split(work)
    shards = {
        item.path: item.target.shards
        for batch in load_batches(work / "batches")
        for item in batch.items
    }
    assert shards["a/0"] is not None
    assert shards["b/0"] is None


def test_arrays_and_settings_left_out_are_an_error(work, capsys):
    (work / "plan.json").write_text('{"rules": [{"match": "a/0", "shards": null}]}')
    split(work, code=1)
    assert 'arrays["a/0"] is missing, and so are the settings' in capsys.readouterr().err


def test_unsupported_arrays_fail_or_are_skipped(work, capsys):
    bad = entry_of("table/x", (4,), (2,), problem='data type "|O" needs pickle')
    make(work, inventory_of(*image("a"), bad))
    split(work, code=1)
    assert 'array "table/x" of file:///in.zarr cannot be converted' in capsys.readouterr().err
    assert not (work / "batches").exists()
    split(work, unsupported="skip")
    assert load_summary(work / "batches").skipped == {"table/x": 'data type "|O" needs pickle'}


@pytest.mark.parametrize(
    ("change", "settings", "code", "message"),
    [
        ({"rules": [{"match": "c/*", "shards": None}]}, {}, 1, 'rules[0].match "c/*" matches no'),
        ({"rules": 3}, {}, 1, "plan.json: rules: "),
        ({}, {"unsupported": "maybe"}, 1, "batches of d: unsupported: "),
        ({}, {"batch_mb": 3}, 1, 'unknown key "batch_mb"; did you mean "batch_mib"?'),
    ],
)
def test_mistakes(work, capsys, change, settings, code, message):
    edit(work, **change)
    split(work, code=code, **settings)
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1 or "Traceback" not in error
    assert not (work / "batches" / "summary.json").exists()


def test_usage(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "summary.json" in capsys.readouterr().out


def leave_results(work):
    """What the jobs of all batches leave, as far as splitting looks at it."""
    for batch in load_batches(work / "batches"):
        items = [
            ItemRecord(
                **{key: getattr(item, key) for key in ("path", "start", "stop", "method")},
                fingerprint=item.fingerprint,
                **dict.fromkeys(("chunks_read", "bytes_read", "objects_written"), 1),
                **dict.fromkeys(("bytes_written", "wall_seconds", "cpu_seconds"), 1),
            )
            for item in batch.items
        ]
        record = Record(
            batch=batch.batch, items=items, wall_seconds=1, cpu_seconds=1, peak_memory_bytes=1,
            threads=1, started="now", versions={},
        )  # fmt: skip
        json_files.write_json(work / "records" / f"{batch.batch}.json", record)
        for ending in ("json", "digests", "sha256", "standing"):
            json_files.write_text(work / "validation" / f"{batch.batch}.{ending}", "")
        lines = [
            {"path": item.path, "fingerprint": item.fingerprint, "start": 0, "stop": 1,
             "objects": 1, "bytes": 9, "chunks": 1}
            for item in batch.items
        ]  # fmt: skip
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        json_files.write_text(work / "journal" / f"{batch.batch}.jsonl", text)


def results(work):
    return {
        p: p.read_text() for folder in ("records", "validation") for p in (work / folder).iterdir()
    }


def journaled(work):
    """Arrays that the journals have lines for."""
    lines = [line for p in (work / "journal").iterdir() for line in p.read_text().splitlines()]
    return sorted(entry["path"] for entry in map(json.loads, lines) if "job" not in entry)


def test_what_fits_the_plan_stays(work):
    split(work, batch_mib=100)
    leave_results(work)
    before = results(work)
    for path in (work / "batches").iterdir():
        path.unlink()
    split(work, batch_mib=100)
    assert results(work) == before
    assert journaled(work) == ["a/0", "a/0", "a/1", "a/2", "b/0", "b/0", "b/1", "b/2"]


def test_results_of_an_older_plan_are_forgotten(work):
    split(work, batch_mib=100)
    leave_results(work)
    edit(work, rules=[{"match": "a/1", "shards": None}])
    split(work, batch_mib=100)
    batches = load_batches(work / "batches")
    (shared,) = [one.batch for one in batches if one.items[0].path == "a/1"]
    left = {path.name.rpartition(".")[0] for path in results(work)}
    assert left == {batch.batch for batch in batches} - {shared}
    assert journaled(work) == ["a/0", "a/0", "a/2", "b/0", "b/0", "b/1", "b/2"]

    split(work)
    assert {path.stem for path in (work / "journal").iterdir()} <= {
        batch.batch for batch in load_batches(work / "batches")
    }
    assert results(work) == {}

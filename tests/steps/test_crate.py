"""``write_crate.py`` as a program: done, refused, misused."""

import json

import pytest

from support.steps import program, words_of

RUN = {"schema": "ngff-uplift/run/1", "run_id": "0" * 32, "date": "2026-01-02"}
ABOUT = {
    "license": "CC-BY-4.0",
    "modality": "obo:FBbi_00000369",
    "author": "Ann",
    "publisher": "A Lab <https://ror.org/02mhbdp94>",
    "funder": "A Fund [101065127]",
    "contact": "Bob <bob@example.org>",
    "description": "Cells at rest",
}


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    source = tmp_path / "in.zarr"
    source.mkdir()
    inventory = {
        "schema": "ngff-uplift/inventory/1",
        "source": str(source),
        "zarr_format": 2,
        "ome_versions": ["0.4"],
        "groups": [{"path": "", "roles": ["image"]}],
        "arrays": [],
        "files": [],
    }
    migration = {
        "schema": "ngff-uplift/migration/1",
        "source": str(source),
        "output": str(tmp_path / "out.zarr"),
        "target_version": "0.5",
        "root_sha256": "",
        "documents": 1,
        "nodes": [],
        "files": [],
    }
    claim = {"run_id": RUN["run_id"], "output": str(tmp_path / "out.zarr"), "generation": "g"}
    files = {"inventory": inventory, "migration": migration, "run": RUN, "claim": claim}
    for name, value in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    return {
        "--inventory": str(tmp_path / "inventory.json"),
        "--migration": str(tmp_path / "migration.json"),
        "--run": str(tmp_path / "run.json"),
        "--claim": str(tmp_path / "claim.json"),
        "--output": str(tmp_path / "out.zarr"),
        "--crate": str(tmp_path / "crate.json"),
        "--dataset": "d",
        "--about": json.dumps(ABOUT),
    }


def run(arguments, **changes):
    argv = []
    for name, value in {**arguments, **changes}.items():
        argv += [name, value]
    return program("crate")(argv)


def test_writes_crate_and_record(arguments, tmp_path):
    assert run(arguments) == 0
    record = json.loads((tmp_path / "crate.json").read_text())
    assert record["schema"] == "ngff-uplift/crate/1"
    codes = [finding["code"] for finding in record["findings"]]
    assert codes == ["crate.organism_missing", "crate.agent_assumed"]
    written = tmp_path / "out.zarr" / "ro-crate-metadata.json"
    first = written.read_bytes()
    root = json.loads(first)["@graph"][0]
    assert (root["name"], root["description"]) == ("d", "Cells at rest")
    called = {key: record[key] for key in ("author", "publisher", "funder", "contact")}
    assert called == {
        "author": ["Ann"],
        "publisher": ["A Lab"],
        "funder": ["A Fund"],
        "contact": ["Bob"],
    }
    assert str(tmp_path).encode() not in first
    assert run(arguments) == 0
    assert written.read_bytes() == first


def test_switched_off_needs_no_license(arguments, tmp_path):
    off = {"--about": "{}", "--settings": '{"enabled": false}'}
    assert run({**arguments, **off}) == 0
    assert not (tmp_path / "out.zarr" / "ro-crate-metadata.json").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--about", "{}", "error: d: no license; give one in the column license"),
        ("--about", '{"license": "a b"}', "neither an SPDX identifier"),
        ("--about", '{"autor": "Ann"}', 'unknown key "autor"; did you mean "author"?'),
        ("--inventory", "nowhere.json", "nowhere.json: no such file"),
    ],
)
def test_refuses_in_one_line(arguments, capfd, option, value, message):
    assert run({**arguments, option: value}) == 1
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("step", ["inspect_source", "claim"])
def test_a_more_permissive_license_is_refused_before_anything_is_converted(tmp_path, capfd, step):
    root = {"@id": "./", "license": {"@id": "https://creativecommons.org/licenses/by-nc/4.0/"}}
    graph = [{"@id": "ro-crate-metadata.json", "about": {"@id": "./"}}, root]
    source = tmp_path / "in.zarr"
    source.mkdir()
    (source / ".zgroup").write_text('{"zarr_format": 2}')
    (source / "ro-crate-metadata.json").write_text(json.dumps({"@graph": graph}))
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    options = {"source": source, "run": tmp_path / "run.json", "output": tmp_path / "out.zarr"}
    inspected = {"dataset": "d", "inventory": tmp_path / "inventory.json"}
    if step == "inspect_source":
        options |= inspected
    else:
        assert program("inspect_source")(words_of({**options, **inspected})) == 0
        options["claim"] = tmp_path / "claim.json"
    assert program(step)(words_of({**options, "license": "CC-BY-4.0"})) == 1
    assert "CC-BY-4.0 is more permissive than" in capfd.readouterr().err
    assert not (tmp_path / "out.zarr").exists()
    assert program(step)(words_of({**options, "license": "CC-BY-NC-4.0"})) == 0


def test_usage(arguments, capfd):
    assert program("crate")(["--inventory"]) == 2
    assert run({**arguments, "--about": "{"}) == 2
    assert "not JSON" in capfd.readouterr().err
    assert program("crate")(["--help"]) == 0

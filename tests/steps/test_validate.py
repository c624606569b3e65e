"""claim, validate and publish as programs: exit codes and one line for each mistake."""

import importlib.metadata
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from support.hierarchies import Array, Group, write
from support.steps import SCRIPTS, Conversion, program, words_of


@pytest.fixture
def conversion(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    array = root.create_array("values", shape=(8, 8), chunks=(4, 4), dtype="u2")
    array[...] = np.arange(64).reshape(8, 8)
    return Conversion(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work")


def failure(capsys, step, *argv):
    """Exit code and the one line that a program ends with."""
    code = program(step)([str(part) for part in argv])
    error = capsys.readouterr().err.splitlines()
    assert not any("Traceback" in line for line in error)
    return code, error[-1]


@pytest.mark.parametrize("step", ["claim", "validate", "publish"])
def test_usage(capsys, step):
    code, line = failure(capsys, step)
    assert code == 2
    assert "required" in line
    assert program(step)(["--help"]) == 0


def refusal(conversion, capsys):
    capsys.readouterr()
    code, line = failure(capsys, "validate", *words_of(conversion.validate_options()))
    assert code == 1
    return line


def test_a_batch_that_was_not_converted(conversion, capsys):
    conversion.before_validation()
    (batch,) = conversion.batches()
    conversion.path("records", f"{batch}.json").unlink()
    line = refusal(conversion, capsys)
    assert line.startswith("error: ")
    assert "no record of this batch as it is planned now; convert it first" in line


def test_a_record_of_another_plan(conversion, capsys):
    conversion.before_validation()
    (batch,) = conversion.batches()
    file = conversion.path("records", f"{batch}.json")
    record = json.loads(file.read_text())
    record["items"][0]["fingerprint"] = "of another plan"
    file.write_text(json.dumps(record))
    line = refusal(conversion, capsys)
    assert "no record of this batch as it is planned now; convert it first" in line


def test_output_that_is_taken(conversion, capsys, tmp_path):
    conversion.inspect()
    conversion.plan()
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / "zarr.json").write_text("{}")
    arguments = {
        "--source": conversion.source,
        "--run": conversion.path("run.json"),
        "--output": conversion.output,
        "--claim": conversion.path("claim.json"),
    }
    code, line = failure(capsys, "claim", *itertools.chain.from_iterable(arguments.items()))
    assert code == 1
    assert "was not started by this run" in line
    assert not conversion.path("claim.json").exists()
    assert (
        program("claim")(
            [str(p) for pair in arguments.items() for p in pair] + ["--overwrite", "True"]
        )
        == 0
    )
    claim = json.loads(conversion.path("claim.json").read_text())
    lock = json.loads((tmp_path / "out.zarr" / ".ngff-uplift.lock").read_text())
    assert claim["generation"] == lock["generation"]


def test_findings_do_not_fail_the_step(conversion):
    conversion.before_validation()
    for shard in Path(conversion.output, "values", "c").rglob("*"):
        if shard.is_file():
            shard.unlink()
    validation = conversion.validate()
    assert validation["verdict"] == "invalid"
    errors = {f["code"] for f in validation["findings"] if f["severity"] == "error"}
    assert errors == {"object.missing", "reader.differs"}
    assert validation["validators"] == {
        name: importlib.metadata.version(name) for name in ("ome-zarr-models", "yaozarrs")
    }


def test_what_publish_writes_down(conversion, tmp_path):
    validation = conversion.all()
    published = json.loads(conversion.path("published.json").read_text())
    assert published["verdict"] == validation["verdict"] == "valid"
    assert published["arrays"] == 1
    assert published["cost"]["chunks_read"] == 4
    assert published["cost"]["peak_memory_bytes"] > 0
    assert published["published_at"].endswith("+00:00")
    assert (tmp_path / "out.zarr" / "zarr.json").exists()


SOURCE_CRATE = {
    "@context": "https://w3id.org/ro/crate/1.1/context",
    "@graph": [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": "n",
            "description": "d",
            "license": "CC-BY-4.0",
            "datePublished": "2020-01-01",
        },
    ],
}


@pytest.mark.parametrize("enabled", [True, False])
def test_the_crate_of_a_source_is_accounted_for(conversion, tmp_path, enabled):
    (tmp_path / "in.zarr" / "ro-crate-metadata.json").write_text(json.dumps(SOURCE_CRATE))
    conversion.crate = json.dumps({"enabled": enabled})
    validation = conversion.all()
    errors = [f for f in validation["findings"] if f["severity"] == "error"]
    assert errors == []
    kept = "ro-crate-metadata.source.json" if enabled else "ro-crate-metadata.json"
    (tmp_path / "out.zarr" / kept).write_text("{}")
    validation = conversion.validate()
    codes = {(f["code"], f["path"]) for f in validation["findings"] if f["severity"] == "error"}
    assert ("file.differs", kept) in codes


def test_an_array_that_was_left_out_is_a_warning(conversion, tmp_path):
    folder = tmp_path / "in.zarr" / "odd"
    folder.mkdir()
    document = json.loads((tmp_path / "in.zarr" / "values" / ".zarray").read_text())
    (folder / ".zarray").write_text(json.dumps({**document, "dtype": "|O", "fill_value": None}))
    (folder / "0.0").write_bytes(b"objects")
    conversion.batch_settings = '{"unsupported": "skip"}'
    validation = conversion.all()
    assert validation["verdict"] == "valid"
    assert ("array.skipped", "odd") in {(f["code"], f["path"]) for f in validation["findings"]}
    assert not (tmp_path / "out.zarr" / "odd").exists()


def test_documents_are_checked_meanwhile_on_two_cores_with_the_same_verdict(tmp_path):
    arrays = {str(n): Array((4, 4), (2, 2)) for n in range(100)}
    write(tmp_path / "in.zarr", Group(arrays, attributes={"a": 1}))
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.before_validation()
    document = tmp_path / "out.zarr" / "7" / "zarr.json"
    document.write_text(document.read_text().replace('"fill_value": 0', '"fill_value": 1'))
    (tmp_path / "out.zarr" / "8" / "zarr.json").unlink()
    (tmp_path / "out.zarr" / "stray").write_text("not of the source")
    program = (
        "import sys, validate\n"
        "from uplift.running import children\n"
        "validate.prepare()\n"
        "assert children.has_one_thread()\n"
        "sys.exit(validate.main(sys.argv[1:]))"
    )
    found = []
    for cores in (1, 2):
        words = words_of({**conversion.validate_options(), "threads": cores})
        subprocess.run([sys.executable, "-c", program, *words], cwd=SCRIPTS, check=True)
        found.append(conversion.path("validation.json").read_bytes())
    assert found[0] == found[1]
    codes = {(one["code"], one["path"]) for one in json.loads(found[0])["findings"]}
    assert {("array.fill_value", "7"), ("array.missing", "8"), ("output.stray", "stray")} <= codes

"""Chunks of the source that cannot be decoded: all are named; filled when the config says so."""

import json

import numpy as np
import pytest
import zarr

from support import s3
from support.images import write_image
from support.steps import Conversion, StepError
from support.workflow import contents, snakemake

BAD = ("0/0/0/0/0", "0/1/4/1/1", "1/0/1/0/0", "labels/nuclei/0/2/0/0")
METHODS = {"repack": "codec=keep", "recode": "codec=zstd"}
MANY = 1200


def settings(method, *more):
    given = ["input=in.zarr", "output=out.zarr", "license=CC0-1.0", METHODS[method]]
    return ["--config", *given, "previews=false", *more]


@pytest.fixture
def damaged(tmp_path):
    """A dataset with bad chunks in three arrays; one is cut short, one no blosc at all."""
    write_image(tmp_path / "in.zarr", size=64, chunk=32)
    for number, key in enumerate(BAD):
        path = tmp_path / "in.zarr" / key
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if number % 2 else b"\xff" * len(data))
    return tmp_path


@pytest.mark.parametrize("method", METHODS)
def test_all_bad_chunks_are_named_and_nothing_is_published(damaged, method):
    before = contents(damaged / "in.zarr")
    run = snakemake(damaged, "--keep-going", *settings(method))
    assert run.code == 1
    assert len(set(run.errors)) == 1
    assert "4 bad chunks" in run.errors[0]
    logs = "".join(p.read_text() for p in (damaged / "results/in/logs/convert").glob("*.log"))
    for key in BAD:
        assert f"in.zarr/{key}: cannot be decoded" in logs
    assert not (damaged / "out.zarr" / "zarr.json").exists()
    assert contents(damaged / "in.zarr") == before

    write_image(damaged / "good.zarr", size=64, chunk=32)
    for key in BAD:
        (damaged / "in.zarr" / key).write_bytes((damaged / "good.zarr" / key).read_bytes())
    repaired = snakemake(damaged, *settings(method), "-R", "inspect_source")
    assert repaired.code == 0, repaired.text


@pytest.mark.parametrize("method", METHODS)
def test_filled_chunks_are_findings_and_hold_the_fill_value(damaged, method):
    run = snakemake(damaged, *settings(method, "on_bad_chunk=fill"))
    assert run.code == 0, run.text
    validation = json.loads((damaged / "results/in/validation.json").read_text())
    filled = [f for f in validation["findings"] if "chunk" in f["code"] and "fill" in f["message"]]
    assert sorted({f["path"] for f in filled}) == ["0", "1", "labels/nuclei/0"]
    assert {f["severity"] for f in filled} == {"warning"}
    source = zarr.open_array(damaged / "in.zarr" / "0", mode="r")
    output = zarr.open_array(damaged / "out.zarr" / "0", mode="r")
    assert not np.any(output[0, 0, :32, :32])
    assert not np.any(output[1, 4, 32:, 32:])
    assert np.array_equal(source[0, 1], output[0, 1])


def test_more_than_a_thousand_are_all_in_the_log_and_one_line_on_the_console(tmp_path):
    write_image(tmp_path / "in.zarr", size=144, chunk=8, labels=False)
    chunks = sorted(path for path in (tmp_path / "in.zarr/0").rglob("[0-9]*") if path.is_file())
    for path in chunks[:MANY]:
        path.write_bytes(b"\xff" * 40)
    run = snakemake(tmp_path, *settings("repack"))
    assert run.code == 1
    assert len(set(run.errors)) == 1
    assert f"({MANY} bad chunks in this job, all listed in the log)" in run.errors[0]
    assert run.text.count("cannot be decoded") == 2, "of the job, and in the summary"
    (log,) = (tmp_path / "results/in/logs/convert").glob("*.log")
    listed = [line for line in log.read_text().splitlines() if ": cannot be decoded: " in line]
    named = {line.partition("in.zarr/")[2].partition(":")[0] for line in listed}
    assert named == {str(path.relative_to(tmp_path / "in.zarr")) for path in chunks[:MANY]}
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()


@pytest.mark.parametrize("method", METHODS)
def test_bad_chunks_from_and_to_s3(method, damaged, s3_server, s3_environment, capsys):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    s3.upload(client, damaged / "in.zarr", bucket, "in.zarr")
    made = Conversion(
        f"s3://{bucket}/in.zarr",
        f"s3://{bucket}/out.zarr",
        damaged / "work",
        plan_settings=json.dumps({"codec": METHODS[method].partition("=")[2]}),
    )
    with pytest.raises(StepError):
        made.all()
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert "4 bad chunks" in line
    assert f"s3://{bucket}/in.zarr/{BAD[0]}: cannot be decoded" in line
    assert "zarr.json" not in s3.objects(client, bucket, "out.zarr")

    made.on_bad_chunk = "fill"
    validation = made.all()
    assert validation["verdict"] == "valid"
    filled = {
        f["path"]: f["severity"] for f in validation["findings"] if f["code"] == "chunk.filled"
    }
    assert filled == dict.fromkeys(["0", "1", "labels/nuclei/0"], "warning")
    fetched = s3.objects(client, bucket, "out.zarr")
    local = Conversion(
        str(damaged / "in.zarr"),
        str(damaged / "out.zarr"),
        damaged / "local",
        plan_settings=made.plan_settings,
        on_bad_chunk="fill",
    )
    assert local.all()["findings"] == validation["findings"]
    here = contents(damaged / "out.zarr")
    assert here.keys() == fetched.keys()
    assert [key for key in here if here[key] != fetched[key]] == ["ro-crate-metadata.json"]
    assert s3.dangling(client, bucket) == []

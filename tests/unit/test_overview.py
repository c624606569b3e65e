"""What stands at the outputs before a run begins, and the line that each dataset ends with."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import s3
from support.images import write_image
from support.steps import Conversion
from uplift.models.plan import Estimate, Totals
from uplift.models.publication import Claim
from uplift.models.slices import Slice
from uplift.settings.columns import Sample
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.workflow import start


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder with a published dataset, as the sheet describes it."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "in.zarr", size=32, chunk=32)
    Conversion("in.zarr", "out.zarr", tmp_path / "results" / "d").all()
    return {"d": Sample(dataset="d", input="in.zarr", output="out.zarr")}


def test_an_output_that_is_gone_is_named_with_its_remedy(published):
    assert start.gone_outputs(published, "results") == {}
    Path("out.zarr/zarr.json").unlink()
    assert "'d' has no zarr.json any more; put" in start.gone_outputs(published, "results")["d"]
    shutil.rmtree("out.zarr")
    found = start.gone_outputs(published, "results")["d"]
    assert re.fullmatch(r"out\.zarr: .* is gone; .* -R claim -- results/d/published\.json", found)


def test_an_output_in_a_bucket_that_is_gone(tmp_path, monkeypatch, s3_server, s3_environment):
    monkeypatch.chdir(tmp_path)
    client = s3.client(s3_server)
    url = f"s3://{s3.new_bucket(client)}/out.zarr"
    write_image(tmp_path / "in.zarr", size=32, chunk=32, labels=False)
    made = Conversion("in.zarr", url, tmp_path / "results" / "d")
    made.all()
    samples = {"d": Sample(dataset="d", input="in.zarr", output=url)}
    settings = {"s3://": {"region": "us-east-1"}}
    assert start.gone_outputs(samples, "results", settings) == {}
    bucket = url.split("/")[2]
    for key in s3.objects(client, bucket, "out.zarr"):
        client.delete_object(Bucket=bucket, Key=f"out.zarr/{key}")
    found = start.gone_outputs(samples, "results", settings)["d"]
    assert re.search(r"out\.zarr: .* is gone; .* -R claim -- results/d/published\.json", found)
    made.claim()
    assert start.gone_outputs(samples, "results", settings) == {}
    client.delete_object(Bucket=bucket, Key="out.zarr/.ngff-uplift.lock")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert start.gone_outputs(samples, "results", settings) == {}, "nobody can tell now"


def test_another_output_in_the_sheet_is_not_an_output_that_is_gone(published):
    elsewhere = {"d": published["d"].model_copy(update={"output": "other.zarr"})}
    assert start.gone_outputs(elsewhere, "results") == {}


def test_the_summary_names_the_place_that_holds_the_dataset(published, tmp_path):
    (line,) = start.summary_lines(published, "results")
    assert line.startswith("d: valid, ")
    assert " in out.zarr" in line
    elsewhere = {"d": published["d"].model_copy(update={"output": "other.zarr"})}
    (line,) = start.summary_lines(elsewhere, "results")
    assert f" in {tmp_path}/out.zarr" in line


def test_only_another_place_of_a_dataset_is_a_reason_to_look_again():
    sample = Sample(dataset="d", input="s3://b/in.zarr", output="out.zarr")
    places = {"s3://b/": {"endpoint_url": "https://x.org", "anon": True}}
    known = start.storage_locations(sample, places)
    more = {"s3://b/": {**places["s3://b/"], "retries": 1, "timeout": 5, "engine": "fsspec"}}
    assert start.storage_locations(sample, {**more, "s3://c/": {"anon": True}}) == known
    for key, value in (("endpoint_url", "https://y.org"), ("anon", False), ("profile", "p")):
        other = {"s3://b/": {**places["s3://b/"], key: value}}
        assert start.storage_locations(sample, other) != known


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ({}, set()),
        ({"forceall": True}, {"a/1", "a/2", "b/1"}),
        ({"forceall": True, "targets": ["results/a/published.json"]}, {"a/1", "a/2"}),
        ({"forceall": True, "targets": ["plans"]}, {"a/1", "a/2", "b/1"}),
        ({"forcerun": {"convert"}}, {"a/1", "a/2", "b/1"}),
        ({"forcerun": {"claim"}, "targets": ["results/b/published.json"]}, {"b/1"}),
        ({"forcerun": {"inspect_source", "validate"}}, set()),
        ({"forcerun": {"results/a/convert/2-of-2.json"}}, {"a/2"}),
        ({"forcerun": {"results/a/claim.json"}}, {"a/1", "a/2"}),
    ],
)
def test_forcing_forgets_what_is_finished(tmp_path, monkeypatch, asked, gone):
    monkeypatch.chdir(tmp_path)
    everything = {"a/1", "a/2", "b/1"}
    for dataset, batches in (("a", ("1", "2")), ("b", ("1",))):
        work = WorkFolder(Path("results", dataset))
        for number, batch in enumerate(batches, 1):
            for file in (work.journal(batch), work.record(batch)):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
            file = work.slice(number, len(batches))
            json_files.write_json(file, slice_of(dataset, number, len(batches), batch))
    nothing = {"forceall": False, "forcerun": frozenset(), "targets": frozenset()}
    start.forget_forced({"a": None, "b": None}, "results", **{**nothing, **asked})
    for pattern in ("*/journal/*.jsonl", "*/records/*.json"):
        left = {f"{p.parts[1]}/{p.stem}" for p in Path("results").glob(pattern)}
        assert left == everything - gone


def slice_of(dataset, number, count, batch):
    total = Totals(objects=1, bytes=1)
    return Slice(
        dataset=dataset,
        output="out.zarr",
        number=number,
        count=count,
        batches=(batch,),
        in_force_sha256="f",
        plan_sha256="p",
        estimate=Estimate(before=total, after=total, methods={}),
    )


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ({}, set()),
        ({"forceall": True, "targets": ["results/a/published.json"]}, {"a/0.1", "a/0.2"}),
        ({"forcerun": {"validate"}}, {"a/0.1", "a/0.2", "b/0.1"}),
        ({"forcerun": {"publish"}}, set()),
        ({"forcerun": {"results/a/validation.json"}}, {"a/0.1", "a/0.2"}),
    ],
)
def test_forcing_a_validation_forgets_what_was_compared(tmp_path, monkeypatch, asked, gone):
    monkeypatch.chdir(tmp_path)
    everything = {"a/0.1", "a/0.2", "b/0.1"}
    for name in everything:
        note = Path("results", name[0], "records", f"{name[2:]}.digests")
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
    nothing = {"forceall": False, "forcerun": frozenset(), "targets": frozenset()}
    start.forget_forced({"a": None, "b": None}, "results", **{**nothing, **asked})
    left = {f"{p.parts[1]}/{p.stem}" for p in Path("results").glob("*/records/*.digests")}
    assert left == everything - gone


def test_a_claim_of_another_output_is_seen(tmp_path, monkeypatch):
    """Else jobs of a new output would go on from records of the old one."""
    monkeypatch.chdir(tmp_path)
    work = WorkFolder(tmp_path / "results" / "d")
    assert not start.is_claimed_elsewhere(work, "out.zarr"), "nothing is claimed"
    work.claim.parent.mkdir(parents=True)
    for asked, other in (("out.zarr", "x/out.zarr"), ("s3://b/a.zarr", "s3://c/a.zarr")):
        claim = Claim(run_id="r", output="/before/out.zarr", generation="g", asked=asked)
        json_files.write_json(work.claim, claim)
        assert not start.is_claimed_elsewhere(work, asked), "the folder was only moved"
        assert start.is_claimed_elsewhere(work, other)


@pytest.mark.parametrize(("words", "chosen"), [([], "greedy"), (["--scheduler=ilp"], "solver")])
def test_jobs_are_chosen_greedily_unless_a_scheduler_is_named(monkeypatch, words, chosen):
    from snakemake.scheduling.job_scheduler import JobScheduler

    assert {"_job_selector", "job_selector_greedy"} <= set(JobScheduler.__init__.__code__.co_names)
    scheduler = SimpleNamespace(
        _job_selector="solver", job_selector_greedy="greedy", subsample=None
    )
    monkeypatch.setattr("sys.argv", ["snakemake", *words])
    start.schedule_quickly(SimpleNamespace(scheduler=scheduler))
    assert scheduler._job_selector == chosen
    assert scheduler.subsample == (50 if chosen == "greedy" else None)

"""The report says where a published dataset is and what it is of, whatever is asked for now."""

import os

import pytest

from support.reports import report
from support.results import Results, write
from uplift.outputs import LOCK_KEY
from uplift.report.facts import facts_of
from uplift.settings.columns import Sample
from uplift.work import ledger


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def published(results, output="out/a.zarr", **claim):
    """A dataset whose claim and source are known, and an error that came later."""
    folder = results.published("a", output=output)
    there = str(results.folder.parent / output)
    write(folder, "published.json", {**read_published(folder), "output": there})
    write(folder, "claim.json", {"output": there, **claim})
    write(folder, "made_from.json", {"source": "in/a.zarr"})
    return folder


def read_published(folder):
    return dict(facts_of(folder).files["published"])


def asked_for(results, folder, **cells):
    """The row names other places now, and was refused."""
    (row,) = results.samples
    results.samples[:] = [row.model_copy(update=cells)]
    (folder / "claim.json").unlink()  # as Snakemake does
    log = results.log(folder, "claim", "error: b.zarr: exists and was not started by this run")
    later = (folder / "published.json").stat().st_mtime + 9
    os.utime(log, (later, later))


def test_an_output_that_was_refused_is_not_where_the_dataset_is(results):
    folder = published(results, asked="out/a.zarr")
    asked_for(results, folder, output="b.zarr")
    rows, page = report(results)
    assert rows["a"]["state"] == "valid"
    assert rows["a"]["url"] == str(results.folder.parent / "out/a.zarr")
    assert "b.zarr: exists and" in rows["a"]["message"]
    shown = page.details("a")
    assert dict(shown["facts"])["output"].endswith("/out/a.zarr")
    assert shown["open"]["serve"].endswith("/out/a.zarr")
    assert dict(shown["links"])["output"] == "../out/a.zarr"


def test_a_source_that_was_refused_is_not_what_the_dataset_is_made_of(results):
    folder = published(results)
    asked_for(results, folder, input="nz")
    rows, _ = report(results)
    assert (rows["a"]["state"], rows["a"]["origin"]) == ("valid", "in/a.zarr")


def test_what_is_not_published_is_where_the_sheet_says(results):
    folder = published(results)
    asked_for(results, folder, output="b.zarr", input="nz")
    (folder / "published.json").unlink()
    rows, _ = report(results)
    assert (rows["a"]["state"], rows["a"]["url"], rows["a"]["origin"]) == ("failed", "b.zarr", "nz")


def test_the_place_is_spelled_as_in_the_sheet(results, monkeypatch):
    monkeypatch.chdir(results.folder.parent)
    folder = published(results)
    (row,) = results.samples
    for output, source in (("out/a.zarr", "in/a.zarr"), ("./out/a.zarr", "in/../in/a.zarr")):
        facts = facts_of(folder, row.model_copy(update={"output": output, "input": source}))
        assert (facts.output, facts.input) == (output, source)
        assert f" in {output}" in facts.outcome.message


def test_a_row_that_left_the_sheet_keeps_its_spelling(results):
    facts = facts_of(published(results, asked="out/a.zarr"))
    assert (facts.output, facts.input) == ("out/a.zarr", "in/a.zarr")
    assert " in out/a.zarr" in facts.outcome.message


def moved(folder, output, claim):
    """The folder of work files and outputs was elsewhere when the dataset was published."""
    write(folder, "published.json", {**read_published(folder), "output": output})
    write(folder, "claim.json", {"output": output, **claim})


@pytest.mark.parametrize(
    ("output", "claim", "asked", "shown"),
    [
        ("/old/out/a.zarr", {"asked": "out/a.zarr"}, "out/a.zarr", "out/a.zarr"),
        ("/old/out/a.zarr", {"asked": "out/a.zarr"}, "b.zarr", "/old/out/a.zarr"),
        # of an earlier version, which did not note what was asked for
        ("/old/out/a.zarr", {}, "out/a.zarr", "out/a.zarr"),
        ("/old/out/a.zarr", {}, "b.zarr", "/old/out/a.zarr"),
        # another output was claimed since, and nothing was published there
        ("/old/a.zarr", {"asked": "b.zarr", "output": "/old/b.zarr"}, "b.zarr", "/old/a.zarr"),
        ("s3://b/a.zarr", {"asked": "s3://b/a.zarr/"}, "s3://b/a.zarr/", "s3://b/a.zarr/"),
    ],
)  # fmt: skip
def test_a_folder_that_was_moved_with_its_outputs(results, output, claim, asked, shown):
    folder = published(results)
    moved(folder, output, claim)
    row = Sample(dataset="a", input="in/a.zarr", output=asked)
    assert facts_of(folder, row).output == shown


def test_results_of_earlier_versions_have_the_source_in_full(results):
    folder = published(results)
    (folder / "made_from.json").unlink()
    row = Sample(dataset="a", input="in/a.zarr", output="out/a.zarr")
    assert facts_of(folder, row).input == "in/a.zarr"
    write(folder, "migration.json", {"source": "/old/in/a.zarr"})
    assert facts_of(folder, row).input == "in/a.zarr"
    assert facts_of(folder, row.model_copy(update={"input": "nz"})).input == "/old/in/a.zarr"


def test_an_output_that_was_emptied_for_a_conversion_that_failed_is_not_valid(results, monkeypatch):
    monkeypatch.chdir(results.folder.parent)
    folder = published(results)
    (row,) = results.samples
    log = results.log(folder, "convert/1-of-1", "error: in/a.zarr/0: cannot be decoded")
    later = (folder / "published.json").stat().st_mtime + 9
    os.utime(log, (later, later))
    there = results.folder.parent / "out/a.zarr"
    there.mkdir(parents=True)
    said = facts_of(folder, row).outcome
    assert said.message.endswith("before stays"), "an output that is gone may have been moved away"
    (there / LOCK_KEY).write_text("{}")
    said = facts_of(folder, row).outcome
    assert said.state == "failed"
    assert said.message == f"not finished: in/a.zarr/0: cannot be decoded ({log})"
    (there / "zarr.json").write_text("{}")
    assert facts_of(folder, row).outcome.state == "valid", "it was not hidden yet"


@pytest.mark.parametrize(
    ("now", "state"),
    [({"generation": "g"}, "valid"), ({"generation": "h"}, "interrupted"), ({}, "valid")],
)
def test_a_bucket_is_not_asked_what_the_claim_knows(results, now, state):
    folder = published(results)
    place = {"output": "s3://b/a.zarr"}
    write(folder, "published.json", {**read_published(folder), **place, "generation": "g"})
    write(folder, "claim.json", {**place, **now})
    assert facts_of(folder).outcome.state == state


def test_a_damaged_claim_is_not_the_reports_matter(results):
    folder = published(results)
    (folder / "claim.json").write_text("{")
    assert facts_of(folder).outcome.state == "valid"


def test_what_left_the_sheet_is_there_also_where_its_last_inspection_failed(results):
    folder = results.published("first", picture=None)
    results.samples.clear()
    (folder / "inventory.json").unlink()  # as Snakemake does
    for name in ("began", "logged", "other"):
        (results.folder / name).mkdir()
    write(results.folder / "began", "made_from.json", {"source": None})
    ledger.append(results.folder / "logged" / ledger.NAME, ledger.Spent("inspect_source"))
    rows, page_ = report(results)
    assert list(rows) == ["began", "first", "logged"]
    assert (rows["first"]["state"], rows["first"]["kind"]) == ("valid", "")
    assert int(rows["first"]["output_objects"]) == 9
    assert {"Arrays", "Costs"} >= {one["title"] for one in page_.details("logged")["tables"]}
    assert page_.details("first")["open"]["links"]
    assert not (folder / "preview.json").exists(), "there is nothing to draw it by"

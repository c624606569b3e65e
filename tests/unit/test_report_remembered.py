"""Facts of finished datasets, and the report itself, stay as they are until something changes."""

import fcntl
import json
import re
from pathlib import Path

import pytest

from support.images import write_image
from support.reports import report
from support.results import Results, finding
from support.steps import Conversion, program
from uplift.report import page, stamps
from uplift.report.facts import facts_of
from uplift.report.remembered import NAME
from uplift.settings.columns import SampleTable
from uplift.work import json_files, ledger


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def pages_of(results):
    """All that a report is made of, without the times at which it and its tables were made."""
    report(results)
    files = ("report.html", "catalog.csv", "catalog.json", "costs.csv")
    text = "".join((results.folder / name).read_text() for name in files)
    return re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d UTC\. Also|made-from" content="\w+"', "", text)


def test_a_finished_dataset_is_read_once(results, monkeypatch):
    results.published("a", picture=1)
    results.published("b", finding("warning", "yaozarrs.label.inherited", "so is the source"))
    results.planned("c")
    pages_of(results)  # draws, or removes, pictures
    first = pages_of(results)
    read = []
    made = program("report").__globals__
    monkeypatch.setitem(made, "facts_of", lambda *about: read.append(about[0]) or facts_of(*about))
    assert pages_of(results) == first
    assert [folder.name for folder in read] == ["c"]


def touched(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{path.read_text() if path.exists() else ''}\n")


CHANGES = {
    "a work file": lambda results: touched(results.folder / "a" / "plan.json"),
    "a log": lambda results: touched(results.folder / "a" / "logs" / "convert" / "1-of-1.log"),
    "its row": lambda results: results.samples.__setitem__(
        0, results.samples[0].model_copy(update={"name": "other"})
    ),
    "its output": lambda results: touched(Path("out", "a.zarr", "ro-crate-metadata.json")),
    "what is remembered": lambda results: (results.folder / NAME).write_text("{"),
    "the settings": lambda results: results.samples.extend(
        results.samples[0].model_copy(update={"dataset": f"x{n}"}) for n in range(page.MANY)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(results, monkeypatch, tmp_path, change):
    monkeypatch.chdir(tmp_path)
    results.published("a", picture=None)
    pages_of(results)
    pages_of(results)
    read = []
    made = program("report").__globals__
    monkeypatch.setitem(made, "facts_of", lambda *about: read.append(about[0]) or facts_of(*about))
    pages_of(results)
    assert read == []
    CHANGES[change](results)
    pages_of(results)
    assert results.folder / "a" in read


def line_of(results, currency="CHF"):
    """What a run with nothing to do says when the report is still true; None: it makes it again."""
    table = json_files.read_model(results.write_samples(), SampleTable)
    options = [True, {}, {"core_hour": 2.0, "currency": currency}]
    return stamps.line_of_current(results.folder, options, table.samples)


def made_report(results):
    costs = json.dumps({"core_hour": 2.0, "currency": "CHF"})
    report(results, costs=costs)


OTHER_REPORTS = {
    **CHANGES,
    "a line of costs": lambda results: touched(results.folder / "a" / ledger.NAME),
    "another dataset": lambda results: results.planned("b"),
    "a dataset that left the sheet": lambda results: results.samples.pop(),
    "a preview that was deleted": lambda results: (results.folder / "a" / "preview.webp").unlink(),
    "a table that was deleted": lambda results: (results.folder / "costs.csv").unlink(),
    "a table that was edited": lambda results: touched(results.folder / "catalog.csv"),
    "a report that was deleted": lambda results: (results.folder / "report.html").unlink(),
    "a report of something else": lambda results: (results.folder / "report.html").write_text("x"),
}
# with the first of them the report stands, the second is another dataset
del OTHER_REPORTS["what is remembered"], OTHER_REPORTS["the settings"]


@pytest.mark.parametrize("change", OTHER_REPORTS)
def test_a_report_is_current_until_something_that_it_shows_changes(
    results, monkeypatch, tmp_path, change
):
    monkeypatch.chdir(tmp_path)
    results.published("a", picture=1)
    (results.folder / "a" / "preview.json").touch()
    assert line_of(results) is None
    made_report(results)
    assert line_of(results).startswith(f"Report: {results.folder}/report.html")
    assert line_of(results, currency="EUR") is None
    OTHER_REPORTS[change](results)
    assert line_of(results) is None
    made_report(results)
    assert line_of(results) is not None


def test_a_report_on_a_job_that_runs_is_made_again(results):
    log = results.log(results.listed("a"), "convert")
    with log.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        made_report(results)
        assert line_of(results) is None
    assert line_of(results) is None
    made_report(results)
    assert line_of(results).startswith("Report: ")


def test_a_report_that_drew_its_previews_is_current(tmp_path):
    results = Results(tmp_path / "results")
    write_image(tmp_path / "in.zarr", size=64, chunk=32)
    output = str(tmp_path / "out.zarr")
    Conversion(str(tmp_path / "in.zarr"), output, results.folder / "d").all()
    results.listed("d", output=output)
    made_report(results)
    assert (results.folder / "d" / "preview.json").is_file()
    assert line_of(results) is not None

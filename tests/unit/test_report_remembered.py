"""Facts of finished datasets are remembered between reports, as long as nothing changed."""

import re
from pathlib import Path

import pytest

from support.reports import report
from support.results import Results, finding
from support.steps import program
from uplift.report import page
from uplift.report.facts import facts_of
from uplift.report.remembered import NAME


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def pages_of(results):
    """All that a report is made of, without the time at which it was made."""
    report(results)
    files = ("report.html", "catalog.csv", "catalog.json", "costs.csv")
    text = "".join((results.folder / name).read_text() for name in files)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC\. Also", "", text)


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

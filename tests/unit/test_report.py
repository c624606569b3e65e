"""The report: a table, a page that shows text as text."""

import csv
import html.parser
import json

import pytest

from support.images import write_image
from support.steps import Conversion, run
from uplift.settings.columns import Sample, SampleTable
from uplift.work import json_files


class Page(html.parser.HTMLParser):
    """Texts, tags and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.words += data


def report(folder, *samples):
    results = folder / "results"
    results.mkdir(exist_ok=True)
    json_files.write_json(results / "samples.json", SampleTable(samples=samples))
    run("make_report", results=results, samples=results / "samples.json")
    with (results / "catalog.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["dataset"]: row for row in csv.DictReader(stream)}
    return rows, Page((results / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One dataset that was published, one with a hostile name that never began."""
    folder = tmp_path_factory.mktemp("report")
    write_image(folder / "in.zarr", size=64, chunk=32)
    output = folder / "out.zarr"
    Conversion(str(folder / "in.zarr"), str(output), folder / "results" / "d").all()
    good = Sample(dataset="d", input=str(folder / "in.zarr"), output=str(output), name="<b>x</b>")
    bad = Sample(dataset="<script>alert(1)", input="https://k:s@b/in?token=t", output="o")
    return folder, report(folder, good, bad)


def test_the_catalog_has_facts_and_costs_of_each_dataset(results):
    folder, (rows, _) = results
    good, bad = rows["d"], rows["<script>alert(1)"]
    assert good["state"] == "valid"
    assert bad["state"] == "unfinished"
    assert bad["source_bytes"] == bad["cpu_seconds"] == ""
    records_ = [json.loads(f.read_text()) for f in (folder / "results/d/records").glob("*.json")]
    written = sum(item["bytes_written"] for record in records_ for item in record["items"])
    assert int(good["bytes_written"]) == written > 0
    stored = [path for path in (folder / "out.zarr").rglob("*") if path.is_file()]
    assert int(good["output_objects"]) == len(stored)
    assert int(good["output_bytes"]) == sum(path.stat().st_size for path in stored)


def test_the_page_shows_text_as_text_and_hides_secrets(results):
    _, (_, page) = results
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "<script>alert(1)" in page.words
    assert "https://b/in" in page.words
    assert "token" not in page.words
    assert "1 valid" in page.words
    assert "1 unfinished" in page.words


def test_links_of_the_page_lead_somewhere(results):
    folder, (_, page) = results
    files = {link for link in page.links if not link.startswith("#")}
    assert files == {"catalog.csv", "d/preview.webp"}
    assert all((folder / "results" / link).is_file() for link in files)


def test_a_preview_goes_with_its_dataset(results):
    folder, _ = results
    preview = folder / "results" / "d" / "preview.webp"
    before = preview.stat().st_mtime_ns
    sample = Sample(dataset="d", input="in.zarr", output=str(folder / "out.zarr"))
    report(folder, sample)
    assert preview.stat().st_mtime_ns == before
    published = folder / "results" / "d" / "published.json"
    text = published.read_text()
    published.unlink()
    rows, _ = report(folder, sample)
    assert not preview.exists()
    assert rows["d"]["state"] == "unfinished"
    published.write_text(text)


def test_a_damaged_work_file_is_that_datasets_message(tmp_path):
    (tmp_path / "results" / "d").mkdir(parents=True)
    (tmp_path / "results" / "d" / "inventory.json").write_text('{"schema": ')
    sample = Sample(dataset="d", input="i", output="o")
    rows, page = report(tmp_path, sample, sample.model_copy(update={"dataset": "e"}))
    assert "inventory.json" in rows["d"]["message"]
    assert rows["e"]["message"] == "not finished"
    assert "inventory.json" in page.words

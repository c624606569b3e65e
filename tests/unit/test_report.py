"""The report: the state of each dataset, catalog and costs, a page that shows text as text."""

import json
import os
import re
from pathlib import Path

import pytest

from support.images import write_image
from support.reports import report, rows_of
from support.results import Results
from support.steps import Conversion
from uplift.report import page
from uplift.report.catalog import COST_COLUMNS, catalog_row
from uplift.report.explanations import explain
from uplift.report.facts import facts_of
from uplift.report.opening import viewers_of
from uplift.report.tables import TIMES
from uplift.work import ledger

HOSTILE = "<script>alert(1)"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """One dataset that was published, one with a hostile name that never began."""
    folder = tmp_path_factory.mktemp("report")
    write_image(folder / "in.zarr", size=64, chunk=32)
    output = folder / "out.zarr"
    Conversion(str(folder / "in.zarr"), str(output), folder / "results" / "d").all()
    results = Results(folder / "results")
    results.listed("d", input=str(folder / "in.zarr"), output=str(output), name="<b>x</b>")
    results.listed(
        HOSTILE,
        input="https://k:s@b/in?token=t",
        output="o",
        name="</script><img src=x>",
        publisher="A Lab <https://ror.org/02mhbdp94>",
    )
    return folder, report(results)


def test_the_catalog_has_facts_of_each_dataset(converted):
    folder, (rows, _) = converted
    good, bad = rows["d"], rows[HOSTILE]
    assert (good["state"], bad["state"]) == ("valid", "not started")
    assert bad["source_bytes"] == bad["cpu_seconds"] == ""
    assert bad["source"] == "A Lab"
    stored = [path for path in (folder / "out.zarr").rglob("*") if path.is_file()]
    assert int(good["output_objects"]) == len(stored)
    assert int(good["written"]) == sum(path.stat().st_size for path in stored)
    assert good["dimension_names"] == "c,z,y,x"
    assert good["shape"] == "2,5,64,64"
    assert (good["organismId"], good["fbbiId"]) == ("NCBI:txid9606", "obo:FBbi_00000369")
    same = json.loads((folder / "results" / "catalog.json").read_text())
    assert [row["dataset"] for row in same] == ["d", HOSTILE]
    assert list(same[0]) == list(good)


def test_the_catalogs_shape_is_that_of_the_image(tmp_path):
    levels = [{"path": "labels/nuclei/0", "shape": [4, 4]}, {"path": "s0", "shape": [3, 4, 4]}]
    groups = [{"path": "", "roles": ["image"]}, {"path": "labels/nuclei", "roles": ["label image"]}]
    results = Results(tmp_path)
    results.listed("d", input="in.zarr", output="out.zarr")
    folder = tmp_path / "d"
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps({"arrays": levels}))
    (folder / "inventory.json").write_text(json.dumps({"arrays": [], "groups": groups}))
    assert catalog_row(facts_of(folder), None)["shape"] == "3,4,4"


def test_the_page_shows_text_as_text_and_hides_secrets(converted):
    folder, (_, page_) = converted
    assert not {"b", "img"} - set(page_.tags)  # the number of each state, and thumbnails
    assert HOSTILE in page_.words
    assert "</script><img src=x>" in page_.words
    text = (folder / "results" / "report.html").read_text()
    assert "token" not in text
    assert "<img src=x>" not in text
    assert "https://b/in" in json.dumps(page_.details(HOSTILE))
    assert text.count("<script") == 4  # of meanings, two datasets, and the page's own


def test_links_of_the_page_lead_somewhere(converted):
    folder, (_, page_) = converted
    files = {link for link in page_.links if not link.startswith(("#", "data:"))}
    assert files == {"catalog.csv", "catalog.json", "costs.csv"}
    links = dict(page_.details("d")["links"])
    assert {"output", "crate", "plan", "verdict", "migration", "logs"} - {"logs"} <= set(links)
    for link in [*files, *links.values()]:
        assert (folder / "results" / link).exists(), link


def test_what_is_shown_of_a_dataset(converted):
    _, (_, page_) = converted
    shown = page_.details("d")
    facts = dict(shown["facts"])
    assert facts["organism"]["text"] == "Homo sapiens (NCBI:txid9606)"
    assert facts["organism"]["href"].startswith("http://purl.obolibrary.org/obo/NCBITaxon_9606")
    assert facts["license"]["text"] == "CC BY 4.0"
    assert re.fullmatch(r"[0-9.]+ s", facts["predicted CPU time"]), "steps alone keep no ledger"
    assert facts["compared"].startswith("65 chunks, ")
    assert facts["plan"].startswith("as proposed; repack: 4")
    assert facts["axes"] == "c: 2; z: 5; y: 64; x: 64"
    assert "objects, " in facts["predicted"]
    tables = {table["title"]: table for table in shown["tables"]}
    first = dict(zip(tables["Arrays"]["head"], tables["Arrays"]["rows"][0], strict=True))
    assert first["shape"] == f"2 {TIMES} 5 {TIMES} 64 {TIMES} 64"
    assert first["shards"] == f"none → 2 {TIMES} 5 {TIMES} 64 {TIMES} 64"
    assert first["codec"] == "blosc (lz4)"
    assert len(tables["Digests"]["rows"]) == 4 + 2
    assert shown["pictures"]["labelName"] == "nuclei"
    assert shown["pictures"]["image"].startswith("data:image/webp")
    assert shown["open"]["serve"].startswith("ome_zarr view /")


def test_a_preview_goes_with_its_dataset(converted):
    folder, _ = converted
    preview = folder / "results" / "d" / "preview.webp"
    before = preview.stat().st_mtime_ns
    results = Results(folder / "results")
    results.listed("d", output=str(folder / "out.zarr"))
    report(results)
    assert preview.stat().st_mtime_ns == before
    published = folder / "results" / "d" / "published.json"
    text = published.read_text()
    published.unlink()
    rows, _ = report(results)
    assert not preview.exists()
    assert rows["d"]["state"] == "interrupted"
    published.write_text(text)


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def test_every_column_of_the_catalog_is_documented(results):
    results.published("a")
    report(results)
    header = (results.folder / "catalog.csv").read_text().splitlines()[0]
    page_ = (Path(__file__).parents[2] / "docs" / "REPORT.md").read_text(encoding="utf-8")
    table = page_.partition("## The catalog's columns")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == header.split(",")


def test_datasets_that_left_the_sheet_are_in_the_report(results):
    results.published("first")
    report(results)
    results.samples.clear()
    results.published("second")
    rows, _ = report(results)
    assert list(rows) == ["second", "first"]
    assert rows["first"]["state"] == "valid"
    assert rows["first"]["origin"] == "in/first.zarr"
    assert rows["first"]["url"].endswith("out/first.zarr")
    assert "2 dataset" in (results.folder / "report.html").read_text()


def test_of_a_published_dataset_the_table_says_that_its_last_run_failed(results):
    folder = results.published("a")
    log = results.log(folder, "plan", "error: a setting that cannot be")
    later = (folder / "published.json").stat().st_mtime + 9
    os.utime(log, (later, later))
    results.published("b")
    rows, page_ = report(results)
    assert rows["a"]["state"] == rows["b"]["state"] == "valid"
    assert page_.words.count("the last run stopped: ") == 1
    assert "a setting that cannot be" in page_.words


def test_money_is_what_jobs_took_at_the_sites_prices(results):
    folder = results.published("a", input="s3://in/a.zarr", output="s3://out/a.zarr")
    results.published("b")
    jobs = {"requests": 3000, "objects_written": 1000, "bytes_read": 5 * 10**9}
    jobs |= {"bytes_written": 3 * 10**9, "wall_seconds": 1800, "threads": 4}
    for _ in range(2):  # a run, and one after an edit
        ledger.append(folder / ledger.NAME, ledger.Spent("convert", **jobs))
    prices = {"currency": "EUR", "core_hour": 0.05, "get_1000": 0.1, "put_1000": 1, "egress_gb": 2}
    _, page_ = report(results, costs=json.dumps(prices | {"stored_gb_month": 10}))
    rows = {(row["dataset"], row["step"]): row for row in rows_of(results.folder / "costs.csv")}
    row = rows["a", "convert"]
    once = 0.05 * 4 * 0.5 + 0.1 * 2 + 1 + 2 * 2
    assert float(row["core_seconds"]) == pytest.approx(2 * 4 * 1800, abs=5)
    assert float(row["money"]) == pytest.approx(2 * once, rel=1e-3)
    assert float(row["money_per_tb"]) == pytest.approx(
        2 * once * 1e12 / int(row["source_bytes"]), rel=1e-3
    )
    assert row["currency"] == "EUR"
    assert float(rows["a", "validate"]["money_per_tb"]) == pytest.approx(
        (0.05 / 3600 + 2 * 65_536 / 1e9) * 1e12 / int(row["source_bytes"]), abs=0.01
    ), "of the money before it was rounded"
    here = rows["b", "convert"]
    assert float(here["money"]) == pytest.approx(
        0.05 * float(here["core_seconds"]) / 3600, abs=1e-6
    )
    tables = {table["title"]: table for table in page_.details("a")["tables"]}
    assert tables["Costs"]["head"][-1] == "cost EUR"
    assert "a month" in dict(page_.details("a")["facts"])["storage"]
    assert "EUR" in page_.words
    report(results)
    assert {row["money"] for row in rows_of(results.folder / "costs.csv")} == {""}


def test_costs_are_a_row_a_dataset_and_step(results):
    results.published("a")
    results.validated("b", verdict="invalid")
    results.listed("c")
    report(results)
    rows = rows_of(results.folder / "costs.csv")
    assert tuple(rows[0]) == COST_COLUMNS
    assert [(row["dataset"], row["step"]) for row in rows] == [
        ("a", "convert"), ("a", "validate"), ("b", "convert"), ("b", "validate")
    ]  # fmt: skip
    source = int(rows[0]["source_bytes"])
    assert source == 256 * 256 + 128 * 128
    assert float(rows[0]["wall_seconds_per_tb"]) == pytest.approx(2.5e12 / source, rel=1e-6)
    costs = facts_of(results.folder / "a")
    assert [spent.step for spent in costs.costs] == ["convert", "validate"]


def test_an_edited_plan_is_said_to_be(results):
    results.planned("edited", edited=True)
    _, page_ = report(results)
    facts = dict(page_.details("edited")["facts"])
    assert facts["plan"].startswith("edited by a person")


def test_many_datasets_make_a_small_page(results, monkeypatch):
    monkeypatch.setattr(page, "PICTURE_BYTES", 1000)
    for n in range(3):
        results.published(f"d{n}", picture=n)
    _, page_ = report(results)
    pictures = page_.details("d1")["pictures"]
    assert pictures["image"] == "d1/preview.webp"
    assert (results.folder / pictures["image"]).is_file()
    assert sum(link.startswith("data:image/webp") for link in page_.links) == 3  # thumbnails


def test_viewers_open_the_address_or_say_how_to_serve():
    viewers = viewers_of("https://x.org/a.zarr", "https://x.org/a.zarr")
    assert viewers.serve is None
    assert viewers.links["vizarr"].endswith("?source=https%3A//x.org/a.zarr")
    local = viewers_of("my out.zarr", None)
    assert local.serve.endswith("/my out.zarr'")
    assert "localhost%3A8000/my%2520out.zarr" in local.links["vizarr"]


def test_codes_are_explained_by_their_own_row_first():
    assert "bit for bit" in explain("pixels.differ")
    assert explain("pyramid.scale").startswith("warnings: scales")
    assert explain("no.such.code") is None

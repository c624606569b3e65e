"""Addresses of outputs in the web, and which of them the report shows."""

import pytest

from support.reports import report
from support.results import Results, write
from uplift.report.facts import facts_of
from uplift.storage.addresses import web_url

ENDPOINT = "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("output", "settings", "url"),
    [
        ("out.zarr", {}, None),
        ("https://x.org/a b/c.zarr", {}, "https://x.org/a b/c.zarr"),
        ("s3://b/k.zarr", {"s3://": {"endpoint_url": "https://s3.x.org/"}}, "https://s3.x.org/b/k.zarr"),
        ("s3://b/k.zarr", {"s3://": {"region": "eu-west-1"}}, "https://b.s3.eu-west-1.amazonaws.com/k.zarr"),
        ("gs://b/k.zarr", {}, "https://storage.googleapis.com/b/k.zarr"),
        ("az://c@a/k.zarr", {}, None),
    ],
)  # fmt: skip
def test_addresses_in_the_web(output, settings, url):
    assert web_url(output, settings) == url


def test_what_a_job_knows_of_s3_besides_the_settings(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://ann:secret@s3.x.org/")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert web_url("s3://b/k.zarr", {}, as_reached=True) == "https://s3.x.org/b/k.zarr"
    settings = {"s3://b/": {"endpoint_url": ENDPOINT}}
    assert web_url("s3://b/k.zarr", settings, as_reached=True) == f"{ENDPOINT}/b/k.zarr"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert web_url("s3://b/k.zarr", {}, as_reached=True).startswith("https://b.s3.eu-west-1.")
    assert web_url("s3://b/k.zarr", {}) == "https://b.s3.amazonaws.com/k.zarr"


@pytest.fixture
def results(tmp_path):
    """A dataset that was published through an endpoint, which its row names no more."""
    results = Results(tmp_path / "results")
    folder = results.published("a", output="s3://mine/a.zarr", picture=None)
    published = facts_of(folder).files["published"]
    noted = {**published, "web_url": f"{ENDPOINT}/mine/a.zarr"}
    write(folder, "published.json", noted)
    write(results.published("b", output="s3://mine/b.zarr"), "claim.json", {})
    return results


def test_the_address_of_an_output_is_that_of_the_run_that_published_it(results):
    rows, page = report(results, previews="false")
    assert rows["a"]["url"] == f"{ENDPOINT}/mine/a.zarr"
    assert "127.0.0.1%3A9000" in str(page.details("a")["open"]) or ENDPOINT in str(
        page.details("a")["open"]
    )
    assert "amazonaws" not in str(page.details("a"))
    assert rows["b"]["url"] == "https://mine.s3.amazonaws.com/b.zarr", "noted by no earlier version"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"s3://mine/": {"endpoint_url": "https://s3.x.org"}}, "https://s3.x.org/mine/a.zarr"),
        ({"s3://mine/": {"region": "eu-west-1"}}, "https://mine.s3.eu-west-1.amazonaws.com/a.zarr"),
        ({"s3://mine/": {"retries": 2}}, f"{ENDPOINT}/mine/a.zarr"),
        ({"s3://other/": {"endpoint_url": "https://s3.x.org"}}, f"{ENDPOINT}/mine/a.zarr"),
    ],
)
def test_settings_of_now_that_name_the_service_count(results, settings, url):
    facts = facts_of(results.folder / "a", results.samples[0])
    assert facts.web_url(settings) == url


def test_the_address_is_that_of_what_was_published_alone(results):
    row = results.samples[0].model_copy(update={"output": "s3://mine/c.zarr"})
    folder = results.folder / "a"
    assert facts_of(folder, row).web_url({}) == f"{ENDPOINT}/mine/a.zarr"
    (folder / "published.json").unlink()
    assert facts_of(folder, row).web_url({}) == "https://mine.s3.amazonaws.com/c.zarr"

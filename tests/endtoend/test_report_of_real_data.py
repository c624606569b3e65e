"""The report on real datasets and on odd ones, each converted once, as a browser shows it."""

import json

import pytest

from support import browser, odd
from support.results import Results
from support.steps import Conversion, StepError, run

pytestmark = [
    pytest.mark.skipif(browser.PROGRAM is None, reason="chromium is not installed"),
    pytest.mark.skipif(
        not odd.ODD.is_dir(), reason="no corpus: lay the folder `shared` next to this checkout"
    ),
]
CORPUS = odd.ODD.parent / "corpus"
REAL = {
    "mri": "mobie_mri_stack",
    "plate": "challenge_hcs",
    "labels": "ngio_czyx",
    "tables": "HelenaLC_blobs_sdata",
}
ODD = {"inherited": "make_inh_field_absent.py", "refused": "make_fill_minus1.py"}
SHOWN = "[...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden)"
HOSTILE = "<script>alert(1)</script><b>&amp;"


class RealResults(Results):
    """A results folder of datasets that are converted, as far as they can be."""

    def convert(self, dataset, source, *, until=None, **cells):
        place = self.folder.parent / "out" / f"{dataset}.zarr"
        folder = self.listed(dataset, input=str(source), output=str(place), **cells)
        conversion = Conversion(str(source), str(place), folder, dataset)
        conversion.about = json.dumps({**json.loads(conversion.about), "name": HOSTILE})
        try:
            if until is None:
                conversion.all()
            else:
                for step in ("inspect", "plan", "claim"):
                    getattr(conversion, step)()
        except StepError as error:
            return error.step
        return "publish"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    results = RealResults(folder / "results")
    for dataset, name in REAL.items():
        results.convert(dataset, CORPUS / f"{name}.zarr")
    for dataset, script in ODD.items():
        (folder / dataset).mkdir()
        source = odd.make(odd.ODD / script, folder / dataset)
        step = results.convert(dataset, source)
        if step != "publish":
            results.log(
                results.folder / dataset, step, f"error: {source}: fill_value -1 does not fit"
            )
    source = CORPUS / f"{REAL['mri']}.zarr"
    for dataset in ("interrupted", "failed"):
        results.convert(dataset, source, until="claim")
    failure = "error: out: No space left on device; free some space there, then run again"
    results.log(results.folder / "failed", "convert", failure)
    run("report", results=results.folder, samples=results.write_samples(), previews="true")
    return (results.folder / "report.html").as_uri()


@pytest.fixture
def page(window, url):
    """The page as it opens; afterwards nothing was complained about and nothing asked for."""
    window.open(url)
    yield window
    assert window.messages == []
    assert {asked for asked in window.asked if not asked.startswith("data:")} <= {url}


def text_of(page, dataset):
    """All text of a dataset that is opened by its name."""
    page.evaluate(
        f"{SHOWN}.map(r => r.querySelector('a')).find(a => a.textContent === {dataset!r}).click()"
    )
    page.until("document.querySelector('#sheet').innerText.length > 100")
    return page.evaluate("document.querySelector('#sheet').innerText")


def test_states_are_told_apart(page):
    states = page.evaluate(
        f"Object.fromEntries({SHOWN}.map(r => [r.querySelector('a').textContent,"
        " r.querySelector('.state .badge').textContent.trim()]))"
    )
    found = {dataset: " ".join(text.split()[1:]) for dataset, text in states.items()}
    assert found["mri"] == found["plate"] == found["labels"] == "valid"
    assert found["inherited"].startswith("valid with")
    assert (found["refused"], found["failed"]) == ("refused", "failed")
    assert found["interrupted"] == "interrupted"


@pytest.mark.parametrize("dataset", [*REAL, *ODD, "interrupted", "failed"])
def test_a_dataset_opens_and_hostile_names_are_text(page, dataset):
    text = text_of(page, dataset)
    assert dataset in text
    assert HOSTILE in page.evaluate("document.querySelector('#table').innerText")
    assert (
        page.evaluate("document.querySelectorAll('#sheet script, #sheet b, #table b').length") == 0
    )


@pytest.mark.parametrize("dataset", ["mri", "plate", "labels"])
def test_published_images_have_a_picture(page, dataset):
    text_of(page, dataset)
    page.until("document.querySelector('#sheet img')?.naturalWidth > 8")


def test_labels_are_laid_over(page):
    text_of(page, "labels")
    switch = "document.querySelector('#sheet input[type=checkbox]')"
    before = page.evaluate(f"{switch}.checked")
    page.evaluate(f"{switch}.click()")
    assert page.evaluate(f"{switch}.checked") is not before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_sticks_out(window, url, width, scheme):
    for place in ("", "#d0", "#d1", "#d3", "#d5"):
        window.open(url + place, width=width, scheme=scheme)
        assert window.evaluate("document.documentElement.scrollWidth") <= width, place
    assert window.messages == []

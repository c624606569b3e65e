"""The report in a browser: sort, search, filter, open, overlay; narrow, dark, by keyboard."""

import json
import time

import pytest

from support import browser
from support.results import Results, finding
from support.steps import run

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="chromium is not installed")

INHERITED = finding("warning", "yaozarrs.version.inherited", "says the same of the source")
SHOWN = "[...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden)"
NAMES = f"{SHOWN}.map(r => r.querySelector('a').textContent)"
# Texts whose contrast with what is behind them is less than WCAG AA asks for.
CONTRAST = """(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(ROOT, NodeFilter.SHOW_TEXT);
  const bad = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const hidden = element.closest(".hidden, .skip, script, [hidden], :disabled");
    if (!walker.currentNode.data.trim() || hidden) continue;
    const pair = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    pair.sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) bad.push([walker.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return bad;
})()"""


def made(folder):
    """A report on a dataset of every state, with hostile names."""
    results = Results(folder / "results")
    results.published("alpha", picture=1, size=512)
    results.published("<b>beta<i>", INHERITED, picture=2, size=256)
    results.validated("gamma", finding("error", "pixels.differ", "differ"), verdict="invalid")
    refused = results.listed("delta", name='"><img src=x onerror=alert(1)>')
    results.log(refused, "inspect_source", "error: in/delta.zarr: no such folder; check the path")
    failed = results.planned("epsilon")
    results.log(failed, "convert", "error: out: disk full; free some space, then run again")
    (failed / "logs" / "plan.log").unlink()
    interrupted = results.planned("zeta")
    (interrupted / "claim.json").write_text("{}")
    results.planned("eta")
    results.listed("javascript:alert(1)")
    return report(results)


def report(results):
    run("report", results=results.folder, samples=results.write_samples(), previews="false")
    return (results.folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return made(tmp_path_factory.mktemp("page"))


@pytest.fixture
def page(window, url):
    """The page as it opens; afterwards nothing was complained about and nothing asked for."""
    window.open(url)
    yield window
    assert window.messages == []
    assert {asked for asked in window.asked if not asked.startswith("data:")} <= {url}


def click(page, selector):
    page.evaluate(f"document.querySelector({selector!r}).click()")


def test_a_click_on_a_heading_sorts(page):
    click(page, "[data-sort='1']")
    names = page.evaluate(NAMES)
    assert names == sorted(names)
    assert page.evaluate("document.querySelector('th.dataset').ariaSort") == "ascending"
    click(page, "[data-sort='1']")
    assert page.evaluate(NAMES) == names[::-1]
    click(page, "[data-sort='4']")
    assert page.evaluate(NAMES)[0] == "alpha"
    assert page.evaluate("document.querySelector('th.bytes').ariaSort") == "descending"
    assert page.evaluate("document.querySelector('th.dataset').ariaSort") == "none"


def test_searching_finds_names_messages_and_organisms(page):
    for text, found in (
        ("free SPACE", ["epsilon"]),
        ("txid7955", ["<b>beta<i>"]),
        ("no such thing", []),
    ):
        page.evaluate("document.getElementById('search').value = ''")
        page.evaluate("document.getElementById('search').focus()")
        page.write(text)
        page.until(f"JSON.stringify({NAMES}) === JSON.stringify({json.dumps(found)})")
    assert page.evaluate("document.getElementById('count').textContent") == "0 of 8 datasets"
    click(page, "#clear")
    assert page.evaluate("document.getElementById('count').textContent") == "8 datasets"


def test_states_filter(page):
    click(page, ".chip.failed")
    assert page.evaluate(NAMES) == ["epsilon"]
    click(page, ".chip.inherited")
    assert page.evaluate(NAMES) == ["<b>beta<i>", "epsilon"]
    assert page.evaluate("document.querySelector('.chip.failed').ariaPressed") == "true"
    click(page, ".chip.failed")
    click(page, ".chip.inherited")
    assert len(page.evaluate(NAMES)) == 8


def test_a_dataset_opens_with_its_picture_and_labels_over_it(page):
    click(page, "#r1 td.bytes, #r1 td.number")
    page.until("document.querySelector('dialog').open")
    assert page.evaluate("document.getElementById('title').textContent") == "<b>beta<i>"
    assert page.evaluate("document.querySelector('.stack img').naturalWidth") == 384
    assert page.evaluate("document.querySelector('.over').checkVisibility()") is False
    click(page, "#overlay")
    assert page.evaluate("document.querySelector('.over').checkVisibility()") is True
    size = "(e => [e.offsetWidth, e.offsetHeight])"
    over, under = (
        page.evaluate(f"{size}(document.querySelector('.stack img{kind}'))")
        for kind in (".over", ":not(.over)")
    )
    assert over == under
    shown = page.evaluate("document.getElementById('sheet').textContent")
    assert "Danio rerio (NCBI:txid7955)" in shown
    assert "another validator" in shown
    click(page, "#sheet .bar button:nth-of-type(2)")
    page.until("document.getElementById('title').textContent === 'gamma'")
    assert "bit for bit" in page.evaluate("document.getElementById('sheet').textContent")


def test_the_keyboard_is_enough(page):
    page.evaluate("document.querySelector('#r0 a').focus()")
    page.press("Enter", 13, "\r")
    page.until("document.querySelector('dialog').open")
    assert page.evaluate("document.activeElement.textContent") == "Close"
    page.press("Escape", 27)
    page.until("!document.querySelector('dialog').open && location.hash === ''")
    assert page.evaluate("document.activeElement.textContent") == "alpha"
    page.evaluate("document.querySelector('.chip').focus()")
    page.press(" ", 32, " ")
    page.until("document.querySelector('.chip').ariaPressed === 'true'")


def test_a_link_to_a_dataset_opens_it(page, url):
    page.open(f"{url}#d2")
    page.until("document.querySelector('dialog').open")
    assert page.evaluate("document.getElementById('title').textContent") == "gamma"
    page.evaluate("history.replaceState(null, '', location.pathname)")
    page.asked[:] = [asked.partition("#")[0] for asked in page.asked]


def test_hostile_names_are_text(page):
    assert page.evaluate("document.querySelectorAll('#table b, #table img[src=x]').length") == 0
    for row in (1, 3, 7):
        page.evaluate(f"location.hash = '#d{row}'")
        page.until(f"document.querySelector('dialog').open && location.hash === '#d{row}'")
        assert page.evaluate("document.querySelectorAll('#sheet b, img[src=x]').length") == 0
        links = page.evaluate("[...document.querySelectorAll('#sheet a')].map(a => a.protocol)")
        assert set(links) <= {"https:", "http:", "file:"}
    page.evaluate("history.replaceState(null, '', location.pathname)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(page, url, scheme):
    page.open(url, scheme=scheme)
    assert page.evaluate(CONTRAST.replace("ROOT", "document.body")) == []
    for row in range(8):
        page.evaluate(f"location.hash = '#d{row}'")
        page.until(f"document.getElementById('title') && location.hash === '#d{row}'")
        assert page.evaluate(CONTRAST.replace("ROOT", "document.getElementById('sheet')")) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(245, 246, 248)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("width", [400, 700, 1060, 1106, 1120, 1300])
@pytest.mark.parametrize("fragment", ["", "#d1"])
def test_no_window_needs_scrolling_sideways(page, url, fragment, width):
    page.open(f"{url}{fragment}", width=width, height=800)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= width
    page.asked[:] = [asked.partition("#")[0] for asked in page.asked]


def test_what_a_screen_reader_is_told(page):
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, a')].filter(e => !(e.textContent.trim() "
        "|| e.labels?.length || e.ariaLabel)).length"
    )
    assert unnamed == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.querySelectorAll('tbody th[scope=row]').length") == 8
    assert page.evaluate("document.querySelector('#count').role") == "status"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_two_thousand_datasets(window, tmp_path):
    results = Results(tmp_path / "results")
    first = results.published("d0", INHERITED, picture=0)
    for n in range(1, 2000):
        results.published(f"dataset-{n:04d}", INHERITED, picture=None)
        for name in ("thumbnail.webp", "preview.webp", "preview.labels.webp", "preview.json"):
            (results.folder / f"dataset-{n:04d}" / name).hardlink_to(first / name)
    started = time.process_time()
    url = report(results)
    assert time.process_time() - started < 40  # some 5 s when the machine is idle
    assert (tmp_path / "results" / "report.html").stat().st_size < 15 * 2**20
    window.open(url)
    paint = window.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 10_000  # milliseconds; some 400 when the machine is idle
    started = time.monotonic()
    click(window, "[data-sort='1']")
    window.evaluate("document.getElementById('search').value = '1234'")
    window.evaluate("document.getElementById('search').dispatchEvent(new Event('input'))")
    window.until(f"{SHOWN}.length === 1")
    assert time.monotonic() - started < 30
    assert window.messages == []

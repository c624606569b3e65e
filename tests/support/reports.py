"""The report of a folder of results, read back."""

import csv
import html.parser
import json

from support.steps import run


class Page(html.parser.HTMLParser):
    """Texts, tags, links and JSON data of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words, self.data = [], [], "", {}
        self._script = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "script":
            self._script = given.get("id", "code")
            return
        self.tags.append(tag)
        self.links += [given[name] for name in ("href", "src") if name in given]

    def handle_endtag(self, tag):
        self._script = None if tag == "script" else self._script

    def handle_data(self, data):
        if self._script is None:
            self.words += data
        elif self._script != "code":
            self.data[self._script] = json.loads(data)

    def details(self, dataset):
        return next(one for one in self.data.values() if one.get("dataset") == dataset)


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def report(results, **options):
    run("report", results=results.folder, samples=results.write_samples(), **options)
    rows = {row["dataset"]: row for row in rows_of(results.folder / "catalog.csv")}
    return rows, Page((results.folder / "report.html").read_text(encoding="utf-8"))

"""The report: one file of HTML that loads nothing else.

The table is part of the HTML, so that it can be read without scripts; what is shown of one dataset
is JSON data that ``page.js`` turns into elements when it is opened. All texts that come from
datasets are escaped or set as text, and the page's policy runs no script but its own.
"""

import base64
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from uplift import __version__
from uplift.models.words import size_text
from uplift.report.details import PICTURES, Details
from uplift.report.explanations import FINDINGS, explain
from uplift.report.facts import Facts
from uplift.report.outcomes import STATES, STOPPED, State
from uplift.report.tables import Limits, money_text, span_text
from uplift.work import ledger
from uplift.work.json_files import write_text

PICTURE_BYTES = 5 * 2**20
"""Previews of all datasets together that go into the page; else it links to their files."""
MANY = 400
"""Datasets from which fewer rows of each one's tables go into the page, which stays below 15 MB."""

_TEMPLATES = Path(__file__).parent
_GLYPHS: dict[State, str] = {
    "valid": "✓", "inherited": "✓", "invalid": "✕", "refused": "⊘", "failed": "✕",
    "interrupted": "‖", "partial": "‖", "running": "▸", "planned": "◦", "new": "◦",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A dataset in the table: only what that needs, since there may be thousands.

    Attributes
    ----------
    stopped
        It is published, and the last run failed.
    search
        What else is found by searching.
    before, after
        Objects and bytes.
    costs, money
        Of all jobs, the latter at the site's prices.
    """

    dataset: str
    state: State
    message: str
    stopped: bool
    name: str | None
    kind: str
    search: str
    before: tuple[int, int] | None
    after: tuple[int, int] | None
    errors: int
    warnings: int
    codes: frozenset[str]
    costs: ledger.Sum
    money: float | None
    published_at: str
    thumbnail: str | None
    picture_bytes: int


def row_of(facts: Facts) -> Row:
    """Take from the facts what the table shows."""
    stated = map(facts.stated, ("name", "organism", "modality", "license", "description"))
    severities = facts.severities
    return Row(
        dataset=facts.dataset,
        state=facts.outcome.state,
        message=facts.outcome.message.removeprefix("not finished: "),
        stopped=facts.outcome.message.startswith(STOPPED),
        name=facts.stated("name"),
        kind=facts.kind,
        search=" ".join(filter(None, (*stated, facts.input, facts.output))),
        before=facts.before,
        after=facts.after,
        errors=severities["error"],
        warnings=severities["warning"],
        codes=frozenset(str(finding.get("code")) for finding in facts.findings),
        costs=(costs := ledger.added_up(facts.costs)),
        money=facts.money(costs),
        published_at=str(facts.files["published"].get("published_at") or "")[:10]
        if facts.is_published
        else "",
        thumbnail=data_url(facts.folder / "thumbnail.webp"),
        picture_bytes=sum(
            file.stat().st_size for file in facts.folder.glob("preview*.webp") if file.is_file()
        ),
    )


def limits_for(datasets: int) -> Limits:
    """Rows of the tables of one dataset, in a report on so many."""
    return Limits(6, 8) if datasets > MANY else Limits()


def last_line(states: Counter[State], file: Path) -> str:
    """How many datasets of the sheet are in which state, where the report is, what valid means."""
    meaning = " · what valid means: docs/VALIDATION.md"
    end = f"{file}{meaning if states['valid'] or states['inherited'] else ''}"
    if states.total() <= 1:
        return f"Report: {end}"
    counts = (f"{states[state]} {label}" for state, label in STATES.items() if states[state])
    return f"{states.total()} datasets: {', '.join(counts)} · report: {end}"


@functools.cache
def template() -> Template:
    """The page's template, compiled, with all that it includes."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size_text, "span": span_text, "money": money_text}
    return environment.get_template("page.html.j2")


def write_page(
    rows: Sequence[Row],
    details: Sequence[Details],
    file: Path,
    currency: str = "",
    *,
    made_from: str = "",
    last_line: str = "",
) -> None:
    """Write the page.

    Parameters
    ----------
    rows, details
        What the table shows of each dataset, and what is shown when it is opened; same order.
    currency
        Of the site's prices.
    made_from, last_line
        Digest of all that the page shows, and what is said where it is: for later runs (`stamps`).
    """
    embed = sum(row.picture_bytes for row in rows) <= PICTURE_BYTES
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    text = template().render(
        rows=rows,
        states=Counter(row.state for row in rows),
        labels=STATES,
        glyphs=_GLYPHS,
        total=totals(rows),
        currency=currency,
        made_from=made_from,
        last_line=last_line,
        details=(_script_json(_with_pictures(one, file.parent, embed=embed)) for one in details),
        meanings=_script_json(_meanings(rows)),
        findings_page=FINDINGS.as_uri() if FINDINGS.is_file() else "",
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup(script),  # noqa: S704 - both are files of this package
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    write_text(file, text)


def data_url(file: Path) -> str | None:
    """A WebP picture as a URL that holds its data."""
    if not file.is_file():
        return None
    return f"data:image/webp;base64,{base64.b64encode(file.read_bytes()).decode()}"


def totals(rows: Sequence[Row]) -> dict[str, Any]:
    """Add up what the published datasets were and are, and what all have cost.

    Sizes in bytes, times in seconds; figures per TB are of the published ones' sources as stored.
    """
    done = [row for row in rows if row.state in ("valid", "inherited") and row.before and row.after]
    before = [sum(row.before[at] for row in done if row.before) for at in (0, 1)]
    after = [sum(row.after[at] for row in done if row.after) for at in (0, 1)]
    cpu = sum(row.costs.cpu_seconds for row in done)
    paid = [row.money for row in rows if row.money is not None]
    per_tb = 1e12 / before[1] if before[1] else 0.0
    return {
        "published": len(done),
        "before": before,
        "after": after,
        "wall": sum(row.costs.wall_seconds for row in rows),
        "cpu": sum(row.costs.cpu_seconds for row in rows),
        "cpu_per_tb": cpu * per_tb,
        "money": sum(paid) if paid else None,
        "money_per_tb": sum(row.money or 0 for row in done) * per_tb,
    }


def _with_pictures(details: Details, folder: Path, *, embed: bool) -> Details:
    """Put the pictures themselves in the place of their files' addresses."""
    shown = details["pictures"]
    if not embed or not shown:
        return details
    found = {key: data_url(folder / unquote(shown[key])) for key in PICTURES if shown[key]}
    return {**details, "pictures": {**shown, **found}}


def _meanings(rows: Sequence[Row]) -> dict[str, str]:
    codes = sorted({code for row in rows for code in row.codes})
    return {code: meaning for code in codes if (meaning := explain(code))}


def _script_json(value: Any) -> Markup:
    """JSON for a script element, where ``<`` would end it or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - JSON without any tag

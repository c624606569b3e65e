"""The report as one page of HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from uplift import __version__
from uplift.report.facts import Facts, size_text
from uplift.storage import display_url
from uplift.work.json_files import write_text

_TEMPLATES = Path(__file__).parent


def write_page(facts: Sequence[Facts], file: Path) -> None:
    """Write the page; previews and work files are linked relative to it."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size_text, "shown": display_url, "span": span_text}
    text = environment.get_template("page.html.j2").render(
        facts=facts,
        states=Counter(one.outcome.state for one in facts),
        total=totals(facts),
        links={one.sample.dataset: quote(one.sample.dataset) for one in facts},
        version=__version__,
    )
    write_text(file, text)


def totals(facts: Sequence[Facts]) -> dict[str, Any]:
    """Add up what the finished datasets were, are and cost. Sizes in bytes, times in seconds."""
    done = [one for one in facts if one.outcome.published and one.summary and one.cost]
    return {
        "datasets": len(done),
        "source_objects": sum(one.summary.before.objects for one in done if one.summary),
        "source_bytes": sum(one.summary.before.bytes for one in done if one.summary),
        "output_objects": sum(p.objects for one in done if (p := one.outcome.published)),
        "output_bytes": sum(p.bytes for one in done if (p := one.outcome.published)),
        "wall_seconds": sum(one.cost.wall_seconds for one in done if one.cost),
        "cpu_seconds": sum(one.cost.cpu_seconds for one in done if one.cost),
    }


def span_text(seconds: float) -> str:
    """Spell a span of time for people."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"

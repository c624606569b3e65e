"""Make the table and the figure of docs/BENCHMARKS.md from the results of ``run.py``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
OURS = ("whole workflow", "convert job")
LEFT, WIDTH, BAR, GAP = 224, 784, 16, 34
STYLE = (
    "text{font:13px sans-serif;fill:#222}.h{font-weight:bold}.o{fill:#1565c0}.l{fill:#43a047}"
    ".p{fill:#9e9e9e}.r{stroke:#222}"
)

Turns = list[dict[str, float]]


def main() -> int:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=DOCS / "BENCHMARKS.md")
    parser.add_argument("--figure", type=Path, default=DOCS / "images" / "benchmarks.svg")
    given = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in sorted(given.results.glob("*-*.json"))]
    if not reports:
        sys.stderr.write(f"error: {given.results}: no results; run benchmarks/run.py first\n")
        return 1
    text = given.page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    picture = os.path.relpath(given.figure, given.page.parent)
    shown = f"![Wall times of all rows, each case with its own scale]({picture})\n"
    tables = "\n".join([shown, *map(table, reports)])
    given.page.write_text(f"{before}{BEGIN}\n{tables}{END}{after}")
    given.figure.write_text(figure(reports))
    return 0


def table(report: dict[str, Any]) -> str:
    """A table of a report: median (smallest to largest) of the rounds."""
    machine = report["machine"]
    lines = [
        f"{machine['used']} of {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}, {machine['date']}, {report['rounds']} rounds; load average "
        f"{machine['load_before']:.1f} before and {machine['load_after']:.1f} after.",
        "",
        "| data | row | wall, s | CPU, s | memory, MiB | wall / whole workflow |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for case, found in report["cases"].items():
        turns: dict[str, Turns] = found["turns"]
        whole = _middle(turns["whole workflow"], "wall")
        for name, measured in turns.items():
            if measured:
                wall = _middle(measured, "wall")
                cells = [_spread(measured, "wall"), _spread(measured, "cpu")]
                memory = max(one["memory"] for one in measured)
                lines.append(
                    f"| {case} | {name} | {' | '.join(cells)} | {memory:.0f} | {wall / whole:.2f} |"
                )
        lines += [f"| {case} | {n} | skipped: {why} | | | |" for n, why in found["skipped"].items()]
    return "\n".join(lines) + "\n"


def _middle(turns: Turns, key: str) -> float:
    return statistics.median(one[key] for one in turns)


def _spread(turns: Turns, key: str) -> str:
    values = [one[key] for one in turns]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def figure(reports: list[dict[str, Any]]) -> str:
    """Bars of the wall times, each case with its own scale; a line from smallest to largest."""
    parts, y = [], 0
    for report in reports:
        for case, found in report["cases"].items():
            turns = {name: measured for name, measured in found["turns"].items() if measured}
            y += GAP
            parts.append(
                f'<text class="h" x="8" y="{y}">{escape(case)}, {report["machine"]["used"]} cores'
                "</text>"
            )
            y += 8
            parts += _bars(turns, y)
            y += (BAR + 4) * len(turns)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 12}" '
        f'width="{WIDTH}" height="{y + 12}" role="img"><title>Wall times, seconds</title>'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _bars(turns: dict[str, Turns], y: int) -> Iterator[str]:
    longest = max(one["wall"] for measured in turns.values() for one in measured)
    scale = (WIDTH - LEFT - 70) / longest
    for name, measured in turns.items():
        kind = "o" if name in OURS else "l" if name.startswith("limit") else "p"
        wall, text = _middle(measured, "wall"), y + BAR - 4
        low, high = (LEFT + scale * pick(one["wall"] for one in measured) for pick in (min, max))
        yield f'<text x="{LEFT - 8}" y="{text}" text-anchor="end">{escape(name)}</text>'
        yield (
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{wall * scale:.1f}" height="{BAR}"/>'
            f'<line class="r" x1="{low:.1f}" x2="{high:.1f}" y1="{y + BAR / 2}" '
            f'y2="{y + BAR / 2}"/><text x="{high + 6:.1f}" y="{text}">{wall:.1f}</text>'
        )
        y += BAR + 4


if __name__ == "__main__":
    sys.exit(main())

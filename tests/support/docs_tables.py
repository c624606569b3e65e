"""Tables in the docs that are made from what they are about; ``UPDATE_DOCS=1`` writes them."""

from __future__ import annotations

import os
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def check_table(page: str, name: str, rows: list[tuple[str, ...]]) -> None:
    """Compare a table between ``<!-- name -->`` and ``<!-- /name -->``, or write it."""
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    table = "\n".join("| " + " | ".join(cell(text) for text in row) + " |" for row in lines)
    path = DOCS / page
    text = path.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = text.partition(start)
    old, _, after = rest.partition(end)
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(f"{before}{start}\n{table}\n\n{end}{after}", encoding="utf-8")
        return
    assert old.strip() == table, f"docs/{page}: the table {name} is not up to date (UPDATE_DOCS=1)"


def cell(text: str) -> str:
    """One cell: one line, no bars."""
    return " ".join(text.split()).replace("|", "\\|")

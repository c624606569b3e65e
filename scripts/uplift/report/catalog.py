"""Tables for spreadsheets, databases and the challenge's browser."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from uplift.models.words import size_text
from uplift.report.facts import Facts
from uplift.report.outcomes import STATES
from uplift.terms.tables import label_of
from uplift.work import ledger
from uplift.work.json_files import write_text

Row = Mapping[str, Any]

TERABYTE = 1e12
_PER_TERABYTE = ("wall_seconds", "cpu_seconds", "requests")
COST_COLUMNS = (
    "dataset",
    "step",
    *(figure.name for figure in fields(ledger.Sum)),
    "source_bytes",
    *(f"{name}_per_tb" for name in _PER_TERABYTE),
    "money",
    "money_per_tb",
    "currency",
)


def catalog_row(facts: Facts, settings: Mapping[str, Any] | None) -> Row:
    """One dataset. Sizes in bytes, times in seconds; nothing where nothing is known.

    ``url`` to ``fbbiId`` are the columns that the browser of the OME-NGFF challenge harvests, by
    its names: `source` is the publisher; `shape`, `shards`, `chunks` and `dimension_names` are of
    the first array of the first image, else of the first array; `written` is all of the output.
    """
    verdict, before, after = facts.files["validation"], facts.before, facts.after
    first = _first(facts.files["plan"].get("arrays"), facts.images)
    axes = _first(facts.files["inventory"].get("arrays"), facts.images).get("axes")
    estimate = facts.files["plan"].get("estimate") or {}
    planned = estimate.get("after", {})
    cost = ledger.added_up(facts.costs)
    published = facts.files["published"] if facts.is_published else {}
    shown = published.get("bytes")
    return {
        "dataset": facts.dataset,
        "state": STATES[facts.outcome.state],
        "message": facts.outcome.message,
        "url": facts.web_url(settings) or facts.output,
        "source": facts.parties("publisher"),
        "author": facts.parties("author"),
        "funder": facts.parties("funder"),
        "contact": facts.parties("contact"),
        "origin": facts.input,
        "written": shown,
        "written_human_readable": None if shown is None else size_text(shown),
        "shape": _joined(first.get("shape")),
        "shards": _joined(first.get("shards")),
        "chunks": _joined(first.get("chunks")),
        "dimension_names": _joined(axes),
        "license": facts.stated("license"),
        "name": facts.stated("name"),
        "description": facts.stated("description"),
        "organismId": facts.stated("organism"),
        "organism": label_of(facts.stated("organism") or ""),
        "fbbiId": facts.stated("modality"),
        "modality": label_of(facts.stated("modality") or ""),
        "kind": facts.kind or None,
        "published_at": published.get("published_at"),
        "from_version": " ".join(facts.files["inventory"].get("ome_versions", [])) or None,
        "conforms": verdict.get("conforms"),
        "verify": verdict.get("verify"),
        "errors": facts.severities["error"] if verdict else None,
        "warnings": facts.severities["warning"] if verdict else None,
        "images": len(facts.images) if facts.files["inventory"] else None,
        "label_images": facts.roles["label image"] if facts.files["inventory"] else None,
        "arrays": len(facts.files["inventory"].get("arrays", [])) or None,
        "source_objects": before[0] if before else None,
        "source_bytes": before[1] if before else None,
        "planned_objects": planned.get("objects"),
        "planned_bytes": planned.get("bytes"),
        "output_objects": after[0] if after else None,
        "output_bytes": after[1] if after else None,
        "root_sha256": published.get("root_sha256"),
        **({key: value if facts.costs else None for key, value in asdict(cost).items()}),
        **_money(facts, cost if facts.costs else None),
        "storage_per_month": round(facts.prices.of_storage(shown), 6) or None if shown else None,
    }


def cost_rows(facts: Facts) -> list[Row]:
    """What each step of a dataset has cost, over all runs."""
    source = facts.before[1] if facts.before else 0
    return [
        {
            "dataset": facts.dataset,
            "step": step,
            **asdict(spent),
            "source_bytes": source or None,
            **{
                f"{key}_per_tb": round(getattr(spent, key) * TERABYTE / source, 1)
                for key in _PER_TERABYTE
                if source
            },
            **_money(facts, spent),
        }
        for step, spent in ledger.by_step(facts.costs).items()
    ]


def _money(facts: Facts, spent: ledger.Sum | None) -> Row:
    """What jobs have cost at the site's prices, and what that is for a TB of the source."""
    money = None if spent is None else facts.money(spent)
    source = facts.before[1] if facts.before else 0
    per_tb = TERABYTE / source if source else 0.0
    return {
        "money": None if money is None else round(money, 6),
        "money_per_tb": None if money is None or not source else round(money * per_tb, 2),
        "currency": facts.prices.currency or None if money is not None else None,
    }


def write_catalog(rows: Sequence[Row], folder: Path) -> None:
    """Write ``catalog.csv`` and ``catalog.json``, the same rows."""
    columns = list(rows[0]) if rows else []
    write_text(folder / "catalog.csv", _csv(columns, rows))
    write_text(folder / "catalog.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def write_costs(rows: Iterable[Row], folder: Path) -> None:
    """Write ``costs.csv``, a row a dataset and step."""
    write_text(folder / "costs.csv", _csv(COST_COLUMNS, rows))


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _joined(values: Sequence[Any] | None) -> str | None:
    return ",".join(map(str, values)) if values else None


def _first(entries: Sequence[Mapping[str, Any]] | None, images: list[str]) -> Mapping[str, Any]:
    """The first array of the first image, not one of its labels; without images the first array."""
    if not entries:
        return {}
    of_image = (one for one in entries if [one["path"].rpartition("/")[0]] == images[:1])
    return next(of_image, entries[0])

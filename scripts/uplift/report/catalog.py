"""The catalog: one row for each dataset, for spreadsheets and databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from uplift.models.publication import Cost
from uplift.report.facts import Facts
from uplift.storage import display_url

_SHEET = ("organism", "modality", "license", "name")
_COST = tuple(Cost.model_fields)


def catalog(facts: Sequence[Facts]) -> pd.DataFrame:
    """Make the table. Sizes in bytes, times in seconds, counts as whole numbers.

    `source_*` and `planned_*` are those of the plan in force, `output_*` what was found there; the
    costs are those of the convert jobs, added up (`peak_memory_bytes`: of the largest).
    """
    return pd.DataFrame([_row(one) for one in facts]).convert_dtypes()


def write_catalog(facts: Sequence[Facts], file: Path) -> None:
    """Write the table as CSV, atomically."""
    temporary = file.with_name(f".{file.name}.tmp")
    catalog(facts).to_csv(temporary, index=False)
    temporary.replace(file)


def _row(facts: Facts) -> dict[str, Any]:
    sample, outcome, summary = facts.sample, facts.outcome, facts.summary
    verdict, source = outcome.verdict, facts.source
    row: dict[str, Any] = {
        "dataset": sample.dataset,
        "state": outcome.state,
        "message": outcome.message,
        "input": display_url(sample.input),
        "output": display_url(sample.output),
        "published_at": outcome.published.published_at if outcome.published else None,
        "from_version": " ".join(source.ome_versions) if source else None,
        "errors": verdict.severities.get("error", 0) if verdict else None,
        "warnings": verdict.severities.get("warning", 0) if verdict else None,
        "images": source.image_count if source else None,
        "label_images": source.roles.get("label image", 0) if source else None,
        "plates": source.roles.get("plate", 0) if source else None,
        "arrays": source.array_count if source else None,
        "source_objects": summary.before.objects if summary else None,
        "source_bytes": summary.before.bytes if summary else None,
        "planned_objects": summary.after.objects if summary else None,
        "planned_bytes": summary.after.bytes if summary else None,
        "output_objects": verdict.objects if verdict else None,
        "output_bytes": verdict.bytes if verdict else None,
    }
    row |= {key: getattr(facts.cost, key, None) for key in _COST}
    return row | {key: getattr(sample, key) for key in _SHEET}

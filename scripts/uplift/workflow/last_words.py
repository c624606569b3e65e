"""What is said when a run ends: lines that are alike for many datasets once, with a count."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from uplift.report.facts import Outcome

_ALIKE = 3
"""Datasets that fail in the same words, from which one line stands for all of them."""
_KINDS = 5
"""Kinds of warnings that are shown; the report has all of them."""
_NAMES = 6


def error_lines(reasons: Mapping[str, str]) -> Iterator[str]:
    """One line for each dataset that failed, or for several that failed alike.

    Parameters
    ----------
    reasons
        By dataset: what happened, and what to do.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for dataset, text in reasons.items():
        name = rf"(?<![\w-]){re.escape(dataset)}(?![\w-])"
        groups[re.sub(r"\d+", "#", re.sub(name, "*", text))].append(dataset)
    for names in groups.values():
        shown = names[:1] if len(names) >= _ALIKE else names
        for name in shown:
            more = f"; the same in {listed(names[1:])}" if len(shown) < len(names) else ""
            yield f"error: {name}: {reasons[name]}{more}"


def warning_lines(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """One line for each kind of warning: in which datasets, and what the first one says.

    Parameters
    ----------
    outcomes
        Of the datasets that were finished.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for dataset, outcome in outcomes.items():
        for code, text in outcome.warnings:
            found.setdefault(code, {}).setdefault(dataset, []).append(text)
    often = sorted(found.values(), key=len, reverse=True)
    for datasets in often[:_KINDS]:
        first, texts = next(iter(datasets.items()))
        count = sum(map(len, datasets.values())) - len(datasets)
        more = f" (and {count} more of this kind)" if count else ""
        where = first if len(datasets) == 1 else f"{len(datasets)} datasets ({listed([*datasets])})"
        yield f"warning: {where}: {texts[0]}{more}"
    if len(often) > _KINDS:
        yield f"warning: {len(often) - _KINDS} more kinds of warnings are in the report"


def recent_line(datasets: Sequence[str]) -> str:
    """Sources that something may still be writing to."""
    one = len(datasets) == 1
    who = f"{datasets[0]}: its source" if one else f"{len(datasets)} sources ({listed(datasets)})"
    return (
        f"warning: {who} changed less than 5 minutes before {'it was' if one else 'they were'} "
        "inspected; if something still writes there, let it end, then run again with "
        "-R inspect_source"
    )


def counted(count: int, noun: str) -> str:
    """A number and its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str]) -> str:
    """The first few of many names."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more

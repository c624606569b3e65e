"""The table that ``snakemake plans`` ends with: what is planned for each dataset, and in total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uplift.models.plan import Costs, Plan, Totals
from uplift.planning.costs import added_up

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_HEAD = ("dataset", "arrays", "objects", "bytes", "CPU", "memory/core", "requests")


@dataclass(frozen=True)
class Part:
    """Arrays of a plan that are converted in one way for one reason."""

    method: str
    reason: str
    arrays: int
    objects: int
    bytes: int


@dataclass(frozen=True)
class PlanRow:
    """One dataset, or all of them: before and after, costs, and the parts it comes from."""

    dataset: str
    arrays: int
    before: Totals
    after: Totals
    costs: Costs | None
    parts: tuple[Part, ...] = ()


def rows_of(plans: Sequence[Plan]) -> list[PlanRow]:
    """One row a plan that has an estimate, and the total of several in the end."""
    rows = [
        PlanRow(
            plan.dataset,
            len(plan.arrays),
            plan.estimate.before,
            plan.estimate.after,
            plan.estimate.costs,
            tuple(_parts(plan)),
        )
        for plan in plans
        if plan.estimate is not None
    ]
    if len(rows) < 2:
        return rows
    total = PlanRow(
        "total",
        sum(row.arrays for row in rows),
        _sum(row.before for row in rows),
        _sum(row.after for row in rows),
        added_up(row.costs for row in rows if row.costs is not None),
    )
    return [*rows, total]


def as_text(rows: Sequence[PlanRow]) -> str:
    """Lay the rows out in columns, each with a line for each method and reason below it."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(cells[0], widths)]
    for row, texts in zip(rows, cells[1:], strict=True):
        lines.append(_line(texts, widths))
        lines += [
            f"  {part.method} {part.arrays:,}: {part.reason}" for part in row.parts if part.method
        ]
    return "\n".join(lines)


def bytes_text(count: int) -> str:
    """Write bytes with a decimal unit, as in ``1.2 GB``."""
    size, unit = float(count), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    if unit == 0:
        return f"{count} B"
    return f"{size:.3g} {_UNITS[unit]}" if size < 1000 else f"{size:,.0f} {_UNITS[unit]}"


def seconds_text(seconds: float) -> str:
    """Write a time in the unit that fits: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _parts(plan: Plan) -> Iterable[Part]:
    groups: dict[tuple[str, str], list[int]] = {}
    for array in plan.arrays:
        counts = groups.setdefault((array.method or "", array.reason or ""), [0, 0, 0])
        for index, count in enumerate((1, array.objects or 0, array.bytes or 0)):
            counts[index] += count
    for (method, reason), (arrays, objects, size) in sorted(groups.items()):
        yield Part(method, reason, arrays, objects, size)


def _sum(totals: Iterable[Totals]) -> Totals:
    listed = list(totals)
    return Totals(
        objects=sum(one.objects for one in listed), bytes=sum(one.bytes for one in listed)
    )


def _cells(row: PlanRow) -> tuple[str, ...]:
    costs = row.costs
    return (
        row.dataset,
        f"{row.arrays:,}",
        f"{row.before.objects:,} → {row.after.objects:,}",
        f"{bytes_text(row.before.bytes)} → {bytes_text(row.after.bytes)}",
        seconds_text(costs.cpu_seconds) if costs else "",
        f"{costs.memory_mib:,} MiB" if costs else "",
        f"{costs.requests:,}" if costs else "",
    )


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.ljust(width) if number == 0 else text.rjust(width)
        for number, (text, width) in enumerate(zip(texts, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()

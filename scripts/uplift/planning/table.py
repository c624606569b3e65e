"""The table that ``snakemake plans`` ends with: what is planned for each dataset, and in total."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uplift.models.plan import Plan, Totals
from uplift.models.site import SiteCosts
from uplift.models.words import size_text
from uplift.planning.campaign import DAY_S, campaign_of, site_of
from uplift.planning.loads import Load
from uplift.planning.rates import Measured
from uplift.planning.space import Space

_HEAD = (
    "dataset", "arrays", "objects", "bytes", "time", "CPU", "memory/core", "requests", "space",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Arrays of a plan that are converted in one way for one reason."""

    method: str
    reason: str
    arrays: int
    objects: int
    bytes: int


@dataclass(frozen=True)
class Planned:
    """A plan, the cores and the space that it has.

    Attributes
    ----------
    load
        Of the plan.
    cores
        That its jobs can use at once.
    is_local
        Whether source and output are on file systems of this machine.
    needed, free
        Space of the output that is still to be written, and that is free there; None elsewhere.
    """

    plan: Plan
    load: Load
    cores: int = 1
    is_local: bool = True
    needed: Space | None = None
    free: Space | None = None


@dataclass(frozen=True)
class PlanRow:
    """One dataset, or all of them: before and after, costs, and the parts it comes from.

    `seconds` are of wall clock; `cpu_seconds`, `requests` and `money` by the rates of the site.
    """

    dataset: str
    arrays: int
    before: Totals
    after: Totals
    memory_mib: int
    seconds: float
    cpu_seconds: float
    requests: int
    needed: Space | None
    free: Space | None
    money: float
    parts: tuple[Part, ...] = ()


def rows_of(
    planned: Sequence[Planned], measured: Measured, costs: SiteCosts, cores: int = 1
) -> list[PlanRow]:
    """A row for each plan that has an estimate, and the total of several at the end.

    Parameters
    ----------
    planned
        The plans.
    measured
        Rates of this machine.
    costs
        What the site charges, and how fast its storage is.
    cores
        That all jobs together use.

    Returns
    -------
    list[PlanRow]
        In the order given.
    """
    rows = [_row(one, measured, costs) for one in planned if one.plan.estimate is not None]
    if len(rows) < 2:
        return rows
    is_local = all(one.is_local for one in planned)
    site = site_of(costs, cores, is_local=is_local)
    together = campaign_of([one.load for one in planned], measured, site).days * DAY_S
    needed = [row.needed for row in rows if row.needed is not None]
    total = PlanRow(
        "total",
        sum(row.arrays for row in rows),
        _sum(row.before for row in rows),
        _sum(row.after for row in rows),
        max(row.memory_mib for row in rows),
        max(together, *(row.seconds for row in rows)),
        sum(row.cpu_seconds for row in rows),
        sum(row.requests for row in rows),
        sum(needed, Space(0)) if needed else None,
        None,
        sum(row.money for row in rows),
    )
    return [*rows, total]


def _row(one: Planned, measured: Measured, costs: SiteCosts) -> PlanRow:
    plan, estimate = one.plan, one.plan.estimate
    assert estimate is not None  # noqa: S101
    site = site_of(costs, one.cores, is_local=one.is_local)
    found = campaign_of([one.load], measured, site)
    seconds = max(measured.wall_seconds(one.load, one.cores), found.days * DAY_S)
    return PlanRow(
        plan.dataset,
        len(plan.arrays),
        estimate.before,
        estimate.after,
        estimate.costs.memory_mib if estimate.costs else 0,
        seconds,
        measured.total("cpu_seconds", one.load),
        found.requests,
        one.needed,
        one.free,
        found.money,
        tuple(_parts(plan)),
    )


def as_text(rows: Sequence[PlanRow], currency: str | None = None) -> str:
    """Lay the rows out in columns, each with a line for each method and reason below it.

    Parameters
    ----------
    rows
        As :func:`rows_of` gives them.
    currency
        Of a column with money; None leaves the column out.
    """
    last = () if currency is None else (f"money {currency}".strip(),)
    cells = [(*_HEAD, *last), *(_cells(row, with_money=bool(last)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(cells[0], widths)]
    for row, texts in zip(rows, cells[1:], strict=True):
        lines.append(_line(texts, widths))
        lines += [
            f"  {part.method} {part.arrays:,}: {part.reason}" for part in row.parts if part.method
        ]
    return "\n".join(lines)


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


def _cells(row: PlanRow, *, with_money: bool) -> tuple[str, ...]:
    return (
        row.dataset,
        f"{row.arrays:,}",
        f"{row.before.objects:,} → {row.after.objects:,}",
        f"{size_text(row.before.bytes)} → {size_text(row.after.bytes)}",
        seconds_text(row.seconds),
        seconds_text(row.cpu_seconds),
        f"{row.memory_mib:,} MiB",
        f"{row.requests:,}",
        _space(row.needed, row.free),
        *((f"{row.money:,.2f}",) if with_money else ()),
    )


def _space(needed: Space | None, free: Space | None) -> str:
    if needed is None:
        return "-"
    return size_text(needed.bytes) + (f" of {size_text(free.bytes)}" if free else "")


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.ljust(width) if number == 0 else text.rjust(width)
        for number, (text, width) in enumerate(zip(texts, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()

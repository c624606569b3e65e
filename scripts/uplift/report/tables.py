"""Tables of one dataset in the report: defects, findings, arrays, digests, costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from uplift.models.crate import CRATE_KEY
from uplift.models.words import size_text
from uplift.report.facts import Facts
from uplift.work import ledger

Table = dict[str, Any]
TIMES = "\N{MULTIPLICATION SIGN}"


class Limits(NamedTuple):
    """Rows of each table of one dataset; all are in its work files."""

    arrays: int = 24
    findings: int = 40


def tables_of(facts: Facts, limits: Limits) -> Iterator[Table]:
    """Tables of one dataset, in the order in which they are shown; some have no row.

    A table has a title, a head, rows, and how many were left out.
    """
    yield _defects(facts, limits.findings)
    yield _findings(facts, limits.findings)
    yield _levels(facts, limits.arrays)
    yield _digests(facts, limits.arrays)
    yield _costs(facts)


def _table(
    title: str, head: Sequence[str], rows: list[list[Any]], left_out: int = 0, **more: Any
) -> Table:
    return {"title": title, "head": list(head), "rows": rows, "leftOut": max(0, left_out), **more}


def _defects(facts: Facts, most: int) -> Table:
    """What the source got wrong and the output keeps."""
    defects = facts.files["validation"].get("defects", [])
    rows = [
        [str(one["code"]), str(one["message"]), str(one["breaks"]), f"{one['groups']:,}"]
        for one in defects[:most]
    ]
    head = ("code", "defect", "what it breaks", "groups and arrays")
    return _table("Inherited defects", head, rows, len(defects) - most, file="validation.json")


def _findings(facts: Facts, most: int) -> Table:
    rows = [
        [
            str(finding.get("severity")),
            str(finding.get("code")),
            str(finding.get("path") or "/"),
            str(finding.get("message")),
        ]
        for finding in facts.findings[:most]
    ]
    head = ("severity", "code", "path", "message")
    left_out = len(facts.findings) - most
    return _table("Findings", head, rows, left_out, file="validation.json")


def _levels(facts: Facts, most: int) -> Table:
    """Chunks, shards and codecs of every array, before and after."""
    planned = {array.get("path"): array for array in facts.files["plan"].get("arrays", [])}
    arrays = facts.files["inventory"].get("arrays", [])
    rows: list[list[Any]] = []
    for array in arrays[:most]:
        source, plan = array["source"], planned.get(array["path"], {})
        before = _codec(source.get("compressor"), source.get("filters"), source.get("codecs"))
        codecs = plan.get("codecs")
        after = before if codecs == "keep" else _codec(None, None, codecs)
        rows.append(
            [
                array["path"] or "/",
                _shape(source["shape"]),
                _text(source["data_type"]),
                _change(_shape(source["chunks"]), _shape(plan.get("chunks"))),
                _change(_shape(source.get("shards")), _shape(plan.get("shards"))),
                _change(before, after),
                str(plan.get("method") or array.get("problem") or ""),
                f"{array['stored_chunks']:,} → {plan['objects']:,}" if "objects" in plan else "",
            ]
        )
    head = ("array", "shape", "data type", "chunks", "shards", "codec", "method", "objects")
    return _table("Arrays", head, rows, len(arrays) - most, file="plan.json")


def _digests(facts: Facts, most: int) -> Table:
    verdict, crate = facts.files["validation"], facts.files["crate"]
    arrays = verdict.get("arrays", [])
    rows = [
        [array["path"] or "/", *_digest(array), size_text(array["bytes_compared"])]
        for array in arrays[:most]
    ]
    for name, holder, key in (
        ("zarr.json", verdict, "root_sha256"),
        ("manifest.sha256", verdict, "manifest_sha256"),
        (CRATE_KEY, crate, "sha256"),
        (str(facts.files["archive"].get("archive", "")), facts.files["archive"], "sha256"),
    ):
        if holder.get(key):
            rows.append([name, "SHA-256 of the file", str(holder[key]), ""])
    head = ("path", "digest of", "value", "compared")
    return _table("Digests", head, rows, len(arrays) - most, file="validation.json")


def _digest(array: Mapping[str, Any]) -> tuple[str, str]:
    """Which digest there is, and its value: of the whole array, else over those of its chunks."""
    if array.get("sha256"):
        return "SHA-256 of the pixels", str(array["sha256"])
    of_chunks = (
        (key, value) for key, value in array.items() if key.startswith("chunks_") and value
    )
    for key, value in of_chunks:
        if isinstance(value, str):
            return f"{key.removeprefix('chunks_').upper()} over those of the chunks", value
    return "", ""


def _costs(facts: Facts) -> Table:
    """What each step has cost over all runs, and what they are together."""
    steps = ledger.by_step(facts.costs)
    sums = [*steps.items()]
    if len(steps) > 1:
        sums.append(("all steps", ledger.added_up(facts.costs)))
    priced = facts.prices.known()
    figures = [figure for figure in fields(ledger.Sum) if "head" in figure.metadata]
    rows = [
        [
            step,
            f"{spent.jobs}" + (f" ({spent.failed} failed)" if spent.failed else ""),
            *(_figure(figure.name, getattr(spent, figure.name)) for figure in figures),
            *([money_text(facts.money(spent) or 0.0)] if priced else []),
        ]
        for step, spent in sums
    ]
    head = ["step", "jobs", *(figure.metadata["head"] for figure in figures)]
    head += [f"cost {facts.prices.currency}".strip()] if priced else []
    hosts = sorted({spent.host for spent in facts.costs if spent.host})
    versions = facts.costs[-1].versions if facts.costs else {}
    note = ", ".join(f"{name} {version}" for name, version in versions.items())
    return _table("Costs", head, rows, note=f"on {', '.join(hosts)}; {note}" if hosts else note)


def money_text(price: float) -> str:
    """Write a price with cents; costs.csv has the rest."""
    return "< 0.01" if 0 < price < 0.005 else f"{price:,.2f}"


def _figure(name: str, value: float) -> str:
    if name.endswith("_seconds"):
        return span_text(value)
    return size_text(int(value)) if "bytes" in name else f"{value:,}"


def _codec(compressor: Any, filters: Any, codecs: Any) -> str:
    if codecs == "keep":
        return "kept"
    entries = [*(codecs or []), *(filters or []), *([compressor] if compressor else [])]
    names = [_codec_name(entry) for entry in entries if isinstance(entry, Mapping)]
    return " + ".join(name for name in names if name) or "none"


def _codec_name(entry: Mapping[str, Any]) -> str:
    name = str(entry.get("id") or entry.get("name") or "")
    settings = entry.get("configuration") or entry
    inner = settings.get("cname") if isinstance(settings, Mapping) else None
    return "" if name == "bytes" else f"{name} ({inner})" if inner else name


def _shape(values: Sequence[int] | None) -> str:
    return f" {TIMES} ".join(map(str, values)) if values else "none"


def _change(before: str, after: str) -> str:
    return before if before == after or after == "none" == before else f"{before} → {after}"


def _text(value: Any) -> str:
    return str(value.get("name", value) if isinstance(value, Mapping) else value)


def span_text(seconds: float) -> str:
    """Write a span of time for people."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"

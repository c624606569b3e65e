"""What the report shows of one dataset when it is opened, as plain JSON data for its page.

A cell is a text, or ``{"text": ..., "href": ...}``; the page writes texts as text and nothing else.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from uplift.crate.licenses import license_term
from uplift.errors import InputError
from uplift.models.crate import CRATE_KEY
from uplift.models.words import size_text
from uplift.planning.plan_files import is_edited
from uplift.report.facts import Facts
from uplift.report.opening import viewers_of
from uplift.report.outcomes import STATES
from uplift.report.tables import TIMES, Limits, money_text, span_text, tables_of
from uplift.storage import is_local
from uplift.terms.tables import link_of
from uplift.work import ledger

Cell = str | dict[str, str]
Details = dict[str, Any]
PICTURES = ("image", "labels")
"""Keys whose values are addresses of pictures, relative to the report."""
_CREATIVE_COMMONS = re.compile(r"https://creativecommons.org/licenses/([a-z-]+)/([0-9.]+)/")
_COMPARED = {
    "once": "the source read once: each chunk of the output with the digest of what was read",
    "reread": "the whole source read a second time: each chunk of the output with it",
}


def details_of(
    facts: Facts, settings: Mapping[str, Any] | None, folder: Path, limits: Limits
) -> Details:
    """Everything about a dataset.

    Parameters
    ----------
    settings
        Storage settings, for the web address of the output.
    folder
        Of the report: links to files are relative to it.
    limits
        Rows of its tables.

    Returns
    -------
    dict
        ``tables`` holds the tables in order: title, head, rows, and how many were left out.
    """
    link = quote(facts.dataset)
    details: dict[str, Any] = {
        "dataset": facts.dataset,
        "state": facts.outcome.state,
        "label": STATES[facts.outcome.state],
        "message": facts.outcome.message.removeprefix("valid, ").removeprefix("not finished: "),
        "pictures": _pictures(facts, link),
        "facts": [[label, value] for label, value in _facts(facts) if value],
        "links": [list(pair) for pair in _links(facts, folder, link)],
        "tables": [table for table in tables_of(facts, limits) if table["rows"]],
    }
    if facts.is_published:
        viewers = viewers_of(facts.output, facts.web_url(settings))
        details["open"] = {
            "serve": viewers.serve,
            "links": [[name, url] for name, url in viewers.links.items()],
            "napari": viewers.napari,
        }
    return details


def _pictures(facts: Facts, link: str) -> dict[str, Any]:
    shown = facts.files["preview"]
    if not shown.get("kind"):
        return {}

    def source(name: str) -> str | None:
        return f"{link}/{name}" if (facts.folder / name).is_file() else None

    channels = [
        {
            "label": str(channel.get("label") or f"channel {at}"),
            "color": f"#{channel['color']}",
            "window": " to ".join(map(_value_text, channel["window"])),
            "from": "window of the metadata" if channel["described"] else "1 to 99.8 % of values",
            "active": channel.get("active", True),
        }
        for at, channel in enumerate(shown.get("channels", []))
    ]
    return {
        "image": source("preview.webp"),
        "labels": source("preview.labels.webp"),
        "labelName": shown.get("labels"),
        "caption": _caption(shown),
        "channels": channels,
    }


def _caption(shown: Mapping[str, Any]) -> str:
    if shown["kind"] == "plate":
        rows, columns = shown["rows"], shown["columns"]
        return (
            f"Plate map, {len(rows)} rows ({_ends(rows)}) and {len(columns)} columns "
            f"({_ends(columns)}), the first field of each well, one window a channel for all"
        )
    if shown["kind"] == "images":
        return "Images of the collection side by side"
    position = ", ".join(f"{axis} = {at}" for axis, at in (shown.get("position") or {}).items())
    part = shown.get("part") or (0, 1, 0, 1)
    cut = ", the centre of a large plane" if part[1] - part[0] < 1 or part[3] - part[2] < 1 else ""
    return f"Level {shown['level'] or '/'}{f', {position}' if position else ''}{cut}"


def _ends(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else "none"


def _facts(facts: Facts) -> Iterator[tuple[str, Cell | list[Cell] | None]]:
    inventory, published = facts.files["inventory"], facts.files["published"]
    yield "name", facts.stated("name")
    yield "description", facts.stated("description")
    for key in ("author", "publisher", "funder", "contact"):
        yield key, facts.parties(key)
    yield "organism", _term(facts.stated("organism"))
    yield "modality", _term(facts.stated("modality"))
    yield "license", _license(facts.stated("license"))
    yield "notes", facts.stated("notes")
    yield "source", facts.input
    yield "output", facts.output
    if inventory:
        versions = ", ".join(inventory.get("ome_versions", [])) or "of unknown version"
        yield "source format", f"OME-Zarr {versions}, Zarr v{inventory.get('zarr_format')}"
        contents = (f"{role}: {count}" for role, count in facts.roles.items() if role != "group")
        arrays = len(inventory.get("arrays", []))
        yield "contents", ", ".join([*contents, f"arrays: {arrays}"])
    yield "axes", _axes(facts)
    before, after = facts.before, facts.after
    if before and after:
        yield "objects", f"{before[0]:,} → {after[0]:,}"
        yield "bytes", f"{size_text(before[1])} → {size_text(after[1])}"
    yield "predicted", _prediction(facts)
    yield "predicted CPU time", _predicted_time(facts)
    yield "plan", _plan(facts)
    verdict = facts.files["validation"]
    if verdict:
        conforms = verdict.get("conforms")
        yield "conforms to", f"{conforms} 0.5" if conforms == "OME-Zarr" else conforms
        yield "compared", _compared(verdict)
    if facts.is_published:
        month = facts.prices.of_storage(published.get("bytes") or 0)
        yield "storage", f"{money_text(month)} {facts.prices.currency} a month" if month else None
        yield "published", str(published["published_at"])[:16].replace("T", " ") + " UTC"


def _compared(verdict: Mapping[str, Any]) -> str:
    """What was compared, and how: `valid` means nothing without it (docs/VALIDATION.md)."""
    mode, arrays = str(verdict.get("verify", "reread")), verdict.get("arrays", [])
    chunks, size, regions = (
        sum(array.get(key) or 0 for array in arrays)
        for key in ("chunks_compared", "bytes_compared", "regions_compared")
    )
    ends = f", and {_counted(regions, 'region')} compared from end to end by other readers"
    return (
        f"{_counted(chunks, 'chunk')}, {size_text(size)} decoded; {_COMPARED.get(mode, mode)}"
        f"{ends if regions else ''} "
        f"(verify: {mode})"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _axes(facts: Facts) -> str | None:
    """Name, size, pixel size and unit along each axis of the first image."""
    axes = facts.files["preview"].get("axes")
    if axes:
        return "; ".join(map(_axis, axes))
    first = next(iter(facts.files["inventory"].get("arrays", [])), None)
    if first is None or not first.get("axes"):
        return None
    pairs = zip(first["axes"], first["source"]["shape"], strict=False)
    return "; ".join(f"{name}: {size:,}" for name, size in pairs)


def _axis(axis: Mapping[str, Any]) -> str:
    text = f"{axis['name']}: {axis['size']:,}"
    if axis["scale"] is None or (axis["scale"] == 1 and not axis["unit"]):
        return text
    return f"{text} {TIMES} {axis['scale']:.4g} {axis['unit'] or ''}".rstrip()


def _value_text(value: float) -> str:
    """A pixel's value: whole ones in full."""
    return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"


def _term(text: str | None) -> Cell | None:
    """Name, identifier and address of an organism or an imaging method."""
    if text is None:
        return None
    shown, address = link_of(text)
    return {"text": shown, "href": address} if address else shown


def _license(text: str | None) -> Cell | None:
    """Label and address; many crates give the address alone."""
    if text is None:
        return None
    known = _CREATIVE_COMMONS.fullmatch(text)
    if known:
        return {"text": f"CC {known[1].upper()} {known[2]}", "href": text}
    try:
        address, label = license_term(text, "")
    except InputError:
        return text
    return {"text": label, "href": address}


def _prediction(facts: Facts) -> str | None:
    after = (facts.files["plan"].get("estimate") or {}).get("after")
    if not after:
        return None
    text = f"{after['objects']:,} objects, {size_text(after['bytes'])}"
    if facts.after is None:
        return text
    objects, size = facts.after
    return f"{text}; {objects:,} objects, {size_text(size)} came of it, crate and metadata included"


def _predicted_time(facts: Facts) -> str | None:
    """CPU time of one conversion as predicted, and that of all jobs, including repeated runs."""
    predicted = (facts.files["plan"].get("estimate") or {}).get("costs") or {}
    seconds = predicted.get("cpu_seconds")
    if seconds is None:
        return None
    spent = ledger.added_up(facts.costs)
    came = f"; {span_text(spent.cpu_seconds)} were spent in {spent.jobs} jobs" if spent.jobs else ""
    return f"{span_text(seconds)}{came}"


def _plan(facts: Facts) -> str | None:
    plan = facts.files["plan"]
    if not plan:
        return None
    methods = (plan.get("estimate") or {}).get("methods", {})
    how = ", ".join(f"{method}: {count}" for method, count in methods.items())
    who = "edited by a person" if is_edited(plan) else "as proposed"
    rules = len(plan.get("rules", []))
    more = f", {rules} rule{'' if rules == 1 else 's'}" if rules else ""
    return f"{who}{more}; {how}" if how else f"{who}{more}"


def _links(facts: Facts, folder: Path, link: str) -> Iterator[tuple[str, str]]:
    if facts.is_published and is_local(facts.output):
        output = os.path.relpath(Path(facts.output).absolute(), folder.absolute())
        yield "output", quote(output)
        crate = Path(facts.output) / CRATE_KEY
        if crate.is_file():
            yield "crate", quote(f"{output}/{crate.name}")
    for text, name in (
        ("plan", "plan.json"),
        ("verdict", "validation.json"),
        ("migration", "migration.json"),
        ("costs", ledger.NAME),
        ("logs", "logs"),
    ):
        if (facts.folder / name).exists():
            yield text, f"{link}/{name}{'/' if name == 'logs' else ''}"

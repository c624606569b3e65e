"""What the report shows of one dataset when it is opened, as plain JSON data for its page.

A cell is a text, or ``{"text": ..., "href": ...}``; the page writes texts as text and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from uplift.crate.licenses import license_term
from uplift.errors import InputError
from uplift.planning.files import is_edited
from uplift.report.facts import STATES, Facts, size_text
from uplift.report.opening import viewers_of
from uplift.storage import is_local
from uplift.terms import link_of
from uplift.work import ledger

Cell = str | dict[str, str]
Table = dict[str, Any]
Details = dict[str, Any]
TIMES = "\N{MULTIPLICATION SIGN}"
PICTURES = ("image", "labels")
"""Keys whose values are addresses of pictures, relative to the report."""
_CREATIVE_COMMONS = re.compile(r"https://creativecommons.org/licenses/([a-z-]+)/([0-9.]+)/")
_VERIFIED = {
    "once": "each chunk by its digest, source read once, regions from end to end by other readers",
    "reread": "each chunk, the whole source read a second time",
}


class Limits(NamedTuple):
    """Rows of each table of one dataset; all are in its work files."""

    arrays: int = 24
    findings: int = 40


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
        "tables": [table for table in _tables(facts, limits) if table["rows"]],
    }
    if facts.is_published:
        viewers = viewers_of(facts.output, settings)
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
            "window": " to ".join(f"{value:.4g}" for value in channel["window"]),
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
    yield "name", facts.said("name")
    yield "description", facts.said("description")
    yield "author", _people(facts)
    yield "organism", _term(facts.said("organism"))
    yield "modality", _term(facts.said("modality"))
    yield "license", _license(facts.said("license"))
    yield "notes", facts.said("notes")
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
    yield "plan", _plan(facts)
    verdict = facts.files["validation"]
    if verdict:
        conforms = verdict.get("conforms")
        yield "conforms to", f"{conforms} 0.5" if conforms == "OME-Zarr" else conforms
        yield "verified", _VERIFIED.get(str(verdict.get("verify", "reread")))
    if facts.is_published:
        yield "published", str(published["published_at"])[:16].replace("T", " ") + " UTC"


def _people(facts: Facts) -> str | None:
    """Names of the authors, from the crate or the sheet: texts, or records with a name."""
    found = facts.files["crate"].get("author") or getattr(facts.asked, "author", None)
    parties = found if isinstance(found, list | tuple) else [found] if found else []
    names = (
        one.get("name") if isinstance(one, Mapping) else getattr(one, "name", one)
        for one in parties
    )
    return ", ".join(str(name) for name in names if name) or None


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
        crate = Path(facts.output) / "ro-crate-metadata.json"
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


def _tables(facts: Facts, limits: Limits) -> Iterator[Table]:
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
        ("ro-crate-metadata.json", crate, "sha256"),
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
    rows = [
        [
            step,
            f"{spent.jobs}" + (f" ({spent.failed} failed)" if spent.failed else ""),
            span_text(spent.wall_seconds),
            span_text(spent.cpu_seconds),
            size_text(spent.peak_memory_bytes),
            f"{spent.requests:,}",
            size_text(spent.bytes_read),
            size_text(spent.bytes_written),
        ]
        for step, spent in sums
    ]
    head = ("step", "jobs", "wall", "CPU", "peak memory", "requests", "read", "written")
    hosts = sorted({spent.host for spent in facts.costs if spent.host})
    versions = facts.costs[-1].versions if facts.costs else {}
    note = ", ".join(f"{name} {version}" for name, version in versions.items())
    return _table("Costs", head, rows, note=f"on {', '.join(hosts)}; {note}" if hosts else note)


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

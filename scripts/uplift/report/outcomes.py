"""What became of each dataset, in a word and in a line, from its work files and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uplift.models.words import counted, size_text
from uplift.report.logs import error_of, is_held, newest_logs
from uplift.work.folder import WorkFolder

if TYPE_CHECKING:
    from uplift.report.facts import Facts

State = Literal[
    "valid", "inherited", "invalid", "refused", "failed", "interrupted", "partial", "running",
    "planned", "new",
]  # fmt: skip
STATES: dict[State, str] = {
    "valid": "valid",
    "inherited": "valid with inherited defects",
    "invalid": "invalid",
    "refused": "refused",
    "failed": "failed",
    "interrupted": "interrupted",
    "partial": "partly done",
    "running": "running",
    "planned": "planned",
    "new": "not started",
}
"""Each state as people read it.

``inherited``: published as the source is, with the defects of its metadata.
``refused``: nothing was written, the source or the plan has to change. ``interrupted``: a job ended
neither well nor with an error, and none is running. ``partial``: the last job ended well, and
others are to follow, which were perhaps not asked for.
"""

_NO_CHUNK = "no stored chunk to compare"
STOPPED = "the last run stopped: "
"""How the message of a published dataset begins whose last run failed."""
_REFUSING = ("inspect_source", "plan", *("inspect", "plan_chunks"))
"""Steps that refuse sources; the last two are what earlier versions called them in logs."""


@dataclass(frozen=True)
class Outcome:
    """What became of a dataset, in a word and in a line; warnings as pairs of code and text."""

    state: State
    message: str
    warnings: tuple[tuple[str, str], ...] = ()


def outcome(facts: Facts) -> Outcome:
    """What became of a dataset: the first of these that is true of its work files and logs."""
    folder, verdict = facts.folder, facts.files["validation"]
    stands = bool(facts.files["published"] and verdict) and not facts.is_hidden
    logs = newest_logs(folder / "logs")
    if facts.broken:
        ended = error_of(logs[0]) if logs else None
        stays = "; what was published before stays" if stands else ""
        return Outcome("failed", f"not finished: {ended or facts.broken}{stays}")
    if any(is_held(path) for path in logs):
        return Outcome("running", "not finished: a job is running")
    if stands:
        stamp = WorkFolder(folder).published.stat().st_mtime
        error = next(
            (e for path in logs if path.stat().st_mtime > stamp if (e := error_of(path))), ""
        )
        state: State = "inherited" if has_inherited_defects(facts) else "valid"
        if error:
            return Outcome(state, f"{STOPPED}{error}; what was published before stays")
        return Outcome(state, _published(facts), tuple(_warnings(facts)))
    first = next((one for one in facts.findings if one.get("severity") == "error"), None)
    if verdict.get("verdict") == "invalid" and first is not None:
        where = f"{first.get('code')} at {first.get('path') or '/'}: {first.get('message')}"
        log = next((path for path in logs if path.stem == "publish"), None)
        said = (error_of(log) if log else None) or ""
        _, after, remedy = said.removesuffix(f" ({log})").partition("; after repairing it ")
        hidden = "no longer published: readers see no dataset until it is valid"
        shown = hidden if hidden.partition(":")[0] in said else "not published"
        return Outcome("invalid", f"invalid, {shown}: {where}{after}{remedy}")
    if logs and (ended := error_of(logs[0])):
        refused = logs[0].stem in _REFUSING
        return Outcome("refused" if refused else "failed", f"not finished: {ended}")
    claimed = WorkFolder(folder).claim.exists()
    if not logs and not claimed:
        return Outcome("new", "not started")
    if logs and (claimed or not facts.files["plan"]) and (step := _ended_well(facts, logs[0])):
        text = f"not finished: {step} is done, what follows is not; run the whole workflow"
        return Outcome("partial", text)
    if claimed or not facts.files["plan"]:
        return Outcome("interrupted", "not finished: interrupted; run the same command again")
    return Outcome("planned", f"planned, not converted: see {folder / 'plan.json'}")


def _ended_well(facts: Facts, log: Path) -> str | None:
    """Step that was the last to run, if it ended well: the ledger has what was not killed."""
    last = facts.costs[-1] if facts.costs else None
    step = log.relative_to(facts.folder / "logs").parts[0].removesuffix(".log")
    return step if last is not None and (last.step, last.exit_code) == (step, 0) else None


def has_inherited_defects(facts: Facts) -> bool:
    """Whether the output has defects of its source's metadata; plain Zarr alone is none."""
    verdict = facts.files["validation"]
    if verdict.get("conforms") is not None:
        return bool(verdict.get("defects"))
    # earlier versions said it by the codes of other people's validators
    return any(
        str(finding.get("code")).endswith(".inherited") and finding.get("severity") != "info"
        for finding in facts.findings
    )


def _published(facts: Facts) -> str:
    published, verdict = facts.files["published"], facts.files["validation"]
    compared = sum(array["bytes_compared"] for array in verdict["arrays"])
    warnings = facts.severities["warning"]
    noted = f", {counted(warnings, 'warning')}" if warnings else ""
    pixels = f"every pixel compared ({size_text(compared)} decoded)" if compared else _NO_CHUNK
    return (
        f"{published['verdict']}{_conforming(verdict)}, "
        f"{counted(len(verdict['arrays']), 'array')} with {pixels}, {published['objects']} objects "
        f"({size_text(published['bytes'])}) in {facts.published_at}{noted}"
    )


def _warnings(facts: Facts) -> Iterator[tuple[str, str]]:
    for one in facts.findings:
        if one.get("severity") == "warning":
            code, path = str(one.get("code")), str(one.get("path") or "")
            where = "" if code.startswith("crate.") or not path else f"{path}: "
            yield code, f"{where}{one.get('message')}"


def _conforming(verdict: Mapping[str, Any]) -> str:
    """What a valid output is, where that is not simply an OME-Zarr."""
    defects = len(verdict.get("defects", ()))
    if verdict.get("conforms") == "plain Zarr":
        return " as plain Zarr, not an OME-Zarr"
    if verdict.get("conforms") == "OME-Zarr with defects":
        return f" with {counted(defects, 'inherited defect')}"
    return ""

"""What the work files say about each dataset.

They are read as plain JSON and not by their models: a results folder may hold datasets of an
earlier version, whose files have other keys, and each of them has its row.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from uplift.errors import InputError
from uplift.models.site import Prices
from uplift.models.words import counted, size_text
from uplift.report import locations
from uplift.report.logs import error_of, is_held, newest_logs
from uplift.settings.columns import Sample
from uplift.storage import addresses, display_url, is_local
from uplift.work import json_files, ledger
from uplift.work.folder import WorkFolder

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

_FILES = (
    "run", "inventory", "plan", "migration", "crate", "validation", "published", "archive",
    "preview",
)  # fmt: skip
_TRACES = ("inventory.json", "published.json", "made_from.json", ledger.NAME)
"""Of which a dataset that was ever worked on has one: Snakemake deletes what a failed job made."""
_ASIDE = ("claim",)
"""Of which the jobs say it where one is damaged, and not the report."""
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


@dataclass(frozen=True)
class Facts:
    """One dataset of the report.

    Attributes
    ----------
    files
        Content of its work files by name without suffix; ``{}`` for those that are not there.
    broken
        Why a work file cannot be read.
    asked
        The row of the sheet; None when the dataset is no longer in it.
    prices
        What the site charges.
    """

    dataset: str
    folder: Path
    files: Mapping[str, Mapping[str, Any]]
    broken: str | None = None
    asked: Sample | None = None
    costs: list[ledger.Spent] = field(default_factory=list)
    prices: Prices = field(default_factory=Prices)

    @cached_property
    def input(self) -> str:
        """Where the source is, without secrets: of a published dataset that which it is made of."""
        asked = self.asked.input if self.asked else None
        made = (
            locations.source_of_data(WorkFolder(self.folder), asked) if self.is_published else None
        )
        return display_url(str(made or asked or self.files["inventory"].get("source", "")))

    @cached_property
    def output(self) -> str:
        """Where the output is, without secrets: of a published dataset where that stands."""
        if self.is_published:
            return self.published_at
        found = self.files["migration"].get("output", "")
        return display_url(str(self.asked.output if self.asked else found))

    @cached_property
    def published_at(self) -> str:
        """Where it was published, without secrets."""
        asked = self.asked.output if self.asked else None
        return display_url(locations.output_of(self.files["published"], self.files["claim"], asked))

    @property
    def is_hidden(self) -> bool:
        """Whether what was published is not to be seen any more."""
        return locations.is_hidden(self.published_at, self.files["published"], self.files["claim"])

    def web_url(self, settings: Mapping[str, Any] | None) -> str | None:
        """Address of the output for a browser; None where it has none.

        Of a published dataset that which was noted then, unless the storage settings of now name
        the service: those of another run do not say where this output is.
        """
        noted = self.files["published"].get("web_url") if self.is_published else None
        if noted and not addresses.names_the_service(self.output, settings):
            return str(noted)
        return addresses.web_url(self.output, settings)

    @cached_property
    def outcome(self) -> Outcome:
        """What became of it."""
        return _outcome(self)

    @property
    def is_published(self) -> bool:
        """Whether readers can see it."""
        return self.outcome.state in ("valid", "inherited")

    def said(self, key: str) -> str | None:
        """What the crate says (name, organism, modality, license ...), else the sheet."""
        value = self.files["crate"].get(key) or getattr(self.asked, key, None)
        return None if value is None else str(value)

    def parties(self, key: str) -> str | None:
        """Names of people or organisations in the crate, else in the sheet."""
        value = self.files["crate"].get(key) or getattr(self.asked, key, None)
        parties = value if isinstance(value, (list, tuple)) else [value] if value else []
        names = (
            one.get("name") if isinstance(one, Mapping) else getattr(one, "name", one)
            for one in parties
        )
        return "; ".join(str(name) for name in names if name) or None

    @cached_property
    def findings(self) -> list[Mapping[str, Any]]:
        """Findings of the verdict, or of what inspect has seen so far; errors first."""
        found = self.files["validation"].get("findings")
        if found is None:
            found = self.files["inventory"].get("findings", [])
        order = ("error", "warning", "info")
        return sorted(found, key=lambda one: order.index(one.get("severity", "info")))

    @property
    def severities(self) -> Counter[str]:
        """How many findings of each severity."""
        return Counter(str(one.get("severity")) for one in self.findings)

    @cached_property
    def roles(self) -> Counter[str]:
        """How many groups have each role (image, label image, plate, well ...)."""
        groups = self.files["inventory"].get("groups", [])
        return Counter(str(role) for group in groups for role in group.get("roles", []))

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        if self.roles["plate"]:
            return "plate"
        if self.images:
            return "image" if len(self.images) == 1 else "collection"
        return "other" if self.files["inventory"] else ""

    @cached_property
    def images(self) -> list[str]:
        """Paths of the groups of images, label images left out."""
        groups = self.files["inventory"].get("groups", [])
        roles = ((group["path"], group.get("roles", [])) for group in groups)
        return [path for path, has in roles if "image" in has and "label image" not in has]

    @property
    def before(self) -> tuple[int, int] | None:
        """Objects and bytes of the source."""
        inventory = self.files["inventory"]
        if not inventory:
            return None
        arrays, files = inventory.get("arrays", []), inventory.get("files", [])
        documents = len(arrays) + len(inventory.get("groups", []))
        found = documents + len(files) + sum(array["stored_chunks"] for array in arrays)
        size = sum(array["stored_bytes"] for array in arrays) + sum(one["bytes"] for one in files)
        return found, size

    @property
    def after(self) -> tuple[int, int] | None:
        """Objects and bytes of the output, as validated."""
        verdict = self.files["validation"]
        return (verdict["objects"], verdict["bytes"]) if "objects" in verdict else None

    def money(self, spent: ledger.Sum) -> float | None:
        """What jobs have cost at the site's prices; None where nothing has a price.

        The ledger counts the requests to all stores together: those that wrote objects are the
        output's, where that is remote. What was read of the output is what was written to it.
        """
        if not self.prices.known():
            return None
        puts = 0 if is_local(self.output) else min(spent.requests, spent.objects_written)
        egress = 0 if is_local(self.input) else max(0, spent.bytes_read - spent.bytes_written)
        return self.prices.of_work(spent.core_seconds, spent.requests - puts, puts, egress)


def datasets_of(samples: Iterable[Sample], results: Path) -> Iterator[tuple[Path, Sample | None]]:
    """Work folders of the sheet's datasets with their rows, then of all others that are there."""
    listed = {sample.dataset: sample for sample in samples}
    for dataset, sample in listed.items():
        yield results / dataset, sample
    for folder in sorted(results.iterdir() if results.is_dir() else ()):
        if folder.name not in listed and any((folder / name).is_file() for name in _TRACES):
            yield folder, None


def facts_of(folder: Path, sample: Sample | None = None, prices: Prices | None = None) -> Facts:
    """Read the work files of one dataset; a damaged one becomes its message.

    Parameters
    ----------
    folder
        Work folder of the dataset.
    sample
        Its row of the sheet, where it has one.
    prices
        Of the site; None: nothing is said about money.

    Returns
    -------
    Facts
        What is known of it, and what became of it.
    """
    files: dict[str, Mapping[str, Any]] = {}
    broken = None
    for name in (*_FILES, *_ASIDE):
        files[name] = {}
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                content = json_files.read_json(path)
            except InputError as error:
                content, broken = None, broken if name in _ASIDE else str(error)
            if isinstance(content, dict):
                files[name] = content
    costs = ledger.read(folder / ledger.NAME)
    return Facts(folder.name, folder, files, broken, sample, costs, prices or Prices())


def outcome_of(folder: Path, sample: Sample) -> Outcome:
    """What became of a dataset of the sheet."""
    return facts_of(folder, sample).outcome


def _outcome(facts: Facts) -> Outcome:
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

"""Messages at the end of a run: a line that many datasets have is printed once, with a count."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from uplift.models.words import counted
from uplift.report.outcomes import Outcome
from uplift.workflow.snakemake_words import STEPS

_ALIKE = 3
"""From this many datasets with the same error on, one line is printed for all of them."""
_SAYINGS = 3
"""Where warnings of one kind have more texts than this, one line is printed for all of them."""
_KINDS = 5
"""Kinds of warnings that are printed; the report has all of them."""
_NAMES = 6
_OWN_ENDS = ("all", "plans", "report")
"""Rules of this workflow that are about all datasets."""


def error_lines(reasons: Mapping[str, str]) -> Iterator[str]:
    """One line for each dataset that failed, or for several with the same error.

    Parameters
    ----------
    reasons
        By dataset: what happened, and what to do.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for dataset, text in reasons.items():
        groups[re.sub(r"\d+", "#", _unnamed(dataset, text))].append(dataset)
    for names in groups.values():
        shown = names[:1] if len(names) >= _ALIKE else names
        for name in shown:
            more = f"; the same in {listed(names[1:])}" if len(shown) < len(names) else ""
            yield f"error: {name}: {reasons[name]}{more}"


def warning_lines(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """One line for each kind of warning and its text, with the datasets that have it.

    Datasets share a line where their warnings of that kind differ only in the datasets' names.

    Parameters
    ----------
    outcomes
        Of the datasets that were finished.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for dataset, outcome in outcomes.items():
        for code, text in outcome.warnings:
            found.setdefault(code, {}).setdefault(dataset, []).append(text)
    often = sorted(found.items(), key=lambda kind: len(kind[1]), reverse=True)
    for code, texts in often[:_KINDS]:
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for dataset, said in texts.items():
            groups[tuple(_unnamed(dataset, text) for text in said)].append(dataset)
        if len(groups) > _SAYINGS:
            first, said = next(iter(texts.items()))
            yield (
                f"warning: {_where([*texts])}: {code}, not the same in all, see the report; "
                f"of {first}: {said[0]}"
            )
            continue
        for names in groups.values():
            said = texts[names[0]]
            each = " each" if len(names) > 1 else ""
            more = f" (and {len(said) - 1} more of this kind{each})" if len(said) > 1 else ""
            yield f"warning: {_where(names)}: {said[0]}{more}"
    if len(often) > _KINDS:
        rest = len(often) - _KINDS
        kinds = "kind of warnings is" if rest == 1 else "kinds of warnings are"
        yield f"warning: {rest} more {kinds} in the report"


def as_asked(outcome: Outcome, step: str, plan: Path) -> Outcome:
    """Say of a dataset that a run did all that it was asked for, where that is not all there is.

    Parameters
    ----------
    outcome
        Of the dataset; after `plan` it may be that of an earlier plan.
    step
        The last one of the run.
    plan
        File of the dataset's plan.

    Returns
    -------
    Outcome
        The same where the dataset is finished, or was interrupted.
    """
    if step == "plan" and outcome.state != "planned":
        stays = "; what was published before stays" * (outcome.state in ("valid", "inherited"))
        return Outcome("planned", f"planned, not converted by this plan: see {plan}{stays}")
    if outcome.state != "partial":
        return outcome
    text = f"{step} is done, as asked for; the command without --until or a target does the rest"
    return Outcome("partial", text)


def _unnamed(dataset: str, text: str) -> str:
    """A text without the name of the dataset that it is about."""
    return re.sub(rf"(?<![\w-]){re.escape(dataset)}(?![\w-])", "*", text)


def _where(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} datasets ({listed(names)})"


def recent_line(datasets: Sequence[str]) -> str:
    """Sources that something may still be writing to."""
    one = len(datasets) == 1
    who = f"{datasets[0]}: its source" if one else f"{len(datasets)} sources ({listed(datasets)})"
    return (
        f"warning: {who} changed less than 5 minutes before {'it was' if one else 'they were'} "
        "inspected; if something still writes there, let it end, then run again with "
        "-R inspect_source"
    )


def kept_plan_line(datasets: Sequence[str], results: Path) -> str:
    """Edited plans that are kept, where the current settings and version propose others."""
    one = len(datasets) == 1
    where = results / (datasets[0] if one else "<dataset>") / "plan.json"
    return (
        f"warning: {_where(datasets)}: {where} was edited and is kept; the settings of now ask for "
        f"what is in plan.proposed.json next to it (delete plan.json to take that)"
    )


def listed(names: Sequence[str]) -> str:
    """The first few of many names."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def dry_run_lines(
    jobs: Mapping[str, Mapping[str, int]], others: Mapping[str, int]
) -> Iterator[str]:
    """Lines on what a run would do, for a dry run.

    Parameters
    ----------
    jobs
        By dataset: how many jobs of each step.
    others
        The same for rules that are not about a dataset: those of a workflow that uses this one.

    Yields
    ------
    str
        A line for each dataset, and for each rule of others.
    """
    for dataset, steps in jobs.items():
        yield f"{dataset}: {', '.join(_times(one, steps[one]) for one in STEPS if one in steps)}"
    for rule, count in others.items():
        if rule not in _OWN_ENDS:
            yield f"rule {_times(rule, count)}"
    yield f"Nothing was done: that was a dry run ({counted(len(jobs), 'dataset')} to work on)"


def _times(rule: str, count: int) -> str:
    return f"{rule} x {count}" if count > 1 else rule

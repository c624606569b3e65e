"""What is alike for many datasets is said once, with a count."""

import os
from collections import Counter
from pathlib import Path

import pytest

from support.consoles import Run
from uplift.inspect_source.recent import MARK
from uplift.report.outcomes import Outcome
from uplift.report.page import last_line
from uplift.workflow import console_events, faults, last_words

MEANING = " · what valid means: docs/VALIDATION.md"
NO_AUTHOR = ("crate.author_missing", "no author; give one")


def test_edited_plans_that_stand_against_the_settings_are_one_line():
    one = last_words.kept_plan_line(["a"], Path("results"))
    assert one.startswith("warning: a: results/a/plan.json was edited and is kept")
    several = last_words.kept_plan_line(["a", "b"], Path("results"))
    assert several.startswith("warning: 2 datasets (a, b): results/<dataset>/plan.json was edited")


def test_datasets_that_failed_alike_are_one_line():
    text = "in/{}.zarr: {} bytes needed, disk full; free some space (results/{}/logs/convert.log)"
    reasons = {name: text.format(name, 10**n, name) for n, name in enumerate("abcd")}
    reasons["e"] = "in/e.zarr: not JSON; repair it"
    first = text.format("a", 1, "a")
    assert list(last_words.error_lines(reasons)) == [
        f"error: a: {first}; the same in b, c, d",
        "error: e: in/e.zarr: not JSON; repair it",
    ]


def test_two_that_failed_alike_have_a_line_each():
    reasons = {"a": "in/a.zarr: no such folder", "b": "in/b.zarr: no such folder"}
    assert len(list(last_words.error_lines(reasons))) == 2


def test_what_a_name_is_part_of_is_not_the_name():
    reasons = {name: f"{name}: in/cells-{name}x.zarr is damaged" for name in "abc"}
    assert len(list(last_words.error_lines(reasons))) == 3


def test_warnings_are_one_line_a_kind():
    names = [f"d{n}" for n in range(8)]
    outcomes = {name: Outcome("valid", "", (NO_AUTHOR,)) for name in names}
    outcomes["d7"] = Outcome("valid", "", (NO_AUTHOR, ("axes", "0: x"), ("axes", "1: y")))
    assert list(last_words.warning_lines(outcomes)) == [
        "warning: 8 datasets (d0, d1, d2, d3, d4, d5 and 2 more): no author; give one",
        "warning: d7: 0: x (and 1 more of this kind)",
    ]


def test_datasets_share_a_line_where_all_that_they_say_is_the_same():
    unit, empty = "yaozarrs says: unit 'pixel'", "labels: yaozarrs says: no label"
    said = {"time": [unit], "blobs": [unit], "plate": [empty, unit], "labelled": [empty]}
    outcomes = {
        name: Outcome("valid", "", tuple(("yaozarrs.inherited", text) for text in texts))
        for name, texts in said.items()
    }
    assert list(last_words.warning_lines(outcomes)) == [
        f"warning: 2 datasets (time, blobs): {unit}",
        f"warning: plate: {empty} (and 1 more of this kind)",
        f"warning: labelled: {empty}",
    ]
    more = Outcome("valid", "", (("yaozarrs.inherited", "0: other"),))
    assert list(last_words.warning_lines({**outcomes, "other": more})) == [
        "warning: 5 datasets (time, blobs, plate, labelled, other): yaozarrs.inherited, not the "
        f"same in all, see the report; of time: {unit}"
    ]


def test_the_datasets_own_name_makes_no_difference():
    outcomes = {
        name: Outcome("valid", "", (("a", f"out/{name}.zarr: odd"), ("a", "2: odd")))
        for name in "bc"
    }
    assert list(last_words.warning_lines(outcomes)) == [
        "warning: 2 datasets (b, c): out/b.zarr: odd (and 1 more of this kind each)"
    ]


@pytest.mark.parametrize(
    ("more", "kinds"), [(3, "kinds of warnings are"), (1, "kind of warnings is")]
)
def test_of_many_kinds_of_warnings_the_most_frequent_are_shown(more, kinds):
    said = tuple((f"k{n}", f"text {n}") for n in range(5 + more))
    lines = list(last_words.warning_lines({"a": Outcome("valid", "", said)}))
    assert len(lines) == 6
    assert lines[-1] == f"warning: {more} more {kinds} in the report"


def run_of(logger, tmp_path, *names, messages):
    """A run in which all sources were written a moment ago."""
    run = Run(logger, messages, *(("publish", name) for name in names))
    run.event("run_info", stats={})
    for name in names:
        log = tmp_path / f"{name}.log"
        log.write_text(f"command\n10:00 WARNING in/{name}.zarr/0/0: changed 3 s ago: {MARK} let\n")
        run.begin("inspect_source", name, log=str(log))
        run.end("inspect_source", name)
    return run


def test_sources_that_were_just_written_are_one_line_at_the_end(snakemake_logger, tmp_path):
    run = run_of(snakemake_logger, tmp_path, *"cab", messages=dict.fromkeys("abc", "valid"))
    for name in "cab":
        run.begin("publish", name)
        run.end("publish", name)
    assert run.console.conclude() == []
    (said,) = [text for kind, text in run.lines if kind == "warned"]
    assert said.startswith("warning: 3 sources (a, b, c) changed less than 5 minutes before")
    assert said.endswith("run again with -R inspect_source")


def test_a_source_that_kept_quiet_while_it_was_converted_is_not_mentioned(
    snakemake_logger, tmp_path, monkeypatch
):
    run = run_of(snakemake_logger, tmp_path, "a", messages={"a": "valid"})
    monkeypatch.setattr(console_events, "RECENT_S", 0.0)
    for rule in ("convert", "publish"):
        run.begin(rule, "a")
        run.end(rule, "a")
    assert run.console.conclude() == []
    assert [kind for kind, _ in run.lines] == ["note", "done"]


def test_a_dataset_that_was_only_planned_is_not_said_to_be_valid(snakemake_logger, tmp_path):
    before = Outcome("valid", "valid, 2 arrays in out", (NO_AUTHOR,))
    outcomes = {"a": before, "b": Outcome("planned", "planned, not converted: see plan.json")}
    outcomes["c"] = Outcome("interrupted", "not finished: interrupted; run the same command again")
    run = Run(snakemake_logger, outcomes, *(("plan", name) for name in "abc"))
    run.event("run_info", stats={})
    for name in "abc":
        run.begin("plan", name)
        run.end("plan", name)
    assert run.console.conclude() == []
    plan = "planned, not converted by this plan: see {}/plan.json"
    assert [text.replace(f"{run.console._results}/", "") for _, text in run.lines[1:]] == [
        f"a: {plan.format('a')}; what was published before stays",
        "b: planned, not converted: see plan.json",
        f"c: {plan.format('c')}",
    ], "and nothing of the warnings of then"


def test_what_stopped_the_run_is_the_last_error(snakemake_logger, tmp_path):
    full = (
        "not finished: out: no space left on device; free some space there ({}/{}/logs/convert.log)"
    )
    messages = {name: Outcome("failed", full.format(tmp_path, name)) for name in "abc"}
    run = Run(snakemake_logger, messages, *(("convert", name) for name in "abc"))
    run.workflow.scheduler = type("Scheduler", (), {"keepgoing": True})()
    watch = faults.FaultWatch(run.workflow)
    snakemake_logger.addHandler(watch)
    run.event("run_info", stats={})
    for name in "abc":
        log = tmp_path / name / "logs" / "convert.log"
        log.parent.mkdir(parents=True)
        log.write_text("error: out: no space left on device; free some space there\n")
        run.begin("convert", name, log=str(log))
        run.event("job_error", jobid=run.ids["convert", name], rule_name="convert", log=[str(log)])
    assert run.workflow.scheduler.keepgoing is False
    run.console.conclude()
    assert [text for kind, text in run.lines if kind == "failed"] == [
        "error: a: out: no space left on device; free some space there "
        f"({tmp_path}/a/logs/convert.log); the same in b, c",
        "error: 3 datasets failed since the disk is full: no further job was started",
    ]


def test_the_last_line_counts_the_datasets_of_the_sheet():
    page = Path("results/report.html")
    states = Counter({"failed": 3, "valid": 5, "inherited": 1})
    assert last_line(states, page) == (
        "9 datasets: 5 valid, 1 valid with inherited defects, 3 failed · report: "
        f"results{os.sep}report.html{MEANING}"
    )
    one = f"Report: results/report.html{MEANING}"
    assert last_line(Counter({"valid": 1}), page) == one
    assert last_line(Counter({"failed": 1}), page) == "Report: results/report.html"

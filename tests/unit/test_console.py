"""What is printed while the workflow runs: short lines, failures last."""

import io
import json
import logging
import os
import pty
import select
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from uplift.workflow import console, display, snakemake_errors
from uplift.workflow.watch import Watch


class Recorded(display.PlainDisplay):
    """Lines with what kind they are."""

    def __init__(self):
        super().__init__(io.StringIO())
        self.lines = []
        for kind in ("note", "done", "stumbled", "failed"):
            setattr(self, kind, lambda text, kind=kind: self.lines.append((kind, text)))


def workflow(**settings):
    asked = {"quiet": None, "verbose": False, "printshellcmds": False, "debug_dag": False}
    return SimpleNamespace(
        output_settings=SimpleNamespace(**{**asked, **settings}),
        is_main_process=True,
        dryrun=False,
        dag=SimpleNamespace(needrun_jobs=list),
        execution_settings=object(),
        logger_manager=SimpleNamespace(get_logfile=lambda: ["snakemake.log"]),
        included_stack=[SimpleNamespace(get_path_or_uri=lambda **_: "own.smk")],
    )


def job(rule, dataset=None):
    wildcards = {} if dataset is None else {"dataset": dataset}
    return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards_dict=wildcards)


@pytest.fixture
def logger():
    """Snakemake's logger as it is when the Snakefile is read."""
    logger = logging.getLogger("snakemake.logging")
    before, level = list(logger.handlers), logger.level
    handler = logging.StreamHandler(io.StringIO())
    handler.name = "DefaultStreamHandler"
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)
    os.environ.pop(console.VARIABLE, None)


class Run:
    """A run of the workflow as its console sees it."""

    def __init__(self, logger, messages, *jobs):
        self.logger, self.ids = logger, {}
        self.workflow = workflow()
        self.workflow.dag.needrun_jobs = lambda: [job(*one) for one in jobs]
        console.install(self.workflow)
        self.console = console.active()
        self.console._display = self.display = Recorded()
        self.console.configure(["a", "b", "c"], "results", messages.get)

    @property
    def lines(self):
        return self.display.lines

    def event(self, name, **about):
        self.logger.info("text of Snakemake", extra={"event": name, **about})

    def begin(self, rule, dataset):
        self.ids[rule, dataset] = len(self.ids)
        wildcards = {"dataset": dataset} if dataset else {}
        log = [f"results/{dataset}/logs/{rule}.log"]
        about = {"rule_name": rule, "wildcards": wildcards, "log": log}
        self.event("job_info", jobid=self.ids[rule, dataset], **about)

    def end(self, rule, dataset):
        self.event("job_finished", job_id=self.ids[rule, dataset])

    def fail(self, rule, dataset):
        self.error('RuleException:\nCalledProcessError in file "c.smk", line 9:\nCommand failed')
        self.event("job_error", jobid=self.ids[rule, dataset], rule_name=rule, log=[])

    def error(self, text):
        """As Snakemake's ``print_exception`` does."""
        self.logger.error(text, extra={"event": "error", "exception": text.split(":")[0]})


def test_a_run_is_a_line_at_its_start_and_one_for_each_dataset(logger):
    jobs = [("plan", "a"), ("publish", "a"), ("publish", "b"), ("all",)]
    run = Run(logger, {"a": "valid, 1 array", "b": "valid, 2 arrays"}, *jobs)
    logger.info("Building DAG of jobs...")
    run.event("run_info", stats={})
    for rule, dataset in [("plan", "a"), ("publish", "a"), ("publish", "b"), ("all", None)]:
        run.begin(rule, dataset)
        run.end(rule, dataset)
        run.event("progress", done=1, total=4)
    assert run.console.conclude() == []
    assert run.lines == [
        ("note", "Converting 2 datasets: a, b; 1 is done"),
        ("done", "a: valid, 1 array"),
        ("done", "b: valid, 2 arrays"),
    ]


def test_failures_stand_at_the_end_with_their_remedy(logger):
    messages = {
        "a": "not finished: out: disk full; free some space (results/a/logs/convert.log)",
        "b": "not finished: interrupted; run the same command again",
    }
    run = Run(logger, messages, ("convert", "a"), ("convert", "b"), ("publish", "c"))
    run.event("run_info", stats={})
    for dataset in "ab":
        run.begin("convert", dataset)
        run.fail("convert", dataset)
    logger.error("Exiting because a job execution failed. Look below for error messages")
    assert run.console.conclude() == ["a", "b"]
    assert run.lines[1:] == [
        ("stumbled", "a: failed; more at the end"),
        ("stumbled", "b: failed; more at the end"),
        (
            "failed",
            "error: a: out: disk full; free some space (results/a/logs/convert.log)",
        ),
        (
            "failed",
            "error: b: convert stopped without a message (was it killed, or out of memory?); "
            "see results/b/logs/convert.log",
        ),
        (
            "note",
            "1 dataset not finished: run the same command again",
        ),
    ]


def test_planning_and_rules_of_a_module_are_recognized(logger):
    run = Run(logger, {"a": "planned"}, ("uplift_inspect_source", "a"), ("uplift_plan", "a"))
    run.event("run_info", stats={})
    assert run.lines == [("note", "Planning 1 dataset: a; 2 are done")]


def test_a_dry_run_lists_the_steps_of_each_dataset(logger):
    run = Run(logger, {}, ("convert", "a"))
    run.workflow.dryrun = True
    run.event("run_info", stats={})
    for number, rule in enumerate(["plan", "convert", "convert"]):
        run.event("job_info", jobid=number, rule_name=rule, wildcards={"dataset": "a"}, log=[])
    logger.info("This was a dry-run (flag -n). The order of jobs does not reflect ...")
    assert run.lines == [
        ("note", "a: plan, convert x 2"),
        ("note", "Nothing was done: that was a dry run"),
    ]


@pytest.mark.parametrize(
    ("level", "text", "shown"),
    [
        (logging.INFO, "Select jobs to execute...", None),
        (logging.INFO, "Creating conda environment x.yaml...", "note"),
        (logging.WARNING, "Cannot restore results/a/run.json: no backup found.", None),
        (logging.WARNING, "The flag is deprecated", "note"),
        (logging.INFO, "Error: Directory cannot be locked.", "failed"),
        (logging.ERROR, "Failed to set up log file: no space", "failed"),
        (logging.ERROR, "Config file must be given as JSON or YAML", "failed"),
    ],
)
def test_of_other_messages_only_what_matters_is_shown(logger, level, text, shown):
    run = Run(logger, {})
    logger.log(level, text)
    assert [kind for kind, _ in run.lines] == ([shown] if shown else [])


def test_answers_of_commands_that_run_nothing_are_shown(logger):
    run = Run(logger, {})
    run.workflow.execution_settings = None
    for text in ("Building DAG of jobs...", "Would delete a.json", "Unlocked working directory."):
        logger.info(text)
    assert run.lines == [("note", "Would delete a.json"), ("note", "Unlocked working directory.")]


NAME_ERROR = """NameError in file "{here}/own.smk", line 5:
name 'foo' is not defined
  File "{here}/own.smk", line 5, in <module>"""
MISSING = """MissingInputException in rule x in file "/else/where.smk", line 3:
Missing input files for rule x:
    output: y
    affected files:
        nothere.txt"""
TRACEBACK = """Traceback (most recent call last):
  File "/snakemake/cli.py", line 7, in main
    run()
  File "/snakemake/dag.py", line 9, in run
    raise KeyError("x")
KeyError: 'x'"""
ERRORS = [
    (NAME_ERROR, "own.smk, line 5: NameError: name 'foo' is not defined"),
    (
        MISSING,
        "/else/where.smk, line 3: Missing input files for rule x: output: y; "
        "affected files: nothere.txt",
    ),
    (
        'RuleException:\nValueError in file "{here}/own.smk", line 9:\noh no\n'
        '  File "{here}/own.smk", line 9, in __rule_x',
        "own.smk, line 9: ValueError: oh no",
    ),
    (
        'SyntaxError in file "{here}/own.smk", line 4:\nUnexpected keyword inptu:\nNone',
        "own.smk, line 4: SyntaxError: Unexpected keyword inptu",
    ),
    ("TokenError:\n('EOF in statement', (6, 0))", "own.smk, line 6: SyntaxError: EOF in statement"),
    ("WorkflowError:\nResource 'x' is not a number", "Resource 'x' is not a number"),
    ("Error: cores have to be specified", "cores have to be specified"),
    (TRACEBACK, "/snakemake/dag.py, line 9: KeyError: 'x'"),
    ("AssertionError.", "AssertionError"),
]


@pytest.mark.parametrize(("text", "line"), ERRORS)
def test_an_error_of_snakemake_is_one_line_with_its_place(logger, text, line):
    run = Run(logger, {})
    run.error(text.replace("{here}", str(Path.cwd())))
    assert run.lines == [("failed", f"error: {line}")]


def test_errors_while_jobs_run_stand_at_the_end_once(logger):
    run = Run(logger, {"a": "valid, 1 array"}, ("publish", "a"), ("own", None))
    run.event("run_info", stats={})
    run.begin("own", None)
    for _ in range(2):
        run.error(NAME_ERROR.replace("{here}", str(Path.cwd())))
        run.fail("own", None)
    run.begin("publish", "a")
    run.end("publish", "a")
    logger.error("Exiting because a job execution failed. Look below for error messages")
    assert run.lines[1:] == [
        ("stumbled", "rule own: failed; more at the end"),
        ("done", "a: valid, 1 array"),
    ]
    del run.lines[:]
    assert run.console.conclude() == ["rule own"]
    run.error("WorkflowError:\nAt least one job did not complete successfully.")
    assert run.lines == [
        ("failed", "error: rule own: failed; see results/None/logs/own.log"),
        ("failed", "error: own.smk, line 5: NameError: name 'foo' is not defined"),
    ]


def test_an_error_that_a_further_attempt_put_right_is_not_the_last_word(logger):
    run = Run(logger, {"a": "valid, 1 array"}, ("publish", "a"))
    run.event("run_info", stats={})
    run.begin("publish", "a")
    run.fail("publish", "a")
    run.error("WorkflowError:\nJob 3 completed, but some output files are missing")
    run.end("publish", "a")
    assert run.console.conclude() == []
    assert run.lines[-2:] == [
        ("done", "a: valid, 1 array"),
        ("note", "warning: Job 3 completed, but some output files are missing"),
    ]


def test_a_rule_of_another_workflow_is_not_a_dataset(logger):
    run = Run(logger, {}, ("own", "mine"), ("own", "a"))
    run.event("run_info", stats={})
    for dataset in ("mine", "a"):
        run.begin("own", dataset)
        run.fail("own", dataset)
    assert run.console.conclude() == ["rule own"]
    run.workflow.logger_manager.get_logfile = lambda: ["x.log"]
    assert run.lines == [
        ("stumbled", "rule own: failed; more at the end"),
        ("failed", "error: rule own: failed; see results/a/logs/own.log"),
    ]


def test_failures_of_job_groups_are_shown(logger):
    run = Run(logger, {"a": "not finished: disk full (g.log)"}, ("convert", "a"))
    run.event("run_info", stats={})
    run.begin("convert", "a")
    one = {"jobid": run.ids["convert", "a"], "rule_name": "convert", "log": ["g.log"]}
    run.event("group_error", job_error_info=[one], aux_logs=[])
    assert run.console.conclude() == ["a"]
    assert ("stumbled", "a: failed; more at the end") in run.lines


@pytest.mark.parametrize("what", ["error", "failure"])
def test_without_hooks_the_last_words_come_when_the_log_is_closed(logger, what):
    run = Run(logger, {"a": "not finished: out: disk full"}, ("convert", "a"))
    run.event("run_info", stats={})
    run.begin("convert", "a")
    if what == "failure":
        run.fail("convert", "a")
    else:
        run.error("WorkflowError:\nthe scheduler broke")
    run.console.close()
    assert run.lines[-1][0] == "failed"
    count = len(run.lines)
    run.console.close()
    assert len(run.lines) == count


def test_errors_are_told_from_what_follows_from_them():
    assert snakemake_errors.is_consequence("WorkflowError:\nAt least one job did not complete ...")
    assert not snakemake_errors.is_consequence(MISSING)


@pytest.mark.parametrize(
    "asked", [{"quiet": {"host"}}, {"verbose": True}, {"printshellcmds": True}]
)
def test_snakemakes_messages_stay_when_they_are_asked_for(logger, asked):
    console.install(workflow(**asked))
    assert console.active() is None
    assert not console.is_quiet()


def test_snakemakes_messages_come_back(logger):
    console.install(workflow())
    assert console.is_quiet()
    console.active().restore()
    logger.info("hello")
    assert not console.is_quiet()
    assert logger.handlers[0].stream.getvalue() == "hello\n"


def journal(folder, *sizes, whole=True):
    file = folder / "journal" / "0.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"job": "x"}), *(json.dumps({"objects": 1, "bytes": n}) for n in sizes)]
    file.write_text("\n".join(lines) + ("\n" if whole else '\n{"objects": 1, "by'))


def test_progress_is_read_from_journals(tmp_path):
    watch = Watch(tmp_path)
    assert watch.look() is None
    arrays = [{"path": str(n), "objects": 2, "bytes": 200} for n in range(2)]
    (tmp_path / "plan.json").write_text(json.dumps({"arrays": arrays}))
    journal(tmp_path, 100, 50, whole=False)
    first = watch.look()
    assert (first.objects, first.bytes, first.planned_objects, first.planned_bytes) == (
        2,
        150,
        4,
        400,
    )
    assert first.share == 0.375
    assert watch.look().bytes == 150
    journal(tmp_path, 100, 50, 60)
    assert watch.look().bytes == 210
    journal(tmp_path, 30)  # a job has started from the start
    assert watch.look().bytes == 30


def test_a_damaged_plan_leaves_progress_without_a_share(tmp_path):
    (tmp_path / "plan.json").write_text("{")
    journal(tmp_path, 100)
    status = Watch(tmp_path).look()
    assert (status.share, status.bytes) == (0.0, 100)
    assert display.status_text(status) == "0 %, 100 B, 1 shard"


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path):
    stream = io.StringIO()
    shown = display.PlainDisplay(stream, every=0.02)
    journal(tmp_path / "a", 100)
    shown.start(tmp_path)
    shown.show("a", "converting")
    shown.show("b", "")
    deadline = time.monotonic() + 30
    while "converting" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    shown.stop()
    assert stream.getvalue().splitlines()[0] == "a: converting, 0 %, 100 B, 1 shard"
    assert "b:" not in stream.getvalue()


def test_on_a_terminal_bars_move_and_failures_are_red(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        shown = display.display_for(stream)
        journal(tmp_path / "a[b]", 100)
        shown.start(tmp_path)
        shown.show("a[b]", "converting")
        shown.done("x[1]: valid")
        shown.failed("error: [z] failed")
        shown._live.refresh()
        shown.stop()
        shown.stop()
        stream.flush()
        text = ""
        # a terminal hands out what it has so far
        while "converting" not in text and select.select([ours], [], [], 10)[0]:
            text += os.read(ours, 100_000).decode()
    os.close(ours)
    assert "x[1]: valid" in text
    assert "\x1b[31merror: [z] failed" in text
    assert "a[b]" in text
    assert "converting" in text

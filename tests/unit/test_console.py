"""What is printed while the workflow runs: short lines, failures last."""

import contextlib
import logging
import signal

import pytest
from snakemake.settings.enums import Quietness

from support.consoles import Run, workflow
from uplift.report.outcomes import Outcome
from uplift.work import ledger
from uplift.workflow import console, display
from uplift.workflow.attempts import RUN_VARIABLE


def test_a_run_is_a_line_at_its_start_and_one_for_each_dataset(snakemake_logger):
    jobs = [("plan", "a"), ("publish", "a"), ("publish", "b"), ("all",)]
    run = Run(snakemake_logger, {"a": "valid, 1 array", "b": "valid, 2 arrays"}, *jobs)
    snakemake_logger.info("Building DAG of jobs...")
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


def test_failures_stand_at_the_end_with_their_remedy(snakemake_logger):
    messages = {
        "a": "not finished: out: disk full; free some space (results/a/logs/convert.log)",
        "b": "not finished: interrupted; run the same command again",
    }
    run = Run(snakemake_logger, messages, ("convert", "a"), ("convert", "b"), ("publish", "c"))
    run.event("run_info", stats={})
    for dataset in "ab":
        run.begin("convert", dataset)
        run.fail("convert", dataset)
    snakemake_logger.error("Exiting because a job execution failed. Look below for error messages")
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


def test_a_run_that_was_asked_for_some_steps_says_so(snakemake_logger):
    part = Outcome("partial", "not finished: convert is done, what follows is not")
    run = Run(snakemake_logger, {"a": part}, ("claim", "a"), ("convert", "a"))
    run.event("run_info", stats={})
    for rule in ("claim", "convert"):
        run.begin(rule, "a")
        run.end(rule, "a")
    assert run.console.conclude() == []
    assert run.lines[1:] == [
        (
            "done",
            "a: convert is done, as asked for; the command without --until or a target does the "
            "rest",
        )
    ]


@pytest.mark.parametrize("said", ["by Snakemake", "by the job"])
def test_ctrl_c_is_not_taken_for_a_failure(snakemake_logger, tmp_path, said):
    message = "not finished: interrupted; run the same command again"
    run = Run(snakemake_logger, {"a": message}, ("convert", "a"))
    log = tmp_path / "convert.log"
    run.event("run_info", stats={})
    run.begin("convert", "a", str(log))
    if said == "by Snakemake":
        snakemake_logger.info("Terminating processes on user request, this might take some time.")
    else:
        log.write_text("working\nerror: interrupted; run the same command again\n")
    run.fail("convert", "a")
    run.console.conclude()
    assert run.lines[-2:] == [
        ("stumbled", "a: interrupted"),
        ("failed", "error: a: interrupted; run the same command again"),
    ]


def test_a_run_that_is_to_end_says_so_once_and_what_is_left(snakemake_logger):
    run = Run(snakemake_logger, {}, ("convert", "a"), ("publish", "a"))
    run.event("run_info", stats={})
    run.begin("convert", "a")
    for _ in range(2):
        snakemake_logger.info("Will exit after finishing currently running jobs (scheduler).")
    run.console.conclude()
    snakemake_logger.error("At least one job did not complete successfully.")
    assert run.lines[1:] == [
        ("note", "Snakemake is to end, and waits for the jobs that run"),
        ("note", "1 dataset not finished: run the same command again"),
    ]


@pytest.mark.parametrize(
    ("log", "said"), [("", "interrupted"), ("error: x: damaged\n", "failed; more at the end")]
)
def test_a_job_that_ends_with_its_run_did_not_fail(snakemake_logger, tmp_path, log, said):
    run = Run(snakemake_logger, {"a": "not finished"}, ("convert", "a"))
    file = tmp_path / "convert.log"
    file.write_text(log)
    run.event("run_info", stats={})
    run.begin("convert", "a", str(file))
    snakemake_logger.info("Will exit after finishing currently running jobs (scheduler).")
    run.fail("convert", "a")
    assert ("stumbled", f"a: {said}") in run.lines


def test_ctrl_c_again_does_nothing_more(snakemake_logger):
    kept = signal.getsignal(signal.SIGINT)
    run = Run(snakemake_logger, {"a": "not finished: interrupted"}, ("convert", "a"))
    try:
        run.logger.info("Terminating processes on user request, this might take some time.")
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, kept)
    assert run.lines == [
        ("note", "Terminating processes on user request, this might take some time.")
    ]


@pytest.mark.parametrize(
    ("codes", "repeated"), [([75, 75, 75], (2, 3)), ([75, 1, 1], (2,)), ([1, 1, 1], ())]
)
def test_an_attempt_is_not_the_end(snakemake_logger, monkeypatch, tmp_path, codes, repeated):
    monkeypatch.setenv(RUN_VARIABLE, "2020-01-01T00:00:00+00:00 2")
    log = tmp_path / "a" / "logs" / "convert.log"
    log.parent.mkdir(parents=True)
    log.write_text("error: s3://b/x: the server does not answer or breaks off; check it\n")
    run = Run(snakemake_logger, {"a": f"not finished: no answer ({log})"}, ("convert", "a"))
    run.workflow.execution_settings.retries = 2
    run.begin("convert", "a", str(log))
    for code in codes:
        with ledger.measured(tmp_path / "a" / ledger.NAME, "convert", "", 1) as spent:
            spent.exit_code = code
        run.fail("convert", "a")
    stumbled = [text for kind, text in run.lines if kind == "stumbled"]
    again = [f"a: the server does not answer; trying again ({n} of 3)" for n in repeated]
    assert stumbled == [*again, "a: failed; more at the end"]
    assert run.console.conclude() == ["a"]


def test_a_log_that_cannot_be_written_is_one_line(snakemake_logger, capsys):
    log = logging.FileHandler("/dev/full")  # where every write finds the disk full
    snakemake_logger.addHandler(log)
    console.install(workflow())
    for text in ("one", "two"):
        snakemake_logger.info(text)
    with contextlib.suppress(OSError):
        log.close()
    said = "warning: .snakemake/log: No space left on device"
    assert capsys.readouterr().err.splitlines() == [said]


def test_planning_and_rules_of_a_module_are_recognized(snakemake_logger):
    run = Run(
        snakemake_logger, {"a": "planned"}, ("uplift_inspect_source", "a"), ("uplift_plan", "a")
    )
    run.event("run_info", stats={})
    assert run.lines == [("note", "Planning 1 dataset: a; 2 are done")]


def test_a_dry_run_lists_the_steps_of_each_dataset_in_the_order_of_the_sheet(snakemake_logger):
    run = Run(snakemake_logger, {}, ("convert", "a"))
    run.workflow.dryrun = True
    run.event("run_info", stats={})
    jobs = [("publish", "b"), ("convert", "a"), ("plan", "a"), ("convert", "a")]
    for number, (rule, name) in enumerate(jobs):
        run.event("job_info", jobid=number, rule_name=rule, wildcards={"dataset": name}, log=[])
    snakemake_logger.info("This was a dry-run (flag -n). The order of jobs does not reflect ...")
    assert run.lines == [
        ("note", "a: plan, convert x 2"),
        ("note", "b: publish"),
        ("note", "Nothing was done: that was a dry run (2 datasets to work on)"),
    ]


@pytest.mark.parametrize(
    ("level", "text", "shown"),
    [
        (logging.INFO, "Select jobs to execute...", None),
        (logging.INFO, "Creating conda environment x.yaml...", "note"),
        (logging.WARNING, "Cannot restore results/a/run.json: no backup found.", None),
        (logging.WARNING, "Restored previous version of a/plan.json (updating job failed).", None),
        (logging.WARNING, "The flag is deprecated", "warned"),
        (logging.INFO, "Error: Directory cannot be locked.", "failed"),
        (logging.ERROR, "Failed to set up log file: no space", "failed"),
        (logging.ERROR, "Config file must be given as JSON or YAML", "failed"),
    ],
)
def test_of_other_messages_only_what_matters_is_shown(snakemake_logger, level, text, shown):
    run = Run(snakemake_logger, {})
    snakemake_logger.log(level, text)
    assert [kind for kind, _ in run.lines] == ([shown] if shown else [])


def test_answers_of_commands_that_run_nothing_are_shown(snakemake_logger):
    run = Run(snakemake_logger, {})
    run.workflow.execution_settings = None
    for text in ("Building DAG of jobs...", "Would delete a.json", "Unlocked working directory."):
        snakemake_logger.info(text)
    assert run.lines == [("note", "Would delete a.json"), ("note", "Unlocked working directory.")]


def test_a_rule_of_another_workflow_is_not_a_dataset(snakemake_logger):
    run = Run(snakemake_logger, {}, ("own", "mine"), ("own", "a"))
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


def test_failures_of_job_groups_are_shown(snakemake_logger):
    run = Run(snakemake_logger, {"a": "not finished: disk full (g.log)"}, ("convert", "a"))
    run.event("run_info", stats={})
    run.begin("convert", "a")
    one = {"jobid": run.ids["convert", "a"], "rule_name": "convert", "log": ["g.log"]}
    run.event("group_error", job_error_info=[one], aux_logs=[])
    assert run.console.conclude() == ["a"]
    assert ("stumbled", "a: failed; more at the end") in run.lines


def test_touched_files_are_no_conversion(snakemake_logger):
    run = Run(snakemake_logger, {"a": "valid"}, ("plan", "a"), ("publish", "a"))
    run.workflow.touch = True
    run.event("run_info")
    run.begin("publish", "a")
    run.end("publish", "a")
    run.console.conclude()
    assert run.lines == [
        (
            "note",
            "Marking the work files of 1 dataset as up to date: nothing is converted or looked at",
        )
    ]


@pytest.mark.parametrize("rules", [("plan",), ("publish",), ("plan", "publish"), ()])
def test_an_edited_plan_that_stands_against_the_settings_is_named(
    rules, snakemake_logger, tmp_path
):
    jobs = [(rule, dataset) for rule in rules for dataset in "ab"]
    run = Run(snakemake_logger, {"a": "valid", "b": "valid"}, *jobs)
    run.console.configure(["a", "b"], str(tmp_path), run.console._outcome)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "plan.proposed.json").write_text("{}")
    run.event("run_info", stats={})
    for job in jobs:
        run.begin(*job)
        run.end(*job)
    if not jobs:
        snakemake_logger.info("Nothing to be done (all requested files are present).")
    assert run.console.conclude() == []
    (said,) = [text for kind, text in run.lines if kind == "warned"]
    assert said.startswith(f"warning: b: {tmp_path}/b/plan.json was edited and is kept")


@pytest.mark.parametrize("what", ["error", "failure"])
def test_without_hooks_the_last_words_come_when_the_log_is_closed(snakemake_logger, what):
    run = Run(snakemake_logger, {"a": "not finished: out: disk full"}, ("convert", "a"))
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


@pytest.mark.parametrize(
    "asked", [{"quiet": {Quietness.ALL}}, {"verbose": True}, {"printshellcmds": True}]
)
def test_snakemakes_messages_stay_when_they_are_asked_for(snakemake_logger, asked):
    console.install(workflow(**asked))
    assert console.active() is None
    assert not console.is_quiet()


def test_less_than_snakemakes_messages_is_what_is_said_here(snakemake_logger):
    console.install(workflow(quiet={Quietness.RULES, Quietness.PROGRESS}))
    assert console.active() is not None


def test_snakemakes_messages_come_back(snakemake_logger):
    console.install(workflow())
    assert console.is_quiet()
    console.restore()
    snakemake_logger.info("hello")
    assert not console.is_quiet()
    assert snakemake_logger.handlers[0].stream.getvalue() == "hello\n"


def test_another_slice_that_ends_well_takes_no_failure_away(snakemake_logger, tmp_path):
    logs = [tmp_path / f"{n}.log" for n in (1, 2)]
    logs[0].write_text("error: a/0/1.2: cannot be decoded; restore it\n")
    logs[1].write_text("")
    run = Run(snakemake_logger, {"a": f"not finished: no ({logs[0]})"})
    run.workflow.dag.needrun_jobs = list
    for number, log in enumerate(logs):
        about = {"rule_name": "convert", "wildcards": {"dataset": "a"}, "log": [str(log)]}
        run.event("job_info", jobid=number, **about)
    run.event("job_error", jobid=0, rule_name="convert", log=[])
    run.event("job_finished", job_id=1)
    assert run.console.conclude() == ["a"]
    run.event("job_info", jobid=0, **{**about, "log": [str(logs[0])]})
    run.event("job_error", jobid=0, rule_name="convert", log=[])
    run.event("job_finished", job_id=0)  # the next attempt of the same job
    assert run.console.conclude() == []


def test_an_old_verdict_is_not_why_another_step_failed(snakemake_logger, tmp_path):
    log = tmp_path / "claim.log"
    log.write_text("error: out.zarr: exists and was not started by this run\n")
    run = Run(snakemake_logger, {"a": "invalid, not published: pixels.differ at 0"})
    run.begin("claim", "a", str(log))
    run.fail("claim", "a")
    run.console.conclude()
    assert run.lines[-1][0] == "failed"
    assert "exists and was not started by this run" in run.lines[-1][1]
    assert "pixels.differ" not in run.lines[-1][1]


def test_why_a_cluster_did_not_take_a_job(snakemake_logger):
    run = Run(snakemake_logger, {"a": "not finished: interrupted"})
    run.begin("plan", "a")
    run.console.note_refusal("invalid partition specified: nosuch")
    run.fail("plan", "a")
    run.console.conclude()
    assert "SLURM refused the job: invalid partition specified: nosuch" in run.lines[-1][1]


def test_rules_of_another_workflow_are_in_a_dry_run(snakemake_logger):
    run = Run(snakemake_logger, {}, ("convert", "a"))
    run.workflow.dryrun = True
    for rule, dataset in (("convert", "a"), ("own", None), ("all", None)):
        run.begin(rule, dataset)
    run.logger.info("This was a dry-run (flag -n).")
    assert [text for _, text in run.lines][:2] == ["a: convert", "rule own"]


def test_a_warning_of_each_job_is_said_once(snakemake_logger):
    run = Run(snakemake_logger, {})
    for _ in range(3):
        run.logger.warning("no account")
    assert [text for kind, text in run.lines if kind == "warned"] == ["warning: no account"]


def test_jobs_in_a_queue_are_not_said_to_run(snakemake_logger):
    run = Run(snakemake_logger, {"a": "valid"}, ("convert", "a"), ("convert", "b"))
    run.event("run_info", stats={})
    for rule, dataset in [("convert", "a"), ("validate", "a"), ("convert", "b")]:
        run.begin(rule, dataset)

    def shown():
        return [*display.progress_lines(run.display._work)][1:]

    assert shown() == ["a: converting, validating", "b: converting"]
    run.console.note_queued({0, 2, 77})
    assert shown() == ["a: validating", "b: waiting in SLURM's queue"]
    run.console.note_queued({1})
    assert shown() == ["a: converting", "b: converting"]
    run.end("convert", "a")
    assert shown() == ["a: waiting in SLURM's queue", "b: converting"]
    run.end("validate", "a")
    assert shown() == ["b: converting"]

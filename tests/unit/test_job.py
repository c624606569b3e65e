"""Programs as jobs: their log, what is said of them, what they cost, and when they run again."""

import fcntl
import logging
import shlex
import sys
import threading

import pytest

from uplift.running import command
from uplift.work import ledger
from uplift.workflow import job
from uplift.workflow.attempts import RUN_VARIABLE


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Log of a job whose command line this process has."""
    log = tmp_path / "d" / "logs" / "convert" / "0.log"
    words = ["convert.py", job.OPTION, str(log), "--plan", "a b.json", "--threads", "2"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    return log


def log_of(given):
    return given.read_text(encoding="utf-8").splitlines()


def test_options():
    values = {"on_bad_chunk": "fail", "overwrite": False, "storage": {"s3://": {}}, "x": None}
    assert job.options_of({**values, "supplied": [], "slices": ["a"]}) == [
        "--on-bad-chunk", "fail", "--overwrite", "false", "--storage", '{"s3://": {}}',
        "--slices", '["a"]',
    ]  # fmt: skip


def test_the_shell_is_passed_through(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["convert.py", "--plan", "p.json"])
    assert job.run(lambda argv: 7 if argv is None else 0) == 7


def test_the_log_begins_with_the_command(given, capsys):
    def main(argv):
        sys.stderr.write("working\n")
        return 0

    assert job.run(main) == 0
    command, *rest = log_of(given)
    assert shlex.split(command)[0] == sys.executable
    assert shlex.split(command)[2:] == ["--plan", "a b.json", "--threads", "2"]
    assert rest == ["working"]
    assert capsys.readouterr().err == ""


def test_threads_that_outlive_a_job_print_nothing(given, capsys):
    going_on = threading.Event()

    def main(argv):
        def work():
            going_on.wait()
            logging.getLogger("uplift").warning("attempt 4 of 9 failed")

        main.thread = threading.Thread(target=work)
        main.thread.start()
        return command.run_program(command.parser_for(""), lambda _: None, [])

    assert job.run(main) == 0
    going_on.set()
    main.thread.join()
    assert capsys.readouterr().err == ""
    assert len(log_of(given)) == 1


def test_an_error_is_in_the_log_and_on_the_console(given, capsys):
    def main(argv):
        sys.stderr.write("working\nerror: no such thing; do that\n")
        return 1

    assert job.run(main) == 1
    assert log_of(given)[-1] == "error: no such thing; do that"
    assert capsys.readouterr().err == "error: no such thing; do that\n"


def test_the_way_on_names_the_dataset(given, capsys):
    def main(argv):
        sys.stderr.write("error: no; the same command with -- results/<dataset>/published.json\n")
        return 1

    assert job.run(main) == 1
    folder = given.parents[2]
    said = f"error: no; the same command with -- {folder}/published.json\n"
    assert capsys.readouterr().err == said


def test_warnings_reach_the_console(given, capsys):
    def main(argv):
        sys.stderr.write("2026-01-02T03:04:05Z INFO reading\n")
        sys.stderr.write("2026-01-02T03:04:05Z WARNING plan.json: was edited; it is kept\n")
        return 0

    assert job.run(main) == 0
    assert capsys.readouterr().err == "warning: plan.json: was edited; it is kept\n"


def test_ctrl_c_is_one_line_without_a_traceback(given, capsys):
    def body(_):
        raise KeyboardInterrupt

    def main(argv):
        return command.run_program(command.parser_for(""), body, [])

    assert job.run(main) == 130
    assert log_of(given)[1:] == ["error: interrupted; run the same command again"]
    assert capsys.readouterr().err == "error: interrupted; run the same command again\n"


@pytest.mark.parametrize("error", [MemoryError(), ValueError("odd")])
def test_the_interpreter_prints_no_trace_of_little_memory(error, monkeypatch):
    """What it meets in a generator that is thrown away, it cannot raise."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: told.append(one.exc_value))

    def thrown_away():
        try:
            yield
        finally:
            raise error

    def body(_):
        generator = thrown_away()
        next(generator)
        del generator

    assert command.run_program(command.parser_for(""), body, []) == 0
    assert told == [one for one in [error] if not isinstance(one, MemoryError)]


def test_a_thousand_warnings_do_not_flood_the_console(given, capsys):
    def main(argv):
        for number in range(1000):
            sys.stderr.write(f"2026-01-02T03:04:05Z WARNING 0/{number}: filled\n")
        return 0

    assert job.run(main) == 0
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == job.WARNINGS_SHOWN + 1
    assert shown[-1] == f"warning: 980 more are in {given}"
    assert len([line for line in log_of(given) if "WARNING" in line]) == 1000


def tried(main_code, monkeypatch, *, retries=2, before=lambda: None):
    monkeypatch.setenv(RUN_VARIABLE, f"2020-01-01T00:00:00+00:00 {retries}")
    calls = []

    def main(argv):
        calls.append(1)
        sys.stderr.write("error: no; do\n")
        return main_code

    codes = []
    for _ in range(retries + 1):
        before()
        codes.append(job.run(main))
    return calls, codes


def test_what_may_pass_is_tried_again(given, monkeypatch, capsys):
    calls, codes = tried(75, monkeypatch)
    assert len(calls) == 3
    assert codes == [75, 75, 75]
    again = "warning: tried again: no; do"
    assert capsys.readouterr().err.splitlines() == [again, again, "error: no; do"]


def test_a_deterministic_failure_is_said_again_at_once(given, monkeypatch, capsys):
    calls, codes = tried(1, monkeypatch, before=lambda: given.unlink(missing_ok=True))
    assert len(calls) == 1
    assert codes == [1, 1, 1]
    assert capsys.readouterr().err.splitlines() == ["error: no; do"]
    assert log_of(given)[-1] == "error: no; do"


def test_failures_of_earlier_runs_are_no_reason_not_to_try(given, monkeypatch):
    tried(1, monkeypatch)
    monkeypatch.setenv(RUN_VARIABLE, "2999-01-01T00:00:00+00:00 2")
    assert job.run(lambda argv: 0) == 0


def test_a_bug_shows(given):
    with pytest.raises(ZeroDivisionError):
        job.run(lambda argv: 1 // 0)
    assert "ZeroDivisionError" in log_of(given)[-1]


def test_a_job_notes_its_cost_and_is_seen_to_run(given, tmp_path):
    def main(argv):
        with given.open() as log, pytest.raises(BlockingIOError):
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return 7

    job.run(main)
    (line,) = ledger.read(tmp_path / "d" / "costs.jsonl")
    assert (line.step, line.job, line.threads, line.exit_code) == ("convert", "0", 2, 7)
    with given.open() as log:
        fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)

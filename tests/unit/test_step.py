"""The adapter between Snakemake's job and a program's arguments."""

import fcntl
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from uplift.work import ledger
from uplift.workflow import job as step


class Named(dict):
    """Stands in for Snakemake's lists with names: only `items` is used."""


def job(tmp_path, threads=1, **params):
    return SimpleNamespace(
        input=Named(inventory="a b.json", supplied=[]),
        output=Named(plan="p.json"),
        params=Named(params),
        threads=threads,
        log=[str(tmp_path / "logs" / "x.log")],
    )


def log_of(job):
    return Path(job.log[0]).read_text(encoding="utf-8").splitlines()


def test_arguments(tmp_path):
    given = job(tmp_path, 3, on_bad_chunk="fail", overwrite=False, storage={"s3://": {}}, x=None)
    assert step.arguments_of(given) == [
        "--inventory", "a b.json", "--plan", "p.json", "--on-bad-chunk", "fail",
        "--overwrite", "false", "--storage", '{"s3://": {}}', "--threads", "3",
    ]  # fmt: skip


def test_one_thread_is_the_default(tmp_path):
    assert "--threads" not in step.arguments_of(job(tmp_path))


def test_the_shell_is_passed_through():
    assert step.run(lambda argv: 7 if argv is None else 0, None) == 7


def test_the_log_begins_with_the_command(tmp_path, capsys):
    def main(argv):
        sys.stderr.write("working\n")
        return 0

    given = job(tmp_path)
    assert step.run(main, given) == 0
    command, *rest = log_of(given)
    assert shlex.split(command)[0] == sys.executable
    assert shlex.split(command)[2:] == ["--inventory", "a b.json", "--plan", "p.json"]
    assert rest == ["working"]
    assert capsys.readouterr().err == ""


def test_an_error_is_in_the_log_and_on_the_console(tmp_path, capsys):
    def main(argv):
        sys.stderr.write("working\nerror: no such thing; do that\n")
        return 1

    given = job(tmp_path)
    assert step.run(main, given) == 1
    assert log_of(given)[-1] == "error: no such thing; do that"
    assert capsys.readouterr().err == "error: no such thing; do that\n"


def test_warnings_reach_the_console(tmp_path, capsys):
    def main(argv):
        sys.stderr.write("2026-01-02T03:04:05Z INFO reading\n")
        sys.stderr.write("2026-01-02T03:04:05Z WARNING plan.json: was edited; it is kept\n")
        return 0

    assert step.run(main, job(tmp_path)) == 0
    assert capsys.readouterr().err == "warning: plan.json: was edited; it is kept\n"


def test_a_thousand_warnings_do_not_flood_the_console(tmp_path, capsys):
    def main(argv):
        for number in range(1000):
            sys.stderr.write(f"2026-01-02T03:04:05Z WARNING 0/{number}: filled\n")
        return 0

    given = job(tmp_path)
    assert step.run(main, given) == 0
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == step.WARNINGS_SHOWN + 1
    assert shown[-1] == f"warning: 980 more are in {given.log[0]}"
    assert len([line for line in log_of(given) if "WARNING" in line]) == 1000


@pytest.mark.parametrize("code", [1, 75])
def test_a_job_is_run_once(tmp_path, code):
    """Requests were repeated inside; Snakemake repeats jobs."""
    calls = []
    assert step.run(lambda argv: calls.append(1) or code, job(tmp_path)) == code
    assert calls == [1]


def test_a_bug_shows(tmp_path):
    given = job(tmp_path)
    with pytest.raises(ZeroDivisionError):
        step.run(lambda argv: 1 // 0, given)
    assert "ZeroDivisionError" in log_of(given)[-1]


def test_a_job_notes_its_cost_and_is_seen_to_run(tmp_path):
    def main(argv):
        with Path(given.log[0]).open() as log, pytest.raises(BlockingIOError):
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return 7

    given = job(tmp_path, 2)
    given.log = [str(tmp_path / "d" / "logs" / "convert" / "0.log")]
    step.run(main, given)
    (line,) = ledger.read(tmp_path / "d" / "costs.jsonl")
    assert (line.step, line.job, line.threads, line.exit_code) == ("convert", "0", 2, 7)
    with Path(given.log[0]).open() as log:
        fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)

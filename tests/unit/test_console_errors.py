"""Errors of Snakemake and of Snakefiles are one line each, at the end."""

from pathlib import Path

import pytest

from support.consoles import Run
from uplift.workflow import snakemake_errors

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
    (
        f"{TRACEBACK[: TRACEBACK.index('KeyError: ')]}PermissionError: [Errno 13] Permission "
        "denied: '/here/.snakemake'",
        "/here/.snakemake: Permission denied; ask for the permission, then run again",
    ),
    (
        'OSError in file "{here}/hooks.smk", line 54:\n[Errno 28] No space left on device\n'
        '  File "{here}/hooks.smk", line 54, in <module>',
        "results or .snakemake: No space left on device; free some space there, then run again",
    ),
    (
        "MissingRuleException:\nNo rule to produce inspct (if you use input functions make sure "
        "that they don't raise unexpected exceptions).",
        "inspct: no step or target of that name, and no file that a step makes; "
        "did you mean inspect_source?",
    ),
    (
        "MissingRuleException:\nNo rule to produce 7.json (if you use input functions).",
        "7.json: no step or target of that name, and no file that a step makes; "
        "there are inspect_source, plan",
    ),
    (
        "WorkflowError:\nTarget rules may not contain wildcards. Please specify concrete files.",
        "a step is not a target, since each dataset has its own; name its file, such as "
        "results/cells/plan.json, or one of: all, plans, report",
    ),
    (
        'InputFunctionException in rule x in file "{here}/own.smk", line 9:\nError:\n'
        "  InputError: 'foo' is not a dataset of the sheet\nWildcards:\n  dataset=foo\nTraceback:",
        "'foo' is not a dataset of the sheet",
    ),
    (
        'InputError in file "{here}/rules/resources.smk", line 9:\nstorage settings of s3://b/x: '
        'engine: no\n  File "{here}/rules/resources.smk", line 9, in <module>',
        "storage settings of s3://b/x: engine: no",
    ),
    (
        "WorkflowError:\nUnable to obtain modification time of file results/a/plan.json although "
        "it existed before. It could be that a concurrent process has deleted it.",
        "results/a/plan.json: another run in this folder has just deleted it; wait for that run to "
        "end, then run again",
    ),
]


@pytest.mark.parametrize(("text", "line"), ERRORS)
def test_an_error_of_snakemake_is_one_line_with_its_place(snakemake_logger, text, line):
    run = Run(snakemake_logger, {})
    run.error(text.replace("{here}", str(Path.cwd())))
    assert run.lines == [("failed", f"error: {line}")]


def test_a_dataset_that_is_taken_for_a_target_is_answered_with_its_file(snakemake_logger):
    run = Run(snakemake_logger, {})
    run.error("MissingRuleException:\nNo rule to produce b (if you use input functions).")
    said = "b: a dataset is not a target; ask for its last file: results/b/published.json"
    assert run.lines == [("failed", f"error: {said}")]


def test_a_config_that_is_not_yaml_is_named_with_the_line(snakemake_logger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").write_text("defaults:\n  license: MIT\n bad: 1\n")
    run = Run(snakemake_logger, {})
    run.error('WorkflowError in file "Snakefile", line 43:\nConfig file is not valid JSON or YAML.')
    ((_, line),) = run.lines
    assert line.startswith("error: config/config.yaml, line 3: not YAML: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("just some text\n", '"just some text" is not a mapping; write a key'),
        ("- a\n- b\n", '["a", "b"] is not a mapping'),
        ("", "is empty; write a key"),
        ("3", "3 is not a mapping"),
    ],
)
def test_a_config_that_is_no_mapping_is_named(text, said, snakemake_logger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").write_text(text)
    run = Run(snakemake_logger, {})
    run.error(
        'WorkflowError in file "Snakefile", line 43:\n'
        "Config file must be given as JSON or YAML with keys at top level."
    )
    ((_, line),) = run.lines
    assert line.startswith(f"error: config/config.yaml: {said}")


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"threads: 1\nname: M\xfcller\n", "UnicodeDecodeError", ", line 2: not UTF-8 text; save"),
        (b"date_published: 2026-02-31\n", "ValueError", ": not YAML: day"),
        (b"name: \x00\n", "WorkflowError", ": not YAML: unacceptable character"),
    ],
)
def test_a_config_that_yaml_cannot_hold_is_named(
    content, kind, said, snakemake_logger, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").write_bytes(content)
    run = Run(snakemake_logger, {})
    run.error(f'{kind} in file "Snakefile", line 43:\nConfig file is not valid JSON or YAML.')
    ((_, line),) = run.lines
    assert line.startswith(f"error: config/config.yaml{said}")


def test_a_full_disk_is_named_with_the_results_folder_of_the_run(snakemake_logger):
    run = Run(snakemake_logger, {})
    run.console.configure(["a"], "tiny/results", {}.get)
    run.error("OSError:\n[Errno 28] No space left on device")
    ((_, line),) = run.lines
    assert line.startswith("error: tiny/results or .snakemake: No space left on device; free some")


def test_errors_while_jobs_run_stand_at_the_end_once(snakemake_logger):
    run = Run(snakemake_logger, {"a": "valid, 1 array"}, ("publish", "a"), ("own", None))
    run.event("run_info", stats={})
    run.begin("own", None)
    for _ in range(2):
        run.error(NAME_ERROR.replace("{here}", str(Path.cwd())))
        run.fail("own", None)
    run.begin("publish", "a")
    run.end("publish", "a")
    snakemake_logger.error("Exiting because a job execution failed. Look below for error messages")
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


def test_an_error_that_a_further_attempt_put_right_is_not_the_last_word(snakemake_logger):
    run = Run(snakemake_logger, {"a": "valid, 1 array"}, ("publish", "a"))
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


def test_errors_are_told_from_what_follows_from_them():
    assert snakemake_errors.is_consequence("WorkflowError:\nAt least one job did not complete ...")
    assert not snakemake_errors.is_consequence(MISSING)

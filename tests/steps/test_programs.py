"""Every program: help, usage errors, user errors; its arguments are what its rule hands over."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OF_JOBS = {"job_client", "job_server"}
"""Started by the workflow alone, and have no options: each job starts them."""
PROGRAMS = sorted(path for path in (ROOT / "scripts").glob("*.py") if path.stem not in OF_JOBS)
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
STEPS = re.findall(r'\*\*program\(\n +"(\w+)"', RULES)
LOCAL_TO_SHELL = {"--help", "--quiet", "--threads"}


def call(program, *arguments):
    return subprocess.run(
        [sys.executable, program, *arguments], check=False, capture_output=True, text=True
    )


def handed_over(step):
    """Names of inputs, outputs and params of the rule that runs a step."""
    (body,) = [part for part in re.split(r"^(?:rule|checkpoint) ", RULES, flags=re.MULTILINE)
               if f'            "{step}",' in part]  # fmt: skip
    blocks = re.findall(r"^    (?:input|output|params):\n((?:        .*\n)+)", body, re.MULTILINE)
    named = re.compile(r"^(?: {8}| {12})(\w+)=", re.MULTILINE)
    names = [name for block in blocks for name in named.findall(block)]
    return {f"--{name.replace('_', '-')}" for name in names} - {"--part"}


@pytest.fixture(scope="module")
def helps():
    return {path.stem: call(path, "--help") for path in PROGRAMS}


def test_every_step_has_a_rule():
    assert {path.stem for path in PROGRAMS} - {"export_schemas"} >= set(STEPS)
    assert len(STEPS) == len(set(STEPS))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_help_and_usage(program, helps, capfd):
    assert helps[program.stem].returncode == 0
    assert len(helps[program.stem].stdout.split("options:")[0]) > 80
    assert runpy.run_path(str(program))["main"](["--no-such-option"]) == 2
    assert capfd.readouterr().err.startswith("usage: ")


@pytest.mark.parametrize("step", STEPS)
def test_arguments_are_those_of_the_rule(step, helps):
    options = set(re.findall(r"--[a-z][a-z-]+", helps[step].stdout))
    assert handed_over(step) <= options
    optional = set(re.findall(r"\[(--[a-z-]+)", helps[step].stdout))
    assert options - optional - LOCAL_TO_SHELL <= handed_over(step) | described(helps[step])


def described(shown):
    """Options that the text of the help only mentions."""
    usage = set(re.findall(r"--[a-z][a-z-]+", shown.stdout.split("\n\n")[0]))
    return set(re.findall(r"--[a-z][a-z-]+", shown.stdout)) - usage


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_programs_run_under_snakemake(program):
    """Snakemake puts its own lines first, and a __future__ import must come first."""
    if program.stem in STEPS:
        assert "__future__" not in program.read_text()
        assert len(program.read_text().splitlines()) <= 90

"""A run as people see it: a few lines, failures last, then where the report is."""

import csv
import json
import re
import subprocess
import sys

import pytest

from support.images import write_image, write_json
from support.workflow import ROOT, environment

SHEET = (
    "dataset,input,license\ngood,good.zarr,CC-BY-4.0\nbad,bad.zarr,CC-BY-4.0\nmore,more.zarr,MIT\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    for name in ("good", "bad", "more"):
        write_image(folder / f"{name}.zarr", size=32, chunk=32, labels=False)
    write_json(folder / "bad.zarr" / "0" / ".zarray", {"zarr_format": 2})
    (folder / "sheet.csv").write_text(SHEET)
    return folder


def recorded(page):
    """Lines of the first run that a page of the docs shows."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.search(r"^```text\n(Converting .*?)^```", text, re.MULTILINE | re.DOTALL)[1].split(
        "\n"
    )[:-1]


def printed(folder, *arguments, snakefile=ROOT / "Snakefile"):
    """Lines that a run prints, without those on progress (each 30 s)."""
    cores = () if "--no-cores" in arguments else ("--cores", "2")
    arguments = [one for one in arguments if one != "--no-cores"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", str(snakefile), *cores, *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    other = re.compile(r"\w+: (inspecting|planning|claiming|convert|migrat|writ|valida)")
    return done.returncode, [line for line in lines if not other.match(line)]


def test_what_a_run_prints(folder):
    code, dry = printed(folder, "-n", "--config", "samples=sheet.csv")
    assert code == 0
    assert [line.partition(":")[0] for line in dry[:3]] == ["good", "bad", "more"]
    assert dry[3:] == ["Nothing was done: that was a dry run (3 datasets to work on)"]
    code, lines = printed(folder, "--config", "samples=sheet.csv")
    assert code == 1
    assert "Converting 3 datasets: " in lines[0]
    assert sum(": valid, 2 arrays with every pixel compared" in line for line in lines) == 2
    assert lines[-2].startswith("error: bad: ")
    assert lines[-2].endswith("(results/bad/logs/inspect_source.log)")
    assert lines[-1] == f"3 datasets: 2 valid, 1 refused · report: results/report.html{MEANING}"
    said = [line for line in lines if line.startswith("warning: ")]
    assert lines[4:-2] == said, "after the datasets and before the errors"
    assert said[0].startswith("warning: 2 sources (good, more) changed less than 5 minutes before")
    assert said[1].startswith("warning: 2 datasets (good, more): no author; ")
    assert "bad: failed; more at the end" in lines[1:4]
    assert len(said) == len({line.partition("): ")[2] for line in said})
    text = "\n".join(lines)
    assert "Traceback" not in text
    assert "CalledProcessError" not in text
    logs = list((folder / ".snakemake" / "log").glob("*.log"))
    assert any("CalledProcessError" in log.read_text() for log in logs)


def test_plans_end_with_the_table_and_where_it_is(folder):
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    settings = ["--config", "input=good.zarr", "output=new.zarr", "license=MIT", "results=planned"]
    for more in ([], ["costs={core_hour: 0.05, currency: EUR}"]):  # nothing to plan, then
        said = subprocess.run(
            [*command, "plans", *settings, *more], cwd=folder, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=True,
        ).stdout  # fmt: skip
        table = (folder / "planned" / "plans.txt").read_text()
        assert said.endswith(table)
        assert ("money EUR" in table) == bool(more)
    last = "Plans: planned/good/plan.json; this table: planned/plans.txt"
    assert table.splitlines()[-1] == last

    plan = folder / "planned" / "good" / "plan.json"
    data = json.loads(plan.read_text())
    data["estimate"]["after"]["bytes"] = 10**18
    plan.write_text(json.dumps(data))
    code, lines = printed(folder, *settings)
    assert code == 1
    assert lines[-1].startswith(f"error: {folder}: too little space for good: 1,000.0 PB needed, ")
    assert not (folder / "new.zarr").exists()


MISTAKES = {
    'rules[0].match "7" matches no array': {"rules": [{"match": "7", "shards": None}]},
    'rules[0].shard: unknown key "shard"; did you mean "shards"?': {
        "rules": [{"match": "0", "shard": None}]
    },
}


def test_a_mistake_in_an_edited_plan_fails_the_table_in_one_line(folder):
    (folder / "two.csv").write_text(
        "dataset,input,license\ngood,good.zarr,MIT\nmore,more.zarr,MIT\n"
    )
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    settings = ["--config", "samples=two.csv", "results=wrong", "previews=false"]

    def plans(*more):
        return subprocess.run(
            [*command, "plans", *settings, *more], cwd=folder, env=environment(), text=True,
            timeout=300, capture_output=True, check=False,
        )  # fmt: skip

    first = plans()
    assert first.returncode == 0, first.stderr
    file = folder / "wrong" / "more" / "plan.json"
    plan = file.read_text()
    for mistake, edit in MISTAKES.items():
        file.write_text(json.dumps({**json.loads(plan), **edit}))
        said = plans()
        assert said.returncode == 1
        assert " WARNING " not in said.stderr
        report, error = said.stderr.splitlines()[-2:]
        assert "report: wrong/report.html" in report
        assert error.startswith(f"error: more: wrong/more/plan.json: {mistake}")
        assert said.stdout.splitlines()[1].startswith("good ")
        assert "more" not in said.stdout
    planned_again = plans("planning={shard_mib: 100}")
    (error,) = re.findall("^error: more: .*", planned_again.stderr, re.MULTILINE)
    assert error.endswith("(wrong/more/logs/plan.log)"), "of the job that failed, once"
    file.write_text(plan)
    plans()  # by the first settings again
    whole = json.loads(plan)
    file.write_text(json.dumps({**whole, "arrays": whole["arrays"][1:]}))
    said = plans()
    assert said.returncode == 0
    assert [line.split(" ")[0] for line in said.stdout.splitlines()] == [
        line.split(" ")[0] for line in first.stdout.splitlines()
    ]
    warning = said.stderr.splitlines()[-1]
    assert warning.startswith("warning: more: wrong/more/plan.json: does not name 1 of 2 arrays")
    file.write_text("{")
    assert "error: more: wrong/more/plan.json: not JSON" in plans().stderr


MEANING = " · what valid means: docs/VALIDATION.md"
MODULE = f"""module uplift:
    snakefile: {str(ROOT / "Snakefile")!r}
    config: {{"input": "good.zarr", "license": "MIT", "results": "mine", "output": "module.zarr"}}
use rule * from uplift as uplift_*
"""
RULE = """rule mine:
    default_target: True
    output: "mine.txt"
"""


@pytest.mark.parametrize(
    ("added", "arguments", "said"),
    [
        ("x = foo\n", (), "outer.smk, line 5: NameError: name 'foo' is not defined"),
        ("include: 'unclosed.smk'\n", (), r"unclosed.smk, line \d+: SyntaxError: .*EOF"),
        (f"{RULE}    input: 'gone.txt'\n", (), "outer.smk, line 5: Missing input files.*gone.txt"),
        (f"{RULE}    shell: 'false'\n", (), r"rule mine: failed; see .snakemake/log/.*\.log"),
        ("", ("--no-cores",), "cores have to be specified"),
    ],
)
def test_every_error_stands_at_the_end(folder, added, arguments, said):
    (folder / "unclosed.smk").write_text("f(\n")
    outer = folder / "outer.smk"
    outer.write_text(MODULE + added)
    code, lines = printed(folder, *arguments, snakefile=outer)
    assert code != 0
    last = [line for line in lines if not line.startswith("Report: ")][-1]
    assert last.startswith("error: ")
    assert re.search(said, last), lines
    assert "Traceback" not in "\n".join(lines)


def test_a_locked_folder_is_said(folder):
    locks = folder / ".snakemake" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text("locked/good/published.json\n")
    options = ("--config", "input=good.zarr", "license=MIT", "results=locked")
    code, (line,) = printed(folder, *options)
    assert code == 1
    assert line.startswith("error: Directory cannot be locked")
    assert printed(folder, "--unlock", *options) == (0, ["Unlocked working directory."])


def test_the_same_as_a_module(folder):
    outer = folder / "outer.smk"
    outer.write_text(MODULE)
    code, lines = printed(folder, snakefile=outer)
    assert code == 0, lines
    assert lines[0] == "Converting 1 dataset: good"
    assert lines[1].startswith("good: valid, 2 arrays")
    assert lines[-1] == f"Report: mine/report.html{MEANING}"
    kept = [line for line in lines if not line.startswith("warning: ")]
    assert len(kept) <= len(recorded("FIRST.md")) == 3


def test_snakemakes_own_messages(folder):
    options = ("--config", "input=good.zarr", "output=own.zarr", "license=MIT", "results=own")
    code, lines = printed(folder, *options, "console=snakemake")
    assert code == 0
    assert any("steps (100%) done" in line for line in lines)
    code, lines = printed(
        folder, "--quiet", "host", *options, "costs={core_hour: 9, currency: EUR}"
    )
    assert any(line.startswith("Nothing to be done (") for line in lines)
    assert lines[-1] == f"Report: own/report.html{MEANING}"
    costs = (folder / "own" / "costs.csv").read_text()
    assert ",EUR\n" in costs


def test_prices_given_after_a_finished_run(folder):
    options = ("--config", "input=good.zarr", "output=own.zarr", "license=MIT", "results=own")
    assert printed(folder, *options)[0] == 0
    for currency in ("CHF", "USD"):
        code, lines = printed(folder, *options, f"costs={{core_hour: 9, currency: {currency}}}")
        assert code == 0
        assert lines[0].startswith("Nothing to be done: valid when published, 1 of 1")
        assert lines[1:] == [f"Report: own/report.html{MEANING}"]
        for name in ("costs.csv", "catalog.csv"):
            with (folder / "own" / name).open(newline="") as stream:
                assert {row["currency"] for row in csv.DictReader(stream)} == {currency}
        assert currency in (folder / "own" / "report.html").read_text()
    made = [folder / "own" / name for name in ("costs.csv", "report.html")]
    stamps = [path.stat().st_mtime_ns for path in made]
    # a dry run writes nothing, nor does one that would write the same
    printed(folder, "-n", *options)
    priced = (*options, "costs={core_hour: 9, currency: USD}")
    assert printed(folder, *priced)[1][1:] == [f"Report: own/report.html{MEANING}"]
    assert [path.stat().st_mtime_ns for path in made] == stamps
    made[1].unlink()
    printed(folder, *priced)
    assert made[1].is_file()

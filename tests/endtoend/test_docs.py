"""Commands in README and docs work as they stand there."""

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from servers import slurm
from support.images import write_image
from support.workflow import ROOT, environment

PAGES = [
    ROOT / "README.md",
    ROOT / "config" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
ELSEWHERE = ("s3://", "https://", "profiles/slurm", "PATH/", "samples.idr.csv")
"""What is not here: such commands are checked up to the list of jobs."""
SHEET = "dataset,input,output,license\ncells,cells.zarr,out/cells.zarr,CC-BY-4.0\n"


def commands(page):
    """Commands of the blocks marked ``sh``, continued lines joined, without comments."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.partition("  #")[0].strip()
            if command:
                yield command


def blocks_of(*names):
    return [command for page in PAGES if page.name in names for command in commands(page)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The project's folder as users see it, with a small dataset and a sheet."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("Snakefile", "workflow", "scripts", "config", "profiles", "envs"):
        (folder / name).symlink_to(ROOT / name)
    write_image(folder / "cells.zarr", size=64, chunk=32)
    write_image(folder / "more.zarr", size=32, chunk=32)
    (folder / "sheet.csv").write_text(SHEET)
    (folder / "SHEET.csv").write_text(SHEET)
    return folder


def run(folder, command):
    given = environment()
    if "profiles/slurm" in command:
        given = slurm.with_plugin(given)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env={**given, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def checked(folder, command):
    """Run a command; one that needs the network or a cluster as far as it goes without."""
    words = shlex.split(command)
    if words[0] == "make":
        return run(ROOT, f"make -n {shlex.join(words[1:])}")
    if words[0] == "source":
        return None
    if "profiles/slurm" in command and not slurm.has_plugin():
        return None
    if words[0] == "snakemake" and any(part in command for part in ELSEWHERE):
        command = command.replace("PATH/", "").replace(" WORK ", " . ")
        first, _, rest = command.partition(" ")
        command = f"{first} -n --executor local --cores 1 {rest}".replace("--cores all", "")
    if words[0] == "scripts/resave.py" and "--dry-run" not in words and "--plan" not in words:
        command += " --dry-run"
    return run(folder, command)


WHOLE = ["FIRST.md", "COLLECTION.md", "AFTER.md", "REPORT.md", "AUDIT.md"]
"""Pages whose commands are run to the end, in their order."""


@pytest.mark.parametrize("page", WHOLE)
def test_what_a_page_says_works_from_its_first_line_to_its_last(folder, page):
    for command in blocks_of(page):
        done = checked(folder, command)
        assert done is None or done.returncode == 0, (command, done.stdout, done.stderr)


def test_digests_of_pixels_can_be_computed_as_the_docs_say(folder):
    if not (folder / "audit.zarr").exists():
        done = checked(folder, blocks_of("AUDIT.md")[0])
        assert done.returncode == 0, done.stderr
    code = [
        re.search(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)[1]
        for page in (ROOT / "docs" / "VALIDATION.md", ROOT / "docs" / "AUDIT.md")
    ]
    done = run(
        folder, shlex.join(["python", "-W", "error::DeprecationWarning", "-c", "\n".join(code)])
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 8, done.stderr
    assert all(line.endswith(" True") for line in lines)


def test_all_other_commands_are_understood(folder):
    others = {page.name for page in PAGES} - set(WHOLE)
    shown = blocks_of(*others)
    assert len(shown) > 8
    for command in shown:
        words = shlex.split(command)
        if words[0] == "snakemake" and "-n" not in words:
            command = command.replace("snakemake", "snakemake -n", 1)
        done = checked(folder, command)
        assert done is None or done.returncode == 0, (command, done.stdout, done.stderr)


def test_links_and_pictures_of_the_pages_are_there():
    for page in PAGES:
        text = re.sub(
            r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_sheet_of_the_docs_is_one():
    text = (ROOT / "docs" / "COLLECTION.md").read_text()
    sheet = re.search(r"^```text\n(dataset,.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    rows = list(csv.DictReader(sheet.splitlines()))
    assert [row["dataset"] for row in rows] == ["cells", "more"]
    assert all(None not in row for row in rows)

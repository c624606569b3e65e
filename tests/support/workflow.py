"""Run the workflow as users do, in a folder of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    """Outcome of one call of Snakemake."""

    code: int
    text: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.startswith("error: ")]

    def jobs(self, rule: str) -> list[str]:
        """Batches (or datasets) that jobs of a rule finished for, by their message."""
        verbs = {"convert": "Converting", "validate_batch": "Validating", "inspect": "Inspecting"}
        pattern = rf"^Job \d+: {verbs[rule]} .*?(?:batch (\S+)|of (.+))$"
        found = re.findall(pattern, self.text, re.MULTILINE)
        return sorted(batch or dataset for batch, dataset in found)


def command(folder: Path, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")),
        # all of Snakemake's messages but its greeting
        *("--directory", str(folder), "--cores", "2", "--quiet", "host", *arguments),
    ]


def environment() -> dict[str, str]:
    """Users' Python keeps compiled modules; without them each job takes four times as long."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {"SOURCE_DATE_EPOCH": "1700000000", **kept}


def snakemake(folder: Path, *arguments: str) -> Run:
    done = subprocess.run(
        command(folder, *arguments),
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
    )
    return Run(done.returncode, done.stdout + done.stderr)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }

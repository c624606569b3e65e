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
        return errors_of(self.text)

    def jobs(self, rule: str) -> int:
        """How many jobs of a rule finished."""
        return len(re.findall(rf"Finished jobid: \d+ \(Rule: {rule}\)", self.text))


def errors_of(text: str) -> list[str]:
    """Lines of errors, also behind a message of Snakemake, which writes its line's end later."""
    return re.findall(r"(?:^|(?<=\S))error: .*", text, re.MULTILINE)


def command(folder: Path, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")),
        # all of Snakemake's messages but its greeting
        *("--quiet", "host", "--directory", str(folder), "--cores", "2", *arguments),
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


def batches_of(work: Path, what: str, step: str = "convert") -> list[str]:
    """Arrays of the batches that the last jobs of a step say something about in their logs."""
    logs = sorted((work / "logs").glob(f"{step}*")) + sorted((work / "logs" / step).glob("*.log"))
    text = "".join(path.read_text() for path in logs if path.is_file())
    return sorted({name.split(".")[0] for name in re.findall(rf"INFO (\S+): {what}", text)})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }

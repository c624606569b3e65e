"""The odd inputs of ../shared/data/odd, from end to end in this process."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

ODD = Path(__file__).resolve().parents[3] / "shared" / "data" / "odd"


def scripts() -> list[Path]:
    """Scripts that make one input each."""
    return sorted(ODD.glob("make_*.py"))


def about() -> dict[str, str]:
    """Script to where people met its input."""
    with (ODD / "cases.csv").open(newline="") as file:
        return {row["script"]: row["where people met it"] for row in csv.DictReader(file)}


def make(script: Path, folder: Path) -> Path:
    """Run one script; the input that it made."""
    kind = ".zip" if "_zip_" in script.name else ".zarr"
    place = folder / f"in{kind}"
    subprocess.run([sys.executable, script.name, place], cwd=ODD, check=True)
    return place

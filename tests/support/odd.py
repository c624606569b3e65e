"""The odd inputs of ../shared/data/odd, from end to end in this process."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path
from unittest import mock

ODD = Path(__file__).resolve().parents[3] / "shared" / "data" / "odd"


def scripts() -> list[Path]:
    """Scripts that make one input each."""
    return sorted(ODD.glob("make_*.py"))


def cases() -> dict[str, dict[str, str]]:
    """What is known of each script's input: where people met it, what became of it before."""
    with (ODD / "cases.csv").open(newline="") as file:
        return {row["script"]: row for row in csv.DictReader(file)}


def make(script: Path, folder: Path) -> Path:
    """Run one script, in this process; the input that it made."""
    kind = ".zip" if "_zip_" in script.name else ".zarr"
    place = folder / f"in{kind}"
    argv, path = [script.name, str(place)], [str(ODD), *sys.path]
    with mock.patch.object(sys, "argv", argv), mock.patch.object(sys, "path", path):
        runpy.run_path(str(script), run_name="__main__")
    return place

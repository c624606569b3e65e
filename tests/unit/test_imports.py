"""What programs and Snakemake's process import: not more than they use."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READERS = {"zarr", "tensorstore", "zarrs", "ome_zarr_models", "yaozarrs", "numcodecs"}
PAGES = {"PIL", "jinja2"}
HEAVY = READERS | PAGES | {"numpy", "pandas", "rich", "obstore", "rocrate_validator", "rdflib"}
ALLOWED = {
    "inspect_source": {"numpy"},
    "plan": {"numpy"},
    "claim": set(),
    "convert": {"numpy", "numcodecs"},
    "migrate": {"numpy"},
    "crate": set(),
    "validate": {"numpy", "zarr", "tensorstore", "numcodecs"},
    "publish": {"numpy"},
    "report": {"numpy", "zarr", "tensorstore", "numcodecs", *PAGES},
}


def imported(code):
    asked = f"{code}\nimport sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("program", ALLOWED)
def test_programs(program):
    found = imported(f"import {program}; from uplift.workflow import job")
    assert "uplift.workflow.job" in found
    assert found & HEAVY <= ALLOWED[program]


def test_reading_the_snakefile():
    """What every start costs, that of each job of a cluster too."""
    texts = [path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    lines = [re.findall(r"^from uplift[^(\n]*(?:\([^)]*\))?", text, re.MULTILINE) for text in texts]
    code = "\n".join(line for found in lines for line in found)
    assert "from uplift.workflow import" in code
    found = imported(code)
    assert not found & (HEAVY - {"numpy"})
    steps = {f"uplift.{step}" for step in ALLOWED} - {"uplift.inspect_source", "uplift.report"}
    assert not found & (steps | {"uplift.inspect_source.walk", "uplift.codecs.mapping"})
    # what only a run with jobs asks, and each job of a cluster reads the Snakefile
    assert not found & {"uplift.workflow.space", "uplift.outputs.space", "uplift.planning.campaign"}

#!/usr/bin/env python3
"""Convert one OME-Zarr dataset to OME-Zarr 0.5: Zarr v3, sharded, every pixel compared.

  resave.py in.zarr out.zarr --license CC-BY-4.0 --organism mouse --modality confocal
  resave.py in.zarr out.zarr --license CC-BY-4.0 --plan    proposes chunks and shards, and stops
  resave.py data/in.zarr out.zarr --input-bucket b --input-anon --license CC0-1.0

It runs snakemake with the same meaning, in the folder you are in, and leaves the same files: logs
and the report in results/. The same command goes on after an interruption. Exit codes: 0 done,
1 refused or failed (one line says why), 2 usage.
"""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    from uplift.workflow import resave

    return resave.main(__doc__ or "", argv)


def _use_the_projects_environment() -> None:
    """Started by path with another Python: go on with that of ``make setup``, if it is there."""
    python = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"
    missing = not (find_spec("pydantic") and find_spec("snakemake"))
    if missing and python.is_file() and Path(sys.executable) != python:
        os.execv(python, [str(python), *sys.argv])  # noqa: S606


if __name__ == "__main__":
    _use_the_projects_environment()
    sys.exit(main())

"""This workflow's console replaces Snakemake's messages."""

import sys


def end_in_one_line(kind, error, trace):
    """Print one line when Ctrl-C ends Snakemake while it reads its rules or checks files."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("error: interrupted; run the same command again\n")
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = end_in_one_line  # before what takes time is imported

if str(HOME / "scripts") not in sys.path:
    sys.path.append(str(HOME / "scripts"))

from uplift.workflow import console

console.install(workflow)

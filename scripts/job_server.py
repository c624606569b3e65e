"""Run programs of jobs in forks of one process that has imported them.

Started by the workflow, which hands over a socket that listens and a pipe whose end says that
the workflow has ended. Importing takes longer than most jobs of a small dataset. What a program
imports when it needs it, and each fork would import again, its function ``prepare`` imports.
Programs after the word ``then`` are needed later: jobs run while these are imported.
"""

import gc
import importlib
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NoReturn

from uplift.models import base as work_files
from uplift.workflow import job, job_server


def main(argv: Sequence[str]) -> NoReturn:
    """Import programs and serve; in a fork, run the program that was asked for."""
    listening, workflow, *programs = argv
    at = programs.index(job_server.THEN) if job_server.THEN in programs else len(programs)
    soon, later = programs[:at], programs[at + 1 :]
    _prepare(soon)
    prepare = partial(_prepare, later) if later else None
    program = job_server.serve(int(listening), int(workflow), prepare)
    code = 0 if program is None else job.run(importlib.import_module(program).main)
    job_server.leave(code)


def _prepare(programs: Iterable[str]) -> None:
    gc.disable()  # nearly all that imports make stays
    for name in programs:
        prepare = getattr(importlib.import_module(name), "prepare", None)
        if prepare is not None:
            prepare()
    work_files.build_all()
    gc.freeze()  # what is there is never collected: forks share these pages
    gc.enable()


if __name__ == "__main__":
    main(sys.argv[1:])

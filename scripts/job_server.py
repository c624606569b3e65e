"""Run programs of jobs in forks of one process that has imported them.

Started by the workflow, which hands over a socket that listens and a pipe whose end says that
the workflow has ended. Importing takes longer than most jobs of a small dataset. What a program
imports when it needs it, and each fork would import again, its function ``prepare`` imports.
Sockets and programs after the word ``then`` are for later steps, one group after the other: those
before run while a fork of this process imports them.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

gc.disable()  # nearly all that imports make stays

from uplift.models import base as work_files  # noqa: E402
from uplift.workflow import forks, job, job_server  # noqa: E402

_ROWS = ("uplift.settings.columns",)
"""The report alone reads rows of the sheet."""


def main(argv: Sequence[str]) -> NoReturn:
    """Import programs and serve; in a fork, run the program that was asked for."""
    # Ctrl-C goes to all processes; jobs end by themselves, and the servers after them
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    workflow, *words = argv
    groups = job_server.groups_of(words)
    while True:
        (listening, *programs), *groups = groups
        _prepare(programs)
        later = os.fork() if groups else 0
        # who waits at a socket hears of it when the process is gone that serves there
        for other in [one[0] for one in groups] if later or not groups else [listening]:
            os.close(int(other))
        if later or not groups:
            break
    program = job_server.serve(int(listening), int(workflow))
    if program is not None:
        signal.signal(signal.SIGINT, interrupt)
        forks.leave(job.run(importlib.import_module(program).main))
    if later:
        with contextlib.suppress(ChildProcessError):  # the workflow waits for this process alone
            os.waitpid(later, 0)
    forks.leave(0)


def _prepare(programs: Iterable[str]) -> None:
    gc.disable()
    for name in programs:
        prepare = getattr(importlib.import_module(name), "prepare", None)
        if prepare is not None:
            prepare()
    work_files.build_all(but=_ROWS)
    gc.freeze()  # what is there is never collected: forks share these pages
    gc.enable()


if __name__ == "__main__":
    main(sys.argv[1:])

"""Forks children that run conversions, from a process that has never run one.

Threads of tensorstore or obstore do not survive a fork, and the tests' own process may have some.
The programs are imported here once, so that a child starts at once. The other end is
:func:`crash.kills.run_in_child`.
"""

import importlib
import os
import pickle
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from support.steps import program

TESTS = Path(__file__).resolve().parents[1]
PROGRAMS = (
    *("inspect_source", "plan", "claim", "convert", "migrate", "crate", "validate", "publish"),
    "archive",
)
SLOW = (
    *("botocore.session", "rocrate.rocrate", "rocrate_validator.services"),
    *("uplift.storage.engines.obstore", "uplift.storage.s3"),
)
"""What the programs import when they need it."""


class Server:
    """A process that forks on request."""

    def __init__(self) -> None:
        folders = [str(TESTS.parent / "scripts"), str(TESTS)]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "crash.server"],
            # crates say when a conversion began and ended: the same for all of them
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(folders),
                "SOURCE_DATE_EPOCH": "1700000000",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, function: Callable[..., int], *arguments: object) -> int:
        """Call a function in a child; what it returned, negative the signal that ended it.

        The function must be importable by name; it and its arguments are pickled.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((function, arguments), self._process.stdin)
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """End the process, which has no child then."""
        self._process.communicate(timeout=30)


def serve() -> None:
    """Answer requests until there are no more."""
    with warnings.catch_warnings(action="ignore"):
        for module in SLOW:
            importlib.import_module(module)
    for name in PROGRAMS:
        program(name)
    requests, answers = sys.stdin.buffer, sys.stdout
    while True:
        try:
            function, arguments = pickle.load(requests)  # noqa: S301 - from the tests themselves
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            _call(function, arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.write(f"{code}\n")
        answers.flush()


def _call(function: Callable[..., int], arguments: tuple[object, ...]) -> None:
    code = 1
    try:
        code = function(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()

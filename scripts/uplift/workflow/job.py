"""Run a command-line program as a Snakemake job: the only module that knows Snakemake.

Named inputs, outputs and params of the rule become ``--name value``; unnamed ones only order jobs.
What the program logs goes to the rule's log, whose first line is the command that repeats the job.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from uplift.work import ledger
from uplift.workflow import console

WARNINGS_SHOWN = 20
"""On the console; the log of the job has all."""

Main = Callable[[Sequence[str] | None], int]
log = logging.getLogger(__name__)


def run(main: Main, job: Any) -> int:
    """Call `main` with the shell's arguments, or with those of the Snakemake job."""
    if job is None:
        return main(None)
    argv = arguments_of(job)
    program = Path(getattr(main, "__globals__", {}).get("__file__", "program")).resolve()
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    command = shlex.join([sys.executable, str(program), *argv])
    if not job.log:
        return main(argv)
    path = Path(str(job.log[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(command + "\n")
        # The report tells by this lock, which no kill leaves behind, that the job is running.
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _stderr_to(stream), _in_ledger(path, job.threads) as spent:
            code = spent.exit_code = main(argv)
    if not console.is_quiet():
        sys.stderr.writelines(f"{line}\n" for line in _for_the_console(path, failed=code != 0))
    return code


def arguments_of(job: Any) -> list[str]:
    """Arguments of the program, from the job's named inputs, outputs, params and its threads.

    None and an empty list leave an option out; mappings and lists of values become JSON.
    """
    argv: list[str] = []
    for part in (job.input, job.output, job.params):
        argv += options_of(part)
    if job.threads > 1:  # the default of the rules and of the programs is 1
        argv += ["--threads", str(job.threads)]
    return argv


def options_of(values: Mapping[str, Any]) -> list[str]:
    """Spell named values as options of a program."""
    argv: list[str] = []
    for name, value in values.items():
        text = _text(value)
        if text is not None:
            argv += [f"--{name.replace('_', '-')}", text]
    return argv


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return json.dumps(list(value), ensure_ascii=False) if value else None
    return str(value)


@contextlib.contextmanager
def _in_ledger(log: Path, threads: int) -> Iterator[ledger.Spent]:
    """Note the cost of a job whose log is ``<dataset>/logs/<step>[/<part>].log``."""
    folder = next((parent for parent in log.parents if parent.name == "logs"), None)
    if folder is None:
        yield ledger.Spent("")
        return
    step, *part = log.relative_to(folder).with_suffix("").parts
    with ledger.measured(folder.parent / ledger.NAME, step, "/".join(part), threads) as spent:
        yield spent


@contextlib.contextmanager
def _stderr_to(stream: TextIO) -> Iterator[None]:
    """Send ``sys.stderr`` to a file, and the traceback of a bug too."""
    shown = sys.stderr
    sys.stderr = stream
    try:
        yield
    except Exception as bug:
        traceback.print_exc(file=stream)
        text = " ".join(str(bug).split())
        stream.write(
            f"error: {type(bug).__name__}: {text}: this is a bug; report it with this log\n"
        )
        if console.is_quiet():
            raise SystemExit(1) from None
        raise
    finally:
        sys.stderr = shown


def _for_the_console(path: Path, *, failed: bool) -> Iterator[str]:
    """Warnings of a log, and the one-line error that it ends with or where to look for one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    warnings = [text for _, warned, text in (s.partition("Z WARNING ") for s in lines) if warned]
    for text in warnings[:WARNINGS_SHOWN]:
        yield f"warning: {text}"
    if len(warnings) > WARNINGS_SHOWN:
        yield f"warning: {len(warnings) - WARNINGS_SHOWN} more are in {path}"
    if failed:
        errors = (line for line in reversed(lines) if "error: " in line)
        yield next(errors, f"error: the job failed; see {path}")

"""Run a command-line program as a Snakemake job.

What the program logs goes to the job's log, whose first line is the command that repeats the job.
Its cost goes to the dataset's ledger. A repeated job that cannot succeed prints its error again,
immediately.
"""

import contextlib
import fcntl
import io
import json
import logging
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from uplift.errors import TransientError
from uplift.work import ledger
from uplift.workflow import console
from uplift.workflow.attempts import (
    dataset_folder,
    exit_codes,
    is_for_good,
    logs_folder,
    name_of,
    retries,
)

OPTION = "--job-log"
"""First word of a job's command line; the path of its log is the next."""

WARNINGS_SHOWN = 20
"""Maximal number of warnings on the console; the log of the job has all."""

Main = Callable[[Sequence[str] | None], int]


def run(main: Main) -> int:
    """Call `main` with the shell's arguments, or as a job."""
    if sys.argv[1:2] != [OPTION]:
        return main(None)
    path, argv = Path(sys.argv[2]), sys.argv[3:]
    earlier = exit_codes(path)
    said = path.with_suffix(".failed")
    if earlier and is_for_good(earlier[-1]):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(said, path)  # Snakemake deletes logs before each attempt
        return earlier[-1]
    program = Path(sys.argv[0]).resolve()
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(shlex.join([sys.executable, str(program), *argv]) + "\n")
        # By this lock, which no kill leaves behind, the report knows that the job is running.
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _stderr_to(stream), _in_ledger(path, _threads(argv)) as spent:
            code = spent.exit_code = main(argv)
    if code:
        shutil.copyfile(path, said)
    else:
        said.unlink(missing_ok=True)
    if not console.is_quiet():
        again = code == TransientError.exit_code and len(earlier) < retries()
        sys.stderr.writelines(f"{line}\n" for line in _for_the_console(path, code, again=again))
    return code


def _threads(argv: Sequence[str]) -> int:
    """Threads of a job; 1 is the default of the rules and of the programs."""
    return int(argv[argv.index("--threads") + 1]) if "--threads" in argv else 1


def options_of(values: Mapping[str, Any]) -> list[str]:
    """Options of a program: None and an empty list give no option, mappings and lists are JSON."""
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
    """Note the cost of a job of a dataset."""
    folder = logs_folder(log)
    if folder is None:
        yield ledger.Spent("")
        return
    step, part = name_of(log, folder)
    with ledger.measured(folder.parent / ledger.NAME, step, part, threads) as spent:
        yield spent


@contextlib.contextmanager
def _stderr_to(stream: TextIO) -> Iterator[None]:
    """Redirect ``sys.stderr`` to a file, including the traceback of a bug."""
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
        _log_no_more(stream)


def _log_no_more(stream: TextIO) -> None:
    """Throw away what is logged from now on: by threads that nobody waits for when a job failed."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
            handler.setStream(io.StringIO())


def _for_the_console(path: Path, code: int, *, again: bool) -> Iterator[str]:
    """Warnings of a log, and the one-line error at its end, or where to look for one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    warnings = [text for _, warned, text in (s.partition("Z WARNING ") for s in lines) if warned]
    for text in warnings[:WARNINGS_SHOWN]:
        yield f"warning: {text}"
    if len(warnings) > WARNINGS_SHOWN:
        yield f"warning: {len(warnings) - WARNINGS_SHOWN} more are in {path}"
    if code:
        errors = (line for line in reversed(lines) if "error: " in line)
        error = next(errors, f"error: the job failed; see {path}")
        error = error.replace("results/<dataset>", str(dataset_folder(path)))
        yield f"warning: tried again: {error.partition('error: ')[2]}" if again else error

"""What every command-line program of this project has in common: exit codes, logging, storage."""

import argparse
import contextlib
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from uplift.errors import (
    INTERRUPTED,
    TransientError,
    UpliftError,
    UsageError,
    is_little_memory,
    remedy_for,
)

log = logging.getLogger("uplift")

INTERRUPTED_CODE = 130
"""Exit code after Ctrl-C, as a shell has it."""


def parser_for(doc: str) -> argparse.ArgumentParser:
    """Build a parser whose help is the program's docstring.

    Exit codes are 0 (done), 1 (refused, one line), 2 (usage) and 75 (a storage failure that may
    pass by itself).
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    return parser


_CLOSED_PIPE_CODE = 128 + signal.SIGPIPE
"""As shells say it of programs that a closed pipe ends."""


def run_program(
    parser: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None,
) -> int:
    """Parse `argv`, run `body`, and turn the project's errors into one line and an exit code.

    Parameters
    ----------
    parser
        Of the program's options.
    body
        Does the work; raises the project's errors.
    argv
        Options; None: those of this process.

    Returns
    -------
    int
        Exit code, as :func:`parser_for` lists them.
    """
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    _start_logging(logging.WARNING if arguments.quiet else logging.INFO)
    try:
        with _no_traces_of_little_memory():
            body(arguments)
            sys.stdout.flush()
    except UpliftError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"error: {INTERRUPTED}\n")
        return INTERRUPTED_CODE
    except OSError as error:  # of work files; storage words its own
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # no word at the end
            return _CLOSED_PIPE_CODE
        if is_little_memory(error):
            return _too_little_memory()
        where = error.filename or "a work file"
        sys.stderr.write(f"error: {where}: {error.strerror or error}; {remedy_for(error)}\n")
        return 1
    except (MemoryError, RuntimeError, SystemError) as error:
        if not is_little_memory(error):
            raise
        return _too_little_memory()
    return 0


def _nobody_reads() -> bool:
    """Whether who reads what is printed has enough, as ``head`` after its last line."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in output.poll(0))


@contextlib.contextmanager
def _no_traces_of_little_memory() -> Iterator[None]:
    """Have the interpreter not print where it met too little memory and could not raise that.

    As in a generator that is thrown away: the next call that needs memory raises, and one line
    says so.
    """
    tell = sys.unraisablehook
    sys.unraisablehook = lambda one: None if one.exc_type is MemoryError else tell(one)
    try:
        yield
    finally:
        sys.unraisablehook = tell


def _too_little_memory() -> int:
    """Repeated by the workflow: on a cluster the next attempt gets more."""
    sys.stderr.write("error: not enough memory; lower threads, or plan smaller chunks\n")
    return TransientError.exit_code


_WORDS = {
    "source": "URL or folder of the source",
    "output": "URL or folder of the output",
    "dataset": "its name in the sheet",
}
_FILES = {"root": "root.zarr.json", "slice": "<k>-of-<K>.json"}
"""Work files whose options are not called as they are."""


def add_required(parser: argparse.ArgumentParser, *names: str, writes: Sequence[str] = ()) -> None:
    """Add options that a program cannot do without.

    Parameters
    ----------
    parser
        Of the program.
    names
        ``source``, ``output``, ``dataset``, and work files by their names without an ending.
    writes
        Work files that it writes.
    """
    for name in (*names, *writes):
        if name in _WORDS:
            parser.add_argument(f"--{name}", required=True, help=_WORDS[name])
            continue
        text = _FILES.get(name, f"{name}.json") + (" to write" if name in writes else "")
        parser.add_argument(f"--{name}", type=Path, required=True, help=text)


def json_argument(text: str) -> Any:
    """Decode an option whose value is JSON (settings handed over by the workflow)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error.msg}: {text[:80]}") from None


def add_switch(parser: argparse.ArgumentParser, name: str, *, default: bool = False) -> None:
    """Add an option that is ``true`` or ``false``, as the workflow hands one over.

    Parameters
    ----------
    parser
        Of the program.
    name
        Of the option, such as ``--overwrite``.
    default
        Where it is not given.
    """
    parser.add_argument(name, default=default, type=_truth, metavar="true|false")


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not true or false")
    return text.lower() == "true"


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add ``--storage``: settings by URL prefix, as in the config's ``storage`` section."""
    parser.add_argument(
        "--storage",
        type=json_argument,
        default={},
        metavar="JSON",
        help='storage settings by URL prefix, e.g. \'{"s3://idr/": {"anon": true}}\'',
    )


def require(condition: bool, message: str) -> None:
    """Raise a usage error unless `condition` holds."""
    if not condition:
        raise UsageError(message)


def _start_logging(level: int) -> None:
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format="%(asctime)sZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        force=True,
    )

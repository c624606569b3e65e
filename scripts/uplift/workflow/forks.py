"""Forks of Snakemake's process that run a program: what both need is imported once.

Such a fork behaves as a fresh Python does: Snakemake's files are closed, signals have the system's
defaults, and functions that Snakemake registered for its exit do not run.
"""

import atexit
import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import weakref
from asyncio import events
from collections.abc import Callable, Collection, Sequence
from multiprocessing import util
from pathlib import Path
from typing import NoReturn

from uplift.storage.settings import has_clients

FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment of processes that fork: threads do not survive a fork; no matrix is multiplied."""
_SCRIPTS = Path(__file__).resolve().parents[2]
_USUAL = gc.get_threshold()


def collect_seldom() -> None:
    """Have this process search for reference cycles after 100,000 new objects instead of 700.

    The jobs of a long sheet are such objects, and nearly all of them live as long as the run: the
    search is a thirtieth of a dry run. Forks, which hold data, search as often as Python does.
    """
    gc.set_threshold(100_000)


def is_safe() -> bool:
    """Whether a fork of this process is complete: no Python thread, no client of an object store.

    Threads of numpy's library for matrices end before each fork.
    """
    return threading.active_count() == 1 and not has_clients()


class Fork:
    """A program of ``scripts`` that runs in a fork of this process.

    Parameters
    ----------
    program
        Its name.
    argv
        Its arguments.
    kept
        Descriptors that it goes on using.
    """

    def __init__(self, program: str, argv: Sequence[str], kept: Collection[int]) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what waits there would be written twice
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _leave_behind(kept)
                _end_as_python(lambda: importlib.import_module(program).main(argv))
            finally:
                os._exit(1)  # never back into Snakemake

    def wait(self) -> None:
        """Wait until it has ended."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _leave_behind(kept: Collection[int]) -> None:
    """Drop what a fork has from Snakemake: open files, signal handlers, functions for its exit."""
    # Those that are open: to go through all that there may be, a thousand million, takes minutes
    # where the system cannot close ranges.
    for number in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in kept:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(number)
    for one in signal.valid_signals():
        if callable(signal.getsignal(one)):
            signal.signal(one, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    events._set_running_loop(None)  # it lists its jobs inside of one
    gc.set_threshold(*_USUAL)
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]  # its temporary folders
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    atexit.register(util._exit_function)  # type: ignore[attr-defined]  # of workers, as always
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    sys.path.insert(0, str(_SCRIPTS))
    os.environ |= FEW_THREADS


def _end_as_python(body: Callable[[], object]) -> NoReturn:
    """Call a function that is all of a program."""
    code: object = 1
    try:
        code = body()
    except SystemExit as stop:
        code = stop.code
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):  # its shell is to know
            sys.stderr.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    leave(code if isinstance(code, int) else int(code is not None))


def leave(code: int) -> NoReturn:
    """End this process as Python does, without taking apart what is imported.

    That would have a fork copy most of the server's pages, which takes longer than most jobs.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, ends pools of them
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)

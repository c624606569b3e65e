"""Which console prints while the workflow runs: this workflow's, or Snakemake's.

Snakemake's own messages go to its log (``.snakemake/log``). Its handler of the console is replaced
while the Snakefile is read, which works with any profile, with ``-s`` from another folder, and
where the workflow is used as a module. ``--quiet all``, ``--verbose`` or ``-p``, or ``console:
snakemake`` in the config, keeps Snakemake's.
"""

import functools
import logging
import os
import sys
from typing import Any

from uplift.workflow.console_events import Console

VARIABLE = "NGFF_UPLIFT_CONSOLE"
"""Set for jobs of this computer, which then print nothing: this console does."""


def install(workflow: Any) -> None:
    """Replace Snakemake's messages on the console, unless the user asked for them."""
    from snakemake.settings.enums import Quietness  # not for jobs, which import this, too

    settings = workflow.output_settings
    # --quiet rules, and --quiet alone, ask for less than Snakemake says, and that is said here
    quiet = settings.quiet and not {Quietness.RULES, Quietness.PROGRESS} & set(settings.quiet)
    asked = quiet or settings.verbose or settings.printshellcmds or settings.debug_dag
    logger = _logger()
    if asked or not workflow.is_main_process or active() is not None:
        return
    for handler in list(logger.handlers):
        if isinstance(handler, logging.FileHandler):
            handler.handleError = _without_traceback  # type: ignore[assignment]
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            logger.addHandler(Console(workflow, handler))
            os.environ[VARIABLE] = "short"


@functools.cache
def _print_log_error(what: str) -> None:
    """Say once that Snakemake's log cannot be written, as on a full disk."""
    sys.stderr.write(f"warning: .snakemake/log: {what}\n")


def _without_traceback(_record: logging.LogRecord) -> None:
    """Replace ``Handler.handleError``, which prints a traceback for each message."""
    _print_log_error(str(sys.exc_info()[1]).partition("] ")[2] or "cannot be written")


def active() -> Console | None:
    """Return the console of this process, when there is one."""
    return next((one for one in _logger().handlers if isinstance(one, Console)), None)


def restore() -> None:
    """Go back to Snakemake's own messages, where this process has a console."""
    console = active()
    if console is not None:
        _logger().removeHandler(console)
        _logger().addHandler(console.replaced)
        os.environ.pop(VARIABLE, None)


def is_quiet() -> bool:
    """Whether this process is a job whose messages the process that started it shows."""
    return VARIABLE in os.environ


def _logger() -> logging.Logger:
    return logging.getLogger("snakemake.logging")

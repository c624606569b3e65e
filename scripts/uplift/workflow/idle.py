"""Runs with nothing to do, for which Snakemake calls no hook."""

import logging
from collections.abc import Callable
from typing import Any


class IdleWatch(logging.Handler):
    """Calls a function when Snakemake says that nothing is to be done."""

    def __init__(self, workflow: Any, then: Callable[[], None]) -> None:
        super().__init__(logging.INFO)
        self._workflow, self._then = workflow, then

    def emit(self, record: logging.LogRecord) -> None:
        """Check a message; a dry run, and one without hooks, writes nothing."""
        settings = self._workflow.execution_settings
        if not record.getMessage().startswith("Nothing to be done") or self._workflow.dryrun:
            return
        if settings is None or settings.no_hooks:
            return
        try:
            self._then()
        except Exception:  # as every handler does: logging never stops the work
            self.handleError(record)


def watch(workflow: Any, then: Callable[[], None]) -> None:
    """Call `then` when a run ends because nothing is to be done."""
    logging.getLogger("snakemake.logging").addHandler(IdleWatch(workflow, then))

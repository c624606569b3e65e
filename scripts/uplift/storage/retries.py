"""Try again what may pass by itself: exponential back-off with jitter."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import tenacity

from uplift.errors import TransientError

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 5


def _tell(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning("attempt %d of %d failed: %s", state.attempt_number, ATTEMPTS, error)


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Repeat a call that can be repeated when it raises a transient error."""
    return tenacity.retry(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=lambda state: state.attempt_number >= ATTEMPTS,
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
        before_sleep=_tell,
        reraise=True,
    )(function)

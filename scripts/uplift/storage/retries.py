"""Try again what may pass by itself: exponential back-off with jitter."""

from __future__ import annotations

import functools
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


_POLICY = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(TransientError),
    stop=lambda state: state.attempt_number >= ATTEMPTS,
    wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
    before_sleep=_tell,
    reraise=True,
)


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Repeat a call that can be repeated when it raises a transient error."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:  # one call in thousands fails: the others need not pay for the policy
            return function(*args, **kwargs)
        except TransientError as error:
            failed = [error]

        def attempt() -> R:
            if failed:
                raise failed.pop()
            return function(*args, **kwargs)

        return _POLICY.copy()(attempt)

    return call

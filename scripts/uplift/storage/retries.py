"""Repeat what failed for a transient reason: what repeats what, and how often.

* **A request** (read, listing, small write): :func:`retried`, once more after each failure that may
  pass, `retries` times; exponential back-off with jitter, or when the server says. The engines
  repeat none of these: they cannot hold back the other requests of the job, and loops within loops
  multiply.
* **A part of an upload** that is under way: the engine, as often, since it alone has the part.
* **An upload that fails as a whole**, such as one whose last answer was lost: :func:`written_again`
  has the object made and sent again, twice. What :func:`retried` gave up is not started again.
* **A job** that ends with exit code 75: Snakemake (``retries``), after everything above.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import tenacity

from uplift.errors import TransientError
from uplift.settings.storage import StorageOptions
from uplift.storage import tuning

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class HasOptions(Protocol):
    """A store: its options say how often."""

    options: StorageOptions


T = TypeVar("T", bound=HasOptions)


def written_again(write: Callable[[], R]) -> R:
    """Write an object, and again when its upload failed as a whole.

    Parameters
    ----------
    write
        Makes the object and sends it; may be called several times.

    Raises
    ------
    TransientError
        The last attempt failed too, or a request in it was repeated as often as is allowed.
    """
    return _repeated(write, tuning.LOST_UPLOADS)


def _repeated(function: Callable[[], R], attempts: int) -> R:
    try:  # one call in thousands fails: the others need not pay for the policy
        return function()
    except TransientError as error:
        if error.given_up:
            raise
        failed = [error]

    def attempt() -> R:
        if failed:
            raise failed.pop()
        return function()

    def log_attempt(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        level = logging.WARNING if state.attempt_number > tuning.QUIET_FAILURES else logging.DEBUG
        log.log(level, "attempt %d of %d failed: %s", state.attempt_number, attempts, error)

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, TransientError) and not error.given_up

    policy = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_random_exponential(tuning.FIRST_WAIT_S, tuning.LONGEST_WAIT_S),
        before_sleep=log_attempt,
        reraise=True,
    )
    try:
        return policy(attempt)
    except TransientError as error:
        error.given_up = True
        raise


def retried(method: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """Repeat a request of a store that can be repeated, as often as its options say."""

    @functools.wraps(method)
    def call(self: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return _repeated(lambda: method(self, *args, **kwargs), self.options.retries + 1)

    return call


class Pause:
    """Keeps all requests to a server back for as long as it asks for (thread-safe)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()  # of both times, which threads move on together
        self._until = self._look_again = -tuning.LONGEST_PAUSE_S

    def wait(self) -> None:
        """Return when the server may be asked again."""
        left = self._until - time.monotonic()
        if left > 0:
            time.sleep(left)

    def begin(self, asked: float | None, ask: Callable[[], float | None]) -> None:
        """Begin the pause that a busy server asks for.

        Parameters
        ----------
        asked
            Seconds, where the answer had them.
        ask
            Asks the server for them otherwise; one thread does for all.
        """
        with self._lock:
            if asked is None:
                if time.monotonic() < self._look_again:
                    return
                asked = ask()
            seconds = min(asked or 0.0, tuning.LONGEST_PAUSE_S)
            until = time.monotonic() + seconds
            self._look_again = until if seconds else until + tuning.LOOK_AGAIN_S
            longer, self._until = until - self._until, max(until, self._until)
        if seconds and longer > 1:
            log.warning("%s: the server asks for a pause of %.0f s", self._url, seconds)


def seconds_of(retry_after: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number, or a date (RFC 9110, 10.2.3)."""
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())

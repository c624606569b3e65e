"""A line now and then in place of silence."""

import logging
import threading
import time

EVERY_S = 10.0
"""Between lines: seldom enough for a log, often enough for who watches it."""
log = logging.getLogger(__name__)


class Progress:
    """Counts what is done and logs the count, at most every :data:`EVERY_S` (thread-safe).

    Parameters
    ----------
    text
        Line with one ``%d``, such as ``"0: %d objects so far"``.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()  # += is several steps of the interpreter
        self._said = time.monotonic()
        self._done = 0

    def add(self, count: int = 1) -> None:
        """Count, and tell when it is time."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._said < EVERY_S:
                return
            self._said = now
            done = self._done
        log.info(self._text, done)

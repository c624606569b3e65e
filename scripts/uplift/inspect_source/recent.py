"""Sources that something may still be writing to: an object changed minutes ago."""

import operator
import threading
from typing import Literal

from uplift.storage.protocol import ObjectInfo

RecentChange = Literal["ignore", "warn", "fail"]

RECENT_S = 300.0
"""Microscopes pause for minutes between two time points, and copies between two large files."""

MARK = "is something still writing there?"
"""Text in the warning by which the console finds it."""


_changed = operator.attrgetter("changed")


class Newest:
    """The listed object that changed last (thread-safe)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # between the comparison and what follows from it
        self.object: ObjectInfo | None = None

    def add(self, *infos: ObjectInfo) -> None:
        """Compare with objects."""
        last = max(infos, key=_changed, default=None)
        with self._lock:
            if last is not None and (self.object is None or last.changed > self.object.changed):
                self.object = last


def recent_change(url: str, newest: Newest, now: float) -> str | None:
    """Message that a source changed within :data:`RECENT_S`; None if it did not.

    Parameters
    ----------
    url
        The source.
    newest
        The object there that changed last.
    now
        Seconds since 1970.

    Returns
    -------
    str | None
        One line.
    """
    last = newest.object
    if last is None or now - last.changed > RECENT_S:
        return None
    ago = max(0, round(now - last.changed))
    return f"{url}/{last.key}: changed {ago} s ago: {MARK} let it end, then inspect again"

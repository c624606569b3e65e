"""Caps on what a run asks of an endpoint: requests under way, and bytes per second.

Snakemake adds up the shares of the jobs that run at once (:mod:`uplift.workflow.caps`); a job keeps
to its own share here: all its stores of one endpoint and settings have one cap.
"""

import threading
import time
from functools import cache
from typing import NamedTuple

from uplift.settings.storage import StorageOptions
from uplift.storage.urls import AZURE, display_url, is_local, split_url

_BURST_S = 1.0
"""Bytes of this long may come at once: an object is not cut where a second ends."""


class Share(NamedTuple):
    """What one job may do at an endpoint.

    Attributes
    ----------
    endpoint
        Host that is asked.
    requests
        Under way at once.
    of
        Requests under way at once, over all jobs of a run.
    bytes_per_second
        Over all jobs of a run; None: as fast as it goes.
    """

    endpoint: str
    requests: int
    of: int
    bytes_per_second: int | None

    @property
    def own_bytes_per_second(self) -> float | None:
        """What is left to one job when as many run as the cap allows."""
        rate = self.bytes_per_second
        return None if rate is None else rate * self.requests / self.of


def share_of(url: str, options: StorageOptions) -> Share | None:
    """Share that a job has in the endpoint of a URL; None for files of this machine."""
    if is_local(url):
        return None
    of = options.max_requests
    requests = min(options.concurrency, of)
    return Share(_endpoint(url, options), requests, of, options.bytes_per_second)


def _endpoint(url: str, options: StorageOptions) -> str:
    """Host of a location, as far as the settings tell; of a public cloud, the cloud or account."""
    parts = split_url(display_url(url))
    if options.endpoint_url:
        return split_url(options.endpoint_url).authority
    if parts.scheme in ("http", "https", *AZURE):
        return parts.authority.partition("@")[2] or parts.authority
    return parts.scheme


class Cap:
    """Keeps the requests of a process within a share (thread-safe).

    Parameters
    ----------
    requests
        Under way at once.
    bytes_per_second
        None: as fast as it goes.
    """

    def __init__(self, requests: int, bytes_per_second: float | None) -> None:
        self.requests = requests
        self.gate = threading.BoundedSemaphore(requests)
        """Held while a request is under way, never while waiting for another one."""
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._due = 0.0

    def moved(self, count: int) -> None:
        """Count bytes that were read or will be sent; wait while they are too many."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now - _BURST_S) + count / self._rate
            wait = self._due - now
        if wait > 0:  # outside the lock: others may find out how long they have to wait
            time.sleep(wait)


_OWN_PART = 1 / 8
"""Part of its share that a job keeps where workers have the rest: it lists arrays."""
_part = 1.0


def parts(processes: int) -> tuple[float, float]:
    """Parts of what a job may do that the job itself has, and each of its worker processes."""
    return (1.0, 1.0) if processes == 1 else (_OWN_PART, (1 - _OWN_PART) / processes)


def most_processes(share: Share) -> int:
    """Worker processes among which a share can be divided: each makes a request at least."""
    return max(1, int(share.requests * (1 - _OWN_PART)))


def set_part(part: float) -> None:
    """Set the part of the job's share that this process has, before it opens a store."""
    global _part
    _part = part
    _cap.cache_clear()


def cap_of(url: str, options: StorageOptions) -> Cap:
    """Cap that all stores of one endpoint and settings share in this process."""
    share = share_of(url, options)
    assert share is not None  # noqa: S101 - asked for remote locations alone
    return _cap(share)


@cache
def _cap(share: Share) -> Cap:
    rate = share.own_bytes_per_second
    requests = max(1, int(share.requests * _part))
    return Cap(requests, None if rate is None else rate * _part)

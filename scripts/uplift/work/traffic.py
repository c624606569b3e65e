"""Requests, objects and bytes to and from storage, counted in this process."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields


@dataclass
class Traffic:
    """Counts of requests, objects and bytes to and from storage.

    Attributes
    ----------
    requests
        To remote stores; repeated ones count again, an upload in parts once.
    objects_read, bytes_read
        Objects (or ranges of one) that were read, and their bytes as stored; without
        those that other people's readers fetch themselves.
    objects_written, bytes_written
        The same for writing; an object whose blocks were shared or copied by the server counts as
        written.
    """

    requests: int = 0
    objects_read: int = 0
    bytes_read: int = 0
    objects_written: int = 0
    bytes_written: int = 0

    def __getstate__(self) -> dict[str, int]:
        """Counts without the lock, for another process."""
        return asdict(self)

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __post_init__(self) -> None:
        # += is several steps of the interpreter, and stores read from many threads
        self._lock = threading.Lock()

    def add(self, **counts: int) -> None:
        """Add to the counts that are named (thread-safe)."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def add_read(self, count: int) -> None:
        """Add one object that was read, the commonest case."""
        with self._lock:
            self.objects_read += 1
            self.bytes_read += count

    def since(self, before: Traffic) -> Traffic:
        """What was added since a copy was taken."""
        return Traffic(**{n: getattr(self, n) - getattr(before, n) for n in TRAFFIC_COUNTS})

    def copy(self) -> Traffic:
        """Copy the counts."""
        return Traffic(**asdict(self))


TRAFFIC_COUNTS = tuple(entry.name for entry in fields(Traffic))
TRAFFIC = Traffic()
"""Counts of this process. Work that is done by child processes is added by their parent."""

"""Progress of running conversions, from the journals that their jobs write.

This works for jobs of this computer and of a cluster: both write the same work files.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uplift.work.folder import WorkFolder

_WINDOW_S = 20.0
"""Time over which the rate is measured: some jobs finish a shard only every few seconds."""


@dataclass(frozen=True)
class Status:
    """Progress of one dataset. Bytes as stored in the output.

    Attributes
    ----------
    rate
        Bytes a second lately.
    left
        Seconds left at that rate; None when unknown.
    is_done
        Whether all is converted. The plan is an estimate: the bytes may be fewer or more.
    """

    objects: int
    planned_objects: int
    bytes: int
    planned_bytes: int
    rate: float
    left: float | None
    is_done: bool = False

    @property
    def share(self) -> float:
        """From 0 to 1; 1 only when all is converted."""
        if self.is_done:
            return 1.0
        if self.planned_bytes:
            return min(0.99, self.bytes / self.planned_bytes)
        return min(0.99, self.objects / self.planned_objects) if self.planned_objects else 0.0


class Watch:
    """Follows one dataset. Only new lines of its journals are read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, int, int]] = {}
        self._planned: tuple[int, int] | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def status(self) -> Status | None:
        """Progress now; None before there is a journal."""
        for journal in self._folder.glob("journal/*.jsonl"):
            self._read[journal] = _followed(journal, self._read.get(journal, (0, 0, 0)))
        if not self._read:
            return None
        if self._planned is None:
            self._planned = _planned(WorkFolder(self._folder).plan)
        objects = sum(entry[1] for entry in self._read.values())
        size = sum(entry[2] for entry in self._read.values())
        now = time.monotonic()
        self._seen.append((now, size))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        started, first = self._seen[0]
        rate = (size - first) / (now - started) if now - started > 1 else 0.0
        left = max(0, self._planned[1] - size) / rate if rate > 0 and self._planned[1] else None
        is_done = _are_whole(WorkFolder(self._folder).slices())
        return Status(objects, self._planned[0], size, self._planned[1], rate, left, is_done)


def _are_whole(slices: Sequence[tuple[int, int, Path]]) -> bool:
    """Whether all slices of a dataset exist; those of a run with another count are counted too."""
    there = Counter(count for _, count, _ in slices)
    return bool(there) and all(found == count for count, found in there.items())


def _followed(journal: Path, known: tuple[int, int, int]) -> tuple[int, int, int]:
    """Read new lines of a journal: where to read next, objects and bytes so far."""
    at, objects, size = known
    try:
        if journal.stat().st_size < at:  # another job has started it from the start
            at, objects, size = 0, 0, 0
        with journal.open("rb") as stream:
            stream.seek(at)
            added = stream.read()
    except OSError:  # renamed at this moment
        return known
    whole = added[: added.rfind(b"\n") + 1]
    for entry in _entries(whole):
        objects += int(entry.get("objects", 0))
        size += int(entry.get("bytes", 0))
    return at + len(whole), objects, size


def _entries(lines: bytes) -> Iterator[Mapping[str, Any]]:
    for line in lines.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _planned(plan: Path) -> tuple[int, int]:
    """Objects and bytes of all arrays as planned; zeros where the plan does not say."""
    try:
        arrays = json.loads(plan.read_bytes())["arrays"]
        return (
            sum(array.get("objects") or 0 for array in arrays),
            sum(array.get("bytes") or 0 for array in arrays),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, 0

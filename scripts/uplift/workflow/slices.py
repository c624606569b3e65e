"""How many convert jobs share the batches of a dataset: known before any job runs.

Snakemake must know all jobs when it starts, so the number comes from the sheet (column ``jobs``),
else from the plan of an earlier run (``snakemake plans`` makes one), and is 1 where there is none.
Finished work stays valid when the number changes: a slice is a set of batches, and finished
batches are kept.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from uplift.settings.values import MAX_SLICES
from uplift.work.folder import WorkFolder
from uplift.work.json_files import file_sha256

MOST_LISTING = 8
"""Cores for listing a source: more would wait for one disk, or for one server."""
SLICE_BYTES = 64 * 2**30
"""Stored bytes of one slice, about: some ten minutes of a machine of several cores."""


def slice_count(work: WorkFolder, asked: int | None = None) -> int:
    """Into how many slices a dataset's batches are cut: as many as the sheet asks for, if it does.

    Finished slices of the current plan keep their number: otherwise the next run would cut a
    dataset that was converted by one job, and check it again.
    """
    done = _complete(work)
    if done is not None and _is_of(work, done):
        return done
    if asked is not None:
        return asked
    size = planned_bytes(work)
    return 1 if size is None else slices_of(size)


def slices_of(stored_bytes: int) -> int:
    """Into how many slices a dataset of so many stored bytes is cut."""
    return min(MAX_SLICES, max(1, -(-stored_bytes // SLICE_BYTES)))


@dataclass(frozen=True)
class Planned:
    """Size of a dataset according to its plan; zeros where the plan does not have it.

    Attributes
    ----------
    arrays
        Of the plan.
    objects, bytes
        Stored by the source.
    core_mib
        Memory that each core of a job takes.
    cpu_seconds
        Of converting and validating.
    """

    arrays: int = 0
    objects: int = 0
    bytes: int = 0
    core_mib: int = 0
    cpu_seconds: float = 0.0


def planned(work: WorkFolder) -> Planned | None:
    """Size of a dataset by its plan; None without a plan that has it."""
    try:
        status = work.plan.stat()
    except FileNotFoundError:
        return None
    return _planned(work.plan, status.st_mtime_ns, status.st_size)


def planned_bytes(work: WorkFolder) -> int | None:
    """Stored bytes of the source, as the plan has them; None without a plan."""
    found = planned(work)
    return None if found is None else found.bytes


def cores_for(size: int, arrays: int) -> int:
    """How many cores are worth it; small datasets rather run at the same time.

    Parameters
    ----------
    size
        Stored bytes: 64 MiB take a core about half a second.
    arrays
        Of any size: 256 take a core about as long.

    Returns
    -------
    int
        At least one.
    """
    return 1 + size // 2**26 + arrays // 256


def plan_size(work: WorkFolder) -> int:
    """Bytes of the plan, which grows with the number of arrays; 0 without one."""
    try:
        return work.plan.stat().st_size
    except FileNotFoundError:
        return 0


@lru_cache(maxsize=4096)
def _planned(plan: Path, _changed: int, _size: int) -> Planned | None:
    try:
        known = json.loads(plan.read_bytes())
        estimate = known["estimate"]
        before, costs = estimate["before"], estimate.get("costs") or {}
        return Planned(
            len(known["arrays"]),
            int(before["objects"]),
            int(before["bytes"]),
            int(costs.get("memory_mib", 0)),
            float(costs.get("cpu_seconds", 0)),
        )
    except (ValueError, TypeError, KeyError, AttributeError):  # edited; convert reads it with care
        return None


def _complete(work: WorkFolder) -> int | None:
    """Count of the slices of which all exist; the newest where there are several."""
    by_count: dict[int, list[Path]] = {}
    for _, count, path in work.slices():
        by_count.setdefault(count, []).append(path)
    whole = [count for count, files in by_count.items() if len(files) == count]
    return max(whole, key=lambda count: work.slice(1, count).stat().st_mtime_ns, default=None)


def _is_of(work: WorkFolder, count: int) -> bool:
    """Whether slices are of the current plan."""
    first = work.slice(1, count)
    if not work.plan.exists() or work.plan.stat().st_mtime_ns <= first.stat().st_mtime_ns:
        return True
    try:
        return bool(json.loads(first.read_bytes())["plan_sha256"] == file_sha256(work.plan))
    except (ValueError, TypeError, KeyError):
        return False

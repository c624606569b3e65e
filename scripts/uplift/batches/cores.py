"""How many processes the work of a job is worth, and how many threads each of them gets."""

import heapq
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uplift import grid
from uplift.batches.portions import Portion, grouped, object_bytes, portions_of, total_cost
from uplift.models.batch import Batch, BatchItem
from uplift.planning.estimates import RECODE_BLOCK_BYTES, decoded_bytes

_ALONE_BYTES = 128 * 2**20
ALONE_ARRAYS = 64
"""Less than this the job does itself: starting processes takes some tenths of a second."""
_MOST_THREADS = 8
"""Most threads of a process. Python's lock is held for a tenth of the time that encoding a chunk
takes, so more threads would wait for each other."""
_THREAD_CHUNKS = 6
"""Chunks that a thread has in memory: two read, two encoded, one decoded, one in between."""
_THREADS_BYTES = 32 * 2**20
"""Memory of all threads of a process, in addition to the plan's: a quarter of that is kept free."""
_EVEN = 1.1
"""Portions that keep all cores busy except for a tenth of the time need no threads."""
_SAMPLED = 64
"""With this many portions for each core the work is even, whatever the largest portion is."""


def processes_for(batches: Sequence[Batch], cores: int) -> int:
    """Number of processes that the work is worth."""
    arrays = sum(len(batch.items) for batch in batches)
    cost = total_cost(batches)
    if cost < _ALONE_BYTES and arrays < ALONE_ARRAYS:
        return 1
    most = max(cost // (_ALONE_BYTES // 4), arrays // (ALONE_ARRAYS // 4))
    return max(1, min(cores, most))


@dataclass(frozen=True)
class Cores:
    """How a job uses its cores.

    Attributes
    ----------
    processes
        Worker processes.
    threads
        Of each process, which encode the chunks of one large object; the system schedules them.
    large_bytes
        Decoded bytes from which on an object is a large one.
    in_shares
        Whether several processes validate a large object together.
    """

    processes: int
    threads: int = 1
    large_bytes: int = 0
    in_shares: bool = False


def shared_out(
    batches: Sequence[Batch], cores: int, most: int = sys.maxsize, *, local: bool = True
) -> Cores:
    """Assign the cores of a job: where shards are few or uneven, several cores to one shard.

    Parameters
    ----------
    batches
        To be converted.
    cores
        Of the job.
    most
        Processes at most.
    local
        Whether both sides are files: what was written is read again from memory.

    Returns
    -------
    Cores
        For the whole job.
    """
    cores = processes_for(batches, cores)
    if cores == 1:
        return Cores(1)
    groups = (group for batch in batches for group in grouped(portions_of(batch)))
    sample = list(itertools.islice(groups, cores * _SAMPLED))
    each = itertools.chain.from_iterable(map(_costs, sample))
    costs = list(itertools.islice(each, cores * _SAMPLED))
    processes = max(1, min(cores, most, len(costs)))
    if len(costs) == cores * _SAMPLED or _outlast(costs, cores) <= _EVEN:
        return Cores(processes, cores // processes)
    if local:
        parts = sum(g[0].likely_parts if len(g) == 1 else 1 for g in sample)
        processes = max(1, min(cores, most, parts))
    shared = local and processes > 1
    threads, least = _threads(sample, processes, cores)
    if threads > cores // processes:
        return Cores(processes, threads, least, shared)
    return Cores(processes, cores // processes, 0, shared)


def _costs(group: Sequence[Portion]) -> Iterator[float]:
    """Costs of the groups of portions; a large portion is alone in its group."""
    cost = sum(one.cost for one in group)
    parts = 1 if len(group) > 1 or group[0].can_be_shared else group[0].likely_parts
    return itertools.repeat(cost / parts, parts)


def _outlast(costs: Sequence[float], processes: int) -> float:
    """How much longer the last process takes than if all took the same time."""
    ends = [0.0] * processes
    for cost in costs:  # as they are handed out
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends) * processes / (sum(costs) or 1)


def _threads(groups: Sequence[Sequence[Portion]], processes: int, cores: int) -> tuple[int, int]:
    """Threads with which encoding the largest shards takes no longer than all other work.

    And the bytes of the smallest of these shards.
    """
    fair = sum(one.cost for group in groups for one in group) / cores
    encoded = [group[0].item for group in groups if group[0].item.method == "recode"]
    # those that are left when all others have ended
    large = [item for item in encoded if object_bytes(item) > fair]
    large = large or [item for item in encoded if object_bytes(item) > fair / 2]
    if not large:
        return 1, 0
    # twice the cores: each waits at times, for the disk or for Python's lock
    wanted = grid.ceil_div(2 * cores, min(len(large), processes))
    threads = max(1, min(cores, _MOST_THREADS, wanted, *map(_threads_in_memory, large)))
    return threads, min(map(object_bytes, large))


def _threads_in_memory(item: BatchItem) -> int:
    """Threads for whose chunks a process has enough memory."""
    sides = [(item.source, item.source.chunks), (item.source, item.target.chunks)]
    chunk_bytes = max(itertools.starmap(decoded_bytes, sides))
    block = min(RECODE_BLOCK_BYTES, object_bytes(item))
    # where chunks stay what they are, no block of them is put together
    budget = block if item.source.chunks == item.target.chunks else _THREADS_BYTES
    return budget // (_THREAD_CHUNKS * chunk_bytes)

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
"""Less than this is done by the job itself: processes cost some tenths of a second to start."""
_MOST_THREADS = 8
"""Of a process. Python's lock is held for a tenth of the time that encoding a chunk takes, so more
would wait for one another."""
_THREAD_CHUNKS = 6
"""That a thread has in memory: two read, two encoded, one decoded, one in between."""
_THREADS_BYTES = 32 * 2**20
"""Of all threads of a process, besides what a plan allows for: a quarter of that is kept free."""
_EVEN = 1.1
"""Portions that keep all cores at work but for a tenth of the time need no threads."""
_LOOKED_AT = 64
"""Portions for each core: so many are even whatever the largest is."""


def processes_for(batches: Sequence[Batch], cores: int) -> int:
    """Processes that the work is worth."""
    arrays = sum(len(batch.items) for batch in batches)
    cost = total_cost(batches)
    if cost < _ALONE_BYTES and arrays < ALONE_ARRAYS:
        return 1
    most = max(cost // (_ALONE_BYTES // 4), arrays // (ALONE_ARRAYS // 4))
    return max(1, min(cores, most))


@dataclass(frozen=True)
class Cores:
    """What a job does with the cores that it was given.

    Attributes
    ----------
    processes
        That carry out portions.
    threads
        Of each, which encode the chunks of one large object; the system shares the cores out.
    large_bytes
        Of an object, decoded, from which on it is a large one.
    in_shares
        Whether processes find a large object again together.
    """

    processes: int
    threads: int = 1
    large_bytes: int = 0
    in_shares: bool = False


def shared_out(
    batches: Sequence[Batch], cores: int, most: int = sys.maxsize, *, local: bool = True
) -> Cores:
    """Share out the cores of a job: where shards are few, or of uneven sizes, several to a shard.

    Parameters
    ----------
    batches
        To be converted.
    cores
        That the job was given.
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
    looked_at = list(itertools.islice(groups, cores * _LOOKED_AT))
    each = itertools.chain.from_iterable(map(_costs, looked_at))
    costs = list(itertools.islice(each, cores * _LOOKED_AT))
    processes = max(1, min(cores, most, len(costs)))
    if len(costs) == cores * _LOOKED_AT or _outlast(costs, cores) <= _EVEN:
        return Cores(processes, cores // processes)
    if local:
        parts = sum(g[0].likely_parts if len(g) == 1 else 1 for g in looked_at)
        processes = max(1, min(cores, most, parts))
    shared = local and processes > 1
    threads, least = _threads(looked_at, processes, cores)
    if threads > cores // processes:
        return Cores(processes, threads, least, shared)
    return Cores(processes, cores // processes, 0, shared)


def _costs(group: Sequence[Portion]) -> Iterator[float]:
    """Costs of what is handed out separately; a large portion is alone in its group."""
    cost = sum(one.cost for one in group)
    parts = 1 if len(group) > 1 or group[0].can_be_shared else group[0].likely_parts
    return itertools.repeat(cost / parts, parts)


def _outlast(costs: Sequence[float], processes: int) -> float:
    """By how much the last process outlasts what each would take if all took the same time."""
    ends = [0.0] * processes
    for cost in costs:  # as they are handed out
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends) * processes / (sum(costs) or 1)


def _threads(groups: Sequence[Sequence[Portion]], processes: int, cores: int) -> tuple[int, int]:
    """Threads with which the largest shards that are encoded do not outlast all other work.

    And the bytes of the least of these shards.
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
    """Threads whose chunks a process has room for."""
    sides = [(item.source, item.source.chunks), (item.source, item.target.chunks)]
    chunk_bytes = max(itertools.starmap(decoded_bytes, sides))
    block = min(RECODE_BLOCK_BYTES, object_bytes(item))
    # where chunks stay what they are, no block of them is put together
    room = block if item.source.chunks == item.target.chunks else _THREADS_BYTES
    return room // (_THREAD_CHUNKS * chunk_bytes)

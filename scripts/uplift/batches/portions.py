"""Portions: what one process does at once, a part of a large array or a number of small ones.

Batches are cut alike on every machine; which process takes which portion changes no byte.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from uplift import grid
from uplift.arrays.tasks import TASK_CHUNKS
from uplift.convert.portion import Survey
from uplift.models.arrays import SourceArray
from uplift.models.batch import Batch, BatchItem
from uplift.models.once import once_each
from uplift.models.record import BadChunk
from uplift.planning import estimates
from uplift.work.journal import Done

PORTION_BYTES = 64 * 2**20
"""Decoded bytes of a portion, or one object: some tenths of a second of work, so that the cores end
together, and thousands of times what handing it over costs."""

PORTION_ARRAYS = 16
"""Small arrays that are handed over together."""


@dataclass(frozen=True)
class Portion:
    """A run of stored objects of one batch item.

    Attributes
    ----------
    batch
        Name of the batch.
    number
        Position of the item in it.
    item
        The item, cut to the objects of the portion.
    whole
        Whether these are all objects of the item: then its process lists both sides.
    done
        Lines of the journal about the item.
    survey
        What is there, where the item is cut and was listed before.
    bad
        Chunks that convert could not keep, when the portion is only validated.
    """

    batch: str
    number: int
    item: BatchItem
    whole: bool
    done: tuple[Done, ...] = ()
    survey: Survey | None = None
    bad: tuple[BadChunk, ...] = ()

    @property
    def cost(self) -> int:
        """Decoded bytes, at most."""
        item = self.item
        return (item.stop - item.start) * _object_bytes(item)


def portions_of(batch: Batch, done: Iterable[Done] = ()) -> Iterator[Portion]:
    """Cut a batch.

    Parameters
    ----------
    batch
        The batch.
    done
        Lines of its journal.
    """
    lines: dict[str, list[Done]] = {}
    for line in done:
        lines.setdefault(line.path, []).append(line)
    for number, item in enumerate(batch.items):
        runs = list(_runs(item))
        for start, stop in runs:
            part = item.model_copy(update={"start": start, "stop": stop})
            about = tuple(line for line in lines.get(item.path, ()) if start <= line.start < stop)
            yield Portion(batch.batch, number, part, len(runs) == 1, about)


def with_survey(portion: Portion, survey: Survey) -> Portion:
    """Give a portion what was found of its objects."""
    return replace(portion, survey=survey)


def grouped(portions: Iterable[Portion]) -> Iterator[list[Portion]]:
    """Put small portions together, in order."""
    group: list[Portion] = []
    cost = 0
    for portion in portions:
        full = cost + portion.cost > PORTION_BYTES or len(group) >= PORTION_ARRAYS
        if group and full:
            yield group
            group, cost = [], 0
        group.append(portion)
        cost += portion.cost
    if group:
        yield group


def total_cost(batches: Sequence[Batch]) -> int:
    """Decoded bytes of batches, at most."""
    return sum((i.stop - i.start) * _object_bytes(i) for batch in batches for i in batch.items)


def _runs(item: BatchItem) -> Iterator[tuple[int, int]]:
    if item.start >= item.stop or not item.stored_chunks:
        yield item.start, item.stop
        return
    step = max(1, PORTION_BYTES // _object_bytes(item))
    if item.target.shards is None:  # a task is never cut
        step = grid.ceil_div(step, TASK_CHUNKS) * TASK_CHUNKS
    for start in range(item.start, item.stop, step):
        yield start, min(start + step, item.stop)


def _object_bytes(item: BatchItem) -> int:
    return _bytes_of(item.source, item.target.object_shape, item.target.shape)


@once_each
def _bytes_of(source: SourceArray, object_shape: grid.Shape, shape: grid.Shape) -> int:
    extent = tuple(map(min, object_shape, shape))
    return max(1, estimates.decoded_bytes(source, extent), math.prod(extent))

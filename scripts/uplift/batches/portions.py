"""Portions: the work of one process at a time, a part of a large array or several small arrays.

Batches are cut in the same way on every machine; which process takes which portion changes no byte.
"""

import bisect
import itertools
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
together, and thousands of times the cost of sending it to a process."""

PORTION_ARRAYS = 16
"""Small arrays that are sent to a process together."""


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
        What exists on both sides, if the item is cut and was listed before.
    bad
        Chunks that convert could not keep, if the portion is only validated.
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
        return self._objects * object_bytes(self.item)

    @property
    def likely_parts(self) -> int:
        """How many processes it can keep busy, at most: by :func:`parts_of`, or by shares."""
        if self.can_be_shared:
            return grid.ceil_div(self.cost, PORTION_BYTES)
        return 1 if self.whole else grid.ceil_div(self._objects, _step(self.item))

    @property
    def can_be_shared(self) -> bool:
        """Whether it is one object that several processes can validate, each a share of it."""
        item = self.item
        alike = item.source.chunks == item.target.chunks and item.target.shards is not None
        return alike and item.stop - item.start == 1 and self.cost >= 2 * PORTION_BYTES

    @property
    def _objects(self) -> int:
        if self.survey is not None and self.survey.stored is not None:
            return len(self.survey.stored)
        return _most_objects(self.item)


def portions_of(batch: Batch, done: Iterable[Done] = ()) -> Iterator[Portion]:
    """Cut a batch; the work of an item depends on what is stored, never on its grid.

    The objects of a sparse array are known once it is listed: then :func:`parts_of` cuts it.

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
        about = lines.get(item.path, ())
        about = sorted((one for one in about if item.start <= one.start < item.stop), key=_start)
        whole = Portion(batch.batch, number, item, True, tuple(about))
        step = _step(item)
        if _most_objects(item) <= step:
            yield whole
        elif not item.is_dense:
            yield replace(whole, whole=False)
        else:
            yield from _cut(replace(whole, whole=False), range(item.start + step, item.stop, step))


def parts_of(portion: Portion, positions: Sequence[int]) -> Iterator[Portion]:
    """Cut a portion of a sparse array so that its parts have about as much to write.

    Parameters
    ----------
    portion
        All objects of an item.
    positions
        Those that will be written, in order.

    Yields
    ------
    Portion
        Parts that follow each other, and cover all that the portion does.
    """
    step = _step(portion.item)
    return _cut(portion, positions[step::step])


def _cut(portion: Portion, borders: Iterable[int]) -> Iterator[Portion]:
    item, done = portion.item, portion.done
    for start, stop in itertools.pairwise((item.start, *borders, item.stop)):
        first, last = (bisect.bisect_left(done, end, key=_start) for end in (start, stop))
        part = item.model_copy(update={"start": start, "stop": stop})
        yield replace(portion, item=part, done=done[first:last])


def _start(line: Done) -> int:
    return line.start


def with_survey(portion: Portion, survey: Survey) -> Portion:
    """Add to a portion what exists of its objects."""
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
    return sum(_most_objects(i) * object_bytes(i) for batch in batches for i in batch.items)


def _step(item: BatchItem) -> int:
    """Objects of a portion."""
    step = max(1, PORTION_BYTES // object_bytes(item))
    if item.target.shards is None:  # a task is never cut
        step = grid.ceil_div(step, TASK_CHUNKS) * TASK_CHUNKS
    return step


def _most_objects(item: BatchItem) -> int:
    """Objects of an item that will be written, at most."""
    objects = item.stop - item.start
    return objects if objects <= 1 else min(objects, estimates.stored_objects(item, item.target))


def object_bytes(item: BatchItem) -> int:
    """Decoded bytes of an object, without what lies beyond the array."""
    return _bytes_of(item.source, item.target.object_shape, item.target.shape)


@once_each
def _bytes_of(source: SourceArray, object_shape: grid.Shape, shape: grid.Shape) -> int:
    extent = tuple(map(min, object_shape, shape))
    return max(1, estimates.decoded_bytes(source, extent), math.prod(extent))

"""Which chunks and objects exist of an array that a job converts in many parts: listed once.

An array of a petabyte has thousands of batches, each of many portions: a listing for each portion
would take longer than the work. So each job lists it once, and keeps the result as numbers.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from uplift import grid
from uplift.arrays.output_objects import listed_objects
from uplift.arrays.source_chunks import ChunkSource
from uplift.arrays.tasks import by_object, positions_over, region_of
from uplift.batches.context import Context
from uplift.batches.portions import Portion, parts_of, with_survey
from uplift.convert.portion import MOST_LISTED, Survey, existing_objects, refuse_other_listing
from uplift.models.batch import Batch, BatchItem
from uplift.running.parallel import at_once


class Surveys:
    """Tells portions of large arrays what exists of them.

    Parameters
    ----------
    batches
        Of the job.
    context
        Both sides; the output is held when batches are to be converted.
    convert
        Whether they are: then objects outside the grid are deleted.
    """

    def __init__(self, batches: Iterable[Batch], context: Context, *, convert: bool) -> None:
        self._context, self._convert = context, convert
        self._ends: dict[str, tuple[int, int]] = {}
        for item in (item for batch in batches for item in batch.items):
            start, stop = self._ends.get(item.path, (item.start, item.stop))
            self._ends[item.path] = min(start, item.start), max(stop, item.stop)
        self._last: ArraySurvey | None = None

    def cut(self, portion: Portion) -> list[Portion]:
        """Cut a portion of a sparse array by what is stored of it."""
        if portion.likely_parts == 1:
            return [portion]
        return list(parts_of(portion, self._survey_of(portion).objects_of(portion.item)))

    def given_to(self, portions: Iterable[Portion]) -> Iterator[Portion]:
        """Yield portions; one survey is kept, for all portions in a row of the same array."""
        for portion in portions:
            if portion.whole:
                yield portion
                continue
            yield with_survey(portion, self._survey_of(portion).of(portion.item))

    def _survey_of(self, portion: Portion) -> "ArraySurvey":
        if self._last is None or self._last.path != portion.item.path:
            start, stop = self._ends[portion.item.path]
            whole = portion.item.model_copy(update={"start": start, "stop": stop})
            self._last = ArraySurvey(whole, self._context, convert=self._convert)
        return self._last


class ArraySurvey:
    """What exists of one array, 8 bytes for each chunk and 16 for each object.

    Parameters
    ----------
    item
        All objects of the array that belong to the job.
    context
        Both sides.
    convert
        Whether objects outside the grid are deleted.
    """

    def __init__(self, item: BatchItem, context: Context, *, convert: bool) -> None:
        self.path = item.path
        if convert:
            there: Iterable[tuple[int, int]] = existing_objects(item, context.output)
        else:
            there = _objects_of(item, context)
        wide = max(math.prod(item.target.object_grid), math.prod(item.source.shape)) >= 2**63
        self._number: Any = object if wide else np.int64
        pairs = np.dtype([("position", self._number), ("size", np.int64)])
        chunks = ChunkSource(context.source, item.path, item.source)
        requests: list[Callable[[], Any]] = [
            # numpy takes Python's own integers from a list alone
            lambda: np.array(list(there), pairs) if wide else np.fromiter(there, pairs)
        ]
        if convert and is_listed_first(item, context):
            requests.append(lambda: refuse_other_listing(item, chunks))
        existing = at_once(requests, threads=context.has_round_trips)[0]
        self._existing = existing[np.argsort(existing["position"])]
        self._grid, self._listed = chunks.grid, chunks.listed
        self._stored = None
        # the listing of a large dense array is left to a job of its own: nothing waits for it
        if not item.is_dense:
            found = chunks.stored_in(region_of(item)) if item.start < item.stop else ()
            numbers = (grid.linear_index(index, self._grid) for index in found)
            self._stored = np.sort(np.fromiter(numbers, self._number))

    def objects_of(self, item: BatchItem) -> Sequence[int]:
        """Objects of an item that will be written, in order; of a dense array all."""
        if self._stored is None:
            return range(item.start, item.stop)
        indices = (grid.index_of(number, self._grid) for number in self._stored.tolist())
        found = np.fromiter(positions_over(item, indices), self._number)
        positions: list[int] = np.unique(found).tolist()
        return positions

    def of(self, part: BatchItem) -> Survey:
        """Survey of a part of the item."""
        ends = (part.start, part.stop)
        first, last = np.searchsorted(self._existing["position"], ends).tolist()
        existing = dict(self._existing[first:last].tolist())
        if part.start >= part.stop:
            return Survey(existing, None if self._stored is None else {})
        region = region_of(part)
        listed = {at: info for at, info in self._listed.items() if grid.holds(region, at)}
        if self._stored is None:
            return Survey(existing, None, listed)
        corners = (tuple(a for a, _ in region), tuple(b - 1 for _, b in region))
        low, high = (grid.linear_index(corner, self._grid) for corner in corners)
        first, last = np.searchsorted(self._stored, (low, high + 1)).tolist()
        near = (grid.index_of(number, self._grid) for number in self._stored[first:last].tolist())
        stored = by_object(part, (one for one in near if grid.holds(region, one)))
        return Survey(existing, stored, listed)


def is_listed_first(item: BatchItem, context: Context) -> bool:
    """Whether an array that is cut has few chunks: then each read is compared with the listing."""
    return context.source.can_list and item.stored_chunks <= MOST_LISTED


def _objects_of(item: BatchItem, context: Context) -> Iterator[tuple[int, int]]:
    for position, info in listed_objects(context.output, item.path, item.target.object_grid):
        if position is not None and item.start <= position < item.stop:
            yield position, info.size

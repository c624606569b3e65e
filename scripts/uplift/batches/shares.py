"""Shares of a large object: one process writes it, then several validate its chunks.

A shard is written from its first chunk to its last, and so by one process. Validating its chunks
takes twice as long, and a dataset may have fewer shards than a machine has cores.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from uplift import grid
from uplift.arrays.digests import NO_CHUNK
from uplift.batches import portions
from uplift.batches.portions import Portion
from uplift.grid import Index
from uplift.planning.estimates import decoded_bytes
from uplift.validate.pixels.check import Expected, Part


@dataclass(frozen=True)
class Share:
    """The part of an object that one process validates.

    Attributes
    ----------
    portion
        The object.
    part
        Which chunks.
    expected
        What they must hold.
    """

    portion: Portion
    part: Part
    expected: Expected


def shares_of(portion: Portion, expected: Expected) -> Iterator[Share]:
    """Cut what is expected of an object into shares of about :data:`~.portions.PORTION_BYTES`.

    Parameters
    ----------
    portion
        The object, whose chunks are those of the source.
    expected
        What it must hold.

    Yields
    ------
    Share
        Shares that cover the object; the first one also checks its index.
    """
    item = portion.item
    target, position = item.target, item.start
    counts = grid.grid_shape(target.shape, target.chunks)
    per_object = grid.chunks_per_shard(target.object_shape, target.chunks)
    region = grid.chunk_region(grid.index_of(position, target.object_grid), per_object, counts)
    chunk_bytes = decoded_bytes(item.source, target.chunks)
    strides = grid.strides_of(counts)
    alone = replace(portion, done=(), survey=None)
    stored = None if expected.stored is None else set(expected.stored[position])
    for number, block in enumerate(grid.blocks_of(region, chunk_bytes, portions.PORTION_BYTES)):
        part = Part(block, is_first=number == 0)
        chunks: list[Index] = list(grid.indices_in(block))
        if stored is not None:
            chunks = [chunk for chunk in chunks if chunk in stored]
            if not chunks and not part.is_first:
                continue
        keys = [
            (position, sum(i * s for i, s in zip(chunk, strides, strict=True))) for chunk in chunks
        ]
        keys += [(position, NO_CHUNK)] if part.is_first else []
        digests = {key: expected.digests[key] for key in keys if key in expected.digests}
        # the first one compares the index with all that is stored
        own = None if stored is None else {position: chunks}
        stored_here = expected.stored if part.is_first else own
        # objects that must not exist were looked for already: they are not in this one
        own_part = replace(expected, stored=stored_here, digests=digests, there=None)
        yield Share(alone, part, own_part)

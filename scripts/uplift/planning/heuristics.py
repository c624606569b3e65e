"""Propose chunks and shards of one array: integer arithmetic on tuples of length ndim.

The rules, decided for each array by itself (every size is decoded):

* The source chunk stays when it holds 64 KiB to 16 MiB. So does a smaller one in an array below
  1 MiB, and where all of z, y and x hold less than 64 KiB: recoding would gain nothing. Arrays
  that are not a level of an image (tables) keep theirs whatever it holds.
* Otherwise a chunk of 1 to 4 MiB is proposed, square in y and x, deeper in z when the plane is
  small, of length 1 along every other axis. Where the shards that the user asks for are a multiple
  of the source chunk and not of the proposed one, the source chunk stays.
* A shard holds about 512 MiB and at most 4,096 chunks, since readers fetch its index before the
  first pixel. It grows along y and x to the full plane, then along z, never along t or c; parts are
  of about equal length, so that the last shard is not much smaller.
* An array of at most 64 MiB becomes one shard. Any other array of level 0 keeps at least 8.
* Images in F order are written in C order, with the codec they have: readers that viewers in
  browsers use show them black otherwise. Other arrays keep their order.
* A shard of one chunk would gain nothing over the chunk: such arrays are left unsharded, unless
  the user asks for shards.
"""

import math

from uplift import grid
from uplift.errors import PlanError
from uplift.grid import Shape
from uplift.models.inventory import InventoryArray
from uplift.models.plan import Planning
from uplift.planning import estimates
from uplift.planning.checks import Wanted, target_for
from uplift.planning.estimates import MIB
from uplift.zarr_metadata.data_types import numpy_dtype

KIB = 2**10
PROPOSED_CHUNK_BYTES = MIB
"""Least size of a proposed chunk; the square that reaches it holds less than four times as much."""


def axis_roles(entry: InventoryArray) -> tuple[str, ...]:
    """Role of each axis: ``x``, ``y`` and ``z`` may be merged, all others never are.

    Names decide where they hold an ``x`` or ``y``; otherwise the last axes are z, y, x.
    """
    ndim = len(entry.source.shape)
    names = tuple(name.lower() for name in entry.axes or ())
    if len(names) == ndim and {"x", "y"} & set(names):
        return names
    return (("",) * max(0, ndim - 3) + ("z", "y", "x"))[-ndim:] if ndim else ()


def propose_chunks(entry: InventoryArray, settings: Planning) -> Shape:
    """Keep the source's chunk, or propose one of 1 to 4 MiB."""
    source = entry.source
    numeric = numpy_dtype(source).kind in "biufc"
    if entry.role != "level" or not numeric or 0 in source.shape:
        return source.chunks
    low, high = settings.keep_chunk_min_kib * KIB, settings.keep_chunk_max_mib * MIB
    size = estimates.decoded_bytes(source, source.chunks)
    if low <= size <= high:
        return source.chunks
    array_bytes = estimates.decoded_bytes(source, source.shape)
    whole = math.prod(grid.grid_shape(source.shape, source.chunks)) == 1
    if whole and array_bytes <= high:
        return source.chunks
    volume_bytes = estimates.decoded_bytes(source, _volume(entry))
    if size < low and (array_bytes < PROPOSED_CHUNK_BYTES or volume_bytes < low):
        return source.chunks
    chunks = _new_chunks(entry)
    wanted = Wanted(entry, chunks, None, "keep", "")
    try:
        target_for(wanted, settings.recode_memory_mib - estimates.RECODE_BLOCK_BYTES // MIB)
    except PlanError:  # too large to be decoded within the memory: better kept than refused
        return source.chunks
    return chunks


def propose_shards(entry: InventoryArray, chunks: Shape, settings: Planning) -> Shape | None:
    """Propose a multiple of `chunks`, or None where a shard would hold one chunk.

    Parameters
    ----------
    entry
        The array at the source.
    chunks
        Elements of a chunk along each axis, as they will be written.
    settings
        Of the proposals: sizes of shards in MiB, and chunks of one at the most.

    Returns
    -------
    Shape | None
        Elements of a shard along each axis.
    """
    source = entry.source
    chunk_grid = grid.grid_shape(source.shape, chunks)
    if math.prod(chunk_grid) <= 1:
        return None
    chunk_bytes = max(1, estimates.decoded_bytes(source, chunks))
    roles, most = axis_roles(entry), settings.max_chunks_per_shard
    if estimates.decoded_bytes(source, source.shape) <= settings.small_array_mib * MIB:
        per_shard = _small_shard(chunk_grid, roles, most)
    else:
        most = max(1, min(most, settings.shard_mib * MIB // chunk_bytes))
        per_shard = _large_shard(chunk_grid, chunks, roles, most)
        if entry.role == "level" and entry.level == 0:
            per_shard = _kept_apart(chunk_grid, per_shard, roles, settings.min_shards)
    if math.prod(per_shard) == 1:
        return None
    return tuple(k * c for k, c in zip(per_shard, chunks, strict=True))


def _volume(entry: InventoryArray) -> Shape:
    """Elements along z, y and x; 1 along other axes."""
    pairs = zip(axis_roles(entry), entry.source.shape, strict=True)
    return tuple(n if role in ("z", "y", "x") else 1 for role, n in pairs)


def _new_chunks(entry: InventoryArray) -> Shape:
    """Square in y and x until it holds 1 MiB; what a short axis leaves over goes to others."""
    shape, roles = entry.source.shape, axis_roles(entry)
    chunks = [1] * len(shape)

    def grow(axes: list[int]) -> None:
        """Double all `axes` together until the chunk is large enough or covers them."""
        while estimates.decoded_bytes(entry.source, tuple(chunks)) < PROPOSED_CHUNK_BYTES:
            if all(chunks[i] >= shape[i] for i in axes):
                return
            for i in axes:
                chunks[i] = min(2 * chunks[i], shape[i])

    grow([i for i, role in enumerate(roles) if role in ("y", "x")])
    grow([i for i, role in enumerate(roles) if role == "z"])
    return tuple(chunks)


def _small_shard(chunk_grid: Shape, roles: tuple[str, ...], most: int) -> Shape:
    """Chunks along each axis of one shard: all there are, or all that fit, y and x first."""
    per_shard = [1] * len(chunk_grid)
    rank = {"x": 0, "y": 1, "z": 2}
    for axis in sorted(range(len(roles)), key=lambda i: (rank.get(roles[i], 3), -i)):
        per_shard[axis] = _even(chunk_grid[axis], most // math.prod(per_shard))
    return tuple(per_shard)


def _large_shard(chunk_grid: Shape, chunks: Shape, roles: tuple[str, ...], most: int) -> Shape:
    """Chunks along each axis of a shard of at most `most`: square in y and x, then z."""
    per_shard = [1] * len(chunk_grid)
    plane = [i for i, role in enumerate(roles) if role in ("y", "x")]
    while True:
        longer = [
            i
            for i in plane
            if per_shard[i] < chunk_grid[i]
            and math.prod(per_shard) // per_shard[i] * min(2 * per_shard[i], chunk_grid[i]) <= most
        ]
        if not longer:
            break
        axis = min(longer, key=lambda i: per_shard[i] * chunks[i])
        per_shard[axis] = min(2 * per_shard[axis], chunk_grid[axis])
    for axis in plane:
        others = math.prod(per_shard) // per_shard[axis]
        per_shard[axis] = _even(chunk_grid[axis], most // others)
    if all(per_shard[i] == chunk_grid[i] for i in plane):
        for axis in (i for i, role in enumerate(roles) if role == "z"):
            per_shard[axis] = _even(chunk_grid[axis], most // math.prod(per_shard))
    return tuple(per_shard)


def _kept_apart(chunk_grid: Shape, per_shard: Shape, roles: tuple[str, ...], least: int) -> Shape:
    """Make shards smaller along z, then the longer of y and x, until there are `least` of them."""
    smaller = list(per_shard)

    def count() -> int:
        return math.prod(grid.grid_shape(chunk_grid, tuple(smaller)))

    while count() < least:
        axes = [i for i, role in enumerate(roles) if role == "z" and smaller[i] > 1]
        axes = axes or [i for i, role in enumerate(roles) if role in ("y", "x") and smaller[i] > 1]
        if not axes:
            break
        axis = max(axes, key=lambda i: smaller[i])
        parts = grid.ceil_div(chunk_grid[axis], smaller[axis])
        smaller[axis] = grid.ceil_div(chunk_grid[axis], parts + 1)
        if grid.ceil_div(chunk_grid[axis], smaller[axis]) == parts:
            smaller[axis] -= 1
    return tuple(smaller)


def _even(cells: int, most: int) -> int:
    """Length of equal parts of `cells`, each at most `most` (1 at least)."""
    parts = grid.ceil_div(cells, max(1, min(cells, most)))
    return grid.ceil_div(cells, max(1, parts)) or 1

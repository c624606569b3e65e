"""Propose chunks and shards: integer arithmetic on tuples of length ndim, no I/O.

The rules, array by array:

* The source chunk stays when it holds 64 KiB to 16 MiB (decoded), and in any array that is smaller
  than one proposed chunk. Otherwise 1 to 4 MiB are proposed: too small chunks grow along y and x,
  then z; too large ones are cut along z, then y and x.
* A shard holds about 512 MiB (decoded) and at most 4,096 chunks, since readers fetch its index
  before the first pixel. It grows along y and x to the full plane, then along z; never along t, c.
* An array of at most 64 MiB becomes one shard; an array of one chunk needs no shard at all.
* Level 0 keeps at least 8 shards, so that it can be written and read side by side.
"""

from __future__ import annotations

import math
from typing import Literal

from uplift.codecs.dtypes import numpy_dtype
from uplift.codecs.mapping import may_shard, target_of
from uplift.errors import PlanError
from uplift.grid import Shape, ceil_div, grid_shape
from uplift.models.arrays import JsonValue, Method, TargetArray
from uplift.models.base import Model
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Codecs, Estimate, Plan, PlanArray, Totals
from uplift.shards import index_bytes

KIB, MIB = 2**10, 2**20
PROPOSED_CHUNK_BYTES = (1 * MIB, 4 * MIB)

Lengths = Shape | dict[str, int]
"""Elements along each axis: a list of length ndim, or by axis name."""

_SHORT_CODECS: dict[str, tuple[dict[str, JsonValue], ...]] = {
    "zstd": ({"name": "zstd", "configuration": {"level": 5, "checksum": False}},),
    "blosc": ({"name": "blosc", "configuration": {"cname": "zstd", "clevel": 5}},),
    "gzip": ({"name": "gzip", "configuration": {"level": 5}},),
    "none": ({"name": "bytes"},),
}


class PlanSettings(Model):
    """How plans are proposed; every size is decoded.

    `chunks`, `shards` and `codec` override the rules above for all arrays they fit; a list fits
    arrays of its length, a mapping those that have one of its axes. ``shards: none`` is unsharded.
    """

    chunks: Lengths | None = None
    shards: Lengths | Literal["none"] | None = None
    codec: str | tuple[dict[str, JsonValue], ...] = "keep"
    min_shards: int = 8
    shard_mib: int = 512
    max_chunks_per_shard: int = 4096
    small_array_mib: int = 64
    keep_chunk_min_kib: int = 64
    keep_chunk_max_mib: int = 16


def propose_plan(inventory: Inventory, settings: PlanSettings, dataset: str) -> Plan:
    """Propose what becomes of every array that can be converted.

    Raises
    ------
    PlanError
        An override that cannot be carried out.
    """
    arrays = tuple(
        plan_array(entry, settings) for entry in inventory.arrays if entry.problem is None
    )
    convertible = [entry for entry in inventory.arrays if entry.problem is None]
    return Plan(dataset=dataset, arrays=arrays, estimate=estimate(convertible, arrays, inventory))


def plan_array(entry: InventoryArray, settings: PlanSettings) -> PlanArray:
    """Propose what becomes of one array.

    Raises
    ------
    PlanError
        An override that cannot be carried out.
    """
    axes = axis_kinds(entry)
    itemsize = max(1, numpy_dtype(entry.source).itemsize)
    chunks = _override(settings.chunks, entry, entry.source.chunks)
    if chunks is None:
        chunks = _propose_chunks(entry, axes, itemsize, settings)
    codecs = expand_codec(settings.codec)
    if settings.shards == "none" or not may_shard(entry.source):
        shards = None
    else:
        shards = _override(settings.shards, entry, None)
        if shards is None:
            shards = _propose_shards(entry, chunks, axes, itemsize, settings)
        elif isinstance(settings.shards, dict):
            shards = tuple(s if s > 0 else c for s, c in zip(shards, chunks, strict=True))
    planned = PlanArray(
        path=entry.path, shape=entry.source.shape, chunks=chunks, shards=shards, codecs=codecs
    )
    return with_prediction(entry, planned)


def expand_codec(codec: str | tuple[dict[str, JsonValue], ...]) -> Codecs:
    """Spell a codec setting as a plan does.

    Raises
    ------
    PlanError
        An unknown short name.
    """
    if codec == "keep":
        return "keep"
    if isinstance(codec, str):
        if codec not in _SHORT_CODECS:
            known = ", ".join(["keep", *_SHORT_CODECS])
            raise PlanError(f'codec "{codec}" is unknown; use {known} or a list of v3 codecs')
        return _SHORT_CODECS[codec]
    return codec


def target_and_method(entry: InventoryArray, planned: PlanArray) -> tuple[TargetArray, Method]:
    """Describe the output array that a plan's entry asks for.

    Raises
    ------
    PlanError
        Shapes or codecs that cannot be carried out; names the array.
    """
    check_shapes(planned)
    if planned.shards is not None and not may_shard(entry.source):
        raise PlanError(
            f'arrays["{planned.path}"].shards {list(planned.shards)}: readers cannot read shards '
            "of this data type: use null"
        )
    try:
        return target_of(entry.source, planned.chunks, planned.shards, planned.codecs)
    except PlanError as error:
        raise PlanError(f'arrays["{planned.path}"].{error}') from None


def check_shapes(planned: PlanArray) -> None:
    """Refuse chunk and shard shapes that contradict each other, with a value that would work.

    Raises
    ------
    PlanError
        Wrong length, lengths below 1, a shard that is no multiple of its chunk, too many chunks.
    """
    where = f'arrays["{planned.path}"]'
    for name, lengths in (("chunks", planned.chunks), ("shards", planned.shards)):
        if lengths is None:
            continue
        if len(lengths) != len(planned.shape):
            raise PlanError(
                f"{where}.{name} {list(lengths)} has {len(lengths)} lengths, but the array has "
                f"{len(planned.shape)} axes: shape {list(planned.shape)}"
            )
        if any(n < 1 for n in lengths):
            raise PlanError(f"{where}.{name} {list(lengths)} holds a length below 1: use 1 or more")
    if planned.shards is None:
        return
    for axis, (shard, chunk) in enumerate(zip(planned.shards, planned.chunks, strict=True)):
        if shard % chunk:
            below, above = shard // chunk * chunk, ceil_div(shard, chunk) * chunk
            works = f"use {below} or {above}" if below else f"use {above}"
            raise PlanError(
                f"{where}.shards {list(planned.shards)} is not a multiple of chunks "
                f"{list(planned.chunks)} on axis {axis}: {works}"
            )
    cells = math.prod(grid_shape(planned.shards, planned.chunks))
    if cells > 2**24:
        raise PlanError(
            f"{where}.shards {list(planned.shards)} holds {cells} chunks; use at most {2**24}"
        )


def with_prediction(entry: InventoryArray, planned: PlanArray) -> PlanArray:
    """Add method, objects and bytes to a plan's entry, as far as they can be known beforehand."""
    target, method = target_and_method(entry, planned)
    objects, size = predict(entry, target)
    return planned.model_copy(update={"method": method, "objects": objects, "bytes": size})


def predict(entry: InventoryArray, target: TargetArray) -> tuple[int, int]:
    """Objects and bytes of one output array: exact for a dense repack, else an upper bound."""
    objects = math.prod(grid_shape(target.shape, target.object_shape))
    reached = entry.stored_chunks * _objects_under(target.object_shape, entry.source.chunks)
    objects = min(objects, reached)
    size = entry.stored_bytes
    if target.shards is not None:
        size += objects * index_bytes(math.prod(grid_shape(target.shards, target.chunks)))
    return objects, size


def estimate(
    entries: list[InventoryArray], arrays: tuple[PlanArray, ...], inventory: Inventory
) -> Estimate:
    """Total objects and bytes before and after, metadata documents and other files included."""
    documents = len(inventory.groups) + len(entries)
    files = [*inventory.files]
    file_bytes = sum(file.bytes for file in files)
    stored = sum(entry.stored_chunks for entry in entries)
    stored_bytes = sum(entry.stored_bytes for entry in entries)
    methods: dict[str, int] = {}
    for planned in arrays:
        if planned.method is not None:
            methods[planned.method] = methods.get(planned.method, 0) + 1
    return Estimate(
        before=Totals(objects=stored + documents + len(files), bytes=stored_bytes + file_bytes),
        after=Totals(
            objects=sum(a.objects or 0 for a in arrays) + documents + len(files),
            bytes=sum(a.bytes or 0 for a in arrays) + file_bytes,
        ),
        methods=dict(sorted(methods.items())),
    )


def axis_kinds(entry: InventoryArray) -> tuple[str, ...]:
    """Kind of each axis: ``x``, ``y``, ``z``, or another name for axes that are never merged."""
    ndim = len(entry.source.shape)
    if entry.axes is not None and len(entry.axes) == ndim:
        names = tuple(name.lower() for name in entry.axes)
        if {"x", "y"} & set(names):
            return names
    kinds = ["-"] * ndim
    for name, back in (("x", 1), ("y", 2), ("z", 3)):
        if back <= ndim:
            kinds[ndim - back] = name
    return tuple(kinds)


def _override(
    value: Lengths | str | None, entry: InventoryArray, base: Shape | None
) -> Shape | None:
    """Lengths that a setting asks of this array; None when it does not fit it."""
    shape = entry.source.shape
    if isinstance(value, dict):
        kinds = axis_kinds(entry)
        if not set(value) & set(kinds):
            return None
        rest = base if base is not None else (0,) * len(shape)
        return tuple(value.get(kind, n) for kind, n in zip(kinds, rest, strict=True))
    if isinstance(value, tuple) and len(value) == len(shape):
        return value
    return None


def _propose_chunks(
    entry: InventoryArray, axes: tuple[str, ...], itemsize: int, settings: PlanSettings
) -> Shape:
    source = entry.source
    size = math.prod(source.chunks) * itemsize
    array = math.prod(source.shape) * itemsize
    low, high = settings.keep_chunk_min_kib * KIB, settings.keep_chunk_max_mib * MIB
    numeric = numpy_dtype(source).kind in "biufc"
    if not numeric or low <= size <= high or (size < low and array < PROPOSED_CHUNK_BYTES[0]):
        return source.chunks
    if size < low:
        return _grown(source.shape, source.chunks, axes, itemsize)
    if array <= high and array <= size:
        return source.chunks
    return _cut(source.shape, source.chunks, axes, itemsize)


def _grown(shape: Shape, chunks: Shape, axes: tuple[str, ...], itemsize: int) -> Shape:
    """Double a chunk along the shorter of y and x, then z, until it holds 1 MiB."""
    least, most = PROPOSED_CHUNK_BYTES
    grown = list(chunks)

    def open_axes(kinds: str) -> list[int]:
        return [i for i, kind in enumerate(axes) if kind in kinds and grown[i] < shape[i]]

    while (size := math.prod(grown) * itemsize) < least:
        candidates = open_axes("yx") or open_axes("z")
        if not candidates or 2 * size > most:
            break
        axis = min(candidates, key=lambda i: grown[i])
        grown[axis] *= 2
    return tuple(grown)


def _cut(shape: Shape, chunks: Shape, axes: tuple[str, ...], itemsize: int) -> Shape:
    """Halve a chunk along t, c and z, then along the longer of y and x, until it holds 4 MiB."""
    cut = [min(c, max(1, n)) for c, n in zip(chunks, shape, strict=True)]
    plane = [i for i, kind in enumerate(axes) if kind in ("y", "x")]
    others = [i for i in range(len(shape)) if i not in plane]
    while math.prod(cut) * itemsize > PROPOSED_CHUNK_BYTES[1]:
        candidates = [i for i in others if cut[i] > 1] or [i for i in plane if cut[i] > 1]
        if not candidates:
            break
        axis = max(candidates, key=lambda i: cut[i])
        cut[axis] = ceil_div(cut[axis], 2)
    return tuple(cut)


def _propose_shards(
    entry: InventoryArray,
    chunks: Shape,
    axes: tuple[str, ...],
    itemsize: int,
    settings: PlanSettings,
) -> Shape | None:
    shape = entry.source.shape
    grid = grid_shape(shape, chunks)
    cells = math.prod(grid)
    if cells <= 1:
        return None
    array = math.prod(shape) * itemsize
    if array <= settings.small_array_mib * MIB and cells <= settings.max_chunks_per_shard:
        return tuple(n * c for n, c in zip(grid, chunks, strict=True))
    most = max(1, settings.shard_mib * MIB // max(1, math.prod(chunks) * itemsize))
    per_shard = _grow_shard(grid, axes, min(most, settings.max_chunks_per_shard))
    if entry.role == "level" and entry.level == 0:
        per_shard = _keep_apart(grid, per_shard, axes, settings.min_shards)
    if math.prod(per_shard) == 1:
        return None
    return tuple(k * c for k, c in zip(per_shard, chunks, strict=True))


def _grow_shard(grid: Shape, axes: tuple[str, ...], most: int) -> list[int]:
    """Chunks along each axis of a shard of at most `most` chunks: y and x first, then z."""
    per_shard = [1] * len(grid)
    plane = [i for i, kind in enumerate(axes) if kind in ("y", "x")]
    while True:
        candidates = [
            i for i in plane if per_shard[i] < grid[i] and _doubled(per_shard, i, grid) <= most
        ]
        if not candidates:
            break
        axis = min(candidates, key=lambda i: per_shard[i])
        per_shard[axis] = min(2 * per_shard[axis], grid[axis])
    if all(per_shard[i] == grid[i] for i in plane):
        for axis in (i for i, kind in enumerate(axes) if kind == "z"):
            fits = max(1, most // math.prod(per_shard))
            shards = ceil_div(grid[axis], min(fits, grid[axis]))
            per_shard[axis] = ceil_div(grid[axis], shards)
    return per_shard


def _doubled(per_shard: list[int], axis: int, grid: Shape) -> int:
    """Chunks of a shard that is twice as long along an axis, cut at the grid."""
    others = math.prod(n for i, n in enumerate(per_shard) if i != axis)
    return others * min(2 * per_shard[axis], grid[axis])


def _keep_apart(grid: Shape, per_shard: list[int], axes: tuple[str, ...], least: int) -> list[int]:
    """Halve shards along z, then y, then x, until the array has `least` of them."""
    halved = list(per_shard)

    def count() -> int:
        return math.prod(ceil_div(n, k) for n, k in zip(grid, halved, strict=True))

    for kind in ("z", "y", "x"):
        for axis in (i for i, name in enumerate(axes) if name == kind):
            while count() < least and halved[axis] > 1:
                halved[axis] = ceil_div(halved[axis], 2)
    return halved


def _objects_under(object_shape: Shape, chunks: Shape) -> int:
    """Most objects that one source chunk can overlap."""
    return math.prod(
        ceil_div(c, o) + (1 if c % o and o % c else 0)
        for o, c in zip(object_shape, chunks, strict=True)
    )

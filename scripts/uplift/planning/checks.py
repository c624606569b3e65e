"""Check that a plan can be carried out; messages give both numbers and a value that works."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uplift import grid
from uplift.codecs.mapping import may_shard, target_of
from uplift.errors import PlanError
from uplift.grid import Shape
from uplift.models.arrays import Method, TargetArray
from uplift.models.inventory import InventoryArray
from uplift.models.once import once_each
from uplift.models.plan import Codecs
from uplift.planning import estimates
from uplift.planning.estimates import RECODE_MEMORY_MIB

MAX_SHARD_CHUNKS = 2**22
"""Chunks in one shard at most: an index of 64 MiB, which writers and readers hold in memory."""


@dataclass(frozen=True)
class Wanted:
    """What a plan, a rule or a setting asks of one array.

    Attributes
    ----------
    where
        Start of messages, such as ``plan.json: arrays["0/1"]``.
    origins
        Key (``chunks``, ``shards``, ``codecs``) to what set it, when the entry itself did not.
    """

    entry: InventoryArray
    chunks: Shape
    shards: Shape | None
    codecs: Codecs
    where: str
    origins: Mapping[str, str] = field(default_factory=dict)

    def named(self, key: str) -> str:
        """A key with its value, and where that comes from; messages begin with it."""
        value = {"chunks": self.chunks, "shards": self.shards}.get(key)
        shown = f" {shape_text(value)}" if value is not None else ""
        origin = f" (from {self.origins[key]})" if key in self.origins else ""
        return f"{self.where}.{key}{shown}{origin}"


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as ``[1,1,256,256]``."""
    return f"[{','.join(map(str, shape))}]"


def axis_name(entry: InventoryArray, axis: int) -> str:
    """Name of an axis, or its number when it has none."""
    return entry.axes[axis] if entry.axes is not None else str(axis)


def target_for(
    wanted: Wanted, memory_mib: int | None = RECODE_MEMORY_MIB
) -> tuple[TargetArray, Method]:
    """Describe the output array, and how its chunks are converted.

    Parameters
    ----------
    memory_mib
        Memory that recoding one stored object may take; None: not checked.

    Raises
    ------
    PlanError
        Shapes or codecs that cannot be carried out.
    """
    check_lengths(wanted)
    try:
        target, method = _target_of(wanted)
    except PlanError as error:
        origin = f" (from {wanted.origins['codecs']})" if "codecs" in wanted.origins else ""
        raise PlanError(f"{wanted.where}{origin}: {error}") from None
    if method == "recode" and memory_mib is not None:
        _check_memory(wanted, target, memory_mib)
    return target, method


def _target_of(wanted: Wanted) -> tuple[TargetArray, Method]:
    source, shapes, codecs = wanted.entry.source, (wanted.chunks, wanted.shards), wanted.codecs
    if isinstance(codecs, str):
        return _target_of_known(source, *shapes, codecs)
    return target_of(source, *shapes, codecs)


_target_of_known = once_each(target_of)
"""For codecs that the plan gives by name."""


def check_lengths(wanted: Wanted) -> None:
    """Refuse shapes that do not fit the array or each other.

    Raises
    ------
    PlanError
        A wrong number of lengths, a length below 1, a shard that is not a multiple of its chunk or
        holds too many, an array that cannot be sharded.
    """
    _check_shape(wanted, "chunks", wanted.chunks, wanted.entry.source.chunks)
    if wanted.shards is None:
        return
    _check_shape(wanted, "shards", wanted.shards, wanted.chunks)
    if not may_shard(wanted.entry.source):
        raise PlanError(
            f"{wanted.named('shards')}: readers cannot read shards of records or raw bytes: "
            "use null"
        )
    for axis, (shard, chunk) in enumerate(zip(wanted.shards, wanted.chunks, strict=True)):
        if shard % chunk:
            below, above = shard // chunk * chunk, grid.ceil_div(shard, chunk) * chunk
            raise PlanError(
                f"{wanted.named('shards')} is not a multiple of chunks {shape_text(wanted.chunks)} "
                f"on axis {axis_name(wanted.entry, axis)}: use "
                + (f"{below} or {above}" if below else str(above))
            )
    _check_cells(wanted, wanted.shards)


def _check_shape(wanted: Wanted, key: str, lengths: Shape, works: Shape) -> None:
    entry, ndim = wanted.entry, len(wanted.entry.source.shape)
    if len(lengths) != ndim:
        names = ",".join(axis_name(entry, axis) for axis in range(ndim))
        raise PlanError(
            f"{wanted.named(key)} has {len(lengths)} lengths, the array has {ndim} axes "
            f"({names}): use {ndim}, e.g. {shape_text(works)}"
        )
    for axis, length in enumerate(lengths):
        if length < 1:
            raise PlanError(
                f"{wanted.named(key)} is {length} on axis {axis_name(entry, axis)}: "
                f"use 1 or more, e.g. {works[axis]}"
            )


def _check_cells(wanted: Wanted, shards: Shape) -> None:
    per_shard = list(grid.chunks_per_shard(shards, wanted.chunks))
    cells = math.prod(per_shard)
    if cells <= MAX_SHARD_CHUNKS:
        return
    chunk_grid = grid.grid_shape(wanted.entry.source.shape, wanted.chunks)
    per_shard = [min(k, max(1, n)) for k, n in zip(per_shard, chunk_grid, strict=True)]
    while math.prod(per_shard) > MAX_SHARD_CHUNKS:
        axis = max(range(len(per_shard)), key=per_shard.__getitem__)
        per_shard[axis] = grid.ceil_div(per_shard[axis], 2)
    works = [k * c for k, c in zip(per_shard, wanted.chunks, strict=True)]
    raise PlanError(
        f"{wanted.named('shards')} holds {cells} chunks of {shape_text(wanted.chunks)}, "
        f"{MAX_SHARD_CHUNKS} are allowed: use e.g. {shape_text(works)}"
    )


def _check_memory(wanted: Wanted, target: TargetArray, memory_mib: int) -> None:
    source = wanted.entry.source
    needed = grid.ceil_div(estimates.recode_memory_bytes(source, target), estimates.MIB)
    if needed <= memory_mib:
        return
    raise PlanError(
        f"{wanted.named('chunks')}: recoding from chunks {shape_text(source.chunks)} takes up to "
        f"{needed} MiB of memory, recode_memory_mib is {memory_mib}: "
        f"{_smaller(wanted, target, memory_mib)}set recode_memory_mib to {needed}"
    )


def _smaller(wanted: Wanted, target: TargetArray, memory_mib: int) -> str:
    """Chunks that would fit the memory: the source's own, or smaller ones."""
    source = wanted.entry.source
    if wanted.codecs == "keep" and wanted.chunks != source.chunks:
        _, method = target_of(source, source.chunks, None, "keep")
        if method != "recode":
            return f"use {shape_text(source.chunks)}, or "
    chunks = list(target.chunks)
    while max(chunks, default=1) > 1:
        axis = max(range(len(chunks)), key=chunks.__getitem__)
        chunks[axis] = grid.ceil_div(chunks[axis], 2)
        trial = target.model_copy(update={"chunks": tuple(chunks), "shards": None})
        if estimates.recode_memory_bytes(source, trial) <= memory_mib * estimates.MIB:
            return f"use e.g. {shape_text(chunks)}, or "
    return ""

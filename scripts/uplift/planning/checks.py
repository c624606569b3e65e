"""Can what a plan asks of an array be carried out? If not: both numbers and a value that works."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uplift import grid
from uplift.codecs.mapping import may_shard, target_of
from uplift.errors import PlanError
from uplift.grid import Shape
from uplift.models.arrays import Method, TargetArray
from uplift.models.inventory import InventoryArray
from uplift.models.plan import Codecs
from uplift.planning import estimates
from uplift.planning.estimates import RECODE_MEMORY_MIB

MAX_SHARD_CHUNKS = 2**22
"""Chunks in one shard at most: an index of 64 MiB, which writers and readers hold in memory."""


@dataclass(frozen=True)
class Wish:
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

    def place(self, key: str) -> str:
        """Where a key's value comes from, with the value of a shape."""
        value = {"chunks": self.chunks, "shards": self.shards}.get(key)
        shown = f" {shape_text(value)}" if value is not None else ""
        origin = f" (from {self.origins[key]})" if key in self.origins else ""
        return f"{self.where}.{key}{shown}{origin}"


def shape_text(shape: Sequence[int]) -> str:
    """Spell a shape as ``[1,1,256,256]``."""
    return f"[{','.join(map(str, shape))}]"


def axis_name(entry: InventoryArray, axis: int) -> str:
    """Name of an axis, or its number when it has none."""
    return entry.axes[axis] if entry.axes is not None else str(axis)


def carry_out(wish: Wish, memory_mib: int | None = RECODE_MEMORY_MIB) -> tuple[TargetArray, Method]:
    """Describe the output array and how its chunks come about.

    Parameters
    ----------
    memory_mib
        Memory that recoding one stored object may take; None: not checked.

    Raises
    ------
    PlanError
        Shapes or codecs that cannot be carried out.
    """
    check_lengths(wish)
    try:
        target, method = target_of(wish.entry.source, wish.chunks, wish.shards, wish.codecs)
    except PlanError as error:
        origin = f" (from {wish.origins['codecs']})" if "codecs" in wish.origins else ""
        raise PlanError(f"{wish.where}{origin}: {error}") from None
    if method == "recode" and memory_mib is not None:
        _check_memory(wish, target, memory_mib)
    return target, method


def check_lengths(wish: Wish) -> None:
    """Refuse shapes that do not fit the array or each other.

    Raises
    ------
    PlanError
        A wrong number of lengths, a length below 1, a shard that is no multiple of its chunk or
        holds too many, an array that cannot be sharded.
    """
    _check_one(wish, "chunks", wish.chunks, wish.entry.source.chunks)
    if wish.shards is None:
        return
    _check_one(wish, "shards", wish.shards, wish.chunks)
    if not may_shard(wish.entry.source):
        raise PlanError(
            f"{wish.place('shards')}: readers cannot read shards of records or raw bytes: use null"
        )
    for axis, (shard, chunk) in enumerate(zip(wish.shards, wish.chunks, strict=True)):
        if shard % chunk:
            below, above = shard // chunk * chunk, grid.ceil_div(shard, chunk) * chunk
            raise PlanError(
                f"{wish.place('shards')} is not a multiple of chunks {shape_text(wish.chunks)} "
                f"on axis {axis_name(wish.entry, axis)}: use "
                + (f"{below} or {above}" if below else str(above))
            )
    _check_cells(wish, wish.shards)


def _check_one(wish: Wish, key: str, lengths: Shape, works: Shape) -> None:
    entry, ndim = wish.entry, len(wish.entry.source.shape)
    if len(lengths) != ndim:
        names = ",".join(axis_name(entry, axis) for axis in range(ndim))
        raise PlanError(
            f"{wish.place(key)} has {len(lengths)} lengths, the array has {ndim} axes "
            f"({names}): use {ndim}, e.g. {shape_text(works)}"
        )
    for axis, length in enumerate(lengths):
        if length < 1:
            raise PlanError(
                f"{wish.place(key)} is {length} on axis {axis_name(entry, axis)}: "
                f"use 1 or more, e.g. {works[axis]}"
            )


def _check_cells(wish: Wish, shards: Shape) -> None:
    per_shard = list(grid.chunks_per_shard(shards, wish.chunks))
    cells = math.prod(per_shard)
    if cells <= MAX_SHARD_CHUNKS:
        return
    chunk_grid = grid.grid_shape(wish.entry.source.shape, wish.chunks)
    per_shard = [min(k, max(1, n)) for k, n in zip(per_shard, chunk_grid, strict=True)]
    while math.prod(per_shard) > MAX_SHARD_CHUNKS:
        axis = max(range(len(per_shard)), key=per_shard.__getitem__)
        per_shard[axis] = grid.ceil_div(per_shard[axis], 2)
    works = [k * c for k, c in zip(per_shard, wish.chunks, strict=True)]
    raise PlanError(
        f"{wish.place('shards')} holds {cells} chunks of {shape_text(wish.chunks)}, "
        f"{MAX_SHARD_CHUNKS} are allowed: use e.g. {shape_text(works)}"
    )


def _check_memory(wish: Wish, target: TargetArray, memory_mib: int) -> None:
    source = wish.entry.source
    needed = grid.ceil_div(estimates.recode_memory_bytes(source, target), estimates.MIB)
    if needed <= memory_mib:
        return
    raise PlanError(
        f"{wish.place('chunks')}: recoding from chunks {shape_text(source.chunks)} takes up to "
        f"{needed} MiB of memory, recode_memory_mib is {memory_mib}: "
        f"{_smaller(wish, target, memory_mib)}set recode_memory_mib to {needed}"
    )


def _smaller(wish: Wish, target: TargetArray, memory_mib: int) -> str:
    """Chunks that would fit the memory: the source's own, or smaller ones."""
    source = wish.entry.source
    if wish.codecs == "keep" and wish.chunks != source.chunks:
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

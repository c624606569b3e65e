"""What carrying out a plan takes: memory, requests, CPU time, and wall time from these."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from uplift import grid
from uplift.models.arrays import Method, TargetArray
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Costs, Estimate
from uplift.planning import estimates
from uplift.planning.estimates import MIB, Targets

PROGRAM_BYTES = 96 * MIB
"""Interpreter, libraries and what is read ahead in a job, whatever it converts."""

COMPARE_BYTES = 64 * MIB
"""Most bytes of a box in which decoded values of both sides are compared, a few chunks at least."""

SOURCE_READS = 2
"""Times that a chunk of the source is fetched: to convert it, and to compare it with the output."""


@dataclass(frozen=True)
class Rates:
    """CPU seconds of converting and validating, measured on a core of a 2.5 GHz server.

    Attributes
    ----------
    array
        Of each array, documents included.
    chunk, mib
        Of each stored chunk of the source, and of each MiB that it decodes to, by method.
    """

    array: float = 0.010
    chunk: tuple[tuple[Method, float], ...] = (
        ("repack", 160e-6), ("rewrap", 160e-6), ("recode", 400e-6),
    )  # fmt: skip
    mib: tuple[tuple[Method, float], ...] = (
        ("repack", 0.0055), ("rewrap", 0.020), ("recode", 0.012),
    )  # fmt: skip


def estimated(inventory: Inventory, targets: Targets) -> Estimate:
    """Predict what is stored before and after, and what the conversion takes."""
    estimate = estimates.estimate_of(inventory, targets)
    return estimate.model_copy(update={"costs": costs_of(inventory, targets)})


def costs_of(inventory: Inventory, targets: Targets, rates: Rates | None = None) -> Costs:
    """Predict what a plan in force takes, the validation included.

    Parameters
    ----------
    targets
        Array path to what becomes of it.
    rates
        Of the machine; None: those measured when this version was made.
    """
    rates = rates or Rates()
    entries = [entry for entry in inventory.arrays if entry.path in targets]
    others = len(inventory.groups) + len(inventory.files)
    memory, requests, read, written, cpu = PROGRAM_BYTES, 2 * others, 0, 0, 0.0
    for entry in entries:
        target, method = targets[entry.path]
        after = estimates.predicted(entry, target, method)
        memory = max(memory, job_memory_bytes(entry, target, method))
        requests += SOURCE_READS * entry.stored_chunks + 2 * after.objects + 4
        read += SOURCE_READS * entry.stored_bytes + after.bytes
        written += after.bytes
        decoded = estimates.stored_decoded_bytes(entry) / MIB
        cpu += rates.array + entry.stored_chunks * dict(rates.chunk)[method]
        cpu += decoded * dict(rates.mib)[method]
    return Costs(
        memory_mib=grid.ceil_div(memory, MIB),
        requests=requests,
        read_bytes=read,
        written_bytes=written,
        cpu_seconds=round(cpu, 1),
    )


def job_memory_bytes(entry: InventoryArray, target: TargetArray, method: Method) -> int:
    """Upper bound of what one core of a job takes for an array: converting, then comparing it."""
    source = entry.source
    at_once = min(estimates.RECODE_WINDOW, math.prod(grid.grid_shape(source.shape, source.chunks)))
    whole = estimates.decoded_bytes(source, source.shape)
    compared = min(2 * whole, COMPARE_BYTES) + 2 * estimates.decoded_bytes(source, source.chunks)
    if method == "recode":
        return PROGRAM_BYTES + max(compared, estimates.recode_memory_bytes(source, target))
    chunk_bytes = grid.ceil_div(entry.stored_bytes, max(1, entry.stored_chunks))
    return PROGRAM_BYTES + max(compared, at_once * chunk_bytes)


def wall_seconds(
    costs: Costs, cores: int, *, bytes_per_second: float, request_seconds: float, at_once: int = 64
) -> float:
    """Predict the wall time where CPU, transfer and requests overlap: the slowest decides.

    Parameters
    ----------
    cores
        That all jobs together use.
    bytes_per_second
        That the storage gives and takes.
    request_seconds
        Time to the first byte of a request; 0 for local files.
    at_once
        Requests under way together.
    """
    transfer = (costs.read_bytes + costs.written_bytes) / bytes_per_second
    waiting = costs.requests * request_seconds / at_once
    return max(costs.cpu_seconds / cores, transfer, waiting)


def added_up(costs: Iterable[Costs]) -> Costs:
    """Costs of several datasets: sums, and the most memory that any job's core takes."""
    listed = list(costs)
    return Costs(
        memory_mib=max((one.memory_mib for one in listed), default=0),
        requests=sum(one.requests for one in listed),
        read_bytes=sum(one.read_bytes for one in listed),
        written_bytes=sum(one.written_bytes for one in listed),
        cpu_seconds=round(sum(one.cpu_seconds for one in listed), 1),
    )

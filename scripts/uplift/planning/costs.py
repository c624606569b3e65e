"""What carrying out a plan takes: memory, requests and CPU time."""

from dataclasses import dataclass

from uplift import grid
from uplift.models.arrays import Method, TargetArray
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Costs, Estimate
from uplift.planning import estimates
from uplift.planning.estimates import MIB, Targets
from uplift.planning.loads import REGIONS

PROGRAM_BYTES = 96 * MIB
"""Interpreter and libraries of a process."""

AHEAD_BYTES = 48 * MIB
"""Encoded chunks that a process may have under way or in the buffer that it reads into."""

COMPARE_BYTES = 64 * MIB
"""Most decoded bytes of a region that is compared at a time; it has a few chunks at least."""

FIXED = 40
"""Requests to object stores for each dataset: its lock, root and crate, and listings."""

REMOTE_DOCUMENT, REMOTE_ARRAY = 9, 10
"""Requests to object stores for each document and for each array, listings of both sides, readers
of the end-to-end check and writing it among them: as a server counted them."""

COPIES = 3
"""Copies in memory of a chunk that is recoded: encoded, decoded, and intermediate results."""


@dataclass(frozen=True)
class Rates:
    """CPU seconds of converting and validating, measured on a core of a 2.5 GHz server.

    Attributes
    ----------
    dataset
        Of each dataset: its jobs, as forks of the job server, and the validators.
    array
        Of each array, documents included.
    chunk, mib
        Of each stored chunk of the source, and of each MiB that it decodes to, by method.
    """

    dataset: float = 0.8
    array: float = 0.003
    chunk: tuple[tuple[Method, float], ...] = (
        ("repack", 125e-6), ("rewrap", 125e-6), ("recode", 700e-6),
    )  # fmt: skip
    mib: tuple[tuple[Method, float], ...] = (
        ("repack", 0.0013), ("rewrap", 0.0175), ("recode", 0.0085),
    )  # fmt: skip

    def of_chunks(self, method: Method, chunks: int, decoded_bytes: int) -> float:
        """CPU seconds for stored chunks of the source.

        Parameters
        ----------
        method
            How they are converted.
        chunks, decoded_bytes
            How many they are, and the bytes that they decode to.

        Returns
        -------
        float
            Seconds on the core that the rates are of.
        """
        return chunks * dict(self.chunk)[method] + decoded_bytes / MIB * dict(self.mib)[method]


def estimated(inventory: Inventory, targets: Targets) -> Estimate:
    """Predict what is stored before and after, and what the conversion takes."""
    estimate = estimates.estimate_of(inventory, targets)
    return estimate.model_copy(update={"costs": costs_of(inventory, targets)})


def costs_of(inventory: Inventory, targets: Targets, rates: Rates | None = None) -> Costs:
    """Predict what a plan in force takes, the validation included.

    Parameters
    ----------
    targets
        Array path to target and method.
    rates
        Of the machine; None: those measured when this version was made.

    Returns
    -------
    Costs
        Memory in MiB, requests, bytes and CPU seconds.
    """
    rates = rates or Rates()
    entries = [entry for entry in inventory.arrays if entry.path in targets]
    others = len(inventory.groups) + len(inventory.files)
    is_remote = _is_remote(inventory.source)
    requests = FIXED + REMOTE_DOCUMENT * others if is_remote else 2 * others
    memory, read, written = PROGRAM_BYTES, 0, 0
    cpu = rates.dataset
    for entry in entries:
        target, method = targets[entry.path]
        after = estimates.predicted(entry, target, method)
        memory = max(memory, job_memory_bytes(entry, target, method))
        requests += entry.stored_chunks + 2 * after.objects + 4
        if is_remote:
            compared = 2 * REGIONS if entry.stored_chunks > REGIONS else entry.stored_chunks
            requests += REMOTE_ARRAY + after.objects + compared
        read += entry.stored_bytes + after.bytes
        written += after.bytes
        decoded = estimates.stored_decoded_bytes(entry)
        cpu += rates.array + rates.of_chunks(method, entry.stored_chunks, decoded)
    return Costs(
        memory_mib=grid.ceil_div(memory, MIB),
        requests=requests,
        read_bytes=read,
        written_bytes=written,
        cpu_seconds=round(cpu, 1),
    )


def _is_remote(source: str) -> bool:
    """Whether a source is in an object store; then the output is assumed to be, too."""
    return "://" in source and not source.lower().startswith("file://")


def job_memory_bytes(entry: InventoryArray, target: TargetArray, method: Method) -> int:
    """Upper bound of what a process takes for an array: one object at a time, then comparing it.

    Each core of a job has a process of its own.

    Parameters
    ----------
    entry
        The array at the source.
    target
        What becomes of it.
    method
        How.

    Returns
    -------
    int
        Bytes of a process.
    """
    source = entry.source
    whole = estimates.decoded_bytes(source, source.shape)
    source_bytes = estimates.decoded_bytes(source, source.chunks)
    compared = min(2 * whole, COMPARE_BYTES) + 2 * source_bytes
    if method != "recode":
        return PROGRAM_BYTES + max(compared, AHEAD_BYTES)
    chunk_bytes = estimates.decoded_bytes(source, target.chunks)
    object_bytes = estimates.decoded_bytes(source, target.object_shape)
    block = max(chunk_bytes, min(estimates.RECODE_BLOCK_BYTES, object_bytes))
    working = block + COPIES * (source_bytes + chunk_bytes)
    return PROGRAM_BYTES + max(compared, AHEAD_BYTES, working)

"""The plan in force: its targets, its batches, and the share of one job. No I/O."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from uplift.models.batch import Batch
from uplift.models.inventory import Inventory
from uplift.models.json_text import sha256_of_json
from uplift.models.plan import Estimate
from uplift.planning import batching, estimates, plan_files
from uplift.planning.batching import BatchSettings
from uplift.planning.estimates import Targets

ARRAY_BYTES = 4 * estimates.MIB
"""Fixed cost of an array, as bytes that are converted in the same time."""


@dataclass(frozen=True)
class InForce:
    """Targets and batches of a plan.

    Attributes
    ----------
    targets
        Target and method of each array that is converted, by path.
    batches
        All batches, in path order of their first arrays.
    skipped
        Arrays that are left out, with the reason.
    inventory, plan
        What it was made of; `plan` is decoded JSON.
    """

    targets: Targets
    batches: tuple[Batch, ...]
    skipped: Mapping[str, str]
    warnings: tuple[str, ...]
    inventory: Inventory
    plan: Any

    # most steps need neither, and both go through every array

    @cached_property
    def estimate(self) -> Estimate:
        """Objects and bytes of both sides."""
        return estimates.estimate_of(self.inventory, self.targets)

    @cached_property
    def edited(self) -> bool:
        """Whether the plan is not the generated one."""
        return plan_files.is_edited(self.plan)

    @cached_property
    def sha256(self) -> str:
        """Digest of all batches: two plans with the same one ask for the same objects."""
        asked = [
            [batch.batch, [[one.path, one.start, one.stop, one.fingerprint] for one in batch.items]]
            for batch in self.batches
        ]
        return sha256_of_json(asked)

    def slice(self, number: int, count: int) -> list[Batch]:
        """Batches of slice `number` of `count` (from 1): contiguous, of about the same cost."""
        return slice_of(self.batches, number, count)


def plan_in_force(
    inventory: Inventory,
    plan: Any,
    settings: BatchSettings,
    *,
    dataset: str,
    output: str,
    where: str = "plan.json",
) -> InForce:
    """Apply a plan as it is in its file.

    Parameters
    ----------
    plan
        Decoded JSON of ``plan.json``, edited or not.
    output
        URL to convert to.
    where
        Name of the plan for messages.

    Returns
    -------
    InForce
        Targets and batches.

    Raises
    ------
    PlanError
        The plan cannot be carried out.
    UnsupportedError
        An array cannot be converted, and is not to be skipped.
    """
    skipped = batching.skipped_arrays(inventory, settings)
    _, targets, warnings = plan_files.resolved(plan, inventory, dataset, where)
    return InForce(
        targets=targets,
        batches=tuple(batching.split(inventory, targets, dataset, output, settings)),
        skipped=skipped,
        warnings=tuple(warnings),
        inventory=inventory,
        plan=plan,
    )


def slice_of(batches: Sequence[Batch], number: int, count: int) -> list[Batch]:
    """Batches whose middle, by cost, lies in part `number` of `count` equal parts (from 1).

    Parameters
    ----------
    batches
        Of the plan in force.
    number
        Of the slice, from 1.
    count
        Of slices.

    Returns
    -------
    list[Batch]
        The slice's share, in the order of `batches`.
    """
    costs = [_cost(batch) for batch in batches]
    ends = list(itertools.accumulate(costs))
    chosen = []
    for batch, cost, end in zip(batches, costs, ends, strict=True):
        middle = 2 * end - cost
        if number - 1 == middle * count // (2 * ends[-1]):
            chosen.append(batch)
    return chosen


def _cost(batch: Batch) -> int:
    total = 0
    for item in batch.items:
        objects = math.prod(item.target.object_grid)
        stored = item.stored_chunks * estimates.decoded_bytes(item.source, item.source.chunks)
        total += ARRAY_BYTES + stored * (item.stop - item.start) // max(1, objects)
    return total

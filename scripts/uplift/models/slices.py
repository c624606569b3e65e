"""What one convert job did: ``convert/<number>-of-<count>.json``."""

from typing import Literal

from pydantic import Field

from uplift.models.base import Model
from uplift.models.plan import Estimate


class Slice(Model):
    """Slice `number` of `count` of the batches of the plan in force.

    Attributes
    ----------
    output
        Where they were converted to, as in the sheet.
    batches
        Names of the batches of this slice, in order.
    in_force_sha256
        Digest of all batches of the plan that this job worked for.
    plan_sha256
        That of the bytes of ``plan.json``.
    estimate
        Objects and bytes of the whole dataset before and after.
    skipped
        Array path to reason, for arrays left out by ``unsupported: skip``.
    """

    schema_: Literal["ngff-uplift/slice/1"] = Field("ngff-uplift/slice/1", alias="schema")
    dataset: str
    output: str
    number: int
    count: int
    batches: tuple[str, ...]
    in_force_sha256: str
    plan_sha256: str
    estimate: Estimate
    skipped: dict[str, str] = Field(default_factory=dict)

"""The plan people review and edit: ``plan.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from uplift.models.arrays import JsonValue, Method, Shape
from uplift.models.base import Model

Codecs = Literal["keep"] | tuple[dict[str, JsonValue], ...]
"""``keep`` (chunk bytes stay as they are) or a Zarr v3 codec pipeline for one chunk."""


class PlanRule(Model):
    """One line that changes many arrays: applied top to bottom, on top of `arrays`; the last wins.

    Only the keys that are written change something: ``"shards": null`` means unsharded, a
    missing ``shards`` leaves them alone (``model_fields_set`` tells the two apart).
    """

    match: str
    """Glob over array paths: ``*`` stays inside one path segment, ``**`` crosses segments."""
    chunks: Shape | None = None
    shards: Shape | None = None
    codecs: Codecs | None = None


class PlanArray(Model):
    """What becomes of one array. `method`, `objects` and `bytes` are shown, never read back."""

    path: str
    shape: Shape
    chunks: Shape
    shards: Shape | None
    codecs: Codecs = "keep"
    method: Method | None = None
    objects: int | None = None
    bytes: int | None = None


class Totals(Model):
    """Objects and bytes as stored."""

    objects: int
    bytes: int


class Estimate(Model):
    """Predicted cost of the plan as generated; ignored on reading."""

    before: Totals
    after: Totals
    methods: dict[str, int]


class Plan(Model):
    """A dataset's plan.

    `generated_sha256` is the digest of the content as generated: when it no longer matches,
    somebody edited the file and their edit is kept.
    """

    schema_: Literal["ngff-uplift/plan/1"] = Field("ngff-uplift/plan/1", alias="schema")
    dataset: str
    generated_sha256: str | None = None
    estimate: Estimate | None = None
    rules: tuple[PlanRule, ...] = ()
    arrays: tuple[PlanArray, ...]

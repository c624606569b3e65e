"""The plan people review and edit: ``plan.json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from uplift.models.arrays import JsonValue, Method, Shape
from uplift.models.base import Model

NAMED_CODECS: dict[str, tuple[dict[str, JsonValue], ...]] = {
    "blosc": ({"name": "blosc", "configuration": {"cname": "zstd", "clevel": 5}},),
    "zstd": ({"name": "zstd", "configuration": {"level": 5, "checksum": False}},),
    "gzip": ({"name": "gzip", "configuration": {"level": 5}},),
    "none": ({"name": "bytes"},),
}
"""What a bare codec name stands for; data type and shuffle are filled in for each array."""


def codecs_from_name(value: Any) -> Any:
    """Spell a bare codec name as a pipeline; leave everything else to the model."""
    if not isinstance(value, str) or value == "keep":
        return value
    if value not in NAMED_CODECS:
        known = ["keep", *NAMED_CODECS]
        raise ValueError(f"is neither {', '.join(known)} nor a list of codecs")
    return NAMED_CODECS[value]


def shards_from_name(value: Any) -> Any:
    """Read ``none`` as unsharded."""
    return None if value == "none" else value


Codecs = Annotated[
    Literal["keep"] | tuple[dict[str, JsonValue], ...], BeforeValidator(codecs_from_name)
]
"""``keep`` (chunk bytes stay as they are) or a Zarr v3 codec pipeline for one chunk."""

Shards = Annotated[Shape | None, BeforeValidator(shards_from_name)]
"""Elements along each axis of one shard, or None: unsharded."""


class PlanRule(Model):
    """One line that changes many arrays: applied top to bottom, on top of `arrays`; the last wins.

    Only the keys that are written change something: ``"shards": null`` means unsharded, a
    missing ``shards`` leaves them alone (``model_fields_set`` tells the two apart).
    """

    match: str
    """Glob over array paths: ``*`` stays inside one path segment, ``**`` crosses segments."""
    chunks: Shape | None = None
    shards: Shards = None
    codecs: Codecs | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data with exactly the keys that were written, null shards among them."""
        data = self.model_dump(mode="json")
        return {key: value for key, value in data.items() if key in self.model_fields_set}


class PlanArray(Model):
    """What becomes of one array. `method`, `objects` and `bytes` are shown, never read back."""

    path: str
    shape: Shape
    chunks: Shape
    shards: Shards
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

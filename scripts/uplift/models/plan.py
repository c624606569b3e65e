"""The plan people review and edit: ``plan.json``."""

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
    """Write a bare codec name as a pipeline; leave everything else to the model."""
    if not isinstance(value, str) or value == "keep":
        return value
    if value not in NAMED_CODECS:
        known = ["keep", *NAMED_CODECS]
        raise ValueError(f"is neither {', '.join(known)} nor a list of codecs")
    return NAMED_CODECS[value]


def shards_from_name(value: Any) -> Any:
    """Read ``none`` as unsharded."""
    return None if value == "none" else value


_LENGTHS = "a list of lengths, one for each axis, such as [1, 512, 512]"
Codecs = Annotated[
    Literal["keep"] | tuple[dict[str, JsonValue], ...], BeforeValidator(codecs_from_name)
]
"""``keep`` (chunk bytes stay as they are) or a Zarr v3 codec pipeline for one chunk."""

Shards = Annotated[Shape | None, BeforeValidator(shards_from_name)]
"""Elements along each axis of one shard, or None: unsharded."""


ByAxis = dict[str, Annotated[int, Field(ge=1)]]
Lengths = Shape | ByAxis
"""Elements along each axis: a list of length ndim, or some of them by axis name."""

Whole = Annotated[int, Field(strict=True)]


class Planning(Model):
    """The config's ``planning`` section: how plans are proposed.

    Attributes
    ----------
    image_order
        Order of elements inside the chunks of images. ``C``: images in F order are recoded, since
        several viewers show them black. ``keep``: as in the source. ``auto``: ``C``, except where
        there is a plan already: it keeps what it was made with.
    """

    min_shards: Whole = Field(8, ge=1, description="a number of shards, 1 or more")
    shard_mib: Whole = Field(512, ge=1, description="a size in MiB, 1 or more")
    max_chunks_per_shard: Whole = Field(4096, ge=1, description="a number of chunks, 1 or more")
    small_array_mib: Whole = Field(64, ge=0, description="a size in MiB, 0 or more")
    keep_chunk_min_kib: Whole = Field(64, ge=0, description="a size in KiB, 0 or more")
    keep_chunk_max_mib: Whole = Field(16, ge=1, description="a size in MiB, 1 or more")
    recode_memory_mib: Whole = Field(2048, ge=64, description="a size in MiB, 64 or more")
    image_order: Literal["auto", "C", "keep"] = "auto"


class PlanSettings(Planning):
    """How a dataset's plan is proposed.

    Attributes
    ----------
    chunks, shards
        For every array they fit: a list fits arrays with as many axes, a mapping such as
        ``{y: 512, x: 512}`` arrays with one of the named axes. Axes that a mapping leaves out keep
        the source's chunk length, and one chunk in a shard. Both are cut to the array, shards to a
        multiple of their chunk. ``shards: none`` means no sharding.
    codec
        ``keep``, a short name, or a Zarr v3 codec pipeline.
    """

    chunks: Lengths | None = None
    shards: Lengths | Literal["none"] | None = None
    codec: Codecs = "keep"


class PlanRule(Model):
    """One line that changes many arrays: applied top to bottom, on top of `arrays`; the last wins.

    Only the keys that are written change something: ``"shards": null`` means unsharded, a
    missing ``shards`` leaves them alone (``model_fields_set`` distinguishes the two).
    """

    match: str
    """Glob over array paths: ``*`` stays inside one path segment, ``**`` crosses segments."""
    chunks: Shape | None = Field(None, description=_LENGTHS)
    shards: Shards = Field(None, description=f"{_LENGTHS}, or null")
    codecs: Codecs | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data with exactly the keys that were written, null shards among them."""
        data = self.model_dump(mode="json")
        return {key: value for key, value in data.items() if key in self.model_fields_set}


class PlanArray(Model):
    """What becomes of one array.

    `method`, `reason`, `objects` and `bytes` are shown, never read back.
    """

    path: str
    shape: Shape
    chunks: Shape = Field(description=_LENGTHS)
    shards: Shards = Field(description=f"{_LENGTHS}, or null")
    codecs: Codecs = "keep"
    method: Method | None = None
    reason: str | None = None
    objects: int | None = None
    bytes: int | None = None


class Totals(Model):
    """Objects and bytes as stored."""

    objects: int
    bytes: int


class Costs(Model):
    """What carrying out a plan is predicted to take, validation included.

    Attributes
    ----------
    memory_mib
        Of each core that a job uses, at most.
    requests
        Objects (or parts of them) read and written.
    read_bytes, written_bytes
        Bytes as stored.
    cpu_seconds
        On a core of the machine that the rates were measured on.
    """

    memory_mib: int
    requests: int
    read_bytes: int
    written_bytes: int
    cpu_seconds: float


class Estimate(Model):
    """Predicted cost of the plan as generated; ignored on reading."""

    before: Totals
    after: Totals
    methods: dict[str, int]
    costs: Costs | None = None


class Plan(Model):
    """A dataset's plan.

    `generated_sha256` is the digest of the content as generated: when it no longer matches,
    the file was edited, and the edit is kept. `settings` are what arrays that an
    edited plan leaves out are planned with; plans of earlier versions have none.
    """

    schema_: Literal["ngff-uplift/plan/1"] = Field("ngff-uplift/plan/1", alias="schema")
    dataset: str
    generated_sha256: str | None = None
    estimate: Estimate | None = None
    settings: PlanSettings | None = None
    rules: tuple[PlanRule, ...] = ()
    arrays: tuple[PlanArray, ...]

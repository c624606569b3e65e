"""Which run holds an output, and what is published there: the lock, and work files about it."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from uplift.models.base import Model

Generation = Annotated[str, Field(validation_alias=AliasChoices("generation", "begun"))]
"""Earlier versions wrote it as ``begun``."""


class Lock(Model):
    """The object at the output that keeps other runs from writing to it.

    Attributes
    ----------
    owner
        ``user@host``, for the message to those who find the output locked.
    since, seen
        When the lock was taken, and the last sign of life of a job, UTC.
    folder, view
        The work folder of the run, and a name for the file systems it is seen through.
    generation
        As in :class:`Claim`.
    """

    schema_: Literal["ngff-uplift/lock/1"] = Field("ngff-uplift/lock/1", alias="schema")
    run_id: str
    owner: str
    since: str
    seen: str = ""
    folder: str = ""
    view: str = ""
    generation: Generation


class Claim(Model):
    """``claim.json``: this run may write to the output.

    `generation` is new whenever the output starts from nothing. The lock and ``published.json``
    have it, too, so that every later step runs again after the output was emptied. `asked` is the
    output as the sheet names it: it stays the same when the whole folder is moved.
    """

    schema_: Literal["ngff-uplift/claim/1"] = Field("ngff-uplift/claim/1", alias="schema")
    run_id: str
    output: str
    generation: Generation
    asked: str | None = None


class MadeFrom(Model):
    """``made_from.json``: which source the output's data come from.

    Attributes
    ----------
    source
        As the sheet names it; None before the output is claimed.
    inventory_sha256
        Digest of what the source held: one that was only moved has the same.
    outputs
        Every output that this source was converted to.
    arrays, groups, files
        Paths of all that may be at the output: of this source, and of what was there before it
        changed.
    """

    schema_: Literal["ngff-uplift/made-from/1"] = Field("ngff-uplift/made-from/1", alias="schema")
    source: str | None = None
    inventory_sha256: str | None = None
    outputs: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class UnfinishedObjects(Model):
    """``unfinished.json``: what killed writers left at the output, as its validation listed it.

    Attributes
    ----------
    validation_sha256
        Of the ``validation.json`` that was written with it: with another one it says nothing.
    keys
        Of objects under temporary names.
    """

    schema_: Literal["ngff-uplift/unfinished/1"] = Field("ngff-uplift/unfinished/1", alias="schema")
    validation_sha256: str
    keys: tuple[str, ...]


class Cost(Model):
    """What all convert jobs of a dataset cost together; sizes in bytes, times in seconds.

    `peak_memory_bytes` is that of the largest job.
    """

    jobs: int
    chunks_read: int
    bytes_read: int
    objects_written: int
    bytes_written: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


class Published(Model):
    """``published.json``: what is at the output, and since when.

    `web_url` is its address for a browser, by the storage settings of that run; None for a folder.
    """

    schema_: Literal["ngff-uplift/published/1"] = Field("ngff-uplift/published/1", alias="schema")
    dataset: str
    output: str
    published_at: str
    verdict: Literal["valid"]
    root_sha256: str
    generation: Generation
    arrays: int
    objects: int
    bytes: int
    cost: Cost
    web_url: str | None = None


class Archived(Model):
    """``archive.json``: the single-file copy next to the output; read back before this was written.

    `root_sha256` is that of the root document inside.
    """

    schema_: Literal["ngff-uplift/archive/1"] = Field("ngff-uplift/archive/1", alias="schema")
    archive: str
    output: str
    root_sha256: str
    sha256: str
    entries: int
    bytes: int

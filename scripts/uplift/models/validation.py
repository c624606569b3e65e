"""Verdicts: ``validation/<batch>.json`` and ``validation.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from uplift.models.arrays import JsonValue, Shape
from uplift.models.base import Model
from uplift.models.findings import Finding


class ItemValidation(Model):
    """Outcome for one batch item.

    `sha256`: digest of the decoded little-endian C-order bytes of the whole array, when the item
    is the whole array and within the digest limit. `rows_sha256`: that of the item's rows in the
    ``.digests`` file beside this one, which the array's ``chunks_sha256`` is made of.
    """

    path: str
    start: int
    stop: int
    fingerprint: str
    chunks_compared: int
    bytes_compared: int
    """Decoded bytes compared with the source."""
    sha256: str | None = None
    rows_sha256: str


class BatchValidation(Model):
    """One validate job."""

    schema_: Literal["ngff-uplift/batch-validation/1"] = Field(
        "ngff-uplift/batch-validation/1", alias="schema"
    )
    batch: str
    items: tuple[ItemValidation, ...]
    findings: tuple[Finding, ...]


class ArrayValidation(Model):
    """One array of the output.

    `chunks_sha256`: SHA-256 over, for each stored source chunk in grid order, its linear index
    (uint64, little endian) and the SHA-256 of its decoded bytes (full chunk, little endian,
    C order).
    """

    path: str
    shape: Shape
    data_type: JsonValue
    sha256: str | None
    chunks_sha256: str
    chunks_compared: int
    bytes_compared: int


Conforms = Literal["OME-Zarr", "OME-Zarr with defects", "plain Zarr"]


class Defect(Model):
    """What the source got wrong and the output keeps, word for word.

    Attributes
    ----------
    message
        The first place, and what is wrong there.
    breaks
        What that breaks, and for which readers; neither did it work in the source.
    groups, paths
        How many groups and arrays have it, and the first of them.
    """

    code: str
    message: str
    breaks: str
    groups: int
    paths: tuple[str, ...]


class Validation(Model):
    """The verdict on a dataset. Holds nothing that differs between two equal runs.

    `verdict` says whether the output is what the source is, pixel by pixel and word by word;
    `conforms` whether that is an OME-Zarr of the version asked for, with which `defects`.

    `root_sha256` is that of the staged root document; `objects` and `bytes` are what the output
    holds once that is published; `manifest_sha256` is that of the manifest, where there is one.
    """

    schema_: Literal["ngff-uplift/validation/1"] = Field("ngff-uplift/validation/1", alias="schema")
    dataset: str
    verdict: Literal["valid", "invalid"]
    conforms: Conforms | None = None
    """None: a file of an earlier version, which did not say it."""
    defects: tuple[Defect, ...] = ()
    findings: tuple[Finding, ...]
    arrays: tuple[ArrayValidation, ...]
    groups: int
    files: int
    objects: int
    bytes: int
    root_sha256: str
    manifest_sha256: str | None = None

"""The verdict: ``validation.json``."""

from typing import Literal

from pydantic import Field

from uplift.models.arrays import JsonValue, Shape
from uplift.models.base import Model
from uplift.models.findings import Finding
from uplift.models.record import Verify


class ArrayValidation(Model):
    """One array of the output.

    Attributes
    ----------
    sha256
        Of all decoded bytes (little endian, C order), of arrays within ``digest_limit_mib``.
    chunks_sha256
        SHA-256 over, for each stored source chunk in grid order, its linear index (uint64, little
        endian) and the XXH3-128 of its values inside the array (little endian, C order).
    chunks_compared, bytes_compared
        Source chunks that were compared, and their decoded bytes.
    regions_compared
        Regions that other readers read the same from both sides.
    """

    path: str
    shape: Shape
    data_type: JsonValue
    sha256: str | None
    chunks_sha256: str
    chunks_compared: int
    bytes_compared: int
    regions_compared: int = 0


Conforms = Literal["OME-Zarr", "OME-Zarr with defects", "plain Zarr"]


class Defect(Model):
    """A defect of the source that the output keeps, word for word.

    Attributes
    ----------
    message
        The first path, and what is wrong there.
    breaks
        What that breaks, and for which readers; it did not work in the source either.
    groups, paths
        Number of groups and arrays that have it, and the first of them.
    """

    code: str
    message: str
    breaks: str
    groups: int
    paths: tuple[str, ...]


class Validation(Model):
    """The verdict on a dataset. It has no value that differs between two equal runs.

    `verdict` says whether the output equals the source, pixel by pixel and word by word;
    `conforms` whether that is an OME-Zarr of the version asked for, with which `defects`.
    `verify` is the mode; docs/VALIDATION.md says what the verdict means in each mode.
    `root_sha256` is that of the staged root document; `objects` and `bytes` are what the output
    holds once that is published; `manifest_sha256` is that of the manifest, where there is one.
    """

    schema_: Literal["ngff-uplift/validation/1"] = Field("ngff-uplift/validation/1", alias="schema")
    dataset: str
    verify: Verify = "reread"
    """Absent in files of earlier versions, which read the source twice."""
    verdict: Literal["valid", "invalid"]
    conforms: Conforms | None = None
    """None: a file of an earlier version, which did not have it."""
    defects: tuple[Defect, ...] = ()
    findings: tuple[Finding, ...]
    arrays: tuple[ArrayValidation, ...]
    groups: int
    files: int
    objects: int
    bytes: int
    root_sha256: str
    manifest_sha256: str | None = None
    validators: dict[str, str] = Field(default_factory=dict)
    """Other people's validators that checked the metadata, each with its release."""

"""The columns of the sample sheet, each declared once: for a row, a default, and a single dataset.

To add a column, add a field to :class:`Columns`, or to :class:`About` when the RO-Crate states it.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from uplift.models.base import Model, mistake
from uplift.models.crate import InCrate
from uplift.models.parties import Parties, Party, refuse_two_in_one
from uplift.settings.storage import Switch
from uplift.settings.values import (
    Chunks,
    Codec,
    DatasetName,
    Day,
    Flag,
    Jobs,
    License,
    Modality,
    Organism,
    Output,
    PlanPath,
    Shards,
    Source,
    Text,
)


class Attribution(Model):
    """Whose the data are: for one dataset in the sheet, for all of them in ``crate``.

    `agent` is who converted them; else the contact, the publisher or the author.
    """

    author: Annotated[Parties, InCrate("author", "Person")] = Field(None, title="who made the data")
    publisher: Annotated[Parties, InCrate("publisher", "Organization")] = Field(
        None, title="who publishes them"
    )
    funder: Annotated[Parties, InCrate("funder", "Organization")] = Field(
        None, title="who paid for them"
    )
    contact: Annotated[Parties, InCrate("maintainer", "Person")] = Field(
        None, title="whom to ask about them"
    )
    agent: Parties = Field(None, title="who converts them")

    @field_validator("author", "contact", "agent", mode="before")
    @classmethod
    def _each_by_itself(cls, value: object) -> object:
        return refuse_two_in_one(value)

    @field_validator("funder")
    @classmethod
    def _without_affiliation(cls, value: Parties) -> Parties:
        for party in value if isinstance(value, tuple) else (value,):
            if isinstance(party, Party) and party.affiliation:
                number = party.affiliation.split()[-1]
                raise mistake(
                    f"{party.name}: a funder has no affiliation ({party.affiliation}); grants "
                    f"stand in square brackets, as in {party.name} [{number}]"
                )
        return value

    @field_validator("author", "publisher", "contact", "agent")
    @classmethod
    def _without_grants(cls, value: Parties) -> Parties:
        for party in value if isinstance(value, tuple) else (value,):
            if isinstance(party, Party) and party.grants:
                raise mistake(
                    f"{party.name}: grants ({', '.join(party.grants)}) stand with a funder"
                )
        return value


class CrateSettings(Model):
    """How the RO-Crate next to the data is written.

    Attributes
    ----------
    relicense
        Whether a license may be more permissive than that of the source's own crate.
    tool_url
        Address of this workflow, for the description of the conversion.
    """

    enabled: Switch = True
    relicense: Switch = False
    tool_url: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")] | None = Field(
        None, description="a URL"
    )


class About(Attribution):
    """What the RO-Crate says about a dataset."""

    license: License = None
    organism: Organism = Field(None, title="what was imaged")
    modality: Modality = Field(None, title="how it was imaged")
    name: Text = Field(None, title="of the dataset")
    description: Text = Field(None, title="of the dataset")
    date_published: Day = None
    notes: Annotated[Text, InCrate("notes")] = Field(None, title="anything else")


class Columns(About):
    """What a row of the sheet may say. Everything may be left to defaults."""

    noun: ClassVar[str] = "column"

    dataset: DatasetName | None = None
    input: Source | None = None
    output: Output | None = None
    chunks: Chunks = None
    shards: Shards = None
    codec: Codec = None
    plan: PlanPath = None
    spatialdata: Flag = None
    jobs: Jobs = Field(None, title="that convert it")


class Sample(Columns):
    """One dataset: a row of the sheet with the config's defaults filled in."""

    dataset: DatasetName
    input: Source
    output: Output


class SampleTable(Model):
    """``results/samples.json``: the sheet as it was understood, without secrets of URLs."""

    schema_: Literal["ngff-uplift/samples/1"] = Field("ngff-uplift/samples/1", alias="schema")
    samples: tuple[Sample, ...]


_FIRST = ("dataset", "input", "output")
COLUMNS = (*_FIRST, *(name for name in Columns.model_fields if name not in _FIRST))
"""In the order of messages and help."""

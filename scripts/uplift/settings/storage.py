"""How to reach files and object stores: the ``storage`` section of the config."""

from typing import Annotated

from pydantic import Field

from uplift.models.base import Model

Switch = Annotated[bool, Field(strict=True, description="true or false")]
Endpoint = Annotated[
    str | None,
    Field(pattern=r"^https?://[^@]+$", description="a URL such as https://s3.example.org"),
]
Region = Annotated[str | None, Field(description="the name of a region such as eu-west-1")]


class StorageOptions(Model):
    """How to reach the locations whose URL begins with a prefix. Never holds a secret.

    Attributes
    ----------
    concurrency
        Requests under way at once, of one job at one endpoint.
    max_requests
        Requests under way at once at the endpoint, over all jobs of a run.
    bytes_per_second
        Read and written there, over all jobs of a run; None: as fast as it goes.
    retries
        Attempts after the first, with exponential back-off and jitter.
    timeout
        Seconds that one request may take.
    """

    endpoint_url: Endpoint = None
    anon: Switch | None = None
    region: Region = None
    profile: str | None = Field(None, description="the name of a profile in ~/.aws/config")
    concurrency: int = Field(
        64, ge=1, le=1024, strict=True, description="a number of requests, from 1 to 1024"
    )
    max_requests: int = Field(256, ge=1, strict=True, description="a number of requests, 1 or more")
    bytes_per_second: int | None = Field(
        None, ge=1, strict=True, description="a number of bytes, 1 or more"
    )
    retries: int = Field(8, ge=0, strict=True, description="a number of attempts, 0 or more")
    timeout: float = Field(60.0, gt=0, strict=True, description="a time in seconds, more than 0")
    engine: str = Field("auto", pattern=r"^[a-z][a-z0-9_]*$", description="auto, obstore or fsspec")

    def given(self) -> dict[str, object]:
        """The settings that were given: what is not is taken from a shorter prefix."""
        return self.model_dump(exclude_unset=True, exclude_none=True)

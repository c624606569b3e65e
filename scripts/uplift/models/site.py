"""What a site charges, and how fast its storage is: the ``costs`` section of the config."""

from typing import Annotated

from pydantic import Field

from uplift.models.base import Model

Price = Annotated[float, Field(ge=0, description="a price, 0 or more")]


class Prices(Model):
    """What a site charges, in any one currency.

    Attributes
    ----------
    currency
        Its name or sign, for tables.
    core_hour
        Of a core.
    get_1000, put_1000
        Of a thousand requests that read or list, and that write.
    egress_gb
        Of 1e9 bytes read from the source.
    stored_gb_month
        Of 1e9 bytes of output, for a month.
    """

    currency: str = Field("", description="the name of a currency")
    core_hour: Price = 0.0
    get_1000: Price = 0.0
    put_1000: Price = 0.0
    egress_gb: Price = 0.0
    stored_gb_month: Price = 0.0

    def known(self) -> bool:
        """Whether anything has a price."""
        return any(
            (self.core_hour, self.get_1000, self.put_1000, self.egress_gb, self.stored_gb_month)
        )

    def of_work(self, core_seconds: float, gets: float, puts: float, egress_bytes: float) -> float:
        """Price of cores for a time, of requests, and of bytes that left the source's store.

        Parameters
        ----------
        core_seconds
            Cores times seconds that they were taken.
        gets, puts
            Requests that read or list, and that write.
        egress_bytes
            Bytes read from the source.

        Returns
        -------
        float
            In the money of the prices.
        """
        return (
            self.core_hour * core_seconds / 3600
            + self.get_1000 * gets / 1000
            + self.put_1000 * puts / 1000
            + self.egress_gb * egress_bytes / 1e9
        )

    def of_storage(self, stored_bytes: float) -> float:
        """Price of storing bytes for a month."""
        return self.stored_gb_month * stored_bytes / 1e9


class SiteCosts(Prices):
    """What a site charges, and how fast its storage is: the config's ``costs`` section.

    Attributes
    ----------
    megabytes_per_second
        1e6 bytes read and written per second, over all jobs; None: 500 locally, 125 elsewhere.
    request_ms
        Milliseconds to the first byte of a request; None: 0 locally, 40 elsewhere.
    """

    megabytes_per_second: float | None = Field(
        None, gt=0, description="a number of megabytes, more than 0"
    )
    request_ms: float | None = Field(None, ge=0, description="a time in milliseconds, 0 or more")

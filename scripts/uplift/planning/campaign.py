"""What a campaign takes, from plans or a sheet of kinds of datasets, at rates of earlier runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from uplift.models.site import Prices, SiteCosts
from uplift.planning.loads import Load
from uplift.planning.rates import Measured

DAY_S = 86_400


@dataclass(frozen=True)
class Site:
    """Where the campaign runs.

    Attributes
    ----------
    nodes, cores
        Nodes at once, and cores of each.
    bytes_per_second
        Between the storage and all nodes together.
    request_seconds, at_once
        Time to the first byte, and requests under way over all jobs (``max_requests``).
    start_seconds
        Of each job of a cluster, which has several steps, until the first of them begins; None: all
        steps are jobs of one computer.
    """

    nodes: int = 1
    cores: int = 16
    bytes_per_second: float = 125e6
    request_seconds: float = 0.0
    at_once: int = 256
    start_seconds: float | None = None
    prices: Prices = field(default_factory=Prices)


def site_of(costs: SiteCosts, cores: int, *, is_local: bool) -> Site:
    """One machine with so many cores, as the config's ``costs`` section describes the site.

    Parameters
    ----------
    costs
        The config's ``costs`` section.
    cores
        That all jobs share.
    is_local
        Whether the storage is a file system and not a network.

    Returns
    -------
    Site
        Bytes a second and seconds a request as the section has them, or as is usual.
    """
    speed, wait = (500.0, 0.0) if is_local else (125.0, 40.0)
    given = costs.megabytes_per_second, costs.request_ms
    return Site(
        cores=cores,
        bytes_per_second=(speed if given[0] is None else given[0]) * 1e6,
        request_seconds=(wait if given[1] is None else given[1]) / 1000,
        prices=costs,
    )


@dataclass(frozen=True)
class Campaign:
    """The prediction: sums over all datasets; days where the slowest of three decides.

    Attributes
    ----------
    jobs, cluster_jobs
        Of Snakemake; of the cluster, which take several of them, or 0.
    node_hours
        That cores are held, busy or not.
    """

    datasets: int
    jobs: int
    cluster_jobs: int
    cpu_hours: float
    core_hours: float
    node_hours: float
    requests: int
    objects: int
    bytes_read: int
    bytes_written: int
    days_of_cores: float
    days_of_bytes: float
    days_of_requests: float
    money: float

    @property
    def days(self) -> float:
        """Days until all is published: computing, transfer and waiting overlap."""
        return max(self.days_of_cores, self.days_of_bytes, self.days_of_requests)


def campaign_of(loads: Iterable[Load], measured: Measured, site: Site) -> Campaign:
    """Add up what datasets take at a site.

    Parameters
    ----------
    loads
        Of each dataset, or kind of dataset.
    measured
        Rates of the machine.
    site
        Cores, storage and prices.

    Returns
    -------
    Campaign
        Sums in bytes, hours and money.
    """
    loads = list(loads)

    def total(quantity: str) -> float:
        return sum(load.count * measured.total(quantity, load, site.cores) for load in loads)

    core_seconds = sum(load.count * held_core_seconds(load, measured, site) for load in loads)
    requests, read, written = map(total, ("requests", "bytes_read", "bytes_written"))
    objects = sum(load.count * load.objects for load in loads)
    prices = site.prices
    puts = min(requests, objects)
    # what keeps its compressed data is read again where it was written
    egress = max(0.0, read - sum(load.count * load.kept_bytes for load in loads))
    money = prices.of_work(core_seconds, requests - puts, puts, egress)
    money += prices.of_storage(written)
    is_cluster = site.start_seconds is not None
    return Campaign(
        datasets=sum(load.count for load in loads),
        jobs=sum(load.count * load.jobs for load in loads),
        cluster_jobs=sum(load.count * load.cluster_jobs for load in loads) if is_cluster else 0,
        cpu_hours=total("cpu_seconds") / 3600,
        core_hours=core_seconds / 3600,
        node_hours=core_seconds / 3600 / site.cores,
        requests=round(requests),
        objects=objects,
        bytes_read=round(read),
        bytes_written=round(written),
        days_of_cores=core_seconds / (site.nodes * site.cores) / DAY_S,
        days_of_bytes=(read + written) / site.bytes_per_second / DAY_S,
        days_of_requests=requests * site.request_seconds / site.at_once / DAY_S,
        money=money,
    )


def held_core_seconds(load: Load, measured: Measured, site: Site) -> float:
    """Seconds of cores that the jobs of a dataset hold, busy or not.

    A job of several steps holds the cores of its largest step for as long as all of them take.

    Parameters
    ----------
    load
        Of the dataset.
    measured
        Rates of the machine.
    site
        Cores of a node, and whether it is one of a cluster.

    Returns
    -------
    float
        Seconds.
    """
    start = site.start_seconds
    if start is None:
        return measured.total("core_seconds", load, site.cores)
    threads = min(load.threads, site.cores)

    def job(steps: Iterable[str], cores: int) -> float:
        wall = sum(measured.step_seconds(step, load, cores) for step in steps)
        return cores * (start + wall)

    if load.slices == 1:
        return job(load.steps, threads)
    ready, rest = load.steps[:3], load.steps[4:]
    convert = load.slices * threads * start
    convert += measured.step("core_seconds", "convert", load, threads)
    return job(ready, 1) + convert + job(rest, threads)

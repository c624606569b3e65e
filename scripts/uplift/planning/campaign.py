"""What a campaign takes, from plans or a sheet of kinds of datasets, at rates of earlier runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from uplift.errors import PlanError
from uplift.models.arrays import Method
from uplift.models.plan import Costs, Plan
from uplift.models.site import Prices, SiteCosts
from uplift.planning.costs import Rates

STEPS = 8
"""Jobs of a dataset besides its slices: inspect_source, plan, claim, migrate, crate, validate,
publish, and the first slice."""
DAY_S = 86_400
_PRIOR_WEIGHT = 0.05
"""How much a rate that few runs tell of stays at the default: a twentieth of one run."""


@dataclass(frozen=True)
class Load:
    """What one dataset, or each of `count` alike, brings with it.

    Attributes
    ----------
    jobs
        Of Snakemake, slices included.
    arrays
        Of all levels, labels, wells and fields.
    objects
        Of the output.
    costs
        Prediction of its plan.
    """

    jobs: int
    arrays: int
    objects: int
    costs: Costs
    count: int = 1


@dataclass(frozen=True)
class Run:
    """A dataset that was converted: what it brought, and what its ledger says it took."""

    load: Load
    jobs: int
    core_seconds: float
    """Wall seconds of each job times its threads: what a scheduler counts."""
    cpu_seconds: float
    requests: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class Measured:
    """Rates of a machine and its storage, fitted to earlier runs.

    Attributes
    ----------
    job, array
        CPU seconds of each job (start and imports), and of each array.
    work
        CPU seconds for one that a plan predicts for chunks and bytes.
    busy
        CPU seconds of a second that a job holds a core.
    requests, array_requests
        Requests for one that a plan predicts, and more of them for each array.
    read, written
        Bytes for one that a plan predicts.
    """

    job: float = 0.5
    array: float = 0.005
    work: float = 1.0
    busy: float = 0.7
    requests: float = 1.0
    array_requests: float = 5.0
    read: float = 1.0
    written: float = 1.0

    def cpu_seconds(self, load: Load) -> float:
        """CPU seconds of one dataset."""
        rates = (self.job, self.array, self.work)
        return float(np.dot(_features(load), rates))

    def wall_seconds(self, load: Load, cores: int) -> float:
        """Seconds of one dataset that has so many cores: most steps use one, whatever there is."""
        alone = self.job * STEPS + self.array * load.arrays
        shared = max(0.0, self.cpu_seconds(load) - alone)
        return (alone + shared / cores) / self.busy

    def requests_of(self, load: Load) -> float:
        """Objects, or parts of them, that are read and written for one dataset."""
        return self.requests * load.costs.requests + self.array_requests * load.arrays


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
    """

    nodes: int = 1
    cores: int = 16
    bytes_per_second: float = 125e6
    request_seconds: float = 0.0
    at_once: int = 256
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
    """The prediction: sums over all datasets; days where the slowest of three decides."""

    datasets: int
    jobs: int
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


def load_of_plan(plan: Plan, slices: int, *, archive: bool = False) -> Load:
    """Load of a dataset that has a plan.

    Parameters
    ----------
    plan
        Of the dataset.
    slices
        Jobs that share its batches.
    archive
        Whether the output is packed into one file as well.

    Returns
    -------
    Load
        Bytes, objects, requests and CPU seconds.

    Raises
    ------
    PlanError
        The plan has no estimate.
    """
    estimate = plan.estimate
    if estimate is None or estimate.costs is None:
        raise PlanError(f"the plan of {plan.dataset} has no estimate; run snakemake plans")
    jobs = STEPS - 1 + slices + archive
    return Load(jobs, len(plan.arrays), estimate.after.objects, estimate.costs)


def load_of_kind(
    *,
    count: int,
    arrays: int,
    chunks: int,
    stored_bytes: int,
    decoded_bytes: int,
    objects: int,
    recode: bool,
    slices: int,
    rates: Rates | None = None,
) -> Load:
    """Load of a kind of dataset that no plan exists for yet.

    Parameters
    ----------
    count
        Datasets of that kind.
    arrays, chunks, objects
        Of one of them: arrays, stored chunks of the source, objects of the output.
    stored_bytes, decoded_bytes
        Of one of them; the output is taken to need as many bytes as the source.
    recode
        Whether chunks are encoded again.
    slices
        Jobs that share its batches.

    Returns
    -------
    Load
        What each of them brings, and how many they are.
    """
    rates = rates or Rates()
    method: Method = "recode" if recode else "repack"
    cpu = rates.dataset + arrays * rates.array + rates.of_chunks(method, chunks, decoded_bytes)
    costs = Costs(
        memory_mib=0,
        requests=chunks + 2 * objects + 4 * arrays,
        read_bytes=2 * stored_bytes,
        written_bytes=stored_bytes,
        cpu_seconds=cpu,
    )
    return Load(STEPS - 1 + slices, arrays, objects, costs, count)


def calibrated(runs: Sequence[Run]) -> Measured:
    """Fit rates to earlier runs: least squares of relative errors, close to the defaults.

    With few runs, or runs all alike, what they cannot tell apart stays close to the default.
    """
    if not runs:
        return Measured()
    loads = [run.load for run in runs]
    job, array, work = _fitted(
        [_features(load) for load in loads],
        [run.cpu_seconds for run in runs],
        (Measured.job, Measured.array, Measured.work),
    )
    requests, array_requests = _fitted(
        [(load.costs.requests, load.arrays) for load in loads],
        [run.requests for run in runs],
        (Measured.requests, Measured.array_requests),
    )
    return Measured(
        job=job,
        array=array,
        work=work,
        busy=_ratio((r.cpu_seconds for r in runs), (r.core_seconds for r in runs)),
        requests=requests,
        array_requests=array_requests,
        read=_ratio((r.bytes_read for r in runs), (c.costs.read_bytes for c in loads)),
        written=_ratio((r.bytes_written for r in runs), (c.costs.written_bytes for c in loads)),
    )


def _fitted(
    features: Sequence[Sequence[float]], measured: Sequence[float], default: Sequence[float]
) -> list[float]:
    """Rates, none of them negative, whose products with the features are what was measured."""
    usual, seconds = np.array(default), np.array(measured, dtype=float)
    known = np.array(features, dtype=float) / seconds[:, None] * usual
    prior = math.sqrt(_PRIOR_WEIGHT) * np.eye(len(usual))
    right = np.concatenate([np.ones(len(known)), np.diag(prior)])
    free = list(range(len(usual)))
    while True:
        found = np.linalg.lstsq(np.vstack([known, prior])[:, free], right, rcond=None)[0]
        if (found >= 0).all():
            rates = np.zeros(len(usual))
            rates[free] = found * usual[free]
            return [float(rate) for rate in rates]
        free.remove(free[int(found.argmin())])


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
    core_seconds = sum(load.count * measured.cpu_seconds(load) for load in loads) / measured.busy
    requests = sum(load.count * measured.requests_of(load) for load in loads)
    objects = sum(load.count * load.objects for load in loads)
    read = measured.read * sum(load.count * load.costs.read_bytes for load in loads)
    written = measured.written * sum(load.count * load.costs.written_bytes for load in loads)
    prices = site.prices
    puts = min(requests, objects)
    egress = max(0.0, read - written)  # the output is read once, where it lies
    money = prices.of_work(core_seconds, requests - puts, puts, egress)
    money += prices.of_storage(written)
    return Campaign(
        datasets=sum(load.count for load in loads),
        jobs=sum(load.count * load.jobs for load in loads),
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


def _features(load: Load) -> tuple[float, float, float]:
    work = max(0.0, load.costs.cpu_seconds - Rates.dataset - Rates.array * load.arrays)
    return (float(load.jobs), float(load.arrays), work)


def _ratio(measured: Iterable[float], predicted: Iterable[float]) -> float:
    """What was measured for what was predicted; 1 where nothing was counted."""
    return sum(measured) / (sum(predicted) or 1.0) or 1.0

"""Snakemake resources that limit the requests of all jobs of a run to each endpoint.

There is one for each endpoint, such as ``requests_s3_lab_org``, limited to ``max_requests`` of the
storage settings (or by ``--resources``): Snakemake starts no job whose share is not free.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from uplift.storage.caps import Share, share_of
from uplift.storage.settings import options_for
from uplift.storage.urls import display_url


def shares_of(urls: Iterable[str], storage: Mapping[str, Any] | None) -> set[Share]:
    """Shares of their endpoints that a job takes which opens these locations."""
    found = (share_of(url, options_for(display_url(url), storage)) for url in urls)
    return {share for share in found if share is not None}


def limits_of(shares: Iterable[Share]) -> dict[str, int]:
    """Limit of each resource: the lowest cap that is set for an endpoint."""
    limits: dict[str, int] = {}
    for share in shares:
        name = _resource_name(share.endpoint)
        limits[name] = min(share.of, limits.get(name, share.of))
    return limits


def needs_of(shares: Iterable[Share]) -> dict[str, int]:
    """How much a job takes of each resource."""
    needs: Counter[str] = Counter()
    for share in shares:
        needs[_resource_name(share.endpoint)] += share.requests
    return needs


def resources_of(
    locations: Mapping[str, Iterable[str]], storage: Mapping[str, Any] | None
) -> tuple[dict[str, int], dict[str, Callable[[Any], int]]]:
    """Limits of a run, and a function of a job's wildcards for each resource.

    Parameters
    ----------
    locations
        URLs that the jobs of each dataset open.
    storage
        The config's ``storage`` section.
    """
    shares = {dataset: shares_of(urls, storage) for dataset, urls in locations.items()}
    needs = {dataset: needs_of(found) for dataset, found in shares.items()}
    limits = limits_of(share for found in shares.values() for share in found)

    def taken(name: str) -> Callable[[Any], int]:
        return lambda wildcards: min(limits[name], needs[wildcards.dataset].get(name, 0))

    return limits, {name: taken(name) for name in limits}


def _resource_name(endpoint: str) -> str:
    return "requests_" + re.sub(r"[^a-z0-9]+", "_", endpoint.lower()).strip("_")

"""Cost of each step per job, document, chunk and MiB, fitted to earlier conversions.

A step's cost is a sum of few terms. Records of datasets of different kinds separate
the fixed cost of each job from that of each array, each chunk and each byte; rates that the records
do not determine stay close to the defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uplift.planning.estimates import MIB
from uplift.planning.loads import THREADED, Load

QUANTITIES = ("cpu_seconds", "core_seconds", "requests", "bytes_read", "bytes_written")
"""`core_seconds` are wall seconds of a job times its cores: what a scheduler counts. `requests`
are those to object stores; of files they are objects, or ranges of them, that are read and
written."""

RateTable = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Quantity, step and term to the rate."""

DEFAULTS: RateTable = {
    "cpu_seconds": {
        "inspect_source": {"job": 0.04, "document": 9e-4, "chunk": 25e-6},
        "plan": {"job": 0.018, "document": 2.5e-4},
        "claim": {"job": 0.02, "document": 6e-5},
        "convert": {
            "job": 0.06, "worker": 0.03, "array": 0.003, "whole MiB": 0.003, "chunk": 1e-4,
            "kept MiB": 0.0025, "rewrapped MiB": 0.0175, "recoded chunk": 1e-4,
            "recoded MiB": 0.008,
        },
        "migrate": {"job": 0.036, "document": 6e-4},
        "crate": {"job": 0.035, "document": 5e-5},
        "validate": {"job": 0.06, "document": 7e-4, "region": 1e-3, "region MiB": 0.01},
        "publish": {"job": 0.02, "document": 1e-4},
        "archive": {"job": 0.05, "object": 2e-4, "written MiB": 0.005},
    },
    "core_seconds": {
        "inspect_source": {"job": 0.06, "document": 1.5e-3, "chunk": 4e-5},
        "plan": {"job": 0.03, "document": 4e-4},
        "claim": {"job": 0.03, "document": 1e-4},
        "convert": {
            "job": 0.1, "worker": 0.08, "array": 0.004, "whole MiB": 0.005, "chunk": 2e-4,
            "kept MiB": 0.006, "rewrapped MiB": 0.025, "recoded chunk": 2e-4,
            "recoded MiB": 0.012,
        },
        "migrate": {"job": 0.06, "document": 1e-3},
        "crate": {"job": 0.05, "document": 8e-5},
        "validate": {"job": 0.1, "document": 1.5e-3, "region": 1.5e-3, "region MiB": 0.02},
        "publish": {"job": 0.03, "document": 2e-4},
        "archive": {"job": 0.08, "object": 4e-4, "written MiB": 0.01},
    },
    "requests": {  # of a bucket on both sides, as a server's log counts them
        "inspect_source": {"job": 4.0, "document": 3.6, "chunk": 1e-3},
        "claim": {"job": 4.0},
        "convert": {"job": 10.0, "array": 6.0, "chunk": 1.0, "kept MiB": 0.5},
        "migrate": {"job": 2.0, "document": 3.0},
        "crate": {"job": 5.0},
        "validate": {
            "job": 4.0, "document": 2.5, "array": 4.0, "region": 2.0, "whole chunk": 1.0,
        },
        "publish": {"job": 5.0},
        "archive": {"job": 4.0, "object": 2.0},
    },
    "bytes_read": {
        "inspect_source": {"document": 400.0},
        "convert": {"kept MiB": 2.0 * MIB, "recoded MiB as stored": MIB},
        "migrate": {"job": 300.0, "document": 250.0},
        "crate": {"job": 350.0},
        "validate": {"job": 2000.0, "document": 1700.0, "region MiB": MIB},
        "publish": {"job": 1060.0},
        "archive": {"written MiB": 3.0 * MIB},
    },
    "bytes_written": {
        "claim": {"job": 350.0},
        "convert": {"written MiB": MIB},
        "migrate": {"document": 1300.0},
        "crate": {"job": 4400.0},
        "publish": {"job": 1100.0, "document": 6.0},
        "archive": {"written MiB": MIB},
    },
}  # fmt: skip
"""Of a core of 2.5 GHz and a local disk, jobs that are forks of the job server."""
_PRIOR_WEIGHT = 0.02
"""Weight of a default rate in the fit: as if a fiftieth of one dataset had shown it."""
_ROUNDS = 20
"""Iterations until the predictions, which errors are relative to, have converged."""
_KNOWN = 0.5
"""A rate counts as fitted where records determine more of it than the default does."""


@dataclass(frozen=True)
class Run:
    """A dataset that was converted, and what its ledger says that each step took.

    Attributes
    ----------
    spent
        Quantity to step to amount.
    threads
        Step to the cores that its jobs had.
    disk_bytes
        Of the source's chunks, how many a disk or a file server delivered, the others being in
        memory; None: not known, or the source is in an object store.
    """

    load: Load
    spent: Mapping[str, Mapping[str, float]]
    threads: Mapping[str, int] = field(default_factory=dict)
    disk_bytes: int | None = None


@dataclass(frozen=True)
class Measured:
    """Rates of a machine and its storage.

    Attributes
    ----------
    fitted
        Quantity, step and term of each rate that the records decided.
    seen
        Least and most of each count in the records, by its name.
    from_disk
        Share of the records' chunks that a disk or a file server delivered; None: not known.
    """

    rates: RateTable = field(default_factory=lambda: DEFAULTS)
    fitted: frozenset[tuple[str, str, str]] = frozenset()
    seen: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    from_disk: float | None = None

    def step(self, quantity: str, step: str, load: Load, threads: int = 1) -> float:
        """Amount of one quantity that a step of a dataset takes.

        Parameters
        ----------
        quantity, step
            Names.
        load
            Of the dataset.
        threads
            Cores of the step's jobs.

        Returns
        -------
        float
            Seconds, requests or bytes.
        """
        rates = self.rates[quantity].get(step, {})
        amounts = _features(quantity, step, load, threads)
        return sum(rate * amounts[term] for term, rate in rates.items())

    def total(self, quantity: str, load: Load, cores: int = 1) -> float:
        """Amount that all steps of a dataset take.

        Parameters
        ----------
        quantity
            Its name.
        load
            Of the dataset.
        cores
            That a job can have.

        Returns
        -------
        float
            Seconds, requests or bytes.
        """
        threads = min(cores, load.threads)
        return sum(self.step(quantity, step, load, threads) for step in load.steps)

    def wall_seconds(self, load: Load, cores: int) -> float:
        """Seconds of a dataset whose slices run side by side, as far as the cores go."""
        threads = min(cores, load.threads)
        seconds = {step: self.step_seconds(step, load, threads) for step in load.steps}
        seconds["convert"] /= max(1, min(load.slices, cores // threads))
        return sum(seconds.values())

    def step_seconds(self, step: str, load: Load, threads: int) -> float:
        """Wall time of a step, its slices one after the other.

        Parameters
        ----------
        step
            Its name.
        load
            Of the dataset.
        threads
            Cores of the step's jobs.

        Returns
        -------
        float
            Seconds.
        """
        held = self.step("core_seconds", step, load, threads)
        return held / threads if step in THREADED else held

    def outside(self, loads: Sequence[Load]) -> list[str]:
        """Counts of datasets that are outside the range of those that the rates come from."""
        found = []
        for name, (least, most) in self.seen.items():
            amounts = [getattr(load, name) for load in loads]
            if amounts and (max(amounts) > most or min(amounts) < least):
                found.append(
                    f"{name.replace('_', ' ')}: {min(amounts):,} to {max(amounts):,}, seen were "
                    f"{least:,.0f} to {most:,.0f}"
                )
        return found


SPANS = ("documents", "chunks", "kept_bytes", "recoded_chunks", "recoded_bytes")


def calibrated(runs: Sequence[Run]) -> Measured:
    """Fit rates to earlier runs: least squares, none of the rates negative."""
    if not runs:
        return Measured()
    rates: dict[str, dict[str, dict[str, float]]] = {}
    fitted: set[tuple[str, str, str]] = set()
    for quantity, steps in DEFAULTS.items():
        rates[quantity] = {}
        for step, usual in steps.items():
            found, known = _step_rates(runs, quantity, step, usual)
            rates[quantity][step] = found
            fitted |= {(quantity, step, term) for term in known}
    amounts = {name: [getattr(run.load, name) for run in runs] for name in SPANS}
    seen = {name: (min(values), max(values)) for name, values in amounts.items()}
    return Measured(rates, frozenset(fitted), seen, _share_from_disk(runs))


def _share_from_disk(runs: Sequence[Run]) -> float | None:
    known = [(run.disk_bytes, run.load.stored_bytes) for run in runs if run.disk_bytes is not None]
    stored = sum(whole for _, whole in known)
    return sum(read for read, _ in known) / stored if stored else None


def _step_rates(
    runs: Sequence[Run], quantity: str, step: str, usual: Mapping[str, float]
) -> tuple[dict[str, float], set[str]]:
    """Rates of a step, and the terms that the records decided."""
    rows, amounts = [], []
    for run in runs:
        amount = run.spent.get(quantity, {}).get(step)
        if amount is not None:
            features = _features(quantity, step, run.load, run.threads.get(step, 1))
            rows.append([features[term] * usual[term] for term in usual])
            amounts.append(amount)
    if not any(amounts):
        return dict(usual), set()
    found, known = _fitted(np.array(rows), np.array(amounts, dtype=float))
    decided = {term for term, one in zip(usual, known, strict=True) if one}
    return dict(zip(usual, (found * list(usual.values())).tolist(), strict=True)), decided


def _fitted(
    rows: NDArray[np.float64], amounts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Factors, none negative, of the defaults, and which of them the records decide.

    Errors count relative to what is predicted, not to what was measured: jobs that waited for a
    busy machine would count for less than those that happened not to.

    Parameters
    ----------
    rows
        Shape (runs, terms): what each term is by default.
    amounts
        Shape (runs,): what was measured.
    """
    count = rows.shape[1]
    prior = np.sqrt(_PRIOR_WEIGHT) * np.eye(count)
    factors = np.ones(count)
    for _ in range(_ROUNDS):
        predicted = np.maximum(rows @ factors, np.maximum(amounts / 100, amounts.max() / 1e9))
        scaled = rows / predicted[:, None]
        factors = _non_negative(
            np.vstack([scaled, prior]), np.concatenate([amounts / predicted, np.diag(prior)])
        )
    normal = scaled.T @ scaled
    decided = np.diag(np.linalg.solve(normal + _PRIOR_WEIGHT * np.eye(count), normal)) > _KNOWN
    return factors, decided


def _non_negative(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve least squares without negative values (Lawson and Hanson)."""
    count = left.shape[1]
    found, free = np.zeros(count), np.zeros(count, dtype=bool)
    for _ in range(3 * count):
        slope = left.T @ (right - left @ found)
        if free.all() or slope[~free].max() <= 1e-10:
            break
        free[np.where(free, -np.inf, slope).argmax()] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(left[:, free], right, rcond=None)[0]
            if (trial[free] > 0).all():
                found = trial
                break
            held = free & (trial <= 0)
            step = (found[held] / (found[held] - trial[held])).min()
            found = found + step * (trial - found)
            free &= found > 1e-12
    return found


def _features(quantity: str, step: str, load: Load, threads: int) -> dict[str, float]:
    """Amounts of each term; the start of a job keeps all of its cores.

    Jobs of several processes start them, and wait for the disk with all of them at the end.
    """
    features = load.features(step)
    if step in THREADED:
        features["worker"] = features["job"] * threads if threads > 1 else 0
    if quantity == "core_seconds" and step in THREADED:
        features["job"] *= threads
    return features

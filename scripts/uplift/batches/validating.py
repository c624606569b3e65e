"""Checks of chunks that the validation of a dataset needs, on all cores of its job."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar

from uplift import grid
from uplift.batches.context import Context, Locations, Settings
from uplift.batches.converting import read_record
from uplift.batches.cores import ALONE_ARRAYS, processes_for, shared_out
from uplift.batches.portions import PORTION_ARRAYS, grouped
from uplift.batches.records import BatchRun
from uplift.batches.surveys import Surveys
from uplift.batches.work import Assignment, capacity_for, run_assignment, weight_of
from uplift.errors import InputError
from uplift.models.batch import Batch
from uplift.models.record import Record
from uplift.running.processes import Inputs, Workers
from uplift.storage.caps import parts
from uplift.validate.pixels.chosen import Chosen
from uplift.validate.pixels.regions import Regions, check_arrays
from uplift.work import usage
from uplift.work.folder import WorkFolder
from uplift.work.journal import Journal

log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class _Arrays:
    """Arrays for one process."""

    chosen: Sequence[Chosen]
    root: bytes | None
    digest_limit_bytes: int


class Validation:
    """The pixel checks of one dataset; a context manager, since it starts processes.

    Parameters
    ----------
    batches
        Of the plan in force.
    work
        Work folder of the dataset.
    locations
        Both sides, for reading.
    settings
        How to validate.
    cores
        Processes to work with.
    root
        The root's document, as long as it is not published.
    digest_limit_bytes
        Decoded bytes up to which an array gets a SHA-256 of its own.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        work: WorkFolder,
        locations: Locations,
        settings: Settings,
        *,
        cores: int = 1,
        root: bytes | None = None,
        digest_limit_bytes: int = 0,
    ) -> None:
        self._batches, self._work = batches, work
        self._root, self._digest_limit_bytes = root, digest_limit_bytes
        self._cores = min(processes_for(batches, cores), locations.most_processes)
        self._locations, self._capacity = locations, capacity_for(locations)
        self._settings = settings
        self._workers = contextlib.ExitStack()
        self._started: Workers[Context] | None = None

    def __enter__(self) -> Validation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._workers.__exit__(kind, error, trace)

    def _as_done(
        self,
        function: Callable[[Context, A], B],
        inputs: Inputs[A],
        weigh: Callable[[A], int],
        cores: int | None = None,
    ) -> Iterator[B]:
        """Results as they come; processes are started when there is work."""
        for value in inputs:
            if self._started is None:
                spent = (usage.collect_spent, usage.add_spent)
                modules = [__name__, *self._locations.engines()]
                cores = min(cores or self._cores, self._locations.most_processes)
                part = parts(cores)[1]
                opened = functools.partial(self._locations.open, self._settings, part=part)
                made = Workers(cores, opened, modules, spent, capacity=self._capacity)
                self._started = self._workers.enter_context(made)
            inputs.add([value])
            yield from self._started.as_done(function, inputs, weigh=weigh)

    def validate_again(self, listed: Mapping[tuple[str, int], str]) -> None:
        """Validate batches whose objects changed since they were validated, and write records.

        Parameters
        ----------
        listed
            Digest of the listing of each batch item, by path and first object.

        Raises
        ------
        InputError
            A batch was not converted, or was for another plan.
        StorageError
            A read that failed.
        """
        runs, records = {}, {}
        for batch in self._batches:
            record = read_record(self._work, batch)
            if record is None:
                raise InputError(
                    f"{self._work.record(batch.batch)}: no record of this batch as it is planned "
                    "now; convert it first"
                )
            reason = self._reason(batch, record, listed)
            if reason is not None:
                log.info("%s: validated again: %s", batch.batch, reason)
                runs[batch.batch] = BatchRun(batch, Journal(self._work.journal(batch.batch)))
                records[batch.batch] = record
        if not runs:
            return
        batches = [run.batch for run in runs.values()]
        is_local, most = not self._locations.engines(), self._locations.most_processes
        given = shared_out(batches, self._cores, most, local=is_local)
        self._settings = replace(self._settings, in_shares=given.in_shares)
        part = parts(self._cores)[1]
        surveys = Surveys(batches, self._locations.open(self._settings, part=part), convert=False)
        assignments = Inputs(
            assignment
            for name, run in runs.items()
            for assignment in self._assignments(run, records[name], surveys)
        )
        for results in self._as_done(run_assignment, assignments, weight_of):
            for result in results:
                run = runs[result.batch]
                assignments.add(run.shares_of(result))
                if run.add(result):
                    record = records[result.batch]
                    verify = self._settings.verify
                    run.composed(self._work, self._cores, verify, record.generation, record)()

    def regions(self, arrays: Iterable[Chosen]) -> Iterator[Regions]:
        """Have other readers compare regions of arrays, unless the conversion did.

        A few arrays of remote stores are compared in this process: it waits for answers, and
        starting other processes takes longer.
        """
        left = []
        for chosen in arrays:
            if chosen.compared and chosen.nbytes > self._digest_limit_bytes:
                yield Regions(chosen.path, chosen.compared, ())
            else:
                left.append(chosen)
        alone = bool(self._locations.engines()) and len(left) < ALONE_ARRAYS
        cores = 1 if alone else self._cores
        groups = list(self._groups(left, cores))
        cores = min(cores, len(groups))
        for found in self._as_done(
            _check_arrays, Inputs(groups), lambda _: self._capacity, cores=cores
        ):
            yield from found

    def _groups(self, arrays: Sequence[Chosen], cores: int) -> Iterator[_Arrays]:
        """Small groups where there are few arrays, so that every core gets some."""
        size = max(1, min(PORTION_ARRAYS, grid.ceil_div(len(arrays), cores)))
        for first in range(0, len(arrays), size):
            group = tuple(arrays[first : first + size])
            yield _Arrays(group, self._root, self._digest_limit_bytes)

    def _reason(
        self, batch: Batch, record: Record, listed: Mapping[tuple[str, int], str]
    ) -> str | None:
        """Why a batch has to be validated again, or None."""
        if not self._work.digests(batch.batch).is_file():
            return "asked for"
        if self._settings.with_sums and not self._work.sums(batch.batch).is_file():
            return "the check sums of its objects are wanted"
        if self._settings.verify == "reread" and record.verify != "reread":
            return "verify: reread"
        if any(finding.severity == "error" for finding in record.findings):
            return "it was not valid"
        for item in record.items:
            if listed[item.path, item.start] != item.objects_sha256:
                return f"objects of {item.path or 'the array'} are not those that were validated"
        return None

    def _assignments(self, run: BatchRun, record: Record, surveys: Surveys) -> Iterator[Assignment]:
        bad = [item.bad_chunks for item in record.items]
        parts = itertools.chain.from_iterable(map(surveys.cut, run.portions()))
        found = surveys.given_to(parts)
        portions = (replace(portion, bad=bad[portion.number]) for portion in found)
        groups = list(grouped(portions))
        run.waiting += sum(map(len, groups))
        yield from (Assignment([group]) for group in groups)


def _check_arrays(context: Context, job: _Arrays) -> list[Regions]:
    return check_arrays(
        job.chosen, context.source, context.output, job.root, job.digest_limit_bytes
    )

"""All datasets of the sheet: which outputs exist, and the outcome of each."""

import hashlib
import itertools
import logging
import operator
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from uplift.errors import InputError, UpliftError
from uplift.models import json_text
from uplift.models.publication import Claim
from uplift.models.slices import Slice
from uplift.outputs.keys import LOCK_KEY, ROOT_KEY
from uplift.outputs.overlap import is_same_location
from uplift.report.facts import outcome_of
from uplift.report.outcomes import Outcome
from uplift.settings.columns import Sample, SampleTable
from uplift.storage import display_url, hide_url, is_local, local_path, open_store
from uplift.storage.settings import options_for
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.made_from import output_asked_for, source_of

log = logging.getLogger(__name__)

_WHERE = ("endpoint_url", "anon", "region", "profile")
_STORES_AT_ONCE = 16
"""Outputs checked at the same time: a remote answer takes tenths of a second."""
_JOBS_TO_CHOOSE_FROM = 50
"""More than there are cores: the scheduler considers each of them whenever a job ends."""
_PATIENCE_S = 10.0
"""For a server that is asked before each run, and may be down."""
_ROOT_DOCUMENTS = (".zattrs", ".zgroup", ".zarray", ".zmetadata", "zarr.json", "OME/.zattrs")


class Samples(dict[str, Sample]):
    """Rows of the sheet, by dataset."""

    def __missing__(self, dataset: str) -> Sample:
        """Raise an error: a file was asked for whose dataset is not in the sheet."""
        raise InputError(f"{dataset!r} is not a dataset of the sheet")


def source_state(url: str) -> str | None:
    """Digest of the metadata at the root of a local source; None for a remote one.

    Cheap enough for every start of the workflow; it does not show changed chunks. A source that
    cannot be read counts as changed, and its inspect_source job says why; other datasets continue.
    """
    root = _local_path(url)
    if root is None:
        return None
    digest = hashlib.sha256()
    try:
        if root.is_file():  # an archive
            status = root.stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        for name in _ROOT_DOCUMENTS:
            path = root / name
            if path.is_file():
                digest.update(f"{name}\0{json_files.file_sha256(path)}\n".encode())
    except OSError as error:
        digest.update(str(error).encode())
    return digest.hexdigest()


def storage_locations(sample: Sample, storage: Mapping[str, Any]) -> str:
    """Where a dataset's input and output are, as far as the storage settings say so.

    Settings of other locations, and those of how requests are made, leave it as it is.
    """
    urls = (display_url(sample.input), display_url(sample.output))
    found = [options_for(url, storage).to_json() for url in urls]
    return json_text.canonical_json([{key: one.get(key) for key in _WHERE} for one in found])


def gone_outputs(
    samples: Mapping[str, Sample], results: str, storage: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Find outputs that were started here and are no longer there.

    Snakemake does not know the outputs, so it would treat them as converted. They are not
    converted again automatically: perhaps only the disk that holds them is not mounted.

    Parameters
    ----------
    samples
        Rows of the sheet, by dataset.
    results
        Folder of the work files.
    storage
        The config's ``storage`` section.

    Returns
    -------
    dict of str
        By dataset, a line with the command that converts it again.
    """
    claims = {dataset: WorkFolder(Path(results, dataset)).claim for dataset in samples}
    started = [dataset for dataset, claim in claims.items() if claim.is_file()]
    with ThreadPoolExecutor(_STORES_AT_ONCE) as pool:
        there = list(pool.map(lambda one: _exists(samples[one].output, storage), started))
    lines = {}
    for dataset in itertools.compress(started, map(operator.not_, there)):
        claim, output = claims[dataset], samples[dataset].output
        if output_asked_for(WorkFolder(claim.parent)) == output:  # else the sheet names a new one
            folder, published = _local_path(output), str(WorkFolder(claim.parent).published)
            what = f"the output of dataset {dataset!r} is gone"
            again = "convert it again: the same command with -R claim"
            if folder is not None and folder.exists():
                what = f"the output of dataset {dataset!r} has no zarr.json any more"
                again = "validate it again: the same command with -R validate"
            lines[dataset] = (
                f"{output}: {what}; put it back, take the dataset out of the sheet, or {again} -- "
                f"{shlex.quote(published)}"
            )
    return lines


def _exists(output: str, storage: Mapping[str, Any] | None) -> bool:
    """Whether a root document or a lock is there, or the store cannot be asked now."""
    folder = _local_path(output)
    if folder is not None:
        return (folder / LOCK_KEY).exists() or (folder / ROOT_KEY).exists()
    url, settings = display_url(output), dict(storage or {})
    settings[url] = {**settings.get(url, {}), "retries": 0, "timeout": _PATIENCE_S}
    try:
        store = open_store(output, settings)
        return any(store.stat(key) is not None for key in (LOCK_KEY, ROOT_KEY))
    except UpliftError as error:  # the job that needs the output says so
        log.info("%s", error)
        return True


def is_claimed_elsewhere(work: WorkFolder, output: str) -> bool:
    """Whether a dataset's claim is about another output than the sheet names now."""
    try:
        asked = json_files.read_model(work.claim, Claim).asked
    except (FileNotFoundError, InputError):  # the jobs will say so
        return False
    return asked is not None and asked != output


def is_made_from_another(work: WorkFolder, source: str) -> bool:
    """Whether the output of a dataset was made from another source than the sheet names now."""
    made_from = source_of(work)
    return made_from is not None and not is_same_location(made_from, source)


def forget_forced(
    samples: Iterable[str],
    results: str,
    *,
    forceall: bool,
    forcerun: Collection[str],
    targets: Collection[str],
) -> None:
    """Delete what would let a forced job skip its work: records, journals and digests.

    Parameters
    ----------
    forceall, forcerun
        What Snakemake was given as ``-F``, and as ``-R`` (rules or files).
    targets
        Files (or rules) to make: all datasets when none of them is below a dataset's folder.
    """
    for dataset in samples:
        work = WorkFolder(Path(results, dataset))
        named = [target for target in targets if Path(target).is_relative_to(work.path)]
        if any(Path(t).is_relative_to(results) for t in targets) and not named:
            continue
        files = {Path(name) for name in forcerun}
        slices = [path for path in files if path.parent == work.slice(1, 1).parent]
        if forceall or {"claim", "convert"}.intersection(forcerun) or work.claim in files:
            for folder in ("records", "journal"):
                shutil.rmtree(work.path / folder, ignore_errors=True)
        for path in slices:
            _forget_slice(work, path)
        if forceall or "validate" in forcerun or work.validation in files:
            # without them a batch is validated again
            for digests in work.path.glob("records/*.digests"):
                digests.unlink()


def _forget_slice(work: WorkFolder, path: Path) -> None:
    if path.is_file():
        for batch in json_files.read_model(path, Slice).batches:
            work.record(batch).unlink(missing_ok=True)
            work.journal(batch).unlink(missing_ok=True)


def schedule_quickly(workflow: Any) -> None:
    """Have jobs chosen greedily, from a part of the ready ones, unless a scheduler was named.

    Snakemake's own choice starts a solver of linear programs each time that a job ends: 0.1 s for
    few jobs, seconds for thousands, and no file here is temporary, which is what it is good at.
    """
    if not any(word.startswith("--scheduler") for word in sys.argv):
        scheduler = workflow.scheduler
        scheduler.subsample = scheduler.subsample or _JOBS_TO_CHOOSE_FROM
        scheduler._job_selector = scheduler.job_selector_greedy


def summary_lines(samples: Mapping[str, Sample], results: str) -> Iterator[str]:
    """One line for each dataset: verdict, what was compared, where it is or why it is absent."""
    for dataset, sample in samples.items():
        yield f"{dataset}: {outcome(sample, results).message}"


def outcome(sample: Sample, results: str) -> Outcome:
    """Outcome of one dataset."""
    return outcome_of(Path(results, sample.dataset), sample)


def without_secrets(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Samples for work files, params and logs: the secrets of URLs stay in the environment."""
    return {dataset: _with_urls(sample, hide_url) for dataset, sample in samples.items()}


def note_samples(samples: Mapping[str, Sample], results: str) -> SampleTable:
    """Write ``samples.json``, and return it: the parsed sheet, without secrets of URLs."""
    shown = tuple(_with_urls(sample, display_url) for sample in samples.values())
    table = SampleTable(samples=shown)
    json_files.write_json(Path(results, "samples.json"), table)
    return table


def _with_urls(sample: Sample, written: Callable[[str], str]) -> Sample:
    urls = {"input": written(sample.input), "output": written(sample.output)}
    return sample.model_copy(update=urls)


def local_output(sample: Sample) -> Path | None:
    """Folder of the output, if it is on this machine."""
    return _local_path(sample.output)


def _local_path(url: str) -> Path | None:
    return Path(local_path(url)) if is_local(url) else None

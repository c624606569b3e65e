"""Take the output place, keep it while a run is under way, and show the dataset at the end.

The lock lies at the output, since a colleague's run has another work folder. Readers see no dataset
as long as the root ``zarr.json`` is absent: it is removed before the first write into a published
dataset and written last of all.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from uplift.errors import InputError, OutputError, StorageError
from uplift.models.findings import Finding
from uplift.models.publication import Claim, Cost, Published
from uplift.models.record import Record
from uplift.models.validation import Validation
from uplift.outputs.lock import LOCK_KEY, is_abandoned, read_lock, refuse_foreign, renew, take
from uplift.storage import Store, is_local, local_path
from uplift.storage.local import is_temporary
from uplift.storage.protocol import KeepsUnfinished

log = logging.getLogger(__name__)

ROOT_KEY = "zarr.json"
MANIFEST_KEY = "manifest.sha256"
_ZARR_MARKS = {ROOT_KEY, ".zgroup", ".zattrs", ".zarray", ".zmetadata"}


def claim(
    output: Store,
    run_id: str,
    *,
    source_url: str | None = None,
    overwrite: bool = False,
    known: Published | None = None,
    folder: Path | None = None,
) -> Claim:
    """Take the output for this run and hide what is published there.

    Parameters
    ----------
    source_url
        The source, when known: an output that is, holds or lies in it is refused.
    overwrite
        Empty the place when somebody else's dataset is there.
    known
        What this work folder published before: that may be taken up again.
    folder
        The work folder, which goes into the lock. A lock whose work folder is gone is removed, and
        what that run left unfinished is emptied with `overwrite`.

    Raises
    ------
    OutputError
        The place is locked by another run, or holds something that this run did not begin.
    """
    if source_url is not None:
        refuse_overlap(source_url, output.url)
    lock = read_lock(output)
    abandoned = lock is not None and lock.run_id != run_id and is_abandoned(lock)
    if lock is not None and not abandoned:
        refuse_foreign(output, lock, run_id)
        _hide(output)
        return Claim(run_id=run_id, output=output.url, begun=lock.begun)
    root = output.get(ROOT_KEY)
    ours = known is not None and _is_known(output, root, known)
    folders, files = output.list_folder("")
    # a run that was killed while it took the lock leaves a leftover, which is nobody's dataset
    names = {*folders, *(info.key for info in files if not is_temporary(info.key))} - {LOCK_KEY}
    if names and not ours:
        _refuse_unless_replaceable(output, names, overwrite=overwrite, unfinished=abandoned)
    if lock is not None:
        log.warning("%s: the work files of the run that held it are gone; taking over", output.url)
        output.delete(LOCK_KEY)
    begun = known.begun if known is not None and ours else uuid.uuid4().hex
    begun = take(output, run_id, begun, folder)
    _hide(output)
    if names and not ours:
        log.info("%s: emptying it (overwrite: true)", output.url)
        _empty(output)
    return Claim(run_id=run_id, output=output.url, begun=begun)


def ensure_claimed(output: Store, run_id: str) -> None:
    """Make sure, before a write, that the lock is this run's and nothing is published.

    Raises
    ------
    OutputError
        Another run holds the output.
    """
    lock = read_lock(output)
    if lock is None:
        take(output, run_id, uuid.uuid4().hex)
    else:
        refuse_foreign(output, lock, run_id)
        renew(output, lock)
    _hide(output)


def publish(
    output: Store,
    root_document: bytes,
    validation: Validation,
    claimed: Claim,
    cost: Cost,
    *,
    validate_command: str,
    manifest: bytes | None = None,
) -> Published:
    """Write the root document, last of all; before it the check sums, when there are some.

    The lock stays until :func:`release`, which belongs after ``published.json`` is written. What
    was published before and is invalid now is hidden from readers again.

    Raises
    ------
    InputError
        The verdict is invalid, or the root document is another one than was validated.
    OutputError
        Another run holds the output.
    """
    if validation.verdict != "valid":
        state = _withdrawn(output, root_document, claimed)
        raise _invalid_error(validation, state, validate_command)
    root_sha256 = _sha256(root_document)
    if root_sha256 != validation.root_sha256:
        raise InputError(
            f"{validation.dataset}: the root document changed after it was validated; "
            f"validate again: {validate_command}"
        )
    if validation.manifest_sha256 != (None if manifest is None else _sha256(manifest)):
        raise InputError(
            f"{validation.dataset}: {MANIFEST_KEY} is not the one that validation made; "
            f"validate again: {validate_command}"
        )
    _hold(output, claimed)
    _remove_leftovers(output)
    if manifest is not None and output.get(MANIFEST_KEY) != manifest:
        output.put(MANIFEST_KEY, manifest)
    output.flush()
    if output.get(ROOT_KEY) != root_document:
        output.put(ROOT_KEY, root_document)
    output.flush()
    return Published(
        dataset=validation.dataset,
        output=output.url,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict="valid",
        root_sha256=root_sha256,
        begun=claimed.begun,
        arrays=len(validation.arrays),
        objects=validation.objects,
        bytes=validation.bytes,
        cost=cost,
    )


def release(output: Store, run_id: str) -> None:
    """Remove this run's lock; another run's stays."""
    lock = read_lock(output)
    if lock is not None and lock.run_id == run_id:
        output.delete(LOCK_KEY)


def total_cost(records: Iterable[Record]) -> Cost:
    """Sum up the records of all convert jobs of a dataset."""
    jobs = list(records)
    items = [item for record in jobs for item in record.items]
    return Cost(
        jobs=len(jobs),
        chunks_read=sum(item.chunks_read for item in items),
        bytes_read=sum(item.bytes_read for item in items),
        objects_written=sum(item.objects_written for item in items),
        bytes_written=sum(item.bytes_written for item in items),
        wall_seconds=round(sum(record.wall_seconds for record in jobs), 3),
        cpu_seconds=round(sum(record.cpu_seconds for record in jobs), 3),
        peak_memory_bytes=max((record.peak_memory_bytes for record in jobs), default=0),
    )


def first_error(findings: Iterable[Finding]) -> Finding | None:
    """Return the finding that a message should name."""
    return next((finding for finding in findings if finding.severity == "error"), None)


def _hold(output: Store, claimed: Claim) -> None:
    """Make sure that the lock is this run's."""
    lock = read_lock(output)
    if lock is None:
        take(output, claimed.run_id, claimed.begun)
    else:
        refuse_foreign(output, lock, claimed.run_id)


def _withdrawn(output: Store, root_document: bytes, claimed: Claim) -> str:
    """Hide what this run published before; say what readers see of it now."""
    if output.get(ROOT_KEY) != root_document:
        return "not published"
    try:
        _hold(output, claimed)
        _hide(output)
    except StorageError as error:
        log.error("%s", error)  # noqa: TRY400 - one line is all that it takes
        return "still published, since its root document cannot be removed"
    return "no longer published"


def _invalid_error(validation: Validation, state: str, validate_command: str) -> InputError:
    errors = sum(finding.severity == "error" for finding in validation.findings)
    first = first_error(validation.findings)
    what = f"{first.code} at {first.path or '/'}: {first.message}" if first else "no finding"
    more = f" (and {errors - 1} more in validation.json)" if errors > 1 else ""
    return InputError(
        f"{validation.dataset}: {state}, it is invalid: {what.rstrip('.')}{more}; "
        f"after mending it validate again: {validate_command}"
    )


def _is_known(output: Store, root: bytes | None, known: Published) -> bool:
    """Whether what stands at the output is what this work folder published, or what is left of it.

    Without a root document it is nobody's dataset; nothing of it is emptied.
    """
    if root is None:
        return known.output == output.url
    return known.root_sha256 == _sha256(root)


def _refuse_unless_replaceable(
    output: Store, names: set[str], *, overwrite: bool, unfinished: bool
) -> None:
    if not overwrite:
        raise OutputError(
            f"{output.url}: exists and was not begun by this run; choose another output, remove "
            "it, or set overwrite: true"
        )
    if not unfinished and not names & _ZARR_MARKS:
        shown = ", ".join(sorted(names)[:3])
        raise OutputError(
            f"{output.url}: holds {shown} but no Zarr at its root, so overwrite will not empty "
            "it; choose another output or remove it"
        )


def refuse_overlap(source_url: str, output_url: str) -> None:
    """Refuse an output that is the source, holds it, or lies in it."""
    source, place = (_comparable(url) for url in (source_url, output_url))
    if source == place or source.startswith(f"{place}/") or place.startswith(f"{source}/"):
        raise OutputError(
            f"{output_url}: overlaps the source {source_url}; choose an output outside of it"
        )


def _comparable(url: str) -> str:
    return os.path.realpath(local_path(url)) if is_local(url) else url.rstrip("/")


def _hide(output: Store) -> None:
    if output.stat(ROOT_KEY) is not None:
        output.delete(ROOT_KEY)


def _empty(output: Store) -> None:
    """Delete everything but the lock."""
    folders, files = output.list_folder("")
    for info in files:
        if info.key != LOCK_KEY:
            output.delete(info.key)
    for name in folders:
        output.delete_tree(name)


def _remove_leftovers(output: Store) -> None:
    """Delete unfinished objects that killed jobs left."""
    if isinstance(output, KeepsUnfinished) and (removed := output.remove_unfinished()):
        log.info("removed %d unfinished objects of killed jobs", removed)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

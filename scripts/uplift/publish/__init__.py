"""Show a valid dataset to readers, and hide one that is found invalid."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from uplift.errors import InputError, StorageError
from uplift.models.findings import first_error
from uplift.models.json_text import sha256_of
from uplift.models.publication import Cost, Published
from uplift.models.record import Record
from uplift.models.validation import Validation
from uplift.outputs import MANIFEST_KEY, ROOT_KEY, HeldOutput
from uplift.running.parallel import started
from uplift.storage.protocol import Unfinished

log = logging.getLogger(__name__)

_NOT_PUBLISHED = "not published"
_NO_LONGER = "no longer published"


def publish_dataset(
    output: HeldOutput,
    root_document: bytes,
    validation: Validation,
    cost: Cost,
    *,
    validate_command: str,
    was_published: bool = False,
    manifest: bytes | None = None,
    has_old_manifest: bool = False,
    unfinished: Sequence[str] | None = None,
    web_url: str | None = None,
) -> Published:
    """Write the root document, as the last object; before it the check sums, if there are any.

    The lock is kept: call ``release`` once ``published.json`` is written. A dataset that was
    published before and is invalid now is hidden from readers again.

    Parameters
    ----------
    root_document, manifest
        Bytes of ``zarr.json`` and ``manifest.sha256``.
    has_old_manifest
        The output has a manifest of an earlier run, and none is wanted now: it is removed.
    unfinished
        Keys of what killed writers left, as validate listed it, where nothing was written since;
        None: the output is listed.
    web_url
        Address of the output for a browser, where it has one.
    validate_command
        Command that validates again, for messages.
    was_published
        Readers saw the output before this run hid it.

    Returns
    -------
    Published
        Content of ``published.json``.

    Raises
    ------
    InputError
        The verdict is invalid, or the root document is not the one that was validated.
    OutputError
        Another run holds the output.
    """
    if validation.verdict != "valid":
        state = _hidden(output, root_document, was_published=was_published)
        raise _invalid_error(validation, state, validate_command)
    root_sha256 = sha256_of(root_document)
    if root_sha256 != validation.root_sha256:
        raise InputError(
            f"the root document changed after it was validated; validate again: {validate_command}"
        )
    # where none is asked for any more, that of the validation is not published
    if manifest is not None and validation.manifest_sha256 != sha256_of(manifest):
        raise InputError(
            f"{MANIFEST_KEY} is not the one that validation made; "
            f"validate again: {validate_command}"
        )
    # files of killed jobs are seen by readers, and go first; unfinished uploads are not, and a
    # client that can list them takes longer to start than all else here
    finding = started([partial(_find_unfinished, output, unfinished)], threads=not output.is_local)
    if output.is_local:
        _remove_unfinished(output, finding)
    if manifest is not None and output.get(MANIFEST_KEY) != manifest:
        output.put(MANIFEST_KEY, manifest)
    if has_old_manifest:
        log.info("removing %s: no manifest is asked for any more", MANIFEST_KEY)
        output.delete(MANIFEST_KEY)
    output.show(root_document)
    if not output.is_local:
        _remove_unfinished(output, finding)
    return Published(
        dataset=validation.dataset,
        output=output.url,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict="valid",
        root_sha256=root_sha256,
        generation=output.claim.generation,
        arrays=len(validation.arrays),
        objects=validation.objects,
        bytes=validation.bytes,
        cost=cost,
        web_url=web_url,
    )


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


def _find_unfinished(output: HeldOutput, known: Sequence[str] | None) -> Unfinished:
    if known is None or not output.is_local:  # uploads are not in the listing of a bucket
        return output.find_unfinished()
    return [(key, "") for key in known]


def _remove_unfinished(output: HeldOutput, finding: Callable[[], list[Unfinished]]) -> None:
    (found,) = finding()
    if removed := output.remove_unfinished(found):
        log.info("removed %d unfinished objects of killed jobs", removed)


def _hidden(output: HeldOutput, root_document: bytes, *, was_published: bool) -> str:
    """Hide what this run published before; return what readers see of it now."""
    there = output.get(ROOT_KEY)
    if there != root_document:
        return _NO_LONGER if was_published and there is None else _NOT_PUBLISHED
    try:
        output.hide()
    except StorageError as error:
        log.error("%s", error)  # noqa: TRY400 - one line is all that it takes
        return "still published, since its root document cannot be removed"
    return _NO_LONGER


def _invalid_error(validation: Validation, state: str, validate_command: str) -> InputError:
    errors = sum(finding.severity == "error" for finding in validation.findings)
    first = first_error(validation.findings)
    what = f"{first.code} at {first.path or '/'}: {first.message}" if first else "no finding"
    more = f" (and {errors - 1} more in validation.json)" if errors > 1 else ""
    return InputError(
        f"{validation.dataset}: {state}, it is invalid: {what.rstrip('.')}{more}; "
        f"after repairing it validate again: {validate_command}"
    )

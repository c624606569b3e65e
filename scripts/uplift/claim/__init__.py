"""Take an output for a run: the lock there, and what may be replaced."""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from uplift.errors import OutputError, StorageError
from uplift.models.json_text import sha256_of
from uplift.models.publication import Claim, Published
from uplift.outputs.held import HeldOutput
from uplift.outputs.keys import LOCK_KEY, ROOT_KEY
from uplift.outputs.lock import is_abandoned, read_lock, refuse_foreign
from uplift.outputs.overlap import refuse_overlap
from uplift.outputs.unclaimed import UnclaimedOutput
from uplift.running.parallel import at_once
from uplift.storage import open_store
from uplift.storage.files import is_temporary
from uplift.storage.protocol import Store

log = logging.getLogger(__name__)

_ZARR_MARKS = {ROOT_KEY, ".zgroup", ".zattrs", ".zarray", ".zmetadata"}


def claim_output(
    url: str,
    settings: Mapping[str, Any] | None,
    run_id: str,
    folder: Path,
    *,
    source_url: str | None = None,
    overwrite: bool = False,
    known: Published | None = None,
    is_named_as_then: bool = False,
    earlier: Collection[str] = (),
    made_from: str | None = None,
) -> Claim:
    """Take the output for this run and hide what is published there.

    Parameters
    ----------
    url, settings
        The output, and the config's ``storage`` section.
    folder
        The work folder, which is noted in the lock. A lock whose work folder is gone is removed,
        and an unfinished output of that run is emptied with `overwrite`.
    source_url
        The source, when known: an output that is, holds or lies in it is refused.
    overwrite
        Empty the output when another dataset is there.
    known
        What this work folder published before: such an output may be claimed again.
    is_named_as_then
        Whether the sheet names the output as it did then: where it is another location now, the
        whole folder was moved or copied.
    earlier
        Every output that this work folder was converted to from the same source.
    made_from
        The source of what this run has at the output, where it is another than `source_url`:
        refused before anything is hidden, or emptied with `overwrite`.

    Returns
    -------
    Claim
        Content of ``claim.json``.

    Raises
    ------
    OutputError
        The output is locked by another run, or holds something that this run did not start, or
        that it made from another source.
    """
    unclaimed = UnclaimedOutput(url, settings)
    output = unclaimed.store
    if source_url is not None:
        refuse_overlap(source_url, output.url)
    requests: list[Callable[[], Any]] = [
        lambda: read_lock(output),
        lambda: output.get(ROOT_KEY),
        lambda: output.list_folder(""),
    ]
    lock, root, (folders, files) = at_once(requests, threads=not output.is_local)
    abandoned = lock is not None and lock.run_id != run_id and is_abandoned(lock)
    # a run that was killed while it took the lock leaves a leftover, which is not a dataset
    names = {*folders, *(info.key for info in files if not is_temporary(info.key))} - {LOCK_KEY}
    ours = (
        known is not None
        and _is_known(output, root, known)
        and (
            output.url in (known.output, *earlier)
            or is_named_as_then
            or not _still_exists(known, settings)
        )
    )
    if lock is not None and not abandoned:
        refuse_foreign(output, lock, run_id)
        ours = True
    if names and ours and made_from is not None:
        if not overwrite:
            raise OutputError(
                f"{output.url}: holds the dataset made from {made_from}; with overwrite: true it "
                f"is emptied and made from {source_url}; or name another output"
            )
        held = unclaimed.take_lock(run_id, uuid.uuid4().hex, folder, replacing=lock)
        _empty(held)
        return held.claim
    if lock is not None and not abandoned:
        held = unclaimed.take_lock(run_id, lock.generation, folder)
        held.hide(is_shown=root is not None)
        return held.claim
    if names and not ours:
        _refuse_unless_replaceable(output, names, overwrite=overwrite, unfinished=abandoned)
    if known is not None and known.output != output.url and not ours:
        log.warning(
            "%s: records of the dataset were about %s, which stays as it is",
            output.url,
            known.output,
        )
    if abandoned:
        log.warning("%s: the work files of the run that held it are gone; taking over", output.url)
    # without its root document some of the rest may be gone, too, and the same root document at
    # another location says nothing about the rest there: every batch is looked at again
    whole = known is not None and ours and root is not None and known.output == output.url
    generation = known.generation if known is not None and whole else uuid.uuid4().hex
    held = unclaimed.take_lock(run_id, generation, folder, replacing=lock)
    held.hide(is_shown=root is not None)
    if names and not ours:
        _empty(held)
    return held.claim


def _empty(held: HeldOutput) -> None:
    log.info("%s: emptying it (overwrite: true)", held.url)
    held.clear()


def _is_known(output: Store, root: bytes | None, known: Published) -> bool:
    """Whether the output is what this work folder published, or what is left of it.

    Without a root document it is not a dataset; it is not emptied.
    """
    if root is None:
        return known.output == output.url
    return known.root_sha256 == sha256_of(root)


def _still_exists(known: Published, settings: Mapping[str, Any] | None) -> bool:
    """Whether what was published still exists there: then another output is not a moved copy of it.

    Two images with the same metadata have the same root document.
    """
    try:
        root = open_store(known.output, settings).get(ROOT_KEY)
    except StorageError as error:  # nobody can tell now: nothing is taken over
        log.info("%s", error)
        return True
    return root is not None and sha256_of(root) == known.root_sha256


def _refuse_unless_replaceable(
    output: Store, names: set[str], *, overwrite: bool, unfinished: bool
) -> None:
    if not overwrite:
        raise OutputError(
            f"{output.url}: exists and was not started by this run; choose another output, remove "
            "it, or set overwrite: true"
        )
    if not unfinished and not names & _ZARR_MARKS:
        shown = ", ".join(sorted(names)[:3])
        raise OutputError(
            f"{output.url}: holds {shown} but no Zarr at its root, so overwrite will not empty "
            "it; choose another output or remove it"
        )

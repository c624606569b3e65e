"""Check one batch: every stored object of its items against the source."""

from __future__ import annotations

import hashlib
import logging
import math
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from uplift.errors import InputError
from uplift.models.batch import Batch, BatchItem
from uplift.models.findings import Findings
from uplift.models.record import ItemRecord, Record
from uplift.models.validation import BatchValidation, ItemValidation
from uplift.parallel import in_order
from uplift.storage.protocol import Store
from uplift.validate.pixels.digests import sorted_rows
from uplift.validate.pixels.recoded import RecodeCheck
from uplift.validate.pixels.repacked import RepackCheck
from uplift.validate.pixels.slabs import Box, slabs_of
from uplift.validate.pixels.subject import Subject

log = logging.getLogger(__name__)

_SMALL_BYTES = 32 * 2**20
_SMALL_AT_ONCE = 8
Digests = list[tuple[str, int, int, bytes]]


@dataclass(frozen=True)
class CheckSettings:
    """How to validate; the verdict does not depend on `threads`.

    `digest_limit_bytes`: decoded bytes up to which an array gets a digest of its own;
    `root_document`: the root's, as long as it is not published.
    """

    threads: int = 1
    digest_limit_bytes: int = 4 * 2**30
    root_document: bytes | None = None


def validate_batch(
    batch: Batch, record: Record, source: Store, output: Store, settings: CheckSettings
) -> tuple[BatchValidation, Digests]:
    """Compare every chunk that a batch was to carry over; also return its digest rows.

    Raises
    ------
    InputError
        The record is none of this batch.
    StorageError
        A read that failed.
    """
    records = {(one.path, one.start): one for one in record.items}
    work = [(item, _record_of(item, records, batch.batch)) for item in batch.items]
    findings = Findings()

    def check(pair: tuple[BatchItem, ItemRecord], pool: Executor | None) -> _Checked:
        return _check_item(*pair, source, output, findings, settings, pool)

    checked: dict[tuple[str, int], _Checked] = {}
    # Small arrays of a remote store are mostly round trips.
    near = source.is_local and output.is_local
    items_at_once = settings.threads if near else max(settings.threads, _SMALL_AT_ONCE)
    with ThreadPoolExecutor(items_at_once) as beside, ThreadPoolExecutor(settings.threads) as pool:
        small = [pair for pair in work if _decoded_bytes(pair[0]) <= _SMALL_BYTES]
        large = [pair for pair in work if _decoded_bytes(pair[0]) > _SMALL_BYTES]
        results = in_order(beside, lambda pair: check(pair, None), small, 4 * items_at_once)
        for (item, _), one in zip(small, results, strict=True):
            checked[item.path, item.start] = one
        for item, of_item in large:
            checked[item.path, item.start] = check((item, of_item), pool)
    ordered = [checked[item.path, item.start] for item in batch.items]
    validation = BatchValidation(
        batch=batch.batch,
        items=tuple(one.validation for one in ordered),
        findings=findings.listed(),
    )
    rows = [(o.validation.path, o.validation.start, o.validation.stop, o.rows) for o in ordered]
    return validation, rows


@dataclass(frozen=True)
class _Checked:
    validation: ItemValidation
    rows: bytes


def _check_item(
    item: BatchItem,
    record: ItemRecord,
    source: Store,
    output: Store,
    findings: Findings,
    settings: CheckSettings,
    pool: Executor | None,
) -> _Checked:
    subject = Subject(item, record, source, output, findings, settings.root_document)
    for bad in subject.bad.values():
        if bad.action == "recoded":
            text = f"{bad.key}: {bad.reason}; written anew, its values are kept"
            findings.warning("chunk.recoded", item.path, text)
    check: RepackCheck | RecodeCheck
    if item.method == "recode":
        check = RecodeCheck(subject, settings.threads)
        steps = [check.steps, item.source.chunks]
    else:
        check = RepackCheck(subject, settings.threads)
        steps = [item.source.chunks]
    slabs = _slabs(subject, steps, settings.digest_limit_bytes)
    log.debug("%s: comparing %s", item.path or "/", item.method)
    tally, sha256 = check.run(pool, slabs)
    subject.report_trailing()
    rows = sorted_rows(tally.rows)
    return _Checked(
        ItemValidation(
            path=item.path,
            start=item.start,
            stop=item.stop,
            fingerprint=item.fingerprint,
            chunks_compared=tally.chunks,
            bytes_compared=tally.compared_bytes,
            sha256=sha256,
            rows_sha256=hashlib.sha256(rows).hexdigest(),
        ),
        rows,
    )


def _slabs(subject: Subject, steps: list[tuple[int, ...]], limit_bytes: int) -> list[Box] | None:
    """Slabs for the digest of the whole array; None when it gets none."""
    dtype, shape = subject.decoder.dtype, subject.item.source.shape
    if not subject.whole or dtype.hasobject or math.prod(shape) * dtype.itemsize > limit_bytes:
        return None
    for step in steps:
        slabs = slabs_of(shape, step, dtype.itemsize)
        if slabs is not None:
            return slabs
    return None


def _decoded_bytes(item: BatchItem) -> int:
    """Most bytes that an item decodes to, roughly (16 bytes an element at most)."""
    objects = item.stop - item.start
    return 8 * min(math.prod(item.target.object_shape) * objects, math.prod(item.target.shape))


def _record_of(
    item: BatchItem, records: dict[tuple[str, int], ItemRecord], batch: str
) -> ItemRecord:
    record = records.get((item.path, item.start))
    if record is None or record.fingerprint != item.fingerprint or record.stop != item.stop:
        raise InputError(
            f"records/{batch}.json: has no record of {item.path or '/'} as it is planned now; "
            "convert that batch first"
        )
    return record

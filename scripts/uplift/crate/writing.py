"""Describe a dataset in an RO-Crate: ``ro-crate-metadata.json`` at the output.

RO-Crate 1.1, with the conversion as a Process Run Crate action. Programs that collect metadata of
OME-Zarr datasets read plain JSON and take ``license``, ``name`` and ``description`` from whichever
entity has them, so these three keys stand on the root alone; other entities use ``label`` and
``summary``, which mean the same to readers of linked data.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from uplift.crate.build import CrateFacts, build_crate
from uplift.crate.merge import Merged, SourceCrate, merge_crates, parse_source_crate
from uplift.crate.rules import check_crate
from uplift.crate.text import describe, sentence_of_conversion, title_of_conversion
from uplift.errors import InputError
from uplift.models.crate import CRATE_KEY, CrateRecord, InCrate, Parties
from uplift.models.findings import Finding
from uplift.models.inventory import Inventory
from uplift.outputs import HeldOutput
from uplift.settings.columns import About, CrateSettings
from uplift.storage.protocol import Store
from uplift.terms import LOOKUP, MODALITY, ORGANISM, label_of

log = logging.getLogger(__name__)

_SOURCE_KEY = "ro-crate-metadata.source{}.json"


def write_crate(
    inventory: Inventory,
    source: Store,
    output: HeldOutput,
    dataset: str,
    about: About,
    settings: CrateSettings,
    run: Mapping[str, Any],
    target_version: str,
) -> CrateRecord:
    """Write the output's crate, or with ``enabled: false`` keep the source's as it is.

    Parameters
    ----------
    run
        Content of ``run.json``: the day of the first run.

    Raises
    ------
    InputError
        There is no license, or a value of the sheet or config cannot be understood.
    """
    original = _original(inventory, source)
    copy_key = _copy_key(inventory)
    if not settings.enabled:
        _put_changed(output, {CRATE_KEY: original, copy_key: None})
        return CrateRecord(
            dataset=dataset,
            enabled=False,
            objects=(CRATE_KEY,) if original is not None else (),
            sha256=_sha256(original) if original is not None else None,
        )
    old = parse_source_crate(original) if original is not None else None
    facts = collect_facts(inventory, dataset, about, str(run["date"]), target_version, old)
    own = build_crate(facts)
    merged = merge_crates(own, old) if old is not None else Merged(own, (), {}, ())
    data = (json.dumps(merged.document, indent=2, ensure_ascii=False) + "\n").encode()
    _put_changed(output, {CRATE_KEY: data, copy_key: original})
    record = _record(facts, merged, old, _sha256(data))
    if original is None:
        return record
    findings = record.findings if old is not None else (*record.findings, _unreadable(copy_key))
    objects = (CRATE_KEY, copy_key)
    return record.model_copy(update={"objects": objects, "findings": findings})


def _record(facts: CrateFacts, merged: Merged, old: SourceCrate | None, sha256: str) -> CrateRecord:
    organism = facts.organism or _old_term(old, "biosample", "organism_classification")
    modality = facts.modality or _old_term(old, "image_acquisition", "fbbi_id")
    findings = [*_gaps(organism, modality), *merged.findings]
    if old is None:
        findings += check_crate(merged.document)
    else:  # starting it takes longer than all else of a small dataset
        from uplift.validators.ro_crate import validate_crate

        findings += validate_crate(merged.document, merged.kept)
    return CrateRecord(
        dataset=facts.dataset,
        enabled=True,
        objects=(CRATE_KEY,),
        sha256=sha256,
        name=facts.name,
        description=facts.description,
        license=merged.document["@graph"][0]["license"],
        organism=organism,
        modality=modality,
        date_published=facts.date_published,
        kept=merged.kept,
        overridden=merged.overridden,
        findings=tuple(findings),
    )


def collect_facts(
    inventory: Inventory,
    dataset: str,
    about: About,
    run_date: str,
    target_version: str,
    old: SourceCrate | None = None,
) -> CrateFacts:
    """Choose each value: the sheet's, else that of the source's crate, its metadata or a default.

    Raises
    ------
    InputError
        No license anywhere, or a day that is none.
    """
    license_ = about.license or (old.text("license") if old else None)
    if not license_:
        raise InputError(
            f"{dataset}: no license; give one in the column license (an SPDX identifier "
            "such as CC-BY-4.0, or a URL), or switch the crate off with crate: {enabled: false}"
        )
    source_id, source_label = _source_address(inventory.source)
    return CrateFacts(
        dataset=dataset,
        name=about.name or (old.text("name") if old else None) or _given_name(inventory) or dataset,
        description=about.description
        or (old.text("description") if old else None)
        or describe(inventory, target_version),
        license=license_,
        date_published=_date_published(about.date_published, old, run_date),
        source_id=source_id,
        source_label=source_label,
        action=title_of_conversion(inventory, target_version),
        action_summary=sentence_of_conversion(inventory, target_version),
        organism=about.organism,
        modality=about.modality,
        stated=stated_in(about),
    )


def stated_in(about: About) -> tuple[tuple[InCrate, Parties], ...]:
    """Columns that become properties of the crate's root, as they are marked, with their values."""
    return tuple(
        (mark, value)
        for name, field in About.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, InCrate) and (value := getattr(about, name)) is not None
    )


def _original(inventory: Inventory, source: Store) -> bytes | None:
    """The source's own crate, byte for byte."""
    listed = any(file.path == CRATE_KEY for file in inventory.files)
    return source.get(CRATE_KEY) if listed else None


def _copy_key(inventory: Inventory) -> str:
    """Name for the copy of the source's crate that no file of the source has."""
    taken = {file.path for file in inventory.files}
    number = 1
    while True:
        key = _SOURCE_KEY.format("" if number == 1 else f"-{number}")
        if key not in taken:
            return key
        number += 1


def _put_changed(output: HeldOutput, objects: Mapping[str, bytes | None]) -> None:
    """Make the output hold these objects (None: no such object), writing what differs."""
    for key, data in objects.items():
        if output.get(key) == data:
            continue
        if data is None:
            output.delete(key)
        else:
            output.put(key, data)


def _source_address(url: str) -> tuple[str, str]:
    """Id and name of the source: no secret, and no folder of somebody's machine."""
    parts = urlsplit(url)
    name = parts.path.rstrip("/").rpartition("/")[2] or parts.netloc.rpartition("@")[2] or url
    if parts.scheme in ("", "file") or "://" not in url:
        return "#source", url.rstrip("/").rpartition("/")[2] or url
    host = parts.netloc.rpartition("@")[2]
    path = quote(parts.path, safe="/%:@!$&'()*+,;=-._~")
    return urlunsplit((parts.scheme, host, path, "", "")), name


def _given_name(inventory: Inventory) -> str | None:
    """The name in the source's metadata, unless it is a mere path such as ``/``."""
    name = (inventory.name or "").strip()
    return name if name.strip("/.") else None


def _date_published(given: str | None, old: SourceCrate | None, run_date: str) -> str:
    if given is None and old is not None:
        given = old.text("datePublished")
    if given is not None:
        return given
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return run_date
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"environment: SOURCE_DATE_EPOCH={epoch!r} is not a number of seconds; unset it"
        ) from None


def _old_term(old: SourceCrate | None, kind: str, key: str) -> str | None:
    return old.term(kind, key) if old is not None else None


def _gaps(organism: str | None, modality: str | None) -> Iterator[Finding]:
    for vocabulary, value in ((ORGANISM, organism), (MODALITY, modality)):
        kind = vocabulary.kind
        if value is None:
            text = f"no {kind}; give it in the column {kind}: {LOOKUP} NAME finds the identifier"
            yield _finding(f"crate.{kind}_missing", "warning", text)
        elif label_of(value) is None:
            text = f"{kind} {value} is not known here, check the digits: {vocabulary.iri_of(value)}"
            yield _finding(f"crate.{kind}_unknown", "warning", text)


def _unreadable(copy_key: str) -> Finding:
    text = f"the source's own {CRATE_KEY} is no RO-Crate; its bytes are kept as {copy_key}"
    return _finding("crate.source_unreadable", "warning", text)


def _finding(code: str, severity: Any, message: str) -> Finding:
    return Finding(code=code, severity=severity, path=CRATE_KEY, message=message)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Describe a dataset in an RO-Crate: ``ro-crate-metadata.json`` at the output.

RO-Crate 1.1, with the conversion as a Process Run Crate action. Programs that collect metadata of
OME-Zarr datasets read plain JSON and take ``license``, ``name`` and ``description`` from whichever
entity has them, so only the root has these three keys; other entities use ``label`` and
``summary``, which mean the same to readers of linked data.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from uplift.crate.build import ACTION_ID, INVENTORY_ID, CrateFacts, Document, build_crate
from uplift.crate.facts import Conversion, collect_facts
from uplift.crate.merge import Merged, SourceCrate, merge_crates, parse_source_crate
from uplift.crate.review import assumptions, gaps, license_changes, refuse_relicensing
from uplift.crate.rules import check_crate
from uplift.models.crate import CRATE_KEY, CrateRecord, crate_finding
from uplift.models.findings import Finding
from uplift.models.inventory import Inventory
from uplift.models.json_text import sha256_of
from uplift.outputs import HeldOutput
from uplift.running.parallel import at_once
from uplift.settings.columns import About, CrateSettings
from uplift.storage.protocol import Store

_SOURCE_KEY = "ro-crate-metadata.source{}.json"


def write_crate(
    inventory: Inventory,
    source: Store,
    output: HeldOutput,
    dataset: str,
    about: About,
    settings: CrateSettings,
    conversion: Conversion,
) -> CrateRecord:
    """Write the output's crate, or with ``enabled: false`` keep the source's as it is.

    Parameters
    ----------
    inventory
        Of the source.
    source
        Where its own crate is read.
    output
        Where the crate goes.
    dataset
        Its name in the sheet.
    about
        What the sheet and the config say about it.
    settings
        How crates are written.
    conversion
        What is known of the conversion itself.

    Returns
    -------
    CrateRecord
        What ``crate.json`` is to say.

    Raises
    ------
    InputError
        There is no license, it drops conditions of that of the source's own crate, or a value
        of the sheet or config cannot be understood.
    """
    copy_key = _copy_key(inventory)
    requests: list[Callable[[], Any]] = [
        lambda: _original(inventory, source),
        lambda: output.get(CRATE_KEY),
        lambda: output.get(copy_key),
    ]
    original, *there = at_once(requests, threads=not output.is_local)
    before = dict(zip((CRATE_KEY, copy_key), there, strict=True))
    if not settings.enabled:
        _put_changed(output, before, {CRATE_KEY: original, copy_key: None})
        return CrateRecord(
            dataset=dataset,
            enabled=False,
            objects=(CRATE_KEY,) if original is not None else (),
            sha256=sha256_of(original) if original is not None else None,
        )
    old = parse_source_crate(original) if original is not None else None
    refuse_relicensing(about.license, old, relicense=settings.relicense)
    conversion = _unless_written(conversion, before[CRATE_KEY])
    facts = collect_facts(inventory, dataset, about, settings, conversion, old)
    own = build_crate(facts)
    merged = merge_crates(own, old) if old is not None else Merged(own, (), {}, ())
    data = (json.dumps(merged.document, indent=2, ensure_ascii=False) + "\n").encode()
    _put_changed(output, before, {CRATE_KEY: data, copy_key: original})
    record = _record(facts, merged, old, sha256_of(data))
    if original is None:
        return record
    findings = record.findings if old is not None else (*record.findings, _unreadable(copy_key))
    objects = (CRATE_KEY, copy_key)
    return record.model_copy(update={"objects": objects, "findings": findings})


def _record(facts: CrateFacts, merged: Merged, old: SourceCrate | None, sha256: str) -> CrateRecord:
    organism = facts.organism or _old_term(old, "biosample", "organism_classification")
    modality = facts.modality or _old_term(old, "image_acquisition", "fbbi_id")
    findings = [*gaps(merged.document, organism, modality), *assumptions(facts), *merged.findings]
    if old is not None and facts.license:
        findings += license_changes(facts.license, old)
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
        author=_names(merged.document, "author"),
        publisher=_names(merged.document, "publisher"),
        funder=_names(merged.document, "funder"),
        contact=_names(merged.document, "maintainer"),
        kept=merged.kept,
        overridden=merged.overridden,
        findings=tuple(findings),
    )


def _names(document: Document, key: str) -> tuple[str, ...]:
    """What the people or organisations that a property of the root names are called."""
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    found = document["@graph"][0].get(key, ())
    parties = found if isinstance(found, list | tuple) else [found]
    names = []
    for party in parties:
        named = entities.get(party.get("@id", ""), party) if isinstance(party, dict) else party
        if isinstance(named, dict):
            named = named.get("label", named.get("name", named.get("@id", "")))
        names.append(str(named))
    return tuple(names)


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


def _put_changed(
    output: HeldOutput, before: Mapping[str, bytes | None], objects: Mapping[str, bytes | None]
) -> None:
    """Make the output hold these objects (None: no such object), writing what differs."""
    for key, data in objects.items():
        if before[key] == data:
            continue
        if data is None:
            output.delete(key)
        else:
            output.put(key, data)


def _old_term(old: SourceCrate | None, kind: str, key: str) -> str | None:
    return old.term(kind, key) if old is not None else None


def _unreadable(copy_key: str) -> Finding:
    text = f"the source's own {CRATE_KEY} is not an RO-Crate; its bytes are kept as {copy_key}"
    return crate_finding("crate.source_unreadable", "warning", text)


def _unless_written(conversion: Conversion, data: bytes | None) -> Conversion:
    """The times of a crate that is at the output already, if it is about this conversion.

    Written again, after an edit of the sheet, it says the same about when it was converted.
    """
    try:
        entities = {one["@id"]: one for one in json.loads(data or b"{}").get("@graph", ())}
    except (ValueError, KeyError, TypeError, AttributeError):
        return conversion
    for identifier, action in entities.items():
        if not identifier.startswith(ACTION_ID) or action.get("startTime") != conversion.began:
            continue
        number = identifier.removeprefix(ACTION_ID)
        listed = entities.get(f"{INVENTORY_ID}{number}", entities.get(INVENTORY_ID, {}))
        if listed.get("sha256") == conversion.inventory_sha256:
            ended = action.get("endTime")
            return replace(conversion, ended=ended) if isinstance(ended, str) else conversion
    return conversion

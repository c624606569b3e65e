"""What a crate says: by the sheet, else by the source's crate or metadata, else by default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from uplift import TOOL_URL
from uplift.crate.build import ActionFacts, CrateFacts, SourceFacts
from uplift.crate.merge import SourceCrate
from uplift.crate.text import (
    content_of,
    contents_of,
    describe,
    sentence_of_conversion,
    title_of_conversion,
)
from uplift.errors import InputError
from uplift.models.crate import InCrate
from uplift.models.inventory import Inventory
from uplift.models.parties import Parties
from uplift.settings.columns import About, CrateSettings

_VAGUE = {"", "0", "data", "default", "image", "image 0", "images", "multiscale", "multiscales"}


@dataclass(frozen=True)
class Conversion:
    """What a crate says about the conversion.

    Attributes
    ----------
    target_version
        Of OME-Zarr.
    began, ended
        ISO 8601, UTC: the first inspection, and the end of converting.
    inventory_sha256
        Of the bytes of ``inventory.json``.
    """

    target_version: str
    began: str
    ended: str
    inventory_sha256: str


def collect_facts(
    inventory: Inventory,
    dataset: str,
    about: About,
    settings: CrateSettings,
    conversion: Conversion,
    old: SourceCrate | None = None,
) -> CrateFacts:
    """Choose each value: the sheet's, else that of the source's crate, its metadata or a default.

    Parameters
    ----------
    inventory
        Of the source.
    dataset
        Its name in the sheet.
    about
        What the sheet says.
    settings
        How crates are written.
    conversion
        When, from what and to which version.
    old
        The source's own crate, where it has one.

    Returns
    -------
    CrateFacts
        What the crate of the output is to say.

    Raises
    ------
    InputError
        There is no license, or a date is not valid.
    """

    def stated(column: str, key: str) -> str | None:
        return getattr(about, column) or (old.text(key) if old is not None else None)

    license_ = stated("license", "license")
    if not license_:
        raise InputError(
            f"{dataset}: no license; give one in the column license (an SPDX identifier "
            "such as CC-BY-4.0, or a URL), or switch the crate off with crate: {enabled: false}"
        )
    target_version = conversion.target_version
    columns = ("agent", "contact", "publisher", "author")
    agent_from = next((name for name in columns if getattr(about, name)), None)
    return CrateFacts(
        dataset=dataset,
        name=stated("name", "name") or _given_name(inventory) or dataset,
        description=stated("description", "description") or describe(inventory, target_version),
        license=license_,
        date_published=stated("date_published", "datePublished") or conversion.began[:10],
        source=_source_facts(inventory, conversion),
        action=ActionFacts(
            label=title_of_conversion(inventory, target_version),
            summary=sentence_of_conversion(inventory, target_version),
            began=conversion.began,
            ended=conversion.ended,
            agent=getattr(about, agent_from) if agent_from else None,
            agent_from=agent_from,
            tool_url=settings.tool_url or TOOL_URL,
        ),
        target_version=target_version if inventory.ome_versions else None,
        size=content_of(inventory),
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


def _source_address(url: str) -> tuple[str, str]:
    """Id and name of the source: no secret, and no folder of a user's machine."""
    parts = urlsplit(url)
    name = parts.path.rstrip("/").rpartition("/")[2] or parts.netloc.rpartition("@")[2] or url
    if parts.scheme in ("", "file") or "://" not in url:
        return "#source", url.rstrip("/").rpartition("/")[2] or url
    host = parts.netloc.rpartition("@")[2]
    path = quote(parts.path, safe="/%:@!$&'()*+,;=-._~")
    return urlunsplit((parts.scheme, host, path, "", "")), name


def _given_name(inventory: Inventory) -> str | None:
    """The name in the source's metadata, unless it is one that a program wrote by default."""
    name = (inventory.name or "").strip()
    return None if is_vague(name) else name


def is_vague(name: str) -> bool:
    """Whether a name could be that of any dataset: a path such as ``/``, or a writer's default."""
    return name.strip("/. ").casefold() in _VAGUE


def _source_facts(inventory: Inventory, conversion: Conversion) -> SourceFacts:
    identifier, label = _source_address(inventory.source)
    return SourceFacts(
        id=identifier,
        label=label,
        versions=inventory.ome_versions,
        contents=contents_of(inventory),
        stored_bytes=sum(array.stored_bytes for array in inventory.arrays),
        inventory_sha256=conversion.inventory_sha256,
    )


def times_of(run: Mapping[str, Any]) -> tuple[str, str]:
    """When the conversion began and ended, ISO 8601 in UTC: its first inspection, and now.

    ``SOURCE_DATE_EPOCH`` takes the place of both, so that the same source gives the same crate.

    Parameters
    ----------
    run
        Content of ``run.json``.

    Raises
    ------
    InputError
        ``SOURCE_DATE_EPOCH`` is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return str(run.get("began", run["date"])), now
    try:
        then = datetime.fromtimestamp(int(epoch), UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"environment: SOURCE_DATE_EPOCH={epoch!r} is not a number of seconds; unset it"
        ) from None
    return then, then

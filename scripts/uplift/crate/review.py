"""What a crate lacks, and what it changes: findings, and a license that may not be given."""

import re
from collections.abc import Iterator

from uplift.crate.build import CrateFacts, Document
from uplift.crate.facts import is_vague
from uplift.crate.licenses import drops_conditions, same_license
from uplift.crate.merge import SourceCrate, parse_source_crate
from uplift.errors import InputError
from uplift.models.crate import CRATE_KEY, crate_finding
from uplift.models.findings import Finding
from uplift.models.parties import Party
from uplift.storage.protocol import Store
from uplift.terms.tables import LOOKUP, MODALITY, ORGANISM, label_of

_NUMBERED = re.compile(r"(?!https?://)(\S.*?)\s+((?:\S*\d){5}\S*)")
"""A name, and a last word with at least five digits: Horizon 2020 is a funder's name."""


def gaps(document: Document, organism: str | None, modality: str | None) -> Iterator[Finding]:
    """What is not stated, and terms that the tables do not have.

    Parameters
    ----------
    document
        The crate.
    organism, modality
        Identifiers that it states; None where it states none.

    Yields
    ------
    Finding
        Warnings.
    """
    name = str(document["@graph"][0].get("name"))
    if is_vague(name):
        text = f"the name {name!r} could be that of any dataset; give one in the column name"
        yield crate_finding("crate.name_vague", "info", text)
    if "author" not in document["@graph"][0]:
        text = "no author; give one as author, or for all datasets as crate: {author: …}"
        yield crate_finding("crate.author_missing", "warning", text)
    for vocabulary, value in ((ORGANISM, organism), (MODALITY, modality)):
        kind = vocabulary.kind
        if value is None:
            text = f"no {kind}; give one as {kind}: {LOOKUP} NAME finds the identifier"
            yield crate_finding(f"crate.{kind}_missing", "warning", text)
        elif label_of(value) is None:
            text = f"{kind} {value} is not known here, check the digits: {vocabulary.iri_of(value)}"
            yield crate_finding(f"crate.{kind}_unknown", "warning", text)


def assumptions(facts: CrateFacts) -> Iterator[Finding]:
    """What was inferred and may be wrong: who converted, names of funders."""
    column = facts.action.agent_from
    if column not in (None, "agent"):
        text = f"who converted is taken from {column}; name them in the column agent, or for all "
        yield crate_finding("crate.agent_assumed", "info", f"{text}as crate: {{agent: …}}")
    funders = [value for mark, value in facts.stated if mark.name == "funder"]
    for value in funders:
        for one in value if isinstance(value, tuple) else (value,):
            name = one.name if isinstance(one, Party) else str(one)
            if (isinstance(one, Party) and one.grants) or not (found := _NUMBERED.fullmatch(name)):
                continue
            text = f"funder {name!r} ends in a number; if that is a grant, write it in brackets: "
            yield crate_finding("crate.grant_in_name", "warning", f"{text}{found[1]} [{found[2]}]")


def refuse_relicensing(given: str | None, old: SourceCrate | None, *, relicense: bool) -> None:
    """Refuse a license that lets people do what that of the source's own crate does not.

    Parameters
    ----------
    given
        The sheet's license; None leaves that of the source.
    old
        The source's crate; None where it has none.
    relicense
        The config's consent (``crate: {relicense: true}``).

    Raises
    ------
    InputError
        It drops conditions, and there is no consent.
    """
    earlier = old.text("license") if old is not None else None
    if given is None or earlier is None or relicense or not drops_conditions(earlier, given):
        return
    raise InputError(
        f"license {given} is more permissive than {earlier}, which the source's own crate states; "
        "give that one, or say crate: {relicense: true} if you may change it"
    )


def check_license(source: Store, given: str | None) -> None:
    """Say before anything is converted that a license may not be given.

    Parameters
    ----------
    source
        Where its own crate is read.
    given
        The sheet's license; None where any may be given, or no crate is written.

    Raises
    ------
    InputError
        As :func:`refuse_relicensing`.
    """
    data = source.get(CRATE_KEY) if given is not None else None
    old = parse_source_crate(data) if data is not None else None
    refuse_relicensing(given, old, relicense=False)


def license_changes(license_: str, old: SourceCrate) -> Iterator[Finding]:
    """A license other than that of the source's own crate."""
    earlier = old.text("license")
    if earlier is not None and not same_license(earlier, license_):
        text = f"the source's own crate states the license {earlier}; here it is {license_}"
        yield crate_finding("crate.relicensed", "warning", text)

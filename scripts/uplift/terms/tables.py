"""The bundled tables, and what the sheet may call a term: an identifier in any form, or a name.

Identifiers come out in full, as ``NCBI:txid9606`` and ``obo:FBbi_00000251``: that is how the OME
2024 NGFF challenge wrote them, and how programs that collect metadata find them.
"""

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

LOOKUP = "scripts/lookup_term.py"
"""The command that finds identifiers; messages name it."""
_OBO = "http://purl.obolibrary.org/obo/"
_NEAR = 0.8
"""How alike a misspelled name is, as difflib counts: one or two letters of ten are other ones."""


class Term(NamedTuple):
    """A term: its identifier in full, its label in the ontology, and other names."""

    identifier: str
    label: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """One ontology, as far as it is known here.

    Attributes
    ----------
    kind
        Column of the sheet that holds its terms.
    prefix
        How identifiers in full begin, before the digits.
    iri
        How their IRIs begin, before the digits.
    form
        Matches every form of an identifier; its group is the digits.
    table
        File of the bundled terms.
    ontology
        As the Ontology Lookup Service (OLS) calls it.
    source
        As messages call it.
    """

    kind: str
    prefix: str
    iri: str
    form: re.Pattern[str]
    table: str
    ontology: str
    source: str

    @cached_property
    def terms(self) -> dict[str, Term]:
        """Bundled terms by identifier in full."""
        text = (Path(__file__).parent / self.table).read_text(encoding="utf-8")
        rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
        found = {}
        for identifier, label, others in rows:
            whole = self.in_full(identifier) or identifier
            found[whole] = Term(whole, label, tuple(others.split("; ")) if others else ())
        return found

    @cached_property
    def names(self) -> dict[str, list[Term]]:
        """Bundled terms by the letters and digits of their names."""
        found: dict[str, list[Term]] = {}
        for term in self.terms.values():
            for key in dict.fromkeys(map(letters, (term.label, *term.others))):
                found.setdefault(key, []).append(term)
        return found

    def in_full(self, text: str) -> str | None:
        """An identifier in full, such as ``NCBI:txid9606`` for ``9606``; None when it is none."""
        match = self.form.fullmatch(text.strip())
        return f"{self.prefix}{match.group(1)}" if match else None

    def identify(self, text: str) -> str:
        """The identifier in full that `text` stands for: an identifier in any form, or a name.

        Raises
        ------
        ValueError
            It is neither; the message says how to find out.
        """
        whole = self.in_full(text)
        if whole is not None:
            return whole
        found = self.names.get(letters(text), [])
        if len(found) == 1:
            return found[0].identifier
        if found:
            which = " or ".join(f"{term.identifier} ({term.label})" for term in found)
            raise ValueError(f'"{text}" may be {which}; give the identifier')
        near = "".join(f"did you mean {term.label!r}? " for term in self.similar(text)[:1])
        raise ValueError(f'"{text}" is not known here as {self.source}; {near}{finding(text)}')

    def similar(self, text: str) -> list[Term]:
        """Terms with a name that is written almost so, the nearest first."""
        names = difflib.get_close_matches(letters(text), self.names, cutoff=_NEAR)
        found = {term.identifier: term for name in names for term in self.names[name]}
        return list(found.values())

    def iri_of(self, identifier: str) -> str:
        """The address that an identifier in full stands for."""
        return f"{self.iri}{identifier.removeprefix(self.prefix)}"


ORGANISM = Vocabulary(
    kind="organism",
    prefix="NCBI:txid",
    iri=f"{_OBO}NCBITaxon_",
    form=re.compile(
        r"(?:https?://purl\.obolibrary\.org/obo/NCBITaxon_|(?:obo:)?NCBITaxon[:_]|"
        r"(?:NCBI:)?(?:txid|taxid:?|taxon:))?([1-9][0-9]*)",
        re.IGNORECASE,
    ),
    table="organisms.tsv",
    ontology="ncbitaxon",
    source="an organism of the NCBI Taxonomy",
)
MODALITY = Vocabulary(
    kind="modality",
    prefix="obo:FBbi_",
    iri=f"{_OBO}FBbi_",
    form=re.compile(
        r"(?:https?://purl\.obolibrary\.org/obo/|obo:)?FBbi[:_]([0-9]{8})", re.IGNORECASE
    ),
    table="imaging_methods.tsv",
    ontology="fbbi",
    source="an imaging method of FBbi",
)
VOCABULARIES = (ORGANISM, MODALITY)


def letters(name: str) -> str:
    """What is compared of a name: letters and digits; ``light-sheet`` is ``Light sheet``."""
    return "".join(one for one in name.casefold() if one.isalnum())


def finding(text: str) -> str:
    """Say how to find an identifier."""
    return f"find its identifier with: {LOOKUP} {_quoted(text)}"


def label_of(identifier: str) -> str | None:
    """The label of a bundled term, given in full; None for one that is not known here."""
    for vocabulary in VOCABULARIES:
        if identifier.startswith(vocabulary.prefix):
            term = vocabulary.terms.get(identifier)
            return term.label if term is not None else None
    return None


def named(identifier: str) -> str:
    """An identifier with its label, as people are shown it: ``NCBI:txid9606 (Homo sapiens)``."""
    label = label_of(identifier)
    return f"{identifier} ({label})" if label else identifier


def link_of(text: str) -> tuple[str, str | None]:
    """Name and address of a term to show; of another text, the text and None."""
    for vocabulary in VOCABULARIES:
        whole = vocabulary.in_full(text) if text.startswith(vocabulary.prefix[:4]) else None
        if whole is not None:
            label = label_of(whole)
            return f"{label} ({whole})" if label else whole, vocabulary.iri_of(whole)
    return text, None


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[^\w.-]", text) else text

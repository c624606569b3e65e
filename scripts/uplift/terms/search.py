"""Search terms by words: in the bundled tables, and at the Ontology Lookup Service (OLS)."""

import json
from collections.abc import Iterator
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from uplift.terms.tables import Term, Vocabulary, letters

_TELLING = 5
"""A word with this many letters distinguishes terms on its own."""
_GENERAL = {"microscopy", "imaging", "microscope", "method"}
OLS = "https://www.ebi.ac.uk/ols4/api/search"


def search_table(vocabulary: Vocabulary, query: str) -> list[Term]:
    """Bundled terms that have every word of `query` in one of their names; the best first.

    Where there are none, those whose names are written almost so, then those with some of them.

    Parameters
    ----------
    vocabulary
        Where to look.
    query
        Words, or an identifier.
    """
    whole = vocabulary.in_full(query)
    if whole is not None:
        return [vocabulary.terms[whole]] if whole in vocabulary.terms else []
    ranked = sorted(_ranked(vocabulary, query))
    found = [vocabulary.terms[identifier] for *_, identifier in ranked]
    return found or list(
        dict.fromkeys((*vocabulary.similar(query), *_with_some_words(vocabulary, query)))
    )


def _with_some_words(vocabulary: Vocabulary, query: str) -> list[Term]:
    """Terms with one of several words, those with the most first: methods have many names."""
    words = {word for word in query.casefold().split() if len(word) >= _TELLING} - _GENERAL
    found = []
    for term in vocabulary.terms.values():
        names = (name.casefold().split() for name in (term.label, *term.others))
        if shared := max(len(words.intersection(name)) for name in names):
            found.append((-shared, len(term.label), term))
    return [term for *_, term in sorted(found)]


def _ranked(vocabulary: Vocabulary, query: str) -> Iterator[tuple[int, int, str, str]]:
    """(how well it fits, length of the label, label, identifier): the smaller, the better."""
    words = query.casefold().split()
    wanted = letters(query)
    for term in vocabulary.terms.values():
        names = (term.label, *term.others)
        if any(letters(name) == wanted for name in names):
            fit = 0
        elif any(letters(name).startswith(wanted) for name in names):
            fit = 1
        elif any(all(f" {word}" in f" {name.casefold()}" for word in words) for name in names):
            fit = 2
        elif any(all(word in name.casefold() for word in words) for name in names):
            fit = 3
        else:
            continue
        yield fit, len(term.label), term.label, term.identifier


def search_ols(vocabulary: Vocabulary, query: str, timeout_s: float = 5.0) -> list[Term] | None:
    """Terms that the Ontology Lookup Service finds; None when it cannot be reached.

    Parameters
    ----------
    vocabulary
        The ontology to search.
    query
        Words, or an identifier.
    timeout_s
        Seconds to wait for the answer.

    Returns
    -------
    list[Term] | None
        The best first.
    """
    fields = {"q": query, "ontology": vocabulary.ontology, "rows": 10, "type": "class"}
    try:
        with urlopen(f"{OLS}?{urlencode(fields)}", timeout=timeout_s) as answer:  # noqa: S310
            found = json.load(answer)["response"]["docs"]
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return None
    terms = []
    for item in found:
        identifier = vocabulary.in_full(str(item.get("iri", "")))
        if identifier is not None and item.get("label"):
            terms.append(Term(identifier, str(item["label"])))
    return terms

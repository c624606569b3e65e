#!/usr/bin/env python3
"""Find the identifier of an organism (NCBI Taxonomy) or an imaging method (FBbi) by its name.

Bundled tables are searched first, and the Ontology Lookup Service (OLS) of EMBL-EBI where the
network allows it. Give what it prints in the columns organism and modality of the sample sheet.
"""

import argparse
import sys
from collections.abc import Sequence

from uplift.errors import InputError
from uplift.running import command
from uplift.terms.search import search_ols, search_table
from uplift.terms.tables import MODALITY, ORGANISM, Term, Vocabulary

SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("words", nargs="+", metavar="WORD", help='such as "house mouse", confocal')
    parser.add_argument("--offline", action="store_true", help="search the bundled tables alone")
    return command.run_program(parser, _look_up, argv)


def _look_up(arguments: argparse.Namespace) -> None:
    query = " ".join(arguments.words)
    found = {vocabulary: search_table(vocabulary, query) for vocabulary in (ORGANISM, MODALITY)}
    reached = False
    for vocabulary, terms in found.items():
        known = {term.identifier for term in terms}
        more = None if arguments.offline else search_ols(vocabulary, query)
        reached = reached or more is not None
        terms += [term for term in more or () if term.identifier not in known]
        if terms:
            _print(vocabulary, terms)
    if not arguments.offline and not reached:
        sys.stderr.write("the Ontology Lookup Service cannot be reached: bundled tables only\n")
    if not any(found.values()):
        where = "" if reached else " (https://www.ebi.ac.uk/ols4 searches all terms)"
        raise InputError(
            f'nothing found for "{query}": try fewer letters or another name{where}; cell lines, '
            "tissues and clinical methods such as MRI are in neither: name them in notes"
        )


def _print(vocabulary: Vocabulary, terms: list[Term]) -> None:
    sys.stdout.write(f"{vocabulary.kind}:\n")
    for term in terms[:SHOWN]:
        others = f" ({'; '.join(term.others)})" if term.others else ""
        sys.stdout.write(f"  {term.identifier}  {term.label}{others}\n")
    if len(terms) > SHOWN:
        sys.stdout.write(f"  and {len(terms) - SHOWN} more\n")


if __name__ == "__main__":
    sys.exit(main())

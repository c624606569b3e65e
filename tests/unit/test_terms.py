"""Terms: what names and identifiers stand for, and how they are found."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
from io import BytesIO

import pytest

from support.steps import SCRIPTS, program
from uplift.terms import search
from uplift.terms.tables import MODALITY, ORGANISM, VOCABULARIES, label_of, letters, named


@pytest.mark.parametrize(
    ("given", "identifier"),
    [
        *((form, "NCBI:txid9606") for form in ("9606", "txid9606", "NCBI:txid9606", "taxon:9606")),
        *((form, "NCBI:txid9606") for form in ("NCBITaxon:9606", "obo:NCBITaxon_9606", "Human")),
        ("http://purl.obolibrary.org/obo/NCBITaxon_9606", "NCBI:txid9606"),
        ("mouse", "NCBI:txid10090"),
        ("Mus musculus", "NCBI:txid10090"),
        ("house mouse", "NCBI:txid10090"),
        ("99999999", "NCBI:txid99999999"),  # well-formed: warned of, not refused
    ],
)
def test_organisms(given, identifier):
    assert ORGANISM.identify(given) == identifier


@pytest.mark.parametrize(
    ("given", "identifier"),
    [
        ("FBbi:00000251", "obo:FBbi_00000251"),
        ("FBbi_00000251", "obo:FBbi_00000251"),
        ("obo:FBbi_00000251", "obo:FBbi_00000251"),
        ("http://purl.obolibrary.org/obo/FBbi_00000251", "obo:FBbi_00000251"),
        ("confocal", "obo:FBbi_00000251"),
        ("Confocal Microscopy", "obo:FBbi_00000251"),
        ("lightsheet", "obo:FBbi_00000369"),
        ("bright-field", "obo:FBbi_00000243"),
    ],
)
def test_imaging_methods(given, identifier):
    assert MODALITY.identify(given) == identifier


@pytest.mark.parametrize("text", ["klingon", "0", "-1", "txid", "96 06x", ""])
def test_what_is_no_term_names_the_command_and_no_example(text):
    with pytest.raises(
        ValueError, match=r"find its identifier with: scripts/lookup_term\.py"
    ) as one:
        ORGANISM.identify(text)
    assert "txid9" not in str(one.value)


def test_a_name_of_two_names_both():
    with pytest.raises(ValueError, match=r"may be NCBI:txid\d+ \(Anopheles \w+\) or NCBI:txid"):
        ORGANISM.identify("African malaria mosquito")


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda one: one.kind)
def test_tables_are_sound(vocabulary):
    labels = [letters(term.label) for term in vocabulary.terms.values()]
    assert len(set(labels)) == len(labels) > 80
    for identifier, term in vocabulary.terms.items():
        assert vocabulary.in_full(identifier) == identifier
        assert term.label
        assert letters(term.label) not in map(letters, term.others)
        assert vocabulary.identify(term.label) == identifier  # no other name hides a label
        assert all(name == name.strip() != "" for name in term.others)


def test_names_are_shown():
    assert named("NCBI:txid10090") == "NCBI:txid10090 (Mus musculus)"
    assert named("obo:FBbi_00000251") == "obo:FBbi_00000251 (confocal microscopy)"
    assert named("NCBI:txid99999999") == "NCBI:txid99999999"
    assert label_of("https://example.org/x") is None


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["house", "mouse"], "NCBI:txid10090  Mus musculus"),
        (["confocal"], "obo:FBbi_00000251  confocal microscopy"),
        (["txid7955"], "NCBI:txid7955  Danio rerio"),
        (["human", "kidney"], "NCBI:txid9606  Homo sapiens"),
        (["lattice", "light", "sheet"], "obo:FBbi_00000369  selective plane illumination"),
    ],
)
def test_lookup(words, first, capfd):
    assert program("lookup_term")([*words, "--offline"]) == 0
    assert capfd.readouterr().out.splitlines()[1].strip().startswith(first)


def test_lookup_of_nothing(capfd):
    assert program("lookup_term")(["xyzzy", "--offline"]) == 1
    said = capfd.readouterr().err
    assert 'error: nothing found for "xyzzy"' in said
    assert "name them in notes" in said
    assert program("lookup_term")([]) == 2


def test_lookup_asks_the_service_and_goes_on_without_it(monkeypatch, capfd):
    asked = []

    def answer(url, timeout):
        asked.append(url)
        kind = "NCBITaxon_42" if "ncbitaxon" in url else "EFO_1"
        found = [{"iri": f"http://purl.obolibrary.org/obo/{kind}", "label": "Rarus rarus"}]
        return BytesIO(json.dumps({"response": {"docs": found}}).encode())

    monkeypatch.setattr(search, "urlopen", answer)
    assert program("lookup_term")(["Rarus"]) == 0
    assert "NCBI:txid42  Rarus rarus" in capfd.readouterr().out
    assert len(asked) == 2

    def refuse(url, timeout):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(search, "urlopen", refuse)
    assert program("lookup_term")(["confocal"]) == 0
    said = capfd.readouterr()
    assert "FBbi_00000251" in said.out
    assert "cannot be reached" in said.err


def test_a_misspelled_name_is_found_by_what_is_near():
    with pytest.raises(ValueError, match="did you mean 'Mus musculus'"):
        ORGANISM.identify("Mus muscullus")
    assert [term.label for term in search.search_table(MODALITY, "confocl")] == [
        "confocal microscopy"
    ]
    assert search.search_table(MODALITY, "klingon") == []


def test_a_reader_that_has_enough_is_no_error():
    """As ``head``, which closes the pipe after its last line."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, str(SCRIPTS / "lookup_term.py"), "mouse", "--offline"]
    done = subprocess.run(words, check=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")

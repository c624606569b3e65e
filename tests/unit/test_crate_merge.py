"""Crates next to those of the source, and what becomes of the files."""

import json
from copy import deepcopy

import pytest

from support.crates import COMPLETE, conversion, facts, graph_of, harvested, inventory, orphans
from uplift.crate.build import build_crate
from uplift.crate.merge import merge_crates, parse_source_crate
from uplift.crate.writing import write_crate
from uplift.errors import InputError
from uplift.models.inventory import InventoryFile
from uplift.settings.columns import About, CrateSettings
from uplift.storage.local import LocalStore
from uplift.validate.objects.crate import checked_crate
from uplift.validators.ro_crate import validate_crate

PROCESS_RUN = "process-run-crate-0.5"

pytestmark = pytest.mark.usefixtures("no_network")


# A source that has a crate of its own: what the OME 2024 NGFF challenge writes ...
CHALLENGE = {
    "@context": [
        "https://w3id.org/ro/crate/1.1/context",
        {"organism_classification": "https://schema.org/taxonomicRange"},
    ],
    "@graph": [
        {"@id": "./", "@type": "Dataset", "license": "https://example.org/old", "name": "old",
         "resultOf": {"@id": "#3"}},
        {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"},
         "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}},
        {"@id": "#1", "@type": "biosample",
         "organism_classification": {"@id": "NCBI:txid9606"}},
        {"@id": "#2", "@type": "specimen", "biosample": {"@id": "#1"}},
        {"@id": "#3", "@type": "image_acquisition", "fbbi_id": {"@id": "obo:FBbi_00000251"},
         "specimen": {"@id": "#2"}},
    ],
}  # fmt: skip

# ... and one with people, files and an action, whose root has an address.
RICH = {
    "@context": ["https://w3id.org/ro/crate/1.1/context", {"magnification": "https://example.org/m"}],
    "@graph": [
        {"@id": "ro-crate-metadata.json", "@type": "CreativeWork",
         "about": {"@id": "https://example.org/set/"},
         "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}, "name": "descriptor"},
        {"@id": "https://example.org/set/", "@type": "Dataset", "name": "A set",
         "description": "Old words.", "datePublished": "2020-01-01",
         "license": {"@id": "https://example.org/l"}, "author": {"@id": "#ann"},
         "hasPart": [{"@id": "notes.txt"}], "mentions": {"@id": "#conversion"},
         "magnification": 63},
        {"@id": "https://example.org/l", "@type": "CreativeWork", "name": "A license",
         "description": "Words."},
        {"@id": "#ann", "@type": "Person", "name": "Ann"},
        {"@id": "notes.txt", "@type": "File", "name": "notes", "license": "https://example.org/l"},
        {"@id": "#conversion", "@type": "CreateAction", "name": "an earlier one",
         "instrument": {"@id": "#ann"}, "result": {"@id": "https://example.org/set/"}},
    ],
}  # fmt: skip


def source_crate(document):
    return parse_source_crate(json.dumps(document).encode())


def test_the_crate_of_the_challenge_becomes_valid():
    old = source_crate(CHALLENGE)
    merged = merge_crates(build_crate(facts(organism=None, modality=None)), old)
    assert validate_crate(merged.document, merged.kept) == ()
    assert merged.kept == ("#1", "#2", "#3")
    read = harvested(merged.document, last=True)
    assert read == harvested(merged.document, last=False)
    assert (read["organism"], read["modality"]) == ("NCBI:txid9606", "obo:FBbi_00000251")
    assert merged.overridden["./: license"] == "https://example.org/old"


def test_the_sheet_overrides_the_source_and_says_so():
    merged = merge_crates(build_crate(facts()), source_crate(CHALLENGE))
    assert validate_crate(merged.document, merged.kept) == ()
    assert harvested(merged.document, last=True) == COMPLETE
    assert harvested(merged.document, last=False) == COMPLETE
    assert "NCBI:txid9606" in merged.overridden["#1: organism_classification"]
    graph = graph_of(merged.document)
    assert "#biosample" not in graph  # one chain, the source's
    assert graph["#3"]["specimen"] == {"@id": "#2"}
    assert graph["./"]["resultOf"] == {"@id": "#3"}


def test_several_organisms_stay_and_a_finding_says_that_the_sheet_disagrees():
    document = deepcopy(CHALLENGE)
    document["@graph"].append(
        {"@id": "#4", "@type": "biosample", "organism_classification": {"@id": "NCBI:txid10090"}}
    )
    merged = merge_crates(build_crate(facts()), source_crate(document))
    assert [finding.code for finding in merged.findings] == ["crate.biosample_differs"]


def test_everything_of_a_rich_crate_stays():
    merged = merge_crates(build_crate(facts()), source_crate(RICH))
    assert validate_crate(merged.document, merged.kept) == ()
    graph = graph_of(merged.document)
    root = graph["./"]
    assert root["hasPart"] == [{"@id": "notes.txt"}]
    assert root["author"] == {"@id": "#ann"}
    assert root["magnification"] == 63
    assert root["mentions"] == [{"@id": "#conversion"}, {"@id": "#conversion-2"}]
    assert graph["#conversion"]["label"] == "an earlier one"
    assert graph["#conversion"]["result"] == {"@id": "./"}
    assert graph["#conversion-2"]["label"].startswith("Upgraded")
    assert graph["notes.txt"]["licensed_under"] == "https://example.org/l"
    assert harvested(merged.document, last=True) == COMPLETE
    assert merge_crates(build_crate(facts()), source_crate(RICH)) == merged


def test_what_was_wrong_in_the_source_is_a_warning():
    document = deepcopy(RICH)
    document["@graph"].append({"@id": "lost.txt", "@type": "File", "about": {"@id": "#ann"}})
    merged = merge_crates(build_crate(facts()), source_crate(document))
    found = validate_crate(merged.document, merged.kept)
    assert {(finding.code, finding.severity) for finding in found} == {
        ("crate.inherited", "warning")
    }


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"@graph": [{"@id": "a"}]}', b"\xff"])
def test_no_crate_at_all(data):
    assert parse_source_crate(data) is None


@pytest.fixture
def places(tmp_path):
    source = tmp_path / "in.zarr"
    source.mkdir()
    return source, LocalStore(str(source)), LocalStore(str(tmp_path / "out.zarr"), writable=True)


def written(places, found, about=None, settings=None, times=None):
    _, source, output = places
    said = about or About(license="CC-BY-4.0")
    how = settings or CrateSettings()
    done = times or conversion()
    return write_crate(found, source, output, "d", said, how, done)


def test_written_and_recorded(places):
    record = written(places, inventory(name="Cells"))
    data = places[2].get("ro-crate-metadata.json")
    assert record.objects == ("ro-crate-metadata.json",)
    assert record.author == ()
    assert (record.name, record.date_published) == ("Cells", "2026-01-02")
    assert [finding.code for finding in record.findings] == [
        "crate.author_missing",
        "crate.organism_missing",
        "crate.modality_missing",
    ]
    assert checked_crate(record, data) == record.findings
    assert written(places, inventory(name="Cells")) == record


def test_written_again_it_says_the_same_about_when(places):
    """An edit of the sheet is not a new conversion; a changed source is."""

    def ended(about="Ann", **times):
        times = conversion(ended="2026-02-03T00:00:00+00:00", **times)
        written(places, inventory(), About(license="CC-BY-4.0", author=about), times=times)
        return graph_of(json.loads(places[2].get("ro-crate-metadata.json")))["#conversion"][
            "endTime"
        ]

    written(places, inventory())
    assert ended() == ended("Bob") == "2026-01-02T04:04:05+00:00"
    assert ended(inventory_sha256="1" * 64) == "2026-02-03T00:00:00+00:00"


def test_a_license_other_than_the_sources(places):
    document = deepcopy(RICH)
    document["@graph"][1]["license"] = {"@id": "https://creativecommons.org/licenses/by-nc/4.0/"}
    original = json.dumps(document).encode()
    (places[0] / "ro-crate-metadata.json").write_bytes(original)
    found = inventory(files=(InventoryFile(path="ro-crate-metadata.json", bytes=len(original)),))
    with pytest.raises(InputError, match=r"CC-BY-4.0 is more permissive than .*by-nc.*relicense"):
        written(places, found)
    assert places[2].get("ro-crate-metadata.json") is None
    record = written(places, found, settings=CrateSettings(relicense=True))
    (one,) = [one for one in record.findings if one.code == "crate.relicensed"]
    assert "by-nc/4.0" in one.message
    assert "CC-BY-4.0" in one.message
    assert record.author == ("Ann",)
    record = written(places, found, About(license="CC-BY-NC-ND-4.0"))  # stricter: only said
    assert "crate.relicensed" in [one.code for one in record.findings]
    record = written(places, found, About(license="CC-BY-NC-4.0"))
    assert "crate.relicensed" not in [one.code for one in record.findings]


def test_what_gave_way_is_no_orphan():
    own = build_crate(facts(author="Cleo"))
    merged = merge_crates(own, source_crate(RICH))
    graph = graph_of(merged.document)
    assert graph["./"]["author"] == {"@id": "#author"}
    assert orphans(merged.document) == set()
    document = deepcopy(RICH)
    del document["@graph"][-1], document["@graph"][-1]  # then nobody else names Ann and the license
    merged = merge_crates(own, source_crate(document))
    assert not {"#ann", "https://example.org/l"} & set(graph_of(merged.document))
    assert orphans(merged.document) == set()
    assert "#ann" not in merged.kept


def test_a_dataset_of_ours_that_is_converted_again_has_a_source_of_its_own():
    first = build_crate(facts(author="Ann"))
    again = merge_crates(build_crate(facts(author="Bob", source_id="#source")), source_crate(first))
    graph = graph_of(again.document)
    assert validate_crate(again.document, again.kept) == ()
    assert [graph[key]["object"]["@id"] for key in ("#conversion", "#conversion-2")] == [
        "#source",
        "#source",
    ]
    second = build_crate(facts(author="Bob"))
    graph_of(second)["#source"]["label"] = "other.zarr"
    merged = graph_of(merge_crates(second, source_crate(first)).document)
    assert merged["#conversion-2"]["object"] == {"@id": "#source-2"}
    assert merged["#source-2"]["label"] == "other.zarr"
    assert merged["#source"]["label"] == "in.zarr"


def test_a_change_behind_our_back_is_noticed(places):
    record = written(places, inventory())
    data = places[2].get("ro-crate-metadata.json")
    changed = checked_crate(record, data.replace(b'"d"', b'"e"'))
    assert [finding.code for finding in changed] == ["crate.differs"]
    assert [finding.code for finding in checked_crate(record, None)] == ["crate.differs"]
    assert checked_crate(record, b"{")[0].code == "crate.invalid"


def test_the_original_bytes_are_kept(places):
    original = json.dumps(CHALLENGE).encode()
    (places[0] / "ro-crate-metadata.json").write_bytes(original)
    taken = "ro-crate-metadata.source.json"
    files = (InventoryFile(path="ro-crate-metadata.json", bytes=len(original)),)
    record = written(places, inventory(files=files))
    assert record.objects == ("ro-crate-metadata.json", taken)
    assert places[2].get(taken) == original
    codes = ["crate.author_missing", "crate.relicensed"]
    assert (record.organism, [one.code for one in record.findings]) == ("NCBI:txid9606", codes)
    # a file of the source that has this very name keeps it
    files = (*files, InventoryFile(path=taken, bytes=1))
    assert written(places, inventory(files=files)).objects[1] == "ro-crate-metadata.source-2.json"


def test_an_unreadable_crate_is_kept_and_reported(places):
    (places[0] / "ro-crate-metadata.json").write_bytes(b"not JSON")
    record = written(
        places, inventory(files=(InventoryFile(path="ro-crate-metadata.json", bytes=8),))
    )
    assert record.findings[-1].code == "crate.source_unreadable"
    assert places[2].get("ro-crate-metadata.source.json") == b"not JSON"


def test_switched_off(places):
    off = CrateSettings(enabled=False)
    written(places, inventory())
    record = written(places, inventory(), About(), off)
    assert (record.enabled, record.objects, record.sha256) == (False, (), None)
    assert places[2].get("ro-crate-metadata.json") is None
    (places[0] / "ro-crate-metadata.json").write_bytes(b"anything")
    found = inventory(files=(InventoryFile(path="ro-crate-metadata.json", bytes=8),))
    record = written(places, found, About(), off)
    assert record.objects == ("ro-crate-metadata.json",)
    assert places[2].get("ro-crate-metadata.json") == b"anything"
    assert checked_crate(record, b"anything") == ()

"""The RO-Crate: what it says, who can read it, whether it is valid."""

import json
import socket
from copy import deepcopy

import pytest

from uplift import crate
from uplift.crate.build import CrateFacts, build_crate
from uplift.crate.check import validate_crate
from uplift.crate.merge import merge_crates, parse_source_crate
from uplift.crate.terms import license_term, modality_term, organism_term
from uplift.crate.text import describe
from uplift.errors import InputError
from uplift.models.arrays import SourceArray
from uplift.models.crate import CrateSample, CrateSettings, Party
from uplift.models.inventory import Inventory, InventoryArray, InventoryFile, InventoryGroup
from uplift.storage.local import LocalStore

PROCESS_RUN = "process-run-crate-0.5"
RUN = {"schema": "ngff-uplift/run/1", "run_id": "0" * 32, "date": "2026-01-02"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def facts(**changes):
    values = {
        "dataset": "d",
        "name": "Cells",
        "description": "Some cells.",
        "license": "CC-BY-4.0",
        "date_published": "2026-01-02",
        "source_id": "#source",
        "source_label": "in.zarr",
        "action": "Upgraded from OME-Zarr 0.4 to OME-Zarr 0.5",
        "action_summary": "Every pixel compared.",
        "organism": "NCBI:txid7227",
        "modality": "obo:FBbi_00000243",
    }
    return CrateFacts(**{**values, **changes})


def array(path="0", **changes):
    source = SourceArray(
        zarr_format=2, shape=(3, 64, 48), chunks=(1, 64, 48), data_type="<u2", order="C"
    )
    values = {
        "path": path,
        "role": "level",
        "multiscale": "",
        "level": 0,
        "axes": ("c", "y", "x"),
        "source": source,
        "stored_chunks": 3,
        "stored_bytes": 300,
        "listing_sha256": "0" * 64,
    }
    return InventoryArray(**{**values, **changes})


def inventory(url="/data/in.zarr", **changes):
    values = {
        "source": url,
        "zarr_format": 2,
        "ome_versions": ("0.4",),
        "groups": (InventoryGroup(path="", roles=("image",), ome_version="0.4"),),
        "arrays": (array(), array("1", level=1)),
        "files": (),
    }
    return Inventory(**{**values, **changes})


def graph_of(document):
    return {entity["@id"]: entity for entity in document["@graph"]}


def harvested(document, *, last):
    """What programs that collect metadata read: the first, or the last, entity that has a key."""
    found = {}
    entities = document["@graph"] if last else document["@graph"][::-1]
    for entity in entities:
        for key in ("license", "name", "description"):
            if key in entity:
                assert isinstance(entity[key], str)
                found[key] = entity[key]
        if entity.get("@type") == "biosample":
            found["organism"] = entity["organism_classification"]["@id"]
        if entity.get("@type") == "image_acquisition":
            found["modality"] = entity["fbbi_id"]["@id"]
    return found


COMPLETE = {
    "name": "Cells",
    "description": "Some cells.",
    "license": "https://creativecommons.org/licenses/by/4.0/",
    "organism": "NCBI:txid7227",
    "modality": "obo:FBbi_00000243",
}


def test_the_same_facts_give_the_same_document():
    assert json.dumps(build_crate(facts())) == json.dumps(build_crate(facts()))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"organism": None},
        {"modality": None},
        {"organism": None, "modality": None},
        {"author": "Ann", "publisher": "https://ror.org/02mhbdp94"},
        {
            "author": (
                Party(name="Ann", orcid="0000-0002-1825-0097", affiliation="A Lab"),
                Party(name="Bob", affiliation="https://ror.org/02mhbdp94"),
            ),
            "publisher": Party(name="A Lab", id="https://example.org/lab"),
        },
        {"license": "https://example.org/our own".replace(" ", "-"), "source_id": "s3://b/a%20b"},
        {"license": "MIT", "name": 'Ünïcode "quoted" <b>', "description": "a\nb"},
    ],
)
def test_valid_and_readable(changes):
    given = facts(**changes)
    document = json.loads(json.dumps(build_crate(given)))
    assert validate_crate(document) == ()
    expected = {
        "name": given.name,
        "description": given.description,
        "license": license_term(given.license, "")[0],
        **({"organism": given.organism} if given.organism else {}),
        **({"modality": given.modality} if given.modality else {}),
    }
    assert harvested(document, last=True) == harvested(document, last=False) == expected
    referred = {
        entity["@id"] for key, entity in graph_of(document)["./"].items() if key == "resultOf"
    }
    assert referred == ({"#image-acquisition"} if given.modality else set())


def test_passes_the_profile_of_conversions():
    assert validate_crate(build_crate(facts()), profile=PROCESS_RUN) == ()


def test_the_conversion_is_an_action():
    graph = graph_of(build_crate(facts(source_id="s3://bucket/in.zarr")))
    action = graph["#conversion"]
    assert action["@type"] == "CreateAction"
    assert action["object"] == {"@id": "s3://bucket/in.zarr"}
    assert action["result"] == {"@id": "./"}
    assert graph[action["instrument"]["@id"]]["softwareVersion"]
    assert not [key for key in action if "Time" in key]  # clock times stay in the records


@pytest.mark.parametrize("missing", ["name", "license", "datePublished", "description"])
def test_the_check_notices_what_is_missing(missing):
    document = build_crate(facts())
    del graph_of(document)["./"][missing]
    found = validate_crate(document)
    assert {finding.code for finding in found} == {"crate.invalid"}
    assert {finding.severity for finding in found} == {"error"}
    assert any(missing in finding.message for finding in found)


def test_the_check_notices_an_undefined_term():
    document = build_crate(facts())
    del document["@context"][1]["fbbi_id"]
    assert [finding.code for finding in validate_crate(document)] == ["crate.invalid"]


@pytest.mark.parametrize("document", [{}, {"@context": [], "@graph": []}, {"@graph": 3}])
def test_the_check_survives_anything(document):
    assert {finding.severity for finding in validate_crate(document)} == {"error"}


def test_a_context_that_cannot_be_had_is_said():
    document = build_crate(facts())
    document["@context"].insert(1, "https://example.org/context")
    assert [finding.code for finding in validate_crate(document)] == ["crate.unchecked"]


@pytest.mark.parametrize(
    ("text", "url", "label"),
    [
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/", "CC BY 4.0"),
        (
            "CC-BY-NC-SA-3.0",
            "https://creativecommons.org/licenses/by-nc-sa/3.0/",
            "CC BY-NC-SA 3.0",
        ),
        ("CC-BY-3.0-US", "https://creativecommons.org/licenses/by/3.0/us/", "CC BY 3.0 US"),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
        ("MIT", "https://spdx.org/licenses/MIT", "MIT"),
        ("https://example.org/l", "https://example.org/l", "https://example.org/l"),
    ],
)
def test_licenses(text, url, label):
    assert license_term(text, "d") == (url, label)


def test_terms():
    assert organism_term("NCBI:txid9606", "d")[0] == "Homo sapiens"
    assert organism_term("NCBI:txid12345678", "d")[0] == "NCBI:txid12345678"
    assert modality_term("obo:FBbi_00000369", "d")[0].startswith("selective plane illumination")
    assert modality_term("obo:FBbi_12345678", "d")[0] == "obo:FBbi_12345678"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"license": "all rights reserved"}, "neither an SPDX identifier"),
        ({"organism": "human"}, "write it as NCBI:txid9606"),
        ({"modality": "FBbi:00000369"}, "write it as obo:FBbi_00000369"),
        ({"author": Party(name="A", orcid="0000-0002-1825-0098")}, "is not an ORCID iD"),
        ({"publisher": Party(name="A", id="example.org")}, "is not a URL"),
    ],
)
def test_refused(changes, message):
    with pytest.raises(InputError, match=message):
        build_crate(facts(**changes))


@pytest.mark.parametrize(
    ("url", "identity", "label"),
    [
        ("/home/ann/in.zarr", "#source", "in.zarr"),
        ("file:///home/ann/in.zarr/", "#source", "in.zarr"),
        ("s3://bucket/a b.zarr", "s3://bucket/a%20b.zarr", "a b.zarr"),
        ("https://ann:secret@host/x.zarr?token=secret#f", "https://host/x.zarr", "x.zarr"),
    ],
)
def test_the_source_is_named_without_secrets_or_folders(url, identity, label):
    found = crate.collect_facts(
        inventory(url),
        CrateSample(dataset="d", license="MIT"),
        CrateSettings(),
        "2026-01-02",
        "0.5",
    )
    assert (found.source_id, found.source_label) == (identity, label)


def test_where_the_day_comes_from(monkeypatch):
    def day(settings=None, old=None):
        sample = CrateSample(dataset="d", license="MIT")
        given = settings or CrateSettings()
        return crate.collect_facts(
            inventory(), sample, given, "2026-01-02", "0.5", old
        ).date_published

    assert day() == "2026-01-02"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert day() == "2023-11-14"
    assert day(CrateSettings(date_published="2020-05-06")) == "2020-05-06"
    with pytest.raises(InputError, match="is not a day"):
        day(CrateSettings(date_published="yesterday"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        day()


@pytest.mark.parametrize(("given", "name"), [("Cells", "Cells"), ("/", "d"), (None, "d")])
def test_the_name_of_the_metadata_is_taken(given, name):
    sample = CrateSample(dataset="d", license="MIT")
    found = crate.collect_facts(inventory(name=given), sample, CrateSettings(), "2026-01-02", "0.5")
    assert found.name == name


def test_no_license_names_both_remedies():
    with pytest.raises(InputError, match=r"column license.*enabled: false"):
        crate.collect_facts(
            inventory(), CrateSample(dataset="d"), CrateSettings(), "2026-01-02", "0.5"
        )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Image of 3 x 64 x 48 (c, y, x), uint16, 2 levels. "),
        (
            {"groups": (InventoryGroup(path="", roles=("plate",)),
                        InventoryGroup(path="A/1", roles=("well",)),
                        InventoryGroup(path="A/1/0", roles=("image", "field")))},
            "Plate with 1 well and 1 field. ",
        ),
        (
            {"groups": (InventoryGroup(path="", roles=("bioformats2raw",)),
                        InventoryGroup(path="0", roles=("image",)),
                        InventoryGroup(path="1", roles=("image",)),
                        InventoryGroup(path="1/labels/a", roles=("image", "label image")))},
            "Collection of 2 images, 1 label image. ",
        ),
        ({"groups": (InventoryGroup(path="", roles=("group",)),)}, "2 arrays. "),
    ],
)  # fmt: skip
def test_descriptions(changes, text):
    upgraded = "Upgraded from OME-Zarr 0.4 to OME-Zarr 0.5."
    assert describe(inventory(**changes), "0.5") == text + upgraded


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
    document["@graph"].append({"@id": "lost.txt", "@type": "File", "name": "in no hasPart"})
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


def written(places, found, sample=None, settings=None):
    _, source, output = places
    row = sample or CrateSample(dataset="d", license="CC-BY-4.0")
    return crate.write_crate(found, source, output, row, settings or CrateSettings(), RUN, "0.5")


def test_written_and_recorded(places):
    record = written(places, inventory(name="Cells"))
    data = places[2].get("ro-crate-metadata.json")
    assert record.objects == ("ro-crate-metadata.json",)
    assert (record.name, record.date_published) == ("Cells", "2026-01-02")
    assert [finding.code for finding in record.findings] == [
        "crate.organism_missing",
        "crate.modality_missing",
    ]
    assert crate.checked_crate(record, data) == record.findings
    assert written(places, inventory(name="Cells")) == record


def test_a_change_behind_our_back_is_noticed(places):
    record = written(places, inventory())
    data = places[2].get("ro-crate-metadata.json")
    changed = crate.checked_crate(record, data.replace(b'"d"', b'"e"'))
    assert [finding.code for finding in changed] == ["crate.differs"]
    assert [finding.code for finding in crate.checked_crate(record, None)] == ["crate.differs"]
    assert crate.checked_crate(record, b"{")[0].code == "crate.invalid"


def test_the_original_bytes_are_kept(places):
    original = json.dumps(CHALLENGE).encode()
    (places[0] / "ro-crate-metadata.json").write_bytes(original)
    taken = "ro-crate-metadata.source.json"
    files = (InventoryFile(path="ro-crate-metadata.json", bytes=len(original)),)
    record = written(places, inventory(files=files))
    assert record.objects == ("ro-crate-metadata.json", taken)
    assert places[2].get(taken) == original
    assert (record.organism, record.findings) == ("NCBI:txid9606", ())
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
    record = written(places, inventory(), CrateSample(dataset="d"), off)
    assert (record.enabled, record.objects, record.sha256) == (False, (), None)
    assert places[2].get("ro-crate-metadata.json") is None
    (places[0] / "ro-crate-metadata.json").write_bytes(b"anything")
    found = inventory(files=(InventoryFile(path="ro-crate-metadata.json", bytes=8),))
    record = written(places, found, CrateSample(dataset="d"), off)
    assert record.objects == ("ro-crate-metadata.json",)
    assert places[2].get("ro-crate-metadata.json") == b"anything"
    assert crate.checked_crate(record, b"anything") == ()

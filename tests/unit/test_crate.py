"""The RO-Crate: what it says, who can read it, whether it is valid."""

import json

import pytest
import rdflib

from support.crates import conversion, facts, graph_of, harvested, inventory, orphans
from uplift.crate.build import TERMS, build_crate
from uplift.crate.facts import collect_facts, times_of
from uplift.crate.licenses import drops_conditions, license_term, same_license
from uplift.crate.rules import check_crate
from uplift.crate.text import describe
from uplift.errors import InputError
from uplift.models.inventory import InventoryGroup
from uplift.models.parties import Party
from uplift.settings.columns import About, CrateSettings
from uplift.validators.ro_crate import validate_crate

PROCESS_RUN = "process-run-crate-0.5"

pytestmark = pytest.mark.usefixtures("no_network")


def collected(about, found=None, **times):
    source = inventory() if found is None else found
    return collect_facts(source, "d", about, CrateSettings(), conversion(**times))


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
        {
            "author": "Ann <0000-0002-1825-0097>; Bob (A Lab)",
            "publisher": "A Lab <https://ror.org/02mhbdp94>",
            "funder": "A Fund [X/1 2]; B Fund <https://ror.org/00k4n6c32> [https://g.org/1, 7]",
            "contact": "Cleo <cleo@example.org>",
            "agent": "Ann <0000-0002-1825-0097>",
            "notes": "for everybody's eyes",
            "size": "Image of 3 x 64 x 48",
            "tool_url": "https://example.org/tool",
        },
        {"license": "MIT", "name": 'Ünïcode "quoted" <b>', "description": "a\nb"},
    ],
)
def test_valid_and_readable(changes):
    given = facts(**changes)
    document = json.loads(json.dumps(build_crate(given)))
    assert validate_crate(document) == check_crate(document) == ()
    expected = {
        "name": given.name,
        "description": given.description,
        "license": license_term(given.license, "")[0],
        **({"organism": given.organism} if given.organism else {}),
        **({"modality": given.modality} if given.modality else {}),
    }
    assert harvested(document, last=True) == harvested(document, last=False) == expected
    assert orphans(document) == set()
    referred = {
        entity["@id"] for key, entity in graph_of(document)["./"].items() if key == "resultOf"
    }
    assert referred == ({"#image-acquisition"} if given.modality else set())


def test_passes_the_profile_of_conversions():
    assert validate_crate(build_crate(facts(agent="Ann")), profile=PROCESS_RUN) == ()


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")
def test_prefixes_expand():
    found = rdflib.Graph().parse(
        data=json.dumps({**build_crate(facts()), "@context": TERMS}), format="json-ld"
    )
    subjects = {str(subject) for subject in found.subjects()}
    assert "http://purl.obolibrary.org/obo/FBbi_00000243" in subjects
    assert "https://www.ncbi.nlm.nih.gov/taxonomy/?term=txid7227" in subjects


def test_a_source_is_described():
    graph = graph_of(build_crate(facts(source_id="s3://bucket/in.zarr", size="Image")))
    source = graph["s3://bucket/in.zarr"]
    assert source["url"] == "s3://bucket/in.zarr"
    assert source["contentSize"] == "300"
    assert source["encodingFormat"][1] == {"@id": "https://ngff.openmicroscopy.org/0.4/"}
    assert graph[source["subjectOf"]["@id"]]["sha256"] == "0" * 64
    assert graph["./"]["encodingFormat"][1] == {"@id": "https://ngff.openmicroscopy.org/0.5/"}
    assert graph["./"]["size"] == "Image"


def test_the_conversion_is_an_action():
    given = facts(source_id="s3://bucket/in.zarr", agent="Ann", tool_url="https://example.org/tool")
    graph = graph_of(build_crate(given))
    action = graph["#conversion"]
    assert action["@type"] == "CreateAction"
    assert action["object"] == {"@id": "s3://bucket/in.zarr"}
    assert action["result"] == {"@id": "./"}
    assert graph[action["instrument"]["@id"]]["softwareVersion"]
    assert graph[action["instrument"]["@id"]]["url"] == "https://example.org/tool"
    assert graph[action["agent"]["@id"]]["label"] == "Ann"
    assert action["startTime"] < action["endTime"]


def without(key, *names):
    def change(document):
        for name in names:
            del graph_of(document)[key][name]

    return change


def with_root(**properties):
    return lambda document: graph_of(document)["./"].update(properties)


def with_part(document):
    with_root(hasPart=[{"@id": "a/"}])(document)
    document["@graph"] += [
        {"@id": "a/", "@type": ["Dataset"], "hasPart": {"@id": "a/b"}},
        {"@id": "a/b", "@type": "File"},
    ]


ALIKE = {
    "as it is": lambda document: None,
    "no license": without("./", "license"),
    "no day": without("./", "datePublished"),
    "not a day": with_root(datePublished="yesterday"),
    "a year": with_root(datePublished="2026"),
    "no name": without("./", "name"),
    "root of another type": with_root(**{"@type": "CreativeWork"}),
    "several types": with_root(**{"@type": ["Dataset", "Thing"]}),
    "descriptor of another type": lambda d: graph_of(d)["ro-crate-metadata.json"].update(
        {"@type": "File"}
    ),
    "no version": without("ro-crate-metadata.json", "conformsTo"),
    "no about": without("ro-crate-metadata.json", "about"),
    "unknown key": with_root(colour="red"),
    "key that was undefined": lambda d: d["@context"][1].pop("summary"),
    "an entity inside another": with_root(author={"@id": "#x", "@type": "Person"}),
    "no type": lambda d: d["@graph"].append({"@id": "#y"}),
    "no id": lambda d: d["@graph"].append({"@type": "Person"}),
    "a file that no part leads to": lambda d: d["@graph"].append({"@id": "f", "@type": "File"}),
    "a folder that no part leads to": lambda d: d["@graph"].append(
        {"@id": "f/", "@type": "Dataset"}
    ),
    "parts of parts": with_part,
    "publisher that is text": with_root(publisher="A Lab"),
    "publisher that is not there": with_root(publisher={"@id": "https://ror.org/x"}),
    "no context": lambda d: d.pop("@context"),
}


@pytest.mark.parametrize("change", ALIKE.values(), ids=ALIKE)
def test_our_check_and_roc_validator_agree(change):
    document = json.loads(json.dumps(build_crate(facts())))
    change(document)
    ours, theirs = check_crate(document), validate_crate(document)
    assert bool(ours) == bool(theirs), (ours, theirs)
    assert {finding.code for finding in ours} <= {"crate.invalid"}


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
@pytest.mark.parametrize("check", [check_crate, validate_crate])
def test_the_check_survives_anything(document, check):
    assert {finding.severity for finding in check(document)} == {"error"}


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


def test_a_license_that_is_none():
    with pytest.raises(InputError, match="neither an SPDX identifier"):
        build_crate(facts(license="all rights reserved"))


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
    found = collected(About(license="MIT"), inventory(url))
    assert (found.source.id, found.source.label) == (identity, label)


def test_where_the_day_comes_from(monkeypatch):
    run = {"date": "2026-01-02", "began": "2026-01-02T03:04:05+00:00"}

    def day(given=None, run=run):
        began, ended = times_of(run)
        about = About(license="MIT", date_published=given)
        return collected(about, began=began, ended=ended).date_published

    assert day() == day(run={"date": "2026-01-02"}) == "2026-01-02"  # of an earlier version
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert times_of(run) == ("2023-11-14T22:13:20+00:00",) * 2
    assert day() == "2023-11-14"
    assert day("2020-05-06") == "2020-05-06"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        day()


@pytest.mark.parametrize(
    ("given", "name"), [("Cells", "Cells"), ("/", "d"), (None, "d"), ("image", "d"), ("Image", "d")]
)
def test_the_name_of_the_metadata_is_taken_where_it_says_something(given, name):
    assert collected(About(license="MIT"), inventory(name=given)).name == name


def test_no_license_names_both_remedies():
    with pytest.raises(InputError, match=r"column license.*enabled: false"):
        collected(About())


@pytest.mark.parametrize(
    ("versions", "zarr_format", "title"),
    [
        (("0.4",), 2, "Upgraded from OME-Zarr 0.4 to OME-Zarr 0.5"),
        (("0.5",), 3, "Re-sharded OME-Zarr 0.5"),
        ((), 3, "Re-sharded Zarr v3"),
        ((), 2, "Upgraded from Zarr v2 to Zarr v3"),
    ],
)
def test_what_was_done(versions, zarr_format, title):
    found = collected(
        About(license="MIT"), inventory(ome_versions=versions, zarr_format=zarr_format)
    )
    assert found.action.label == title
    assert title in found.action.summary
    assert title in found.description


@pytest.mark.parametrize(
    ("earlier", "later", "drops"),
    [
        ("CC-BY-4.0", "CC0-1.0", True),
        ("https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-4.0", True),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", True),
        ("CC0-1.0", "CC-BY-4.0", False),
        ("CC-BY-3.0", "https://creativecommons.org/licenses/by/4.0/", False),
        ("CC-BY-4.0", "CC-BY-NC-4.0", False),
        ("https://example.org/all-rights-reserved", "CC0-1.0", False),  # nobody can tell
    ],
)
def test_licenses_that_drop_conditions(earlier, later, drops):
    assert drops_conditions(earlier, later) is drops
    assert not same_license(earlier, later)


def test_licenses_are_compared_by_what_they_are():
    assert same_license("CC-BY-4.0", "http://creativecommons.org/licenses/by/4.0/legalcode")
    assert same_license("MIT", "https://spdx.org/licenses/MIT")


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

"""The RO-Crate: what it says, who can read it, whether it is valid."""

import json

import pytest

from support.crates import facts, graph_of, harvested, inventory
from uplift import crate
from uplift.crate.build import build_crate
from uplift.crate.licenses import license_term
from uplift.crate.rules import check_crate
from uplift.crate.text import describe
from uplift.errors import InputError
from uplift.models.crate import Party
from uplift.models.inventory import InventoryGroup
from uplift.settings.columns import About
from uplift.validators.ro_crate import validate_crate

PROCESS_RUN = "process-run-crate-0.5"
RUN = {"schema": "ngff-uplift/run/1", "run_id": "0" * 32, "date": "2026-01-02"}

pytestmark = pytest.mark.usefixtures("no_network")


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
    assert validate_crate(document) == check_crate(document) == ()
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"license": "all rights reserved"}, "neither an SPDX identifier"),
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
    found = crate.collect_facts(inventory(url), "d", About(license="MIT"), "2026-01-02", "0.5")
    assert (found.source_id, found.source_label) == (identity, label)


def test_where_the_day_comes_from(monkeypatch):
    def day(given=None):
        about = About(license="MIT", date_published=given)
        found = crate.collect_facts(inventory(), "d", about, "2026-01-02", "0.5")
        return found.date_published

    assert day() == "2026-01-02"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert day() == "2023-11-14"
    assert day("2020-05-06") == "2020-05-06"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        day()


@pytest.mark.parametrize(("given", "name"), [("Cells", "Cells"), ("/", "d"), (None, "d")])
def test_the_name_of_the_metadata_is_taken(given, name):
    about = About(license="MIT")
    found = crate.collect_facts(inventory(name=given), "d", about, "2026-01-02", "0.5")
    assert found.name == name


def test_no_license_names_both_remedies():
    with pytest.raises(InputError, match=r"column license.*enabled: false"):
        crate.collect_facts(inventory(), "d", About(), "2026-01-02", "0.5")


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

"""People, organisations and grants: how they are written, and what the crate makes of them."""

import pytest

from support.crates import conversion, facts, graph_of, inventory
from uplift.crate.build import build_crate
from uplift.crate.facts import collect_facts
from uplift.crate.review import assumptions
from uplift.errors import InputError
from uplift.models.parties import Party
from uplift.settings.columns import About, CrateSettings
from uplift.settings.mistakes import parse_all

pytestmark = pytest.mark.usefixtures("no_network")


def collected(about):
    return collect_facts(inventory(), "d", about, CrateSettings(), conversion())


def test_people_are_named_once():
    graph = graph_of(
        build_crate(
            facts(author="Ann (A Lab); Bob", contact="Bob <bob@example.org>", publisher="A Lab")
        )
    )
    root = graph["./"]
    assert root["author"] == [{"@id": "#author"}, {"@id": "#author-2"}]
    assert root["maintainer"] == {"@id": "#author-2"}
    assert root["publisher"] == graph["#author"]["affiliation"]
    known = graph_of(build_crate(facts(author="Ann (A Lab)", publisher="A Lab <https://a.org>")))
    assert known["#author"]["affiliation"] == known["./"]["publisher"] == {"@id": "https://a.org"}
    assert known["https://a.org"]["@type"] == "Organization"
    point = graph[graph["#author-2"]["contactPoint"]["@id"]]
    assert (point["@type"], point["email"]) == ("ContactPoint", "bob@example.org")


def test_grants_stand_with_their_funder():
    graph = graph_of(
        build_crate(facts(funder="A Fund [X/1 2]; B <https://b.org> [https://g.org/9]"))
    )
    root = graph["./"]
    assert root["funder"] == [{"@id": "#funder"}, {"@id": "https://b.org"}]
    grants = [graph[one["@id"]] for one in root["funding"]]
    assert [one["identifier"] for one in grants] == ["X/1 2", "https://g.org/9"]
    assert [one["label"] for one in grants] == ["A Fund, grant X/1 2", "B, grant 9"]
    assert [one["funder"] for one in grants] == root["funder"]
    assert grants[1]["@id"] == "https://g.org/9"
    assert graph_of(build_crate(facts(funder="A [1]")))["./"]["funding"] == {"@id": "#grant-1"}


def test_an_address_alone_is_one_to_write_to():
    graph = graph_of(build_crate(facts(contact="desk@example.org", author="https://u@example.org")))
    contact = graph[graph["./"]["maintainer"]["@id"]]
    assert (contact["label"], contact["email"]) == ("desk@example.org", "desk@example.org")
    assert graph[contact["contactPoint"]["@id"]]["email"] == "desk@example.org"
    assert "email" not in graph[graph["./"]["author"]["@id"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"author": "0000-0002-1825-0098"}, "is not an ORCID iD"),
        ({"author": "Ann <0000-0002-1825-0098>"}, "is not an ORCID iD"),
        ({"author": "Ann <0000-0002-1825-0097>, Bob"}, "', Bob' stands behind brackets"),
        ({"author": "Ann Lee, Bob Ray"}, r"looks like 2 people; .* \(Ann Lee; Bob Ray\)"),
        ({"contact": "Ann Lee, Bob Ray <ann@example.org>"}, "looks like 2 people"),
        ({"agent": ["Cleo", "Ann Lee, Bob Ray, Dan Fox"]}, "looks like 3 people"),
        ({"contact": "Ann <ann@example>"}, "'ann@example' is not an e-mail address"),
        ({"contact": "(A Lab)"}, "write a name before the brackets"),
        ({"contact": "ann@example"}, "'ann@example' is not an e-mail address"),
        ({"author": "Ann <0000-0002-1825-0097> <ann@example.org> <bob@example.org>"}, "two values"),
        ({"funder": "A Fund (grant 101065127)"}, r"no affiliation .*as in A Fund \[101065127\]"),
        ({"funder": "A Fund [101065127"}, r"bracket '\[' is not closed; write '\]'"),
        ({"funder": "A Fund 101065127]"}, r"'\]' closes no bracket"),
        ({"author": "Ann (A Lab <https://a.org>)"}, r"bracket '\(' is not closed before '<'"),
        ({"author": "Ann https://orcid.org/0000-0002-1825-0097"}, "pointed brackets"),
        ({"funder": [{"name": "A", "orcid": "x"}]}, "is not an ORCID iD"),
        ({"author": "Ann [12]"}, r"Ann: grants \(12\) stand with a funder"),
        ({"publisher": {"name": "A", "id": "example.org"}}, "id 'example.org' is not a URL"),
        ({"contact": {"name": "A", "mail": "x"}}, "contact: .* is not a name, an ORCID iD"),
    ],
)
def test_parties_are_refused_in_the_sheet(changes, message):
    with pytest.raises(InputError, match=message):
        About.parse(changes, "row")


def test_all_mistakes_of_a_row_are_said_at_once():
    row = {"author": "Ann Lee, Bob Ray", "funder": "A Fund [1", "contact": "<ann@example>"}
    assert {place for place, _ in parse_all(About, row)[1]} == {
        ("author",),
        ("funder",),
        ("contact",),
    }


@pytest.mark.parametrize(
    "author",
    [
        "Lee, Ann",
        "van der Berg, Jan Peter",
        "Institute of Physics, University of Bonn",
        {"name": "García Márquez, Gabriel José"},
        '{"name": "García Márquez, Gabriel José"}',
        ["Lee, Ann", "Ray, Bob"],
    ],
)
def test_a_comma_may_stand_in_one_name(author):
    assert About(author=author).author


def test_what_stands_in_brackets_is_not_split():
    fund = About(funder="A Fund [101065127; 22] [X/1]; B").funder
    assert fund == (Party(name="A Fund", grants=("101065127", "22", "X/1")), "B")
    assert About(author="Ann (A Lab; B Lab)").author.affiliation == "A Lab; B Lab"
    assert About(author=["Ann (A Lab)", "Bob"]).author == (
        Party(name="Ann", affiliation="A Lab"),
        "Bob",
    )


@pytest.mark.parametrize(
    ("funder", "advice"),
    [
        ("A Fund 101065127", "A Fund [101065127]"),
        ("B; A Fund BB/R015864/1", "A Fund [BB/R015864/1]"),
        ("Horizon 2020", None),
        ("A Fund [101065127]", None),
        ("https://ror.org/00k4n6c32", None),
    ],
)
def test_a_number_in_a_funders_name_is_warned_of(funder, advice):
    found = [one.message for one in assumptions(collected(About(license="MIT", funder=funder)))]
    assert [text.rpartition("brackets: ")[2] for text in found] == ([advice] if advice else [])


@pytest.mark.parametrize(
    ("about", "agent"),
    [
        ({"author": "Ann", "publisher": "Lab", "contact": "Cleo", "agent": "Bob"}, "Bob"),
        ({"author": "Ann", "publisher": "Lab", "contact": "Cleo"}, "Cleo"),
        ({"author": "Ann", "publisher": "Lab"}, "Lab"),
        ({"author": "Ann"}, "Ann"),
        ({}, None),
    ],
)
def test_who_converted(about, agent):
    found = collected(About(license="MIT", **about))
    assert found.action.agent == agent
    said = [one.code for one in assumptions(found)]
    assert said == (["crate.agent_assumed"] if agent not in (None, "Bob") else [])

"""Which plan is in force: the fresh one, the edited one or a supplied one."""

import json

import pytest

from support.inventories import image, inventory_of
from support.plans import IMAGE, PROPOSE, array_of, generated
from uplift.errors import PlanError
from uplift.models.plan import PlanSettings
from uplift.plan.decision import decide
from uplift.planning.plan_files import is_edited, stamped
from uplift.planning.proposal import propose_plan


def decision(fresh=None, existing=None, supplied=None, inventory=IMAGE):
    fresh = fresh or propose_plan(inventory, PlanSettings(), "d")
    return decide(
        inventory,
        fresh,
        PROPOSE,
        existing=None if existing is None else (existing, "results/plan.json"),
        supplied=None if supplied is None else (supplied, "config/plans/d.json"),
    )


def edited_plan():
    data = generated()
    array_of(data)["shards"] = None
    return data


def test_a_fresh_plan_says_what_it_costs():
    chosen = decision()
    assert not chosen.kept
    assert chosen.plan.estimate is not None
    assert not is_edited(chosen.plan.to_json())


def test_an_unedited_plan_gives_way_even_when_its_arrays_are_gone():
    old = generated(inventory_of(*image(levels=5)))
    chosen = decision(existing=old)
    assert not chosen.kept
    assert chosen.write
    assert len(chosen.plan.arrays) == 3


def test_an_edited_plan_is_kept():
    chosen = decision(existing=edited_plan())
    assert chosen.kept
    assert chosen.proposed is None


def test_what_would_be_proposed_now_is_written_beside_an_edited_plan():
    fresh = propose_plan(IMAGE, PlanSettings(shards="none"), "d")
    chosen = decision(fresh, existing=edited_plan())
    assert chosen.kept
    assert chosen.proposed == stamped(fresh)


def test_an_edited_plan_must_fit_the_source():
    with pytest.raises(PlanError, match=r'results/plan.json: arrays\["2"\]: the source has no'):
        decision(existing=edited_plan(), inventory=inventory_of(*image(levels=2)))


def test_a_supplied_plan_comes_first_and_does_not_look_edited():
    supplied = edited_plan()
    supplied["rules"] = [{"match": "2", "shards": None}]
    supplied["arrays"].pop(1)
    chosen = decision(existing=generated(), supplied=supplied)
    data = json.loads(json.dumps(chosen.plan.to_json()))
    assert not chosen.kept
    assert not is_edited(data)
    assert [array["path"] for array in data["arrays"]] == ["0", "1", "2"]
    assert data["rules"] == [{"match": "2", "shards": None}]
    assert array_of(data, "2")["objects"] == 2 * 8 * 2 * 2  # as the rule has it
    assert any("does not name 1 of 3" in line for line in chosen.warnings)
    # next time it stands there as generated
    assert decision(existing=data, supplied=supplied).plan == chosen.plan


def test_two_plans_cannot_both_be_in_force():
    with pytest.raises(PlanError) as error:
        decision(existing=edited_plan(), supplied=generated())
    assert "results/plan.json was edited" in str(error.value)
    assert "config/plans/d.json is supplied as well" in str(error.value)


def test_an_edit_that_was_copied_to_the_supplied_plan_is_no_conflict():
    chosen = decision(existing=edited_plan(), supplied=edited_plan())
    assert not chosen.kept
    assert chosen.plan.arrays[0].shards is None

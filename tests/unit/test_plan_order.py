"""Images in F order: C order in new plans, and a plan that stands keeps what it was made with."""

import json

import pytest

from support.inventories import entry_of, inventory_of
from support.plans import PROPOSE, generated
from uplift.codecs.mapping import target_of
from uplift.models.plan import PlanSettings
from uplift.plan.decision import decide, settings_in_force
from uplift.planning.plan_files import resolved
from uplift.planning.proposal import plan_array, propose_plan


def level(order="F", role_level=0, **more):
    return entry_of(
        "0", (64, 1024, 1024), (1, 512, 512), axes="zyx", level=role_level, order=order, **more
    )


INVENTORY = inventory_of(level())


def test_an_image_in_f_order_is_written_in_c_order():
    planned = plan_array(level(), PlanSettings())
    assert planned.method == "recode"
    assert [codec["name"] for codec in planned.codecs] == ["bytes", "blosc"]
    assert planned.codecs[1]["configuration"]["cname"] == "lz4"
    assert planned.reason == (
        "F order becomes C order: several viewers show images in F order black"
    )


@pytest.mark.parametrize(
    ("entry", "settings"),
    [
        (level(order="C"), {}),
        (level(), {"image_order": "keep"}),
        (level(role_level=None), {}),  # no image
        (entry_of("0", (4096,), (512,), level=0, order="F"), {}),  # one axis
        (
            entry_of("0", (512, 8192, 8192), (64, 1024, 1024), level=0, order="F"),
            {"recode_memory_mib": 64, "keep_chunk_max_mib": 1024},
        ),
    ],
)
def test_all_else_keeps_its_order(entry, settings):
    planned = plan_array(entry, PlanSettings(**settings))
    assert (planned.codecs, planned.method) == ("keep", "repack")
    assert planned.reason == "chunks keep their bytes"


def test_a_codec_that_was_asked_for_stands():
    planned = plan_array(level(), PlanSettings(codec="zstd"))
    assert planned.reason == (
        "F order becomes C order: several viewers show images in F order black; "
        "codecs bytes, zstd (the setting codec)"
    )


def test_the_plan_may_keep_it():
    data = json.loads(json.dumps(generated(INVENTORY)))
    data["arrays"][0]["codecs"] = "keep"
    _, targets, _ = resolved(data, INVENTORY, "d", "plan.json")
    target, method = targets["0"]
    assert method == "repack"
    assert target.codecs[0]["name"] == "transpose"


def earlier(inventory=INVENTORY):
    """A plan as versions wrote it that had no settings in it, and kept F order."""
    data = generated(inventory, image_order="keep")
    del data["settings"]
    for array in data["arrays"]:
        del array["reason"]
    return data


def decided(existing, **settings):
    wanted = settings_in_force(PlanSettings(**settings), existing)
    fresh = propose_plan(INVENTORY, wanted, "d")
    return decide(INVENTORY, fresh, PROPOSE, existing=existing and (existing, "plan.json"))


def test_a_plan_of_an_earlier_version_stays_as_it_is():
    chosen = decided(earlier())
    assert (chosen.plan.arrays[0].codecs, chosen.write) == ("keep", False)
    assert decided(None).plan.arrays[0].method == "recode"


def test_so_does_what_comes_of_it():
    """Other settings change such a plan; the order stays, then and later."""
    first = decided(earlier(), shards="none")
    assert first.write
    assert first.plan.settings.image_order == "keep"
    again = decided(json.loads(json.dumps(first.plan.to_json())))
    assert again.plan.arrays[0].codecs == "keep"


def test_the_order_changes_where_it_is_asked_for():
    assert decided(earlier(), image_order="C").plan.arrays[0].method == "recode"
    made = json.loads(json.dumps(decided(None).plan.to_json()))
    assert decided(made).plan.arrays[0].method == "recode"
    assert decided(made, image_order="keep").plan.arrays[0].method == "repack"


def test_an_edited_plan_of_an_earlier_version_is_not_contradicted():
    data = earlier()
    data["arrays"][0]["shards"] = None
    chosen = decided(data)
    assert (chosen.kept, chosen.write, chosen.proposed) == (True, False, None)


def test_a_big_endian_image_becomes_little_endian_on_the_way():
    entry = level(dtype=">u2")
    codecs = plan_array(entry, PlanSettings()).codecs
    assert codecs[0] == {"name": "bytes", "configuration": {"endian": "little"}}
    assert target_of(entry.source, entry.source.chunks, None, codecs)[1] == "recode"

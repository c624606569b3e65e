"""Plans as people write them: edits, rules, parameter files."""

import pytest

from support.inventories import entry_of, image, inventory_of
from support.plans import IMAGE, PROPOSE, array_of, generated
from uplift.errors import InputError, PlanError
from uplift.models.inventory import InventoryGroup
from uplift.planning.plan_files import (
    completed,
    content_digest,
    glob_pattern,
    is_edited,
    parse_plan,
    targets_of_plan,
)


def in_force(data, inventory=IMAGE):
    """Target and method of every array, and the warnings."""
    plan, warnings = parse_plan(data, inventory, "plan.json")
    plan, more = completed(plan, inventory, PROPOSE, "d", "plan.json")
    return targets_of_plan(plan, inventory), [*warnings, *more]


def test_a_generated_plan_is_read_back():
    data = generated()
    plan, warnings = parse_plan(data, IMAGE, "plan.json")
    assert not warnings
    assert not is_edited(data)
    assert [array.path for array in plan.arrays] == ["0", "1", "2"]
    assert content_digest(plan) == plan.generated_sha256


@pytest.mark.parametrize("key", ["method", "objects", "bytes"])
def test_what_is_only_shown_is_no_edit_and_not_read(key):
    data = generated()
    array_of(data)[key] = "nonsense"
    data["estimate"] = {"whatever": 1}
    assert not is_edited(data)
    assert in_force(data)[0]["0"][1] == "repack"


EDITS = [
    # a chunk shape, sharding, codecs, a rule, an array gone, a shape, a misspelt key
    lambda data: array_of(data).update(chunks=[1, 1, 1, 256, 256]),
    lambda data: array_of(data).update(shards=None),
    lambda data: array_of(data).update(codecs="zstd"),
    lambda data: data["rules"].append({"match": "*", "shards": None}),
    lambda data: data["arrays"].pop(),
    lambda data: array_of(data).update(shape=[1]),
    lambda data: array_of(data).update(chunk=[1]),
    lambda data: data.update(rule=[]),
    lambda data: data.pop("generated_sha256"),
]


@pytest.mark.parametrize("edit", EDITS)
def test_edits_show(edit):
    data = generated()
    edit(data)
    assert is_edited(data)


def test_an_edit_concerns_its_array_alone():
    before, _ = in_force(generated())
    data = generated()
    array_of(data, "1").update(
        chunks=[1, 1, 2, 512, 512], shards=[1, 1, 4, 1024, 1024], codecs="zstd"
    )
    after, _ = in_force(data)
    target, method = after["1"]
    assert (target.chunks, target.shards, method) == (
        (1, 1, 2, 512, 512),
        (1, 1, 4, 1024, 1024),
        "recode",
    )
    assert [codec["name"] for codec in target.codecs] == ["bytes", "zstd"]
    assert (before["0"], before["2"]) == (after["0"], after["2"])


def test_a_changed_shape_is_ignored_with_a_warning():
    data = generated()
    array_of(data)["shape"] = [1, 2, 8, 1, 1]
    targets, warnings = in_force(data)
    assert targets["0"][0].shape == (1, 2, 8, 4096, 4096)
    assert warnings == [
        'plan.json: arrays["0"].shape [1,2,8,1,1] is ignored: the array has [1,2,8,4096,4096]'
    ]


def test_missing_arrays_are_planned_as_proposed():
    data = generated()
    del data["arrays"][1:]
    targets, warnings = in_force(data)
    assert targets == in_force(generated())[0]
    assert warnings == [
        "plan.json: does not name 2 of 3 arrays (first: 1): planned as proposed",
    ]


def entry(**changes):
    return lambda data: array_of(data).update(changes)


def rule(**changes):
    return lambda data: data["rules"].append(changes)


REFUSED = [
    (
        entry(shards=[1, 1, 1, 1000, 1024]),
        'plan.json: arrays["0"].shards [1,1,1,1000,1024] is not a multiple of chunks '
        "[1,1,1,512,512] on axis y: use 512 or 1024",
    ),
    (
        entry(chunks=[1, 1, 1, 300, 512]),
        'plan.json: arrays["0"].shards [1,1,2,4096,4096] is not a multiple of chunks '
        "[1,1,1,300,512] on axis y: use 3900 or 4200",
    ),
    (
        entry(chunks=[512, 512]),
        'plan.json: arrays["0"].chunks [512,512] has 2 lengths, the array has 5 axes '
        "(t,c,z,y,x): use 5, e.g. [1,1,1,512,512]",
    ),
    (
        entry(shards=[1, 1, 0, 512, 512]),
        'plan.json: arrays["0"].shards [1,1,0,512,512] is 0 on axis z: use 1 or more, e.g. 1',
    ),
    (
        entry(chunks=[1, 1, 1, 1, 1], shards=[1, 1, 8, 4096, 4096]),
        'plan.json: arrays["0"].shards [1,1,8,4096,4096] holds 134217728 chunks of [1,1,1,1,1], '
        "4194304 are allowed: use e.g. [1,1,8,512,1024]",
    ),
    (
        entry(chunks=[1, 1, 8, 4096, 4096], shards=None),
        'plan.json: arrays["0"].chunks [1,1,8,4096,4096]: recoding from chunks [1,1,1,512,512] '
        "takes up to 1544 MiB of memory, recode_memory_mib is 1000: use [1,1,1,512,512], or "
        "set recode_memory_mib to 1544",
    ),
    (
        entry(codecs=[{"name": "lz77"}]),
        'plan.json: arrays["0"]: codec "lz77" is unknown or would lose precision',
    ),
    (entry(codecs="zip"), 'plan.json: arrays["0"]: codecs: is neither keep, blosc, zstd'),
    (entry(path="O"), 'plan.json: arrays["O"]: the source has no such array; known: 0, 1, 2'),
    (
        entry(chunk=[1]),
        'plan.json: arrays["0"]: chunk: unknown key "chunk"; did you mean "chunks"?',
    ),
    (
        entry(chunks="big"),
        'plan.json: arrays["0"]: chunks: "big" is not a list of lengths, one for each axis, such',
    ),
    (entry(chunks=["a"]), 'plan.json: arrays["0"]: chunks[0]: Input should be a valid integer'),
    (lambda d: array_of(d).pop("path"), 'plan.json: arrays[0] has no "path"'),
    (
        lambda d: d["arrays"].append(array_of(d)),
        'plan.json: arrays["0"] is there twice; keep one',
    ),
    (lambda d: d.update(rulse=[]), 'plan.json: rulse: unknown key "rulse"; did you mean "rules"?'),
    (lambda d: d.update(arrays={}), "plan.json: neither a plan nor a parameter file"),
    (rule(match="9"), 'plan.json: rules[0].match "9" matches no array; known: 0, 1, 2'),
    (
        rule(match="*", shards=[1, 1, 8, 1000, 1024]),
        'plan.json: arrays["0"].shards [1,1,8,1000,1024] (from rules[0]) is not a multiple',
    ),
    (rule(match="*", chunks=None), "plan.json: rules[0].chunks is null; leave it out, or set it"),
    (rule(match="*", shrads=[1]), 'plan.json: rules[0].shrads: unknown key "shrads"; did you'),
    (rule(shards=[1]), "plan.json: rules[0].match: missing; add it"),
]


@pytest.mark.parametrize(("edit", "message"), REFUSED)
def test_refused_edits(edit, message):
    data = generated()
    edit(data)
    with pytest.raises(InputError) as error:
        plan, _ = parse_plan(data, IMAGE, "plan.json")
        plan, _ = completed(plan, IMAGE, PROPOSE, "d", "plan.json")
        targets_of_plan(plan, IMAGE, memory_mib=1000)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_the_value_that_works_works():
    data = generated()
    array_of(data).update(chunks=[1, 1, 1, 1, 1], shards=[1, 1, 8, 512, 1024])
    assert in_force(data)[0]["0"][0].shards == (1, 1, 8, 512, 1024)


RULES = [
    # rules -> shards of "0", "1", "2" ("p" as proposed)
    ([{"match": "*", "shards": None}], [None, None, None]),
    ([{"match": "[01]", "shards": "none"}], [None, None, "p"]),
    ([{"match": "[!0]", "shards": None}], ["p", None, None]),
    # the last one wins; a missing key changes nothing
    (
        [
            {"match": "**", "shards": None},
            {"match": "1", "shards": [1, 1, 1, 512, 512]},
            {"match": "1", "codecs": "gzip"},
        ],
        [None, (1, 1, 1, 512, 512), None],
    ),
]


@pytest.mark.parametrize(("rules", "shards"), RULES)
def test_rules(rules, shards):
    data = generated()
    proposed = in_force(data)[0]
    data["rules"] = rules
    targets, _ = in_force(data)
    for path, expected in zip("012", shards, strict=True):
        wanted = proposed[path][0].shards if expected == "p" else expected
        assert targets[path][0].shards == wanted
    names = [codec["name"] for codec in targets["1"][0].codecs]
    assert ("gzip" in names) == any("codecs" in rule for rule in rules)


GLOBS = [
    # glob, matches, does not
    ("*/*/*/0", ["A/1/0/0"], ["A/1/0/1", "A/0", "B/A/1/0/0"]),
    ("**/0", ["0", "A/0", "A/1/0/0"], ["A/10", "A/0/1"]),
    ("labels/**", ["labels/a/0", "labels/b"], ["xlabels/a", "labels"]),
    ("**", ["", "a", "a/b"], []),
    ("?/x", ["a/x"], ["ab/x", "/x"]),
    ("[a-c]*", ["abc"], ["d", "a/b"]),
    ("a.b", ["a.b"], ["axb"]),
    ("(a|b)+[", ["(a|b)+["], ["a"]),
]


@pytest.mark.parametrize(("glob", "matches", "others"), GLOBS)
def test_globs(glob, matches, others):
    pattern = glob_pattern(glob)
    assert all(pattern.fullmatch(path) for path in matches)
    assert not any(pattern.fullmatch(path) for path in others)


def test_null_shards_of_a_rule_survive_a_round_trip():
    data = generated()
    data["rules"] = [{"match": "*", "shards": None}, {"match": "1", "codecs": "keep"}]
    plan, _ = parse_plan(data, IMAGE, "plan.json")
    assert plan.to_json()["rules"] == data["rules"]


def test_records_cannot_be_sharded_by_an_edit():
    entry = entry_of("t", (1000,), (10,), dtype=[["a", "<i4"]], compressor=None)
    source = entry.source.model_copy(update={"fill_value": None})
    inventory = inventory_of(entry.model_copy(update={"source": source}))
    with pytest.raises(PlanError, match="records or raw bytes: use null"):
        in_force({"t": {"chunks": [10], "shards": [100]}}, inventory)


def test_problem_arrays_may_stand_in_a_plan():
    inventory = inventory_of(*image(), entry_of("x", (4,), (2,), problem="no"))
    data = generated()
    data["arrays"].append({"path": "x", "shape": [4], "chunks": [2], "shards": None})
    assert "x" not in in_force(data, inventory)[0]


# ------------------------------------------------------------------ parameter files

LEVELS = [
    {
        "shape": [1, 2, 8, 4096, 4096],
        "chunks": [1, 1, 1, 512, 512],
        "shards": [1, 1, 1, 1024, 1024],
    },
    {"shape": [1, 2, 8, 2048, 2048], "chunks": [1, 1, 1, 256, 256], "shards": [1, 1, 1, 512, 512]},
]


def two_images_and_labels(second_size):
    arrays = [*image("A"), *image("B", size=second_size), *image("A/labels/x")]
    groups = [
        InventoryGroup(path="A", roles=("image",)),
        InventoryGroup(path="A/labels/x", roles=("image", "label image")),
        InventoryGroup(path="B", roles=("image",)),
    ]
    return inventory_of(*arrays, groups=groups)


def test_a_list_goes_by_level():
    targets, warnings = in_force(LEVELS)
    assert [targets[path][0].shards for path in "01"] == [
        (1, 1, 1, 1024, 1024),
        (1, 1, 1, 512, 512),
    ]
    assert [targets[path][1] for path in "012"] == ["repack", "recode", "repack"]
    assert warnings == ["plan.json: does not name 1 of 3 arrays (first: 2): planned as proposed"]


@pytest.mark.parametrize(("second_size", "applied"), [(4096, True), (1024, False)])
def test_a_list_goes_for_every_image_of_the_same_shapes_and_no_labels(second_size, applied):
    targets, warnings = in_force(LEVELS, two_images_and_labels(second_size))
    assert targets["A/1"][0].chunks == (1, 1, 1, 256, 256)
    assert (targets["B/1"][0].chunks == (1, 1, 1, 256, 256)) == applied
    assert targets["A/labels/x/1"][0].chunks == (1, 1, 1, 512, 512)
    assert any("1 images have other shapes" in line for line in warnings) != applied


def test_a_mapping_goes_by_path():
    targets, _ = in_force({"1": LEVELS[1]})
    assert targets["1"][0].shards == (1, 1, 1, 512, 512)


NO_PARAMETERS = [
    (LEVELS * 2, "p.json: has 4 objects, image / has 3 levels: give 3 or fewer"),
    ([1], "p.json: [0]: 1 is not {shape, chunks, shards}"),
    ([{"chunks": [1]}], "p.json: [0]: shards: missing; add it"),
    ({"7": LEVELS[0]}, 'p.json: arrays["7"]: the source has no such array'),
    ({"1": {"chunk": []}}, 'p.json: "1": unknown key "chunk"; did you mean "chunks"?'),
    ("text", "p.json: neither a plan nor a parameter file"),
    (None, "p.json: neither a plan nor a parameter file"),
]


@pytest.mark.parametrize(("data", "message"), NO_PARAMETERS)
def test_refused_parameter_files(data, message):
    with pytest.raises(PlanError) as error:
        parse_plan(data, IMAGE, "p.json")
    assert str(error.value).startswith(message)


def test_a_list_needs_an_image():
    with pytest.raises(PlanError, match="the source has none; map array paths"):
        parse_plan(LEVELS, inventory_of(entry_of("t", (4,), (2,))), "p.json")

"""The program that plans: exit codes, files, and an edit that is never lost."""

import json

import pytest

from support.inventories import image, inventory_of
from support.steps import program
from uplift.work import json_files

main = program("plan")


@pytest.fixture
def work(tmp_path):
    json_files.write_json(tmp_path / "inventory.json", inventory_of(*image()))
    return tmp_path


def plan(work, *extra, code=0):
    paths = ["--inventory", str(work / "inventory.json"), "--plan", str(work / "plan.json")]
    assert main([*paths, "--dataset", "d", *extra]) == code


def load(path):
    return json.loads(path.read_text())


def edit(work, **changes):
    data = load(work / "plan.json")
    data["arrays"][0].update(changes)
    text = json.dumps(data)
    (work / "plan.json").write_text(text)
    return text


def test_a_plan_is_written(work):
    plan(work)
    data = load(work / "plan.json")
    assert list(data) == [
        "schema", "dataset", "generated_sha256", "estimate", "settings", "rules", "arrays",
    ]  # fmt: skip
    assert list(data["arrays"][0]) == [
        "path", "shape", "chunks", "shards", "codecs", "method", "reason", "objects",
        "bytes",
    ]  # fmt: skip
    assert '"shape": [1, 2, 8, 4096, 4096]' in (work / "plan.json").read_text()
    assert sorted(path.name for path in work.iterdir()) == ["inventory.json", "plan.json"]


def test_an_unedited_plan_follows_the_settings(work):
    plan(work)
    plan(work, "--settings", '{"shards": "none"}')
    assert [array["shards"] for array in load(work / "plan.json")["arrays"]] == [None] * 3
    assert not (work / "plan.proposed.json").exists()


def test_an_edited_plan_outlives_everything(work, capsys):
    plan(work)
    text = edit(work, shards=None)
    plan(work)
    assert not (work / "plan.proposed.json").exists()
    plan(work, "--settings", '{"shards": "none"}')
    assert (work / "plan.json").read_text() == text
    assert (work / "plan.json~").read_text() == text
    proposed = load(work / "plan.proposed.json")
    assert [array["shards"] for array in proposed["arrays"]] == [None] * 3
    assert "plan.json: was edited and is kept" in capsys.readouterr().err
    # back to the settings it was made from: nothing to say
    plan(work)
    assert (work / "plan.json").read_text() == text
    assert not (work / "plan.proposed.json").exists()


def test_an_edited_plan_that_leaves_arrays_out_is_written_in_full(work):
    plan(work)
    data = load(work / "plan.json")
    array = {**data["arrays"][1], "shards": None}
    text = json.dumps({"rules": [{"match": "0", "codecs": "zstd"}], "arrays": [array]})
    (work / "plan.json").write_text(text)
    plan(work, "--settings", '{"shards": "none"}')
    assert (work / "plan.json~").read_text() == text
    written = load(work / "plan.json")
    assert [one["path"] for one in written["arrays"]] == ["0", "1", "2"]
    assert written["arrays"][0]["method"] == "recode"
    assert "codecs bytes, zstd (rules[0])" in written["arrays"][0]["reason"]
    assert written["settings"]["shards"] == "none"
    plan(work)  # other settings do not change it any more
    assert load(work / "plan.json") == written


def test_more_memory_reaches_an_edited_plan(work):
    plan(work)
    edit(work, shards=None)
    plan(work, "--settings", '{"recode_memory_mib": 4096}')
    written = load(work / "plan.json")
    assert written["settings"]["recode_memory_mib"] == 4096
    assert written["arrays"][0]["shards"] is None


def test_an_edit_that_cannot_be_carried_out_stays_to_be_corrected(work, capsys):
    plan(work)
    text = edit(work, chunks=[1, 1, 256, 256])
    plan(work, code=1)
    assert (work / "plan.json").read_text() == text
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        f'error: {work}/plan.json: arrays["0"].chunks [1,1,256,256] has 4 lengths, the array has '
        "5 axes (t,c,z,y,x): use 5, e.g. [1,1,1,512,512]"
    )


def test_a_supplied_plan(work):
    plan(work)
    mine = work / "mine.json"
    mine.write_text(json.dumps({"2": {"chunks": [1, 1, 1, 512, 512], "shards": None}}))
    plan(work, "--supplied", str(mine))
    assert load(work / "plan.json")["arrays"][2]["shards"] is None
    first = (work / "plan.json").read_text()
    plan(work, "--supplied", str(mine))
    assert (work / "plan.json").read_text() == first
    mine.write_text(json.dumps({"1": {"chunks": [1, 1, 1, 512, 512], "shards": None}}))
    plan(work, "--supplied", str(mine))
    shards = [array["shards"] for array in load(work / "plan.json")["arrays"]]
    assert [one is None for one in shards] == [False, True, False]


def test_supplied_and_edited(work, capsys):
    plan(work)
    text = edit(work, shards=None)
    mine = work / "mine.json"
    mine.write_text('{"rules": [{"match": "1", "shards": null}]}')
    plan(work, "--supplied", str(mine), code=1)
    error = capsys.readouterr().err
    assert f"{work}/plan.json was edited, and {mine} is supplied as well" in error
    assert (work / "plan.json").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--settings", "{"], 2, "not JSON"),
        (["--settings", "[1]"], 2, "--settings: not a JSON object"),
        (["--supplied", "absent.json"], 1, "absent.json: no such file"),
        (["--settings", '{"chunk": 1}'], 1, 'unknown key "chunk"; did you mean "chunks"?'),
        (["--settings", '{"shard_mib": 0}'], 1, "planning of d: shard_mib: "),
        (["--nonsense"], 2, "unrecognized arguments"),
    ],
)
def test_mistakes(work, capsys, arguments, code, message):
    plan(work, *arguments, code=code)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (work / "plan.json").exists()


def test_help(capsys):
    assert main(["--help"]) == 0
    assert "plan.proposed.json" in capsys.readouterr().out

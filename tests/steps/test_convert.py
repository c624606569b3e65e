"""Slices of the plan in force: what each carries out, keeps and forgets, after edits too."""

import json
import re
import shutil

import pytest

from support.images import write_image
from support.steps import Conversion, StepError, program
from support.workflow import contents


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("slices")
    write_image(root / "in.zarr", size=64, chunk=16)
    conversion_in(root).all()
    return root


def conversion_in(root):
    return Conversion(
        str(root / "in.zarr"),
        str(root / "out.zarr"),
        root / "work",
        plan_settings='{"shards": {"y": 32, "x": 32}}',
        batch_settings='{"batch_mib": 1}',
    )


@pytest.fixture
def work(finished, tmp_path, monkeypatch):
    """A copy of the work files; the output is shared, and every batch is one array."""
    monkeypatch.setattr("uplift.planning.batching.MAX_ARRAYS", 1)
    shutil.copytree(finished, tmp_path / "w")
    made = conversion_in(tmp_path / "w")
    for name in ("claim.json", "published.json"):
        file = made.path(name)
        file.write_text(file.read_text().replace(str(finished), str(tmp_path / "w")))
    return made


def edit(conversion, path, **changes):
    plan = json.loads(conversion.path("plan.json").read_text())
    (array,) = [one for one in plan["arrays"] if one["path"] == path]
    array.update(changes)
    conversion.path("plan.json").write_text(json.dumps(plan))


def did(capfd, conversion, number=1):
    """Arrays whose batches one job converted, and those that it kept."""
    capfd.readouterr()
    conversion.convert_slice(number)
    said = capfd.readouterr().err
    return tuple(
        [name.split(".")[0] for name in re.findall(pattern, said)]
        for pattern in (r"INFO (\S+): converting", r"INFO (\S+): done already")
    )


ALL = ["0", "1", "labels-nuclei-0", "labels-nuclei-1"]


def test_what_is_done_is_kept_unless_it_is_planned_otherwise(work, capfd):
    assert did(capfd, work) == (ALL, []), "batches of other names: all of them again"
    assert did(capfd, work) == ([], ALL)
    edit(work, "1", shards=None)
    assert did(capfd, work) == (["1"], ["0", "labels-nuclei-0", "labels-nuclei-1"])
    assert work.path("plan.json~").exists()
    done = json.loads(work.path("convert", "1-of-1.json").read_text())
    assert done["estimate"]["methods"] == {"repack": 4}


def test_slices_share_the_work_in_any_order(work, capfd):
    work.slices = 3
    shares = {number: did(capfd, work, number)[0] for number in (3, 1, 2)}
    assert shares[1] + shares[2] + shares[3] == ALL
    assert did(capfd, work, 2) == ([], shares[2])
    work.slices = 2
    assert did(capfd, work, 1)[0] == [], "another number of slices shares what is done"
    work.convert()
    work.migrate()
    work.write_crate()
    assert work.validate()["verdict"] == "valid"
    work.publish()


@pytest.mark.parametrize("slices", [1, 3])
def test_an_edit_that_is_taken_back_amid_the_conversion(work, slices, monkeypatch):
    """Of plan A all slices are done, of B the first alone; then A is in force again."""
    work.slices = slices
    work.convert()
    before = contents(work.path("..", "out.zarr"))
    kept = work.path("plan.json").read_bytes()
    edit(work, "0", shards=None)
    work.convert_slice(1)
    for number in range(2, slices + 1):
        assert not work.path("convert", f"{number}-of-{slices}.json").exists(), "due again"
    work.path("plan.json").write_bytes(kept)
    work.convert()
    work.migrate()
    work.write_crate()
    assert work.validate()["verdict"] == "valid"
    after = contents(work.path("..", "out.zarr"))
    assert {k: v for k, v in after.items() if "/c/" in k} == {
        k: v for k, v in before.items() if "/c/" in k
    }


def test_an_emptied_output_is_converted_again(work, capfd):
    work.convert()
    shutil.rmtree(work.path("..", "out.zarr"))
    work.path("claim.json").unlink()
    work.claim()
    assert did(capfd, work) == (ALL, [])


def test_settings_of_the_plan_stand_in_for_what_an_edit_leaves_out(work):
    plan = json.loads(work.path("plan.json").read_text())
    some = {"arrays": plan["arrays"][:1], "settings": {**plan["settings"], "shards": "none"}}
    work.path("plan.json").write_text(json.dumps({**plan, **some}))
    shards = {path: target.shards for path, (target, _) in work.in_force().targets.items()}
    assert shards["0"] is not None
    assert shards["labels/nuclei/0"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": [{"match": "c/*", "shards": None}]}, 'rules[0].match "c/*" matches no'),
        ({"rules": 3}, "plan.json: rules: "),
        ({"arrays": [], "settings": None}, 'arrays["0"] is missing, and so are the settings'),
    ],
)
def test_mistakes_change_nothing(work, capfd, change, message):
    work.convert()
    before = contents(work.work)
    plan = json.loads(work.path("plan.json").read_text())
    work.path("plan.json").write_text(json.dumps({**plan, **change}))
    capfd.readouterr()
    with pytest.raises(StepError):
        work.convert()
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x.startswith("error: ")]
    assert message in line
    after = contents(work.work)
    assert {key for key in after if after[key] != before[key]} <= {"plan.json"}


def test_a_slice_has_its_number_in_its_name(work, capfd):
    options = {**work.convert_options(1), "slice": work.path("convert", "all.json")}
    argv = [str(part) for name, value in options.items()
            for part in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
    assert program("convert")(argv) == 2
    assert "is not named <k>-of-<K>.json" in capfd.readouterr().err


def test_migrate_refuses_slices_of_another_plan(work, capfd):
    work.convert()
    edit(work, "0", shards=None)
    with pytest.raises(StepError):
        work.migrate()
    assert "the plan changed while its batches were converted" in capfd.readouterr().err

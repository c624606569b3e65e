"""After an edit of the plan only the arrays concerned are written again; nothing stale stays."""

import json
import shutil

import pytest
import zarr

from support.images import write_image
from support.steps import Conversion

EDITS = {
    "smaller shards": {"shards": [1, 1, 16, 48]},
    "larger shards": {"shards": [2, 5, 96, 96]},
    "unsharded": {"shards": None},
    "other chunks": {"chunks": [1, 1, 32, 32], "shards": [1, 5, 96, 96]},
    "other codec": {"codecs": [{"name": "zstd", "configuration": {"level": 1}}]},
}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    root = tmp_path_factory.mktemp("edits")
    write_image(root / "in.zarr")
    settings = '{"shards": {"z": 5, "y": 48, "x": 48}}'
    conversion = Conversion(
        str(root / "in.zarr"), str(root / "out.zarr"), root / "work", plan_settings=settings
    )
    conversion.all()
    return root


def facts(root, path):
    """Identity of every file of an array: what a rewrite would change."""
    return {
        p.relative_to(root): (p.stat().st_ino, p.stat().st_mtime_ns)
        for p in (root / path).rglob("*")
        if p.is_file()
    }


@pytest.mark.parametrize("as_rule", [False, True], ids=["entry", "rule"])
@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_of_one_array(kind, as_rule, converted, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(converted, root)
    conversion = Conversion(str(converted / "in.zarr"), str(root / "out.zarr"), root / "work")
    for name in ("claim.json", "published.json"):
        data = json.loads(conversion.path(name).read_text())
        conversion.path(name).write_text(json.dumps({**data, "output": str(root / "out.zarr")}))
    plan = json.loads(conversion.path("plan.json").read_text())
    if as_rule:
        plan["rules"] = [{"match": "0", **EDITS[kind]}]
    else:
        (entry,) = [array for array in plan["arrays"] if array["path"] == "0"]
        entry.update(EDITS[kind])
    conversion.path("plan.json").write_text(json.dumps(plan))
    others = ["1", "labels/nuclei/0", "labels/nuclei/1"]
    before = {path: facts(root / "out.zarr", path) for path in others}
    for step in (conversion.plan, conversion.claim):
        step()
    assert not (root / "out.zarr" / "zarr.json").exists()
    conversion.convert()
    conversion.migrate()
    conversion.write_crate()
    assert conversion.validate()["verdict"] == "valid"
    conversion.publish()
    assert {path: facts(root / "out.zarr", path) for path in others} == before
    array = zarr.open_array(root / "out.zarr" / "0", mode="r")
    planned = EDITS[kind].get("shards", [1, 5, 48, 48])
    assert list(array.shards or []) == (planned or [])
    source = zarr.open_array(converted / "in.zarr" / "0", mode="r", zarr_format=2)
    assert (array[...] == source[...]).all()

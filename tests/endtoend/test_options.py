"""What an output may have besides: consolidated metadata, and a manifest of check sums."""

import json
import shutil
import subprocess
import warnings

import numpy as np
import pytest
import zarr

from support.hierarchies import Array, Group, write
from support.images import write_image
from support.steps import Conversion, StepError


@pytest.fixture
def conversion(tmp_path):
    source = write_image(tmp_path / "in.zarr", size=32, chunk=16)
    return Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")


def errors(validation):
    return [(f["code"], f["path"]) for f in validation["findings"] if f["severity"] == "error"]


def sha256sum(folder):
    return subprocess.run(
        ["sha256sum", "--strict", "-c", "manifest.sha256"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_consolidated_metadata(conversion, tmp_path):
    conversion.consolidated = "true"
    assert conversion.all()["verdict"] == "valid"
    output = tmp_path / "out.zarr"
    group = zarr.open_consolidated(str(output))
    assert {path for path, _ in group.members(max_depth=None)} == {
        "0",
        "1",
        "labels",
        "labels/nuclei",
        "labels/nuclei/0",
        "labels/nuclei/1",
    }
    plain = zarr.open_group(str(output), mode="r", use_consolidated=False)
    assert np.array_equal(group["labels/nuclei/1"][...], plain["labels/nuclei/1"][...])


def test_consolidated_as_zarr_python_does(conversion, tmp_path):
    conversion.consolidated = "true"
    conversion.all()
    document = tmp_path / "out.zarr" / "zarr.json"
    ours = json.loads(document.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata are not in the specification of v3
        zarr.consolidate_metadata(str(tmp_path / "out.zarr"))
    theirs = json.loads(document.read_text())
    assert ours["attributes"] == theirs["attributes"]
    found = ours["consolidated_metadata"]["metadata"]
    expected = theirs["consolidated_metadata"].pop("metadata")
    assert found.keys() == expected.keys()
    for path, one in expected.items():
        assert found[path]["node_type"] == one["node_type"]
        assert found[path]["attributes"] == one["attributes"]
        assert found[path].get("shape") == one.get("shape")
    assert {**theirs["consolidated_metadata"], "metadata": found} == ours["consolidated_metadata"]


def test_consolidated_metadata_that_say_something_else(conversion):
    conversion.consolidated = "true"
    conversion.before_validation()
    root = conversion.path("root.zarr.json")
    document = json.loads(root.read_text())
    document["consolidated_metadata"]["metadata"]["0"]["shape"] = [1, 1, 1, 1]
    root.write_text(json.dumps(document))
    validation = conversion.validate()
    assert errors(validation) == [("root.consolidated", "0")]
    assert validation["verdict"] == "invalid"


def test_manifest(conversion, tmp_path):
    conversion.manifest = True
    validation = conversion.all()
    output = tmp_path / "out.zarr"
    checked = sha256sum(output)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    lines = (output / "manifest.sha256").read_text().splitlines()
    listed = {line.split("  ", 1)[1] for line in lines}
    files = {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()}
    assert listed == files - {"manifest.sha256"}
    assert validation["objects"] == len(files)
    assert validation["bytes"] == sum((output / name).stat().st_size for name in files)


def test_manifest_of_odd_names(tmp_path):
    node = Group(
        {"a b": Array((4, 4), (2, 2)), "%20": Array((4,), (2,))},
        files={"back\\slash": b"0", "line\nbreak": b"1", "ä": b"2", " x": b"3"},
    )
    write(tmp_path / "in.zarr", node)
    out = tmp_path / "out.zarr"
    conversion = Conversion(str(tmp_path / "in.zarr"), str(out), tmp_path / "work", manifest=True)
    conversion.all()
    checked = sha256sum(out)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_manifest_again_after_a_change(conversion, tmp_path):
    """An earlier manifest is not a stray object, and is replaced."""
    conversion.manifest = True
    conversion.all()
    before = (tmp_path / "out.zarr" / "manifest.sha256").read_bytes()
    shutil.rmtree(conversion.path("journal"))
    conversion.about = conversion.about.replace("CC-BY-4.0", "CC0-1.0")
    conversion.all()
    assert (tmp_path / "out.zarr" / "manifest.sha256").read_bytes() != before
    assert sha256sum(tmp_path / "out.zarr").returncode == 0


def test_a_manifest_that_is_not_asked_for_any_more(conversion, tmp_path):
    """It is removed, unless a person changed it."""
    conversion.manifest = True
    conversion.all()
    conversion.manifest = False
    validation = conversion.all()
    output = tmp_path / "out.zarr"
    assert not (output / "manifest.sha256").exists()
    assert not conversion.path("manifest.sha256").exists()
    assert validation["objects"] == len([p for p in output.rglob("*") if p.is_file()])
    (output / "manifest.sha256").write_text("a stranger's")
    assert conversion.validate()["verdict"] == "invalid"


def test_manifest_of_another_validation(conversion, capsys):
    conversion.manifest = True
    conversion.before_validation()
    conversion.validate()
    conversion.path("manifest.sha256").write_text("")
    with pytest.raises(StepError):
        conversion.publish()
    assert "manifest.sha256 is not the one that validation made" in capsys.readouterr().err


def test_manifest_of_the_source(conversion, tmp_path):
    (tmp_path / "in.zarr" / "manifest.sha256").write_text("the source's own")
    conversion.manifest = True
    conversion.before_validation()
    codes = [f["code"] for f in conversion.validate()["findings"] if f["severity"] == "error"]
    assert codes == ["manifest.taken"]

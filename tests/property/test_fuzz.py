"""Damaged sources: an exit code and one line, or a valid dataset; nothing else, nowhere else."""

import json
import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from support.hierarchies import Array, Group, plate, well, write
from support.images import write_image
from support.steps import Conversion, StepError

RUNS = int(os.environ.get("UPLIFT_FUZZ_RUNS", "40"))
ODD_VALUES = [
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    "",
    "x",
    "../../etc",
    "NaN",
    [],
    [0],
    {},
    {"id": "x"},
]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Sources to damage: an image, the sharded Zarr v3 made of it, and a plate."""
    home = tmp_path_factory.mktemp("fuzz")
    image = write_image(home / "image.zarr", size=32, chunk=16)
    sharded = home / "sharded.zarr"
    Conversion(str(image), str(sharded), home / "work").all()
    array = Array((2, 6, 6), (1, 4, 4), compressor={"id": "zlib", "level": 1}, order="F")
    wells = {"A/1": well("01", array), "B/2": well("0", array)}
    node = plate(wells, list(wells), **{"bioformats2raw.layout": 3})
    node.nodes["OME"] = Group(attributes={"series": ["A/1/0", "A/1/1", "B/2/0"]})
    write(home / "plate.zarr", node)
    return [image, sharded, image, home / "plate.zarr"]


def places(value, path=()):
    """Paths of every value inside decoded JSON."""
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from places(item, (*path, key))


def mutate_json(rng, data):
    try:
        document = json.loads(data)
    except ValueError:  # damaged before
        return mutate_bytes(rng, data)
    found = [place for place in places(document) if place]
    if not found:
        return json.dumps(rng.choice(ODD_VALUES)).encode()
    path = rng.choice(found)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    action = rng.choice(["replace", "delete", "repeat"])
    if action == "delete":
        del parent[path[-1]]
    elif action == "repeat" and isinstance(parent, list):
        parent.append(parent[path[-1]])
    else:
        parent[path[-1]] = rng.choice(ODD_VALUES)
    return json.dumps(document).encode()


def mutate_bytes(rng, data):
    action = rng.choice(["flip", "truncate", "empty", "append", "zero", "remove"])
    if action == "flip" and data:
        at = rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if action == "truncate":
        return data[: rng.randrange(len(data) + 1)]
    if action == "append":
        return data + rng.randbytes(rng.randrange(1, 64))
    if action == "zero":
        return bytes(len(data))
    return b"" if action == "empty" else None


def is_metadata(path):
    return path.name.startswith(".z") or path.suffix == ".json"


def damage(rng, root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    metadata = [path for path in files if is_metadata(path)]
    path = rng.choice(metadata if rng.random() < 0.7 else files)
    data = path.read_bytes()
    if is_metadata(path) and rng.random() < 0.8:
        changed = mutate_json(rng, data)
    else:
        changed = mutate_bytes(rng, data)
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)


@pytest.mark.parametrize("seed", range(RUNS))
def test_damaged_source(seed, pristine, capfd):
    rng = random.Random(seed)
    home = Path(tempfile.mkdtemp())
    try:
        source = home / "in.zarr"
        shutil.copytree(pristine[seed % len(pristine)], source)
        for _ in range(rng.randint(1, 2)):
            damage(rng, source)
        before = sorted(str(path) for path in source.rglob("*"))
        conversion = Conversion(str(source), str(home / "out.zarr"), home / "work")
        try:
            conversion.all()
        except StepError as error:
            assert error.code == 1
            lines = [x for x in capfd.readouterr().err.splitlines() if x.startswith("error: ")]
            assert len(lines) == 1
            assert len(lines[0]) < 1000
            assert not (home / "out.zarr" / "zarr.json").exists()
        assert sorted(str(path) for path in source.rglob("*")) == before
        assert {path.name for path in home.iterdir()} <= {"in.zarr", "out.zarr", "work"}
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("labels", [True, 7, "nuclei", {}, None, [7], [["nuclei"]]])
def test_labels_that_are_no_list_of_paths(tmp_path, labels):
    """Found by damaged sources: a verdict or one line, and no traceback."""
    source = write_image(tmp_path / "in.zarr", size=32, chunk=16)
    (source / "labels" / ".zattrs").write_text(json.dumps({"labels": labels}))
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    try:
        conversion.before_validation()
        assert conversion.validate()["verdict"] in ("valid", "invalid")
    except StepError as error:
        assert error.code == 1


@pytest.mark.parametrize("node", ["", "0", "labels", "labels/nuclei/0"])
def test_v3_attributes_that_are_null(tmp_path, pristine, node):
    """Found by damaged sources: a verdict or one line, and no traceback."""
    source = tmp_path / "in.zarr"
    shutil.copytree(pristine[1], source)
    document = json.loads((source / node / "zarr.json").read_text())
    (source / node / "zarr.json").write_text(json.dumps({**document, "attributes": None}))
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.before_validation()
    assert conversion.validate()["verdict"] in ("valid", "invalid")

"""A validator that never fails is untested: each kind of damage to an output is named."""

import json
import shutil

import numpy as np
import pytest
import zarr

from support.steps import Conversion, StepError
from uplift.models.json_text import document_bytes


def write_source(folder):
    """Write an OME-Zarr 0.4 image with two levels, a label image, and more, with zarr-python."""
    root = zarr.open_group(folder, mode="w", zarr_format=2)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, size=(2, 64, 64), dtype="u2")
    levels = {"0": values, "1": values[:, ::2, ::2]}
    write_levels(root, levels, "cyx")
    root.attrs["omero"] = {
        "channels": [
            {"color": "FF0000", "window": {"start": 0, "end": 9, "min": 0, "max": 9}},
            {"color": "00FF00", "window": {"start": 0, "end": 9, "min": 0, "max": 9}},
        ]
    }
    root.attrs["acquisition"] = {"version": "7", "operator": "Ada"}
    labels = root.create_group("labels")
    labels.attrs["labels"] = ["nuclei"]
    nuclei = labels.create_group("nuclei")
    masks = {name: (level[0] > 500).astype("u1") for name, level in levels.items()}
    write_levels(nuclei, masks, "yx")
    nuclei.attrs["image-label"] = {"version": "0.4", "source": {"image": "../../"}}
    extra = root.create_array("extra", shape=(8, 8), chunks=(4, 4), dtype="f4", fill_value=-1.0)
    extra[:4, :4] = 2.5
    extra.attrs["unit"] = "volt"
    (folder / "README.txt").write_text("read me\n")


def write_levels(group, levels, axes):
    kinds = {"c": "channel", "y": "space", "x": "space"}
    for name, values in levels.items():
        chunks = (1,) * (values.ndim - 2) + (16, 16)
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=chunks,
            dtype=values.dtype,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        array[...] = values
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": a, "type": kinds[a]} for a in axes],
            "datasets": [
                {
                    "path": name,
                    "coordinateTransformations": [
                        {
                            "type": "scale",
                            "scale": [1.0] * (len(axes) - 2) + [2.0 ** int(name)] * 2,
                        }
                    ],
                }
                for name in levels
            ],
        }
    ]


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    write_source(folder / "in.zarr")
    conversion = Conversion(str(folder / "in.zarr"), str(folder / "out.zarr"), folder / "work")
    conversion.before_validation()
    return folder


@pytest.fixture
def case(converted, tmp_path):
    """A copy of the converted dataset, with its work files, to be broken."""
    for name in ("in.zarr", "out.zarr", "work"):
        shutil.copytree(converted / name, tmp_path / name)
    for file in (tmp_path / "work").rglob("*.json"):
        file.write_text(file.read_text().replace(str(converted), str(tmp_path)))
    return Conversion(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work")


class Output:
    def __init__(self, conversion):
        self.root = conversion.work.parent / "out.zarr"

    def shard(self, array):
        return min(p for p in (self.root / array / "c").rglob("*") if p.is_file())

    def edit(self, node, change):
        file = self.root / node / "zarr.json"
        document = json.loads(file.read_text())
        change(document)
        file.write_bytes(document_bytes(document))


def errors(conversion):
    validation = conversion.validate()
    found = {(f["code"], f["path"]) for f in validation["findings"] if f["severity"] == "error"}
    assert validation["verdict"] == ("invalid" if found else "valid")
    return found


def test_the_sound_output_is_valid(case):
    validation = case.validate()
    assert validation["verdict"] == "valid"
    assert {finding["severity"] for finding in validation["findings"]} <= {"warning"}
    assert {finding["code"] for finding in validation["findings"]} == {"crate.author_missing"}
    assert [array["path"] for array in validation["arrays"]] == [
        "0",
        "1",
        "extra",
        "labels/nuclei/0",
        "labels/nuclei/1",
    ]
    first = (case.path("validation.json")).read_bytes()
    case.validate()
    assert (case.path("validation.json")).read_bytes() == first


def flip_a_byte_in_a_shard(output):
    shard = output.shard("0")
    data = bytearray(shard.read_bytes())
    data[len(data) // 4] ^= 1
    shard.write_bytes(data)


def flip_a_byte_in_an_index(output):
    shard = output.shard("0")
    data = bytearray(shard.read_bytes())
    data[-10] ^= 1
    shard.write_bytes(data)


def drop_a_shard(output):
    output.shard("1").unlink()


def change_a_fill_value(output):
    output.edit("0", lambda d: d.update(fill_value=5))


def change_the_fill_value_of_a_sparse_array(output):
    output.edit("extra", lambda d: d.update(fill_value=0.0))


def remove_a_label(output):
    shutil.rmtree(output.root / "labels" / "nuclei")


def unlist_a_label(output):
    output.edit("labels", lambda d: d["attributes"]["ome"].update(labels=[]))


def delete_an_attribute_of_an_array(output):
    output.edit("extra", lambda d: d["attributes"].pop("unit"))


def change_an_attribute_of_a_label(output):
    output.edit("labels/nuclei", lambda d: d["attributes"]["ome"]["image-label"].pop("source"))


def forget_a_version(output):
    output.edit("labels", lambda d: d["attributes"]["ome"].pop("version"))


def rename_dimensions(output):
    output.edit("1", lambda d: d.update(dimension_names=["c", "x", "y"]))


def change_a_data_type(output):
    output.edit("0", lambda d: d.update(data_type="int16"))


def change_a_chunk_grid(output):
    output.edit("0", lambda d: d.update(shape=[2, 64, 65]))


def remove_a_group_document(output):
    (output.root / "labels" / "zarr.json").unlink()


def remove_an_array_document(output):
    (output.root / "1" / "zarr.json").unlink()


def turn_an_array_into_a_group(output):
    output.edit("extra", lambda d: d.update(node_type="group"))


def break_a_document(output):
    (output.root / "labels" / "zarr.json").write_text("{")


def cut_the_last_line_end(output):
    file = output.root / "labels" / "zarr.json"
    file.write_text(file.read_text().rstrip())


def write_a_line_end_as_a_space(output):
    file = output.root / "0" / "zarr.json"
    file.write_text(file.read_text().replace("\n", " ", 1))


def spell_a_number_otherwise(output):
    file = output.root / "labels" / "nuclei" / "zarr.json"
    file.write_text(file.read_text().replace("2.0", "2.00", 1))


def say_a_thing_twice(output):
    file = output.root / "labels" / "zarr.json"
    text = '"node_type": "group"'
    file.write_text(file.read_text().replace(text, f"{text}, {text}"))


def add_a_key(output):
    output.edit("labels/nuclei", lambda d: d.update(other={"must_understand": False}))


def add_half_a_character(output):
    file = output.root / "labels" / "nuclei" / "zarr.json"
    file.write_text(file.read_text().replace('"attributes": {', r'"attributes": {"a": "\ud83d",'))


def leave_a_stray_file(output):
    (output.root / "0" / "c" / "9").mkdir()
    (output.root / "0" / "c" / "9" / "0").write_text("stray")


def leave_v2_metadata(output):
    (output.root / "labels" / ".zattrs").write_text("{}")


def change_a_copied_file(output):
    (output.root / "README.txt").write_text("read ME\n")


def remove_a_copied_file(output):
    (output.root / "README.txt").unlink()


def change_the_crate(output):
    file = output.root / "ro-crate-metadata.json"
    file.write_text(file.read_text().replace("CreateAction", "DeleteAction"))


DAMAGE = [
    (flip_a_byte_in_a_shard, "chunk.bytes_differ", "0"),
    (flip_a_byte_in_an_index, "shard.index", "0"),
    (drop_a_shard, "object.missing", "1"),
    (change_a_fill_value, "array.fill_value", "0"),
    (change_the_fill_value_of_a_sparse_array, "reader.differs", "extra"),
    (change_the_fill_value_of_a_sparse_array, "array.fill_value", "extra"),
    (remove_a_label, "label.missing", "labels/nuclei"),
    (unlist_a_label, "attributes.lost", "labels"),
    (delete_an_attribute_of_an_array, "attributes.lost", "extra"),
    (change_an_attribute_of_a_label, "attributes.lost", "labels/nuclei"),
    (forget_a_version, "ome.version", "labels"),
    (rename_dimensions, "array.dimension_names", "1"),
    (change_a_data_type, "array.data_type", "0"),
    (change_a_chunk_grid, "array.document", "0"),
    (remove_a_group_document, "group.missing", "labels"),
    (remove_an_array_document, "array.missing", "1"),
    (turn_an_array_into_a_group, "document.kind", "extra"),
    (break_a_document, "document.unreadable", "labels/zarr.json"),
    (cut_the_last_line_end, "document.rewritten", "labels"),
    (write_a_line_end_as_a_space, "document.rewritten", "0"),
    (spell_a_number_otherwise, "document.rewritten", "labels/nuclei"),
    (say_a_thing_twice, "document.rewritten", "labels"),
    (add_a_key, "document.rewritten", "labels/nuclei"),
    (add_half_a_character, "document.rewritten", "labels/nuclei"),
    (leave_a_stray_file, "output.stray", "0/c/9/0"),
    (leave_v2_metadata, "output.v2_metadata", "labels/.zattrs"),
    (change_a_copied_file, "file.differs", "README.txt"),
    (remove_a_copied_file, "file.missing", "README.txt"),
    (change_the_crate, "crate.differs", "ro-crate-metadata.json"),
]


@pytest.mark.parametrize(("damage", "code", "path"), DAMAGE)
def test_damage_is_named(case, damage, code, path):
    damage(Output(case))
    assert (code, path) in errors(case)


def test_what_the_output_lost_is_not_blamed_on_the_source(case):
    remove_an_array_document(Output(case))
    found = {finding["code"] for finding in case.validate()["findings"]}
    assert not [code for code in found if code.endswith(".inherited")]


def test_an_attribute_deleted_from_the_staged_root(case):
    file = case.path("root.zarr.json")
    document = json.loads(file.read_text())
    del document["attributes"]["acquisition"]["operator"]
    file.write_text(json.dumps(document))
    assert ("attributes.lost", "") in errors(case)


def test_something_new_in_the_source_is_found_when_it_is_listed_again(case):
    source = case.work.parent / "in.zarr"
    case.verify = "reread"
    (source / "late.txt").write_text("added after the inspection")
    assert ("source.unaccounted", "late.txt") in errors(case)
    (source / "late.txt").unlink()
    (source / "0" / "0" / "0" / "0").unlink()
    assert ("source.changed", "0") in errors(case)


def test_nothing_invalid_is_published_and_mending_helps(case, capsys):
    shard = Output(case).shard("0")
    sound = shard.read_bytes()
    flip_a_byte_in_a_shard(Output(case))
    errors(case)
    with pytest.raises(StepError):
        case.publish()
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("error: d: not published, it is invalid: chunk.bytes_differ at 0:")
    assert message.endswith("validate again: snakemake -R validate")
    root = case.work.parent / "out.zarr"
    assert not (root / "zarr.json").exists()
    assert not case.path("published.json").exists()
    shard.write_bytes(sound)
    assert errors(case) == set()
    case.publish()
    assert (root / "zarr.json").read_bytes() == case.path("root.zarr.json").read_bytes()
    assert not (root / ".ngff-uplift.lock").exists()
    published = json.loads(case.path("published.json").read_text())
    objects = [p for p in root.rglob("*") if p.is_file()]
    assert published["objects"] == len(objects)
    assert published["bytes"] == sum(p.stat().st_size for p in objects)
    assert errors(case) == set(), "a published dataset can be validated again"


def test_a_published_root_that_was_changed(case):
    errors(case)
    case.publish()
    (case.work.parent / "out.zarr" / "zarr.json").write_text("{}")
    assert ("root.differs", "") in errors(case)

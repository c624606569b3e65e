"""The migrate step on a folder: documents, root held back, files, refusals."""

import contextlib
import hashlib
import json
import tracemalloc

import pytest
import zarr

from uplift.codecs.mapping import target_of
from uplift.errors import InputError, SourceError
from uplift.migrate.dataset import migrate_dataset
from uplift.models.inventory import Inventory, InventoryArray, InventoryFile, InventoryGroup
from uplift.models.json_text import sha256_of_json
from uplift.models.migration import Migration
from uplift.storage import tuning
from uplift.storage.local import LocalStore
from uplift.zarr_metadata.v2 import parse_v2
from uplift.zarr_metadata.v3 import parse_v3

ZARRAY = {
    "zarr_format": 2,
    "shape": [4, 6],
    "chunks": [4, 6],
    "dtype": "<u2",
    "compressor": None,
    "filters": None,
    "fill_value": 0,
    "order": "C",
}
AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
SCALE = [{"type": "scale", "scale": [1, 1]}]


def image(*levels):
    entries = [{"path": level, "coordinateTransformations": SCALE} for level in levels]
    return {"multiscales": [{"version": "0.4", "axes": AXES, "datasets": entries}]}


class Source:
    """A Zarr v2 folder and its inventory, made together."""

    def __init__(self, folder):
        self.folder = folder
        self.groups, self.arrays, self.files = [], [], []

    def _write(self, path, name, document):
        place = self.folder / path
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(json.dumps(document))

    def group(self, path, attributes=None, roles=("group",)):
        self._write(path, ".zgroup", {"zarr_format": 2})
        if attributes is not None:
            self._write(path, ".zattrs", attributes)
        self.groups.append(InventoryGroup(path=path, roles=roles))

    def array(self, path, attributes=None, **changes):
        self._write(path, ".zarray", {**ZARRAY, **changes})
        if attributes is not None:
            self._write(path, ".zattrs", attributes)
        source = parse_v2({**ZARRAY, **changes}, path)
        self.arrays.append(
            InventoryArray(
                path=path,
                role="array",
                source=source,
                stored_chunks=0,
                stored_bytes=0,
                listing_sha256="",
            )
        )

    def file(self, path, data):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.files.append(InventoryFile(path=path, bytes=len(data)))

    def _seen(self, node):
        """The node with the digest of its attributes, as inspect notes it."""
        place = self.folder / node.path
        attributes = {}
        with contextlib.suppress(ValueError, RecursionError):  # broken on purpose
            if (place / ".zattrs").exists():
                attributes = json.loads((place / ".zattrs").read_text())
            elif (place / "zarr.json").exists():
                attributes = json.loads((place / "zarr.json").read_text()).get("attributes", {})
            digest = sha256_of_json(attributes) if attributes else None
            return node.model_copy(update={"attributes_sha256": digest})
        return node

    def inventory(self, zarr_format=2):
        return Inventory(
            source=str(self.folder),
            zarr_format=zarr_format,
            ome_versions=("0.4",),
            groups=tuple(self._seen(node) for node in self.groups),
            arrays=tuple(self._seen(node) for node in self.arrays),
            files=tuple(self.files),
        )


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "in.zarr")


@pytest.fixture
def output(tmp_path):
    return LocalStore(str(tmp_path / "out.zarr"), writable=True, durability="none")


def migrate(source, output, skipped=None, **changes):
    inventory = source.inventory(**changes)
    targets = {
        array.path: target_of(array.source, array.source.chunks, None, "keep")[0]
        for array in inventory.arrays
        if array.path not in (skipped or {})
    }
    store = LocalStore(str(source.folder))
    return migrate_dataset(inventory, targets, skipped or {}, store, output, "0.5")


def document(output, path):
    return json.loads(output.get(f"{path}/zarr.json"))


def test_every_node_gets_a_document_and_the_root_is_held_back(source, output):
    source.group("", {**image("0", "deep/1"), "mine": 1}, ("image",))
    source.array("0", {"note": "µ", "_ARRAY_DIMENSIONS": ["y", "x"]})
    source.array("deep/1", shape=[2, 3])
    source.array("other", {"_ARRAY_DIMENSIONS": ["a", "b"]})
    source.array("plain")
    source.group("labels", {"labels": ["sub/cells"]}, ("labels",))
    source.group("labels/sub/cells", {**image("0"), "image-label": {}}, ("image", "label image"))
    source.array("labels/sub/cells/0")
    migration, root = migrate(source, output)
    assert output.get("zarr.json") is None
    attributes = json.loads(root)["attributes"]
    assert list(attributes) == ["ome", "mine"]
    assert document(output, "0")["attributes"] == {"note": "µ", "_ARRAY_DIMENSIONS": ["y", "x"]}
    names = [document(output, path).get("dimension_names") for path in ("0", "deep/1", "other")]
    assert names == [["y", "x"], ["y", "x"], ["a", "b"]]
    assert "dimension_names" not in document(output, "plain")
    empty = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    assert document(output, "deep") == document(output, "labels/sub") == empty
    paths = ["", "0", "deep", "deep/1", "labels", "labels/sub", "labels/sub/cells"]
    paths += ["labels/sub/cells/0", "other", "plain"]
    assert migration.documents == len(paths)
    assert migration.root_sha256 == hashlib.sha256(root).hexdigest()
    with_attributes = ["", "0", "labels", "labels/sub/cells", "other"]
    assert [node.path for node in migration.nodes] == with_attributes
    output.put("zarr.json", root)
    group = zarr.open_group(output.root, mode="r", zarr_format=3)
    assert group["labels/sub/cells/0"].metadata.dimension_names == ("y", "x")
    keys = {f"{path}/zarr.json".lstrip("/") for path in paths}
    assert keys == {info.key for info in output.list_tree("")}
    assert Migration.parse(migration.to_json(), "migration.json") == migration


def test_a_second_run_writes_nothing_and_says_the_same(source, output):
    source.group("", {}, ("group",))
    source.array("a", {"k": [1, 2]})
    source.file("README.md", b"hello")
    first = migrate(source, output)
    stamps = {info.key: info.stamp for info in output.list_tree("")}
    assert migrate(source, output) == first
    assert {info.key: info.stamp for info in output.list_tree("")} == stamps


def test_a_root_that_is_an_array(source, output):
    source.array("", {"k": 1})
    migration, root = migrate(source, output)
    assert json.loads(root)["shape"] == [4, 6]
    assert [(node.path, migration.documents) for node in migration.nodes] == [("", 1)]


def test_files_are_copied_byte_for_byte(source, output, monkeypatch):
    monkeypatch.setattr(tuning, "PIECE_BYTES", 1000)
    source.group("", {}, ("group",))
    source.file("OME/METADATA.ome.xml", b"<OME/>")
    source.file("big.bin", bytes(range(256)) * 20)
    source.file("empty", b"")
    source.file("ro-crate-metadata.json", b"{}")
    migration, _ = migrate(source, output)
    for file in source.files:
        assert output.get(file.path) == (source.folder / file.path).read_bytes()
    digests = {file.path: file.sha256 for file in migration.files}
    assert digests["empty"] == hashlib.sha256(b"").hexdigest()
    output.put("big.bin", bytes(5120))  # damaged, of the same size
    output.put("ro-crate-metadata.json", b"rewritten by the crate step")
    assert migrate(source, output)[0] == migration
    assert output.get("big.bin") == bytes(range(256)) * 20
    assert output.get("ro-crate-metadata.json") == b"rewritten by the crate step"


def test_copying_takes_little_memory(source, output):
    source.group("", {}, ("group",))
    source.file("big.bin", bytes(64 * 2**20))
    tracemalloc.start()
    migrate(source, output)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20


@pytest.mark.parametrize("size", [5, 5000])
@pytest.mark.parametrize("change", ["shorter", "longer", "gone"])
def test_a_file_that_changed_since_inspect_is_refused(source, output, monkeypatch, size, change):
    monkeypatch.setattr(tuning, "PIECE_BYTES", 1000)
    source.group("", {}, ("group",))
    source.file("notes", bytes(size))
    if change == "gone":
        (source.folder / "notes").unlink()
    else:
        (source.folder / "notes").write_bytes(bytes(size + (1 if change == "longer" else -1)))
    with pytest.raises(SourceError, match="inspect it again"):
        migrate(source, output)
    assert output.get("notes") is None


def test_skipped_arrays_are_left_out_and_taken_away(source, output):
    source.group("", {}, ("group",))
    source.array("a")
    source.array("b")
    migrate(source, output)
    output.put("b/c/0/0", b"chunk")
    migration, _ = migrate(source, output, skipped={"b": "odd filter"})
    assert migration.skipped == {"b": "odd filter"}
    assert [info.key for info in output.list_tree("")] == ["a/zarr.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: .* at line 1, column 2"),
        ("[1]", "is a list, expected a JSON object"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"a":' * 300 + "1" + "}" * 300, "nested more than 200"),
        ('{"a":' + "[" * 100000 + "]" * 100000 + "}", "nested more than 200"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_broken_attributes_are_refused(source, output, text, message):
    source.group("", {}, ("group",))
    (source.folder / ".zattrs").write_text(text)
    with pytest.raises(SourceError, match=message):
        migrate(source, output)


def test_a_file_beside_the_chunks_is_no_conflict(source, output):
    source.group("", {}, ("group",))
    source.array("a")
    source.file("a/notes/c/0", b"x")
    migrate(source, output)
    assert output.get("a/notes/c/0") == b"x"


def test_batches_of_another_inventory_are_refused(source, output):
    source.group("", {}, ("group",))
    source.array("a")
    store = LocalStore(str(source.folder))
    with pytest.raises(InputError, match="plan and convert again"):
        migrate_dataset(source.inventory(), {}, {}, store, output, "0.5")


def test_findings_about_axes_and_scales(source, output):
    source.group("", image("0", "1"), ("image",))
    source.array("0", {"_ARRAY_DIMENSIONS": ["a", "b"]})
    source.array("1", shape=[2, 3])
    migration, _ = migrate(source, output)
    codes = {finding.code for finding in migration.findings}
    assert codes == {"dimension-names.differ", "pyramid.scale"}
    assert document(output, "0")["dimension_names"] == ["y", "x"]


def test_an_array_that_names_two_dimensions_alike_gets_no_names(source, output):
    source.group("", {}, ("group",))
    source.array("covariance", {"_ARRAY_DIMENSIONS": ["x", "x"]})
    migration, _ = migrate(source, output)
    (found,) = migration.findings
    assert (found.code, found.path) == ("dimension-names.repeated", "covariance")
    assert found.message.endswith("opens; none are written to dimension_names")
    written = document(output, "covariance")
    assert "dimension_names" not in written
    assert written["attributes"] == {"_ARRAY_DIMENSIONS": ["x", "x"]}


def test_a_level_that_names_two_dimensions_alike_has_its_multiscale_s_names(source, output):
    source.group("", image("0"), ("image",))
    source.array("0", {"_ARRAY_DIMENSIONS": ["x", "x"]})
    (found,) = migrate(source, output)[0].findings
    assert found.code == "dimension-names.repeated"
    assert found.message.endswith("its multiscale's ['y', 'x'] are written to dimension_names")
    assert document(output, "0")["dimension_names"] == ["y", "x"]


def test_a_v3_source_keeps_its_metadata(tmp_path, output):
    place = tmp_path / "in.zarr"
    group = zarr.open_group(place, mode="w", zarr_format=3)
    levels = [{"path": "0", "coordinateTransformations": SCALE}]
    ome = {"version": "0.5", "multiscales": [{"axes": AXES, "datasets": levels}]}
    group.attrs.update({"ome": ome, "mine": 1})
    group.create_array("0", shape=(4, 6), dtype="u2", dimension_names=["y", "x"])
    group.create_array("1", shape=(4,), dtype="u2", dimension_names=[None])
    extra = json.loads((place / "1/zarr.json").read_text()) | {"extra": {"must_understand": False}}
    (place / "1/zarr.json").write_text(json.dumps(extra))
    source = Source(place)
    source.groups.append(InventoryGroup(path="", roles=("image",), zarr_format=3))
    for path in ("0", "1"):
        text = json.loads((place / path / "zarr.json").read_text())
        text.pop("extra", None)
        source.arrays.append(
            InventoryArray(
                path=path,
                role="array",
                source=parse_v3(text, path),
                stored_chunks=0,
                stored_bytes=0,
                listing_sha256="",
            )
        )
    migration, root = migrate(source, output, zarr_format=3)
    assert json.loads(root)["attributes"] == {"ome": ome, "mine": 1}
    assert document(output, "0")["dimension_names"] == ["y", "x"]
    assert document(output, "1")["dimension_names"] == [None]
    assert [finding.code for finding in migration.findings] == ["document.unknown-key"]

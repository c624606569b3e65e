"""Sources for inspect: small images, plates and collections; stores with other doors."""

import numpy as np

from support.images import multiscales, write_array, write_json
from uplift.inspect_source.walk import inspect_source
from uplift.storage.local import LocalStore

GROUP = {"zarr_format": 2}
GROUP_V3 = {"zarr_format": 3, "node_type": "group"}
ARRAY_V3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 4],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
}


class Unlistable(LocalStore):
    """Files behind a door that answers questions about names only, as plain HTTP does."""

    can_list = False
    is_local = False

    def list_folder(self, prefix):
        raise AssertionError(f"listed {prefix}")

    def list_tree(self, prefix):
        raise AssertionError(f"listed {prefix}")


class Counting(LocalStore):
    """Stands for a remote store; remembers which folders were listed."""

    is_local = False

    def __init__(self, root):
        super().__init__(root)
        self.folders, self.trees = [], []

    def list_folder(self, prefix):
        self.folders.append(prefix)
        return super().list_folder(prefix)

    def list_tree(self, prefix):
        if not any(prefix == tree or prefix.startswith(f"{tree}/") for tree in self.trees):
            self.trees.append(prefix)
        return super().list_tree(prefix)


def inspect(root):
    return inspect_source(LocalStore(str(root)))


def roles(inventory):
    return {group.path: group.roles for group in inventory.groups}


def codes(inventory):
    return {(finding.code, finding.path) for finding in inventory.findings}


def write_group(root, attributes=None):
    write_json(root / ".zgroup", GROUP)
    if attributes is not None:
        write_json(root / ".zattrs", attributes)


def write_small(folder):
    write_array(folder, np.ones((4, 4), "<u2"), (2, 2))


def write_plain_image(root, **more):
    write_group(root, {"multiscales": multiscales(1, "yx"), **more})
    write_small(root / "0")


def write_plate(root, *, wells=("A/1", "B/2"), fields=("0", "1"), **more):
    listed = [{"path": w, "rowIndex": 0, "columnIndex": 0} for w in wells]
    plate = {"version": "0.4", "rows": [], "columns": [], "wells": listed, "name": "p1"}
    write_group(root, {"plate": plate, **more})
    for well in wells:
        images = {"version": "0.4", "images": [{"path": field} for field in fields]}
        write_group(root / well, {"well": images})
        for field in fields:
            write_plain_image(root / well / field)


def write_series(root, **more):
    write_group(root, {"bioformats2raw.layout": 3, **more})
    write_group(root / "OME", {"series": ["0", "1"]})
    (root / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    for name in ("0", "1"):
        write_plain_image(root / name)

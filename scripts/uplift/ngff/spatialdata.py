"""Version texts by which the spatialdata library knows its elements: written on request only.

It reads an image by ``ome.version`` ``0.5-dev-spatialdata``, and each element by a version of its
own (spatialdata 0.7 and 0.8 in Zarr v3: images, labels and shapes 0.3, points and tables 0.2, the
root 0.2). Other readers that compare the version of OME-Zarr letter by letter refuse the text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from uplift.ngff.draft import Edit
from uplift.ngff.json_paths import Keys, value_at

OME_VERSION = "0.5-dev-spatialdata"
KEY = "spatialdata_attrs"

_ELEMENTS: dict[str, tuple[Keys, str, str]] = {
    "images": ((KEY, "version"), "0.1 0.2", "0.3"),
    "labels": ((KEY, "version"), "0.1 0.2", "0.3"),
    "shapes": ((KEY, "version"), "0.2", "0.3"),
    "points": ((KEY, "version"), "0.1", "0.2"),
    "tables": (("version",), "0.1", "0.2"),
}
"""Where each kind has its version, the older ones that hold the same in Zarr v2, and that of v3."""


def is_spatialdata(attributes: Mapping[str, Any]) -> bool:
    """Whether a group is an element or the root of a SpatialData store."""
    return KEY in attributes or "spatialdata-encoding-type" in attributes


def version_edits(path: str, attributes: Mapping[str, Any]) -> Iterator[Edit]:
    """Edits of a group's attributes, keys from the attributes.

    Parameters
    ----------
    path
        Of the group; the first part is the kind of element, none is the root.
    attributes
        As they are written without this.
    """
    if not path:
        held = attributes.get(KEY)
        if not isinstance(held, Mapping):
            yield Edit((KEY,), {"version": "0.2"}, "spatialdata")
        elif held.get("version") == "0.1":
            yield Edit((KEY, "version"), "0.2", "spatialdata")
        return
    kind, _, name = path.partition("/")
    if not name or "/" in name or kind not in _ELEMENTS or not is_spatialdata(attributes):
        return
    keys, older, version = _ELEMENTS[kind]
    if str(value_at(attributes, keys)) in older.split():
        yield Edit(keys, version, "spatialdata")
    if value_at(attributes, ("ome", "version")) == "0.5":
        yield Edit(("ome", "version"), OME_VERSION, "spatialdata")

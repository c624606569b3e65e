"""Rules of OME-Zarr across groups and arrays: what is listed, and what is there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from uplift.grid import Shape
from uplift.models.arrays import SourceArray
from uplift.models.findings import Finding
from uplift.models.inventory import GroupRole
from uplift.models.paths import join
from uplift.models.words import counted
from uplift.ngff.detect import multiscales_of
from uplift.ngff.json_kinds import fields_of, is_integer, items_of, objects_in, paths_in, shown
from uplift.ngff.paths import is_plain
from uplift.ngff.registry import Rules

_NO_IMAGE = "readers of OME-Zarr do not open the image"
_NO_FIELD = (
    "ome-zarr-py and napari-ome-zarr show nothing there; ngio does not list the plate's images"
)


@dataclass(frozen=True)
class GroupNode:
    """A group of a dataset: its roles, and its attributes with OME-Zarr metadata below ``ome``."""

    roles: tuple[GroupRole, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class ArrayNode:
    """An array of a dataset; `integer` says whether its elements are whole numbers."""

    shape: Shape
    integer: bool = True


def array_node(source: SourceArray) -> ArrayNode:
    """What the rules have to know about an array."""
    kind = str(source.data_type).lstrip("<>|=")
    return ArrayNode(source.shape, kind.startswith(("i", "u")))


@dataclass(frozen=True)
class Tree:
    """The nodes of a dataset, by path, with the words that are written.

    Attributes
    ----------
    occupied
        Paths without a node at which there is something else: a folder, files.
    """

    groups: Mapping[str, GroupNode]
    arrays: Mapping[str, ArrayNode]
    occupied: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def levels(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """(group, path of a level, axis names) for every level that a multiscale lists."""
        return tuple(
            (path, join(path, level), multiscale.axes)
            for path, group in self.groups.items()
            for multiscale in multiscales_of(group.attributes)
            for level in multiscale.levels
        )

    @cached_property
    def unlisted(self) -> Mapping[str, list[str]]:
        """Names of the arrays of each group, directly below it, that no multiscale lists."""
        listed = {level for _, level, _ in self.levels}
        found: dict[str, list[str]] = {}
        for path in sorted(self.arrays.keys() - listed):
            group, _, name = path.rpartition("/")
            found.setdefault(group, []).append(name)
        return found

    def words(self, path: str) -> Mapping[str, Any]:
        """OME-Zarr metadata of a group; empty where there are none."""
        group = self.groups.get(path)
        return fields_of(group.attributes.get("ome")) if group is not None else {}


TreeCheck = Callable[[Tree], Iterable[tuple[str, str]]]
"""Yields the path that a breach is about, and a message."""

TREE_RULES = Rules[TreeCheck]()
"""What takes more than one group to check."""
rule = TREE_RULES.rule


def check_tree(tree: Tree) -> Iterator[Finding]:
    """Findings of every rule that the nodes of a dataset break together."""
    for one in TREE_RULES:
        for path, message in one.check(tree):
            yield one.finding(path, message)


@rule(
    "level.not_array",
    asks="the path of a level is an array's",
    refuse="pixels would be left behind: something lies there that is not an array",
)
def level_is_array(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section multiscales metadata."""
    for group, level, _ in tree.levels:
        if level in tree.groups:
            text = f"multiscales lists level {level!r}, which is a group, not an array"
            yield group, f"{text}; correct the path"
        elif level in tree.arrays or level not in tree.occupied:
            continue
        elif inside := [path for path in tree.arrays if level.startswith(f"{path}/")]:
            text = f"multiscales lists level {level!r}, which lies inside the array {inside[0]!r}"
            yield group, f"{text}; move it next to that, and correct the path"
        else:
            text = f"multiscales lists level {level!r}, where files lie and no array's metadata"
            yield group, f"{text}; restore them (.zarray or zarr.json) or remove the files"


@rule(
    "axes.dimensions",
    asks="a multiscale has as many axes as its arrays have dimensions",
    refuse="the axes contradict the arrays, and nothing says which is right",
)
def axes_fit(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section axes metadata."""
    for group, level, names in tree.levels:
        array = tree.arrays.get(level)
        if array is not None and names and len(names) != len(array.shape):
            yield (
                level,
                f"{group or 'root'}: multiscales has {len(names)} axes {list(names)} and the array "
                f"{len(array.shape)} dimensions {list(array.shape)}; correct the axes",
            )


@rule(
    "level.absent",
    asks="a level that is listed is there",
    keep=f"{_NO_IMAGE}: pixels that it lists are not there",
)
def level_is_there(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section multiscales metadata."""
    for group, level, _ in tree.levels:
        if level not in tree.arrays and level not in tree.groups and level not in tree.occupied:
            text = f"multiscales lists level {level!r}, which is not there"
            if group in tree.unlisted:
                text += f"; arrays there that it does not list: {shown(tree.unlisted[group])}"
            yield group, text


@rule(
    "axes.differ",
    asks="multiscales that share an array name its axes alike",
    keep="the array has the dimension names of the first; validators reject the others",
)
def axes_agree(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section axes metadata."""
    first: dict[str, tuple[str, ...]] = {}
    for group, level, names in tree.levels:
        if names and first.setdefault(level, names) != names:
            found = f"{list(first[level])} and {list(names)}"
            yield level, f"{group or 'root'}: multiscales name its axes {found}"


def _absent(tree: Tree, key: str, inner: str, role: str) -> Iterator[tuple[str, str]]:
    for path in tree.groups:
        for name in paths_in(fields_of(tree.words(path).get(key)).get(inner)):
            if is_plain(name) and join(path, name) not in tree.groups:
                yield join(path, name), f"{role} is listed by {path or 'the root'} but absent"


@rule(
    "well.absent",
    asks="a well that is listed is there",
    keep="ome-zarr-py and napari-ome-zarr show it empty; ngio does not list the plate's wells, "
    "validators reject the plate",
)
def well_is_there(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section plate metadata."""
    yield from _absent(tree, "plate", "wells", "well")


@rule("field.absent", asks="a field that is listed is there", keep=_NO_FIELD)
def field_is_there(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section well metadata."""
    yield from _absent(tree, "well", "images", "field")


@rule(
    "acquisition.absent",
    asks="a field's acquisition is one of those that its plate lists",
    keep="readers that choose by acquisition (ngio, Fractal) do not find the field",
)
def acquisition_is_there(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section well metadata; a plate may list no acquisitions at all."""
    for path in tree.groups:
        plate = fields_of(tree.words(path).get("plate"))
        known = [one["id"] for one in objects_in(plate.get("acquisitions")) if "id" in one]
        for well in objects_in(plate.get("wells")) if known else ():
            well_path = join(path, str(well.get("path")))
            images = objects_in(fields_of(tree.words(well_path).get("well")).get("images"))
            found = [one["acquisition"] for one in images if is_integer(one.get("acquisition"))]
            absent = next((number for number in found if number not in known), None)
            if absent is not None:
                yield well_path, f"a field of acquisition {absent}; its plate lists {shown(known)}"


def _labels(tree: Tree) -> Iterator[tuple[str, str]]:
    """(labels group, path of a label image) for all that are listed."""
    for path in tree.groups:
        for name in items_of(tree.words(path).get("labels")):
            if isinstance(name, str) and is_plain(name):
                yield path, join(path, name)


@rule(
    "labels.absent",
    asks="a label image that is listed is there, as a group",
    keep="ome-zarr-py and napari-ome-zarr pass it over, ngio opens the image and not these labels",
)
def label_is_there(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section labels metadata."""
    for path, label in _labels(tree):
        if label in tree.arrays:
            yield path, f"lists {label[len(path) :].strip('/')!r}, an array and not an image"
        elif label not in tree.groups:
            yield path, f"lists {label[len(path) :].strip('/')!r}, which the source does not have"


@rule(
    "label.image-label",
    asks="a label image says so (image-label)",
    keep="napari-ome-zarr does not show it with its image; ome-zarr-py and ngio open it",
)
def label_is_declared(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section labels metadata."""
    for _, label in _labels(tree):
        if "multiscales" in tree.words(label) and "image-label" not in tree.words(label):
            yield label, "a label image without image-label"


@rule(
    "label.integer",
    asks="pixels of label images are whole numbers",
    keep="readers that take labels for whole numbers refuse them or round; ome-zarr-py, ngio and "
    "napari-ome-zarr open them",
)
def label_is_integer(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section labels metadata."""
    wanted = {label for _, label in _labels(tree)}
    for group, level, _ in tree.levels:
        array = tree.arrays.get(level)
        if group in wanted and array is not None and not array.integer:
            yield group, f"level {level!r} of a label image does not hold whole numbers"


@rule(
    "label.levels",
    asks="a label image has as many levels as its image",
    keep="validators reject the labels; ome-zarr-py, ngio and napari-ome-zarr open them",
)
def label_levels(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section labels metadata."""
    for path, label in _labels(tree):
        image = path.rpartition("/")[0] if "/" in path else ""
        ours = multiscales_of(tree.groups[label].attributes) if label in tree.groups else []
        theirs = multiscales_of(tree.groups[image].attributes) if image in tree.groups else []
        if path and ours and theirs and len(ours[0].levels) != len(theirs[0].levels):
            count, others = len(ours[0].levels), len(theirs[0].levels)
            yield label, f"a label image with {counted(count, 'level')}, its image {others}"


@rule(
    "series.absent",
    asks="a series that is listed is there",
    keep="readers that open all series stop at it; the images that are there open one by one",
)
def series_is_there(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section bioformats2raw.layout."""
    for path in tree.groups:
        above = path.rpartition("/")[0]
        for name in items_of(tree.words(path).get("series")):
            if isinstance(name, str) and is_plain(name) and join(above, name) not in tree.groups:
                yield path, f"series lists {name!r}, which the source does not have"


@rule(
    "series.unnumbered",
    asks="without a series list, the images of a collection are numbered from 0",
    keep="readers that count from 0 do not find the images; they open one by one",
)
def series_are_numbered(tree: Tree) -> Iterator[tuple[str, str]]:
    """Section bioformats2raw.layout."""
    for path in tree.groups:
        words = tree.words(path)
        if "bioformats2raw.layout" in words and not {"plate", "multiscales"} & set(words):
            listed = "series" in tree.words(join(path, "OME"))
            if not listed and join(path, "0") not in tree.groups:
                yield path, "a bioformats2raw collection without a list of series and an image 0"


_KEYS: dict[GroupRole, str] = {
    "image": "multiscales",
    "plate": "plate",
    "well": "well",
    "field": "multiscales",
    "labels": "labels",
    "label image": "multiscales",
    "bioformats2raw": "bioformats2raw.layout",
}
_SAID: dict[GroupRole, str] = {"labels": "group of labels", "bioformats2raw": "collection"}


@rule(
    "ome.missing",
    asks="a group that is listed as a well, field or label image has the metadata of one",
    keep="ome-zarr-py and napari-ome-zarr do not open a plate whose first well it is, ngio does "
    "not list the plate's images; they open one by one; labels without it are not shown",
)
def role_is_met(tree: Tree) -> Iterator[tuple[str, str]]:
    """Sections of plate, well and labels."""
    for path, group in tree.groups.items():
        words = tree.words(path)
        if "image-label" in words and "multiscales" not in words:
            continue
        wanted = {_KEYS[role]: role for role in reversed(group.roles) if role in _KEYS}
        for key, role in wanted.items():
            if key not in words:
                yield path, f"a {_SAID.get(role, role)} whose metadata have no key {key!r}"

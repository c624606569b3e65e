"""What a group is: its roles, its OME-Zarr version, the levels that it lists.

Reads metadata as :func:`uplift.ngff.reading.as_read` gives them; what is malformed all the same is
passed over here and reported by the rules (:mod:`uplift.ngff.registry`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from uplift.models.inventory import GroupRole
from uplift.ngff.json_kinds import items_of, objects_in, paths_in
from uplift.ngff.paths import is_plain
from uplift.ngff.versions import known_version

Attributes = Mapping[str, Any]

OME_KEYS = (
    "multiscales",
    "omero",
    "labels",
    "image-label",
    "plate",
    "well",
    "bioformats2raw.layout",
    "series",
)
"""Every key that OME-Zarr defines (0.5, section OME-Zarr metadata); all others are the user's."""

_VERSIONED = ("multiscales", "plate", "well", "image-label")
_OBJECTS = ("multiscales", "omero", "image-label", "plate", "well")


@dataclass(frozen=True)
class Multiscale:
    """One entry of ``multiscales`` as far as it is well-formed.

    Attributes
    ----------
    axes
        Axis names, length ndim; empty when the metadata has none (0.1 and 0.2).
    levels
        Paths of the arrays relative to the group, full resolution first.
    """

    name: str | None
    axes: tuple[str, ...]
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Context:
    """What the groups above a group say about it; :meth:`below` makes the one for its children.

    Attributes
    ----------
    parent_roles
        Roles of the group one step up; empty at the root.
    listed
        Path from the root to role, for groups that a plate, well or ``labels`` group lists.
    in_labels
        Whether a ``labels`` group is above.
    """

    parent_roles: tuple[GroupRole, ...] = ()
    listed: Mapping[str, GroupRole] = field(default_factory=dict)
    in_labels: bool = False

    def below(self, path: str, attributes: Attributes, roles: tuple[GroupRole, ...]) -> Context:
        """Context of the children of the group at `path`.

        Parameters
        ----------
        path
            Of the group, from the root of the source.
        attributes
            Of the group, as they are read.
        roles
            Of the group.

        Returns
        -------
        Context
            What its children have to know.
        """
        prefix = f"{path}/" if path else ""
        inherited = {key: role for key, role in self.listed.items() if key.startswith(prefix)}
        own = {f"{prefix}{key}": role for key, role in _listed_by(attributes, path).items()}
        return Context(roles, {**inherited, **own}, self.in_labels or "labels" in roles)


def ome_of(attributes: Attributes) -> Attributes:
    """OME metadata of a group: the ``ome`` object of 0.5, else the top level of 0.1 to 0.4."""
    below = ome_below(attributes)
    return attributes if below is None else below


def ome_below(attributes: Attributes) -> Attributes | None:
    """Object ``ome`` that 0.5 keeps its metadata in; None where that name is the user's own."""
    ome = attributes.get("ome")
    if isinstance(ome, Mapping) and ("version" in ome or any(key in ome for key in OME_KEYS)):
        return ome
    return None


def roles_of(path: str, attributes: Attributes, context: Context) -> tuple[GroupRole, ...]:
    """Every role of a group, or ``("group",)`` when OME-Zarr has none for it.

    A group with ``multiscales`` is an image; a field and a label image are images as well.

    Parameters
    ----------
    path
        From the root of the source; ``""`` is the root.
    context
        ``Context()`` at the root, else the parent's :meth:`Context.below`.

    Returns
    -------
    tuple[GroupRole, ...]
        One at least, the most telling first.
    """
    own, parent = set(ome_keys_of(path, attributes)), context.parent_roles
    ome = {key: value for key, value in ome_of(attributes).items() if key in own}
    name = path.rpartition("/")[2]
    listed = context.listed.get(path)
    image = _is_list(ome.get("multiscales"))
    roles: list[GroupRole] = []
    if isinstance(ome.get("plate"), Mapping):
        roles.append("plate")
    if "bioformats2raw.layout" in ome:
        roles.append("bioformats2raw")
    if isinstance(ome.get("well"), Mapping) or listed == "well":
        roles.append("well")
    if image:
        roles.append("image")
    if listed == "field" or (image and "well" in parent):
        roles.append("field")
    if "image-label" in ome or listed == "label image" or (image and context.in_labels):
        roles.append("label image")
    if "labels" in own or (name == "labels" and "image" in parent and not image):
        roles.append("labels")
    if "series" in own or (name == "OME" and "bioformats2raw" in parent):
        roles.append("OME")
    if listed == "row":
        roles.append("row")
    return tuple(roles) or ("group",)


def ome_keys_of(path: str, attributes: Attributes) -> tuple[str, ...]:
    """Keys of a group that belong to OME-Zarr, in the order of its document.

    ``labels`` counts only in a group of that name and ``series`` only in one named ``OME``:
    elsewhere they are the user's own attributes. At the root, which may have any name,
    each counts when it is a list of texts and no other OME key is there. A text or number under the
    key of an object (``"plate": "P1"``) is the user's own as well.
    """
    ome = ome_of(attributes)
    if ome is not attributes:
        return tuple(key for key in ome if key in OME_KEYS)
    name = path.rpartition("/")[2]
    return tuple(
        key
        for key in attributes
        if key in OME_KEYS
        and not (key in _OBJECTS and isinstance(attributes[key], (str, int, float)))
        and not (key == "labels" and name != "labels" and not _is_only_key(path, key, attributes))
        and not (key == "series" and name != "OME" and not _is_only_key(path, key, attributes))
    )


def ome_version(attributes: Attributes, path: str = "") -> str | None:
    """Version of a group's OME metadata: declared, else read off its content.

    ``None``: nothing there that has a version.

    Raises
    ------
    UnsupportedError
        A version that is declared and not known.
    """
    declared = declared_version(attributes)
    known = known_version(declared, path or "root") if declared is not None else None
    if known is not None:
        return known
    ome = ome_of(attributes)
    multiscales = ome.get("multiscales")
    if isinstance(multiscales, (list, Mapping)) and multiscales:
        return _version_by_content(multiscales if isinstance(multiscales, list) else [multiscales])
    if isinstance(ome.get("plate"), Mapping):
        wells = objects_in(ome["plate"].get("wells"))
        return "0.4" if any("rowIndex" in well for well in wells) else "0.3"
    return None


def declared_version(attributes: Attributes) -> str | None:
    """Version of a group's OME metadata as it is written there; None when it is not."""
    return next(_declared(attributes), None)


def multiscales_of(attributes: Attributes) -> list[Multiscale]:
    """Entries of ``multiscales``."""
    found = []
    for entry in objects_in(ome_of(attributes).get("multiscales")):
        name = entry.get("name") if isinstance(entry.get("name"), str) else None
        levels = tuple(_paths(entry.get("datasets")))
        found.append(Multiscale(name, axis_names(entry.get("axes")), levels))
    return found


def axis_names(axes: Any) -> tuple[str, ...]:
    """Names of axes given as objects (0.4, 0.5) or as texts (0.3); empty when one has none."""
    names = [axis.get("name") if isinstance(axis, Mapping) else axis for axis in items_of(axes)]
    texts = tuple(name for name in names if isinstance(name, str))
    return texts if len(texts) == len(names) else ()


def _listed_by(attributes: Attributes, path: str) -> dict[str, GroupRole]:
    """Groups below that the group at `path` names, by path relative to it."""
    ome = ome_of(attributes)
    listed: dict[str, GroupRole] = {}
    if isinstance(ome.get("plate"), Mapping):
        for well in _paths(ome["plate"].get("wells")):
            listed[well] = "well"
            if "/" in well:
                listed[well.rpartition("/")[0]] = "row"
    if isinstance(ome.get("well"), Mapping):
        for image in _paths(ome["well"].get("images")):
            listed[image] = "field"
    if "labels" in ome_keys_of(path, attributes):
        for name in items_of(ome["labels"]):
            if isinstance(name, str) and is_plain(name):
                listed[name] = "label image"
    return listed


def _paths(items: Any) -> list[str]:
    return [path for path in paths_in(items) if is_plain(path)]


def _declared(attributes: Attributes) -> Iterator[str]:
    ome = ome_of(attributes)
    if ome is not attributes and "version" in ome:
        yield str(ome["version"])
    for key in _VERSIONED:
        value = ome.get(key)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping) and entry.get("version") not in (None, ""):
                yield str(entry["version"])


def _version_by_content(multiscales: list[Any]) -> str:
    axes = [axis for one in objects_in(multiscales) for axis in items_of(one.get("axes"))]
    if any(isinstance(axis, Mapping) for axis in axes):
        return "0.4"
    return "0.3" if axes else "0.1"


def _is_only_key(path: str, key: str, attributes: Attributes) -> bool:
    values = attributes[key]
    texts = isinstance(values, list) and all(isinstance(value, str) for value in values)
    return not path and texts and not any(k in attributes for k in OME_KEYS if k != key)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)

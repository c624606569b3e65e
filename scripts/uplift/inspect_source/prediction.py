"""Predict, before anything is converted, which metadata are refused, repaired or kept."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uplift.codecs.mapping import unsupported_reason
from uplift.errors import SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.arrays import SourceArray
from uplift.models.findings import Finding, warning
from uplift.models.inventory import InventoryGroup
from uplift.ngff.axes import level_names
from uplift.ngff.conformity import is_defect
from uplift.ngff.detect import multiscales_of
from uplift.ngff.hierarchy_rules import GroupNode, Tree, array_node, check_tree
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.reading import facts_of
from uplift.zarr_metadata.data_types import data_type_v3

log = logging.getLogger(__name__)

_TOPS = frozenset(("image", "plate", "bioformats2raw"))


@dataclass(frozen=True)
class Prediction:
    """Attributes of each group as they will be written, and all findings about them.

    Migrate reports `in_nodes` again, with the changes; `between_nodes` are about several nodes.
    """

    attributes: Mapping[str, Mapping[str, Any]]
    in_nodes: tuple[Finding, ...]
    between_nodes: tuple[Finding, ...]
    arrays: Mapping[str, SourceArray]

    def refuse_defects(
        self, target: str, *, any_defect: bool, repairs: Sequence[Finding] = ()
    ) -> None:
        """Refuse a source that cannot be converted, or that has any defect at all.

        Parameters
        ----------
        any_defect
            Whether what could be repaired or kept is refused as well.
        repairs
            What was repaired in the documents of arrays when they were read.

        Raises
        ------
        SourceError
            One line with the first; all are in the log.
        """
        found = (*self.in_nodes, *self.between_nodes)
        errors = [one for one in found if one.severity == "error"]
        if any_defect:
            errors += [one for one in found if is_defect(one) and one not in errors]
            errors = errors or self._complaints()
            errors += repairs
        if not errors:
            return
        for finding in errors:
            log.warning("%s at %s: %s", finding.code, finding.path or "root", finding.message)
        first, more = errors[0], len(errors) - 1
        others = f" (and {more} more in the log)" if more else ""
        asked = any(one.severity == "error" for one in errors)
        why = (
            f"no OME-Zarr {target} can be made of that"
            if asked
            else "the source has a defect and on_bad_metadata is fail"
        )
        raise SourceError(
            f"{first.path or 'root'}: {first.message}{others}: {why} ({first.code}); correct the "
            "source's metadata"
        )

    def _complaints(self) -> list[Finding]:
        """Complaints of the deciding validator about what no rule here covers."""
        from uplift.validators.ome_zarr import GATE, Validators

        documents: dict[str, dict[str, Any]] = {
            path: {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
            for path, attributes in self.attributes.items()
        }
        names: dict[str, tuple[str, ...]] = {}
        for path, attributes in self.attributes.items():
            for multiscale in multiscales_of(attributes):
                for level in multiscale.levels:
                    names.setdefault(f"{path}/{level}" if path else level, multiscale.axes)
        for path, array in self.arrays.items():
            if unsupported_reason(array) is not None:  # plan says what becomes of it
                continue
            listed = level_names(array.shape, names.get(path, ()))
            documents[path] = {
                "zarr_format": 3,
                "node_type": "array",
                "shape": list(array.shape),
                "data_type": data_type_v3(array),
                "dimension_names": list(listed) if listed is not None else None,
            }
        found = Validators().complaints(documents)
        # what only a SHOULD of the format speaks against is valid, as its official cases have it
        return [
            one for one in found if one.code.startswith(GATE) and not one.code.endswith(".warning")
        ]


def predict(
    groups: Sequence[InventoryGroup],
    attributes: Mapping[str, Mapping[str, Any]],
    arrays: Mapping[str, SourceArray],
    dimensions: Mapping[str, Sequence[str]],
    occupied: frozenset[str],
    target: str,
) -> Prediction:
    """Migrate all groups as a dry run, and check them and the tree.

    Parameters
    ----------
    attributes
        Attributes of each group, by its path.
    arrays, dimensions
        Each array by its path, and the names that some give their dimensions.
    occupied
        Paths of objects or folders that are not nodes.
    target
        Version of OME-Zarr to be written.

    Returns
    -------
    Prediction
        Migrated attributes of each group, and what is wrong with them.

    Raises
    ------
    SourceError
        A version that is not known, or an attribute ``ome`` in the way; one line.
    """
    shapes: dict[str, Shape] = {path: array.shape for path, array in arrays.items()}
    findings: list[Finding] = []
    nodes: dict[str, GroupNode] = {}
    not_arrays = occupied | {group.path for group in groups}
    for group in groups:
        old = attributes[group.path]
        facts = facts_of(group.path, old, shapes, dimensions, not_arrays)
        try:
            migrated = migrate_attributes(old, target, facts, zarr_format=group.zarr_format)
        except UnsupportedError as error:
            raise SourceError(str(error)) from None
        findings += migrated.findings
        nodes[group.path] = GroupNode(group.roles, migrated.attributes)
    tree = Tree(nodes, {path: array_node(array) for path, array in arrays.items()}, occupied)
    migrated_attributes = {path: node.attributes for path, node in nodes.items()}
    return Prediction(migrated_attributes, tuple(findings), tuple(check_tree(tree)), arrays)


def note_datasets_below(groups: Sequence[InventoryGroup], *, in_archive: bool) -> list[Finding]:
    """Say that the source is a folder around datasets, where it is not a Zarr itself."""
    root = next((group for group in groups if not group.path), None)
    if root is None or root.explicit or root.attributes_sha256 is not None:
        return []
    tops = [group.path for group in groups if _TOPS.intersection(group.roles)]
    tops = [path for path in tops if not any(path.startswith(f"{top}/") for top in tops)]
    if not tops:
        return []
    others = f" (and {len(tops) - 1} more)" if len(tops) > 1 else ""
    what, do = ("an archive", "unpack it and ") if in_archive else ("a folder", "")
    text = (
        f"the source is {what} around {tops[0]!r}{others} and not an OME-Zarr itself; {do}give "
        "that as the input to have it at the root of the output"
    )
    return [warning("source.around", "", text)]

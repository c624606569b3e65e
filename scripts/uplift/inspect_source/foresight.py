"""Say before anything is converted what would be a disappointment after it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from uplift.errors import SourceError, UnsupportedError
from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.models.inventory import InventoryGroup
from uplift.ngff import axes, detect
from uplift.ngff.migrate import TARGET_VERSIONS, migrate_attributes
from uplift.storage.protocol import join

log = logging.getLogger(__name__)

_TOPS = frozenset(("image", "plate", "bioformats2raw"))


def refuse_invalid(
    groups: Iterable[InventoryGroup],
    attributes: Mapping[str, Mapping[str, Any]],
    shapes: Mapping[str, Shape],
    zarr_format: int,
) -> None:
    """Migrate all groups for a try.

    Parameters
    ----------
    attributes
        Attributes of each group, by its path.
    shapes
        Shape of each array, by its path.

    Raises
    ------
    SourceError
        They cannot be migrated, or what they become breaks a MUST; one line, all in the log.
    """
    errors: list[Finding] = []
    listings: dict[str, dict[str, tuple[str, ...]]] = {}
    for group in groups:
        path, old = group.path, attributes[group.path]
        levels = {
            level: shapes[join(path, level)]
            for multiscale in detect.multiscales_of(old, path)
            for level in multiscale.levels
        }
        try:
            migrated = migrate_attributes(
                old, path, group.roles, TARGET_VERSIONS[-1], levels, zarr_format=zarr_format
            )
        except UnsupportedError as error:
            raise SourceError(str(error)) from None
        errors += [finding for finding in migrated.findings if finding.severity == "error"]
        for number, multiscale in enumerate(detect.multiscales_of(migrated.attributes, path)):
            for level in multiscale.levels if multiscale.axes else ():
                where = f"{path or 'root'}: multiscales[{number}]"
                listings.setdefault(join(path, level), {}).setdefault(where, multiscale.axes)
    if errors:
        _refuse(errors)
    for path, listed in listings.items():
        axes.level_names(path, shapes[path], listed)


def note_datasets_below(groups: Sequence[InventoryGroup]) -> list[Finding]:
    """Say that the source is a folder around datasets, where it is no Zarr itself."""
    root = next((group for group in groups if not group.path), None)
    if root is None or root.explicit or root.attributes_sha256 is not None:
        return []
    tops = [group.path for group in groups if _TOPS.intersection(group.roles)]
    tops = [path for path in tops if not any(path.startswith(f"{top}/") for top in tops)]
    if not tops:
        return []
    others = f" (and {len(tops) - 1} more)" if len(tops) > 1 else ""
    text = (
        f"the source is a folder around {tops[0]!r}{others} and no OME-Zarr itself; give that as "
        "the input to have it at the root of the output"
    )
    return [Finding(code="source.around", severity="warning", path="", message=text)]


def _refuse(errors: list[Finding]) -> None:
    for finding in errors:
        log.warning("%s at %s: %s", finding.code, finding.path or "root", finding.message)
    first, more = errors[0], len(errors) - 1
    others = f" (and {more} more in the log)" if more else ""
    raise SourceError(
        f"{first.path or 'root'}: {first.message}{others}: no valid OME-Zarr "
        f"{TARGET_VERSIONS[-1]} can be made of that ({first.code}); correct the source's metadata"
    )

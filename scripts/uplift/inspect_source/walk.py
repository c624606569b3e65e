"""Walk a source and list everything: groups, arrays, chunks, and all other files."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from uplift.codecs.mapping import unsupported_reason
from uplift.errors import SourceError, UnsupportedError
from uplift.inspect_source import prediction, remarks
from uplift.inspect_source.files import SourceFiles
from uplift.inspect_source.listers import Listers
from uplift.inspect_source.listing import FOLDERS_AT_ONCE, Folder, ListedSource
from uplift.inspect_source.nodes import Node, axis_names_of
from uplift.inspect_source.probing import UnlistedSource
from uplift.inspect_source.recent import RecentChange, recent_change
from uplift.inspect_source.refusals import (
    refuse_conflicts,
    refuse_image_in_array,
    refuse_no_zarr,
    refuse_odd_names,
)
from uplift.models.arrays import SourceArray
from uplift.models.findings import Findings
from uplift.models.inventory import (
    GroupRole,
    Inventory,
    InventoryArray,
    InventoryGroup,
)
from uplift.models.json_text import sha256_of_json
from uplift.models.paths import parents_of
from uplift.ngff.detect import (
    Context,
    Multiscale,
    multiscales_of,
    ome_of,
    ome_version,
    roles_of,
)
from uplift.ngff.reading import as_read
from uplift.ngff.versions import DEFAULT_TARGET
from uplift.running.parallel import in_order
from uplift.running.progress import Progress
from uplift.settings.urls import ARCHIVES
from uplift.storage.protocol import Store, has_round_trips, join

log = logging.getLogger(__name__)

MAX_DEPTH = 100
"""A source whose folders are nested deeper is refused."""


def inspect_source(
    store: Store,
    *,
    target: str = DEFAULT_TARGET,
    refuse_defects: bool = False,
    copy_litter: bool = False,
    on_recent: RecentChange = "warn",
    listers: Listers | None = None,
) -> Inventory:
    """Describe everything under the root of a store.

    Parameters
    ----------
    target
        Version of OME-Zarr that the metadata are to be brought to.
    refuse_defects
        Whether metadata that break a rule of OME-Zarr are refused, and not repaired or kept.
    copy_litter
        Whether files that operating systems leave (``.DS_Store``) are copied.
    on_recent
        What to do about a source that changed minutes ago.
    listers
        Processes that list the folders of large local arrays in parallel.

    Returns
    -------
    Inventory
        Groups, arrays and files in path order.

    Raises
    ------
    SourceError
        Not a Zarr, one that contradicts itself, or that may still be written; the message names
        the path.
    StorageError
        A read or listing that failed.
    """
    walk = _Walk(store, copy_litter=copy_litter, listers=listers)
    try:
        walk.run(target, refuse_defects=refuse_defects)
        if on_recent != "ignore":
            walk.check_recent_change(refuse=on_recent == "fail")
        return walk.inventory()
    except (SourceError, UnsupportedError) as error:
        if store.url in str(error):
            raise
        raise SourceError(f"{store.url}: {error}") from error


@dataclass(frozen=True)
class _PendingFolder:
    """A folder that is still to be read, and what the groups above say about it."""

    path: str
    context: Context
    zarr_format: int | None


class _Walk:
    """Collects what one walk finds, one level of the hierarchy after the other."""

    def __init__(self, store: Store, *, copy_litter: bool, listers: Listers | None) -> None:
        self._store = store
        self._reader: ListedSource | UnlistedSource = (
            ListedSource(store, listers) if store.can_list else UnlistedSource(store)
        )
        self._folders: dict[str, tuple[Node | None, tuple[GroupRole, ...]]] = {}
        self._groups: list[InventoryGroup] = []
        self._attributes: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, InventoryArray] = {}
        self._findings = Findings()
        self._files = SourceFiles(self._findings, copy_litter=copy_litter)
        self._formats: set[int] = set()

    def run(self, target: str, *, refuse_defects: bool) -> None:
        """Walk, then check the metadata."""
        pool = ThreadPoolExecutor(FOLDERS_AT_ONCE) if has_round_trips(self._store) else None
        try:
            self._walk(pool)
        finally:
            self._reader.close()
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        self._findings.extend(self._reader.consolidated.findings())
        self._collect_groups()
        self._refuse_without_nodes()
        if len(self._formats) > 1:
            text = "nodes of Zarr v2 and of v3; each read as what it is"
            self._findings.info("zarr.mixed", "", text)
        named = remarks.named_below(self._groups, self._attributes)
        self._files.note_dangling_links(named, self._store.url)
        predicted = self._predict(target)
        repairs = [one for one in self._findings.listed() if one.code == "source.repaired"]
        predicted.refuse_defects(target, any_defect=refuse_defects, repairs=repairs)
        self._findings.extend(predicted.between_nodes)
        self._link_levels(predicted.attributes)
        self._findings.extend(remarks.unlisted_labels(self._groups, self._attributes))
        self._findings.extend(remarks.versions(self._groups, self._attributes))
        self._findings.extend(
            prediction.note_datasets_below(self._groups, in_archive=self._is_archive())
        )
        self._files.note_litter()
        if not self._store.can_list:
            self._findings.warning(
                "source.not_listable",
                "",
                "the source cannot be listed: what no metadata name is not seen and not converted",
            )

    def check_recent_change(self, *, refuse: bool) -> None:
        """Warn of a source that something may still write to, or refuse it.

        It is not a finding: it depends on the time of the inspection, not on the source.
        """
        newest = self._reader.newest if isinstance(self._reader, ListedSource) else None
        text = recent_change(self._store.url, newest, time.time()) if newest else None
        if text is not None and refuse:
            raise SourceError(f"{text} (on_recent_change: warn converts it all the same)")
        if text is not None:
            log.warning("%s", text)

    def _walk(self, pool: ThreadPoolExecutor | None) -> None:
        walked = Progress("%d groups and arrays so far")
        waiting = [_PendingFolder("", Context(), None)]
        for _ in range(MAX_DEPTH):
            below: list[_PendingFolder] = []
            folders = in_order(
                pool,
                lambda one: (one, self._reader.read(one.path, one.zarr_format)),
                waiting,
                2 * FOLDERS_AT_ONCE,
            )
            for pending, folder in folders:
                below += self._add_folder(pending, folder)
                walked.add()
            if not below:
                return
            waiting = below
        raise SourceError(
            f"{self._store.url}/{waiting[0].path[:200]}: folders nest more than {MAX_DEPTH} deep; "
            "remove what does not belong there"
        )

    def _add_folder(self, pending: _PendingFolder, folder: Folder) -> list[_PendingFolder]:
        """Note one folder; return those below it."""
        path, node = pending.path, folder.node
        refuse_odd_names(self._store.url, [*(info.key for info in folder.files), *folder.folders])
        if node is not None:
            self._formats.add(node.zarr_format)
            for change in node.words:
                self._findings.warning("source.repaired", path, change.text)
            for text in node.repeated:
                self._findings.warning("source.repaired", path, text)
            if node.array is not None:
                self._add_array(folder, node, node.array)
                return []
        self._files.add(folder.files)
        self._files.add_older(path, folder.older)
        attributes = as_read(node.attributes, path) if node is not None else {}
        roles = roles_of(path, attributes, pending.context)
        self._folders[path] = (node, roles)
        self._reader.expect(path, node, attributes)
        context = pending.context.below(path, attributes, roles)
        zarr_format = node.zarr_format if node is not None else pending.zarr_format
        names = self._reader.names_below(folder)
        return [_PendingFolder(join(path, name), context, zarr_format) for name in names]

    def _add_array(self, folder: Folder, node: Node, source: SourceArray) -> None:
        path, chunks = folder.path, folder.chunks
        if isinstance(node.attributes.get("multiscales"), (list, dict)):
            refuse_image_in_array(path, node.attributes["multiscales"])
            text = "multiscales in the attributes of an array: not an OME-Zarr image; kept as it is"
            self._findings.warning("array.multiscales", path, text)
        assert chunks is not None  # noqa: S101
        self._files.add_from_array(path, folder.files, has_chunks=bool(chunks.stored))
        self._files.add_older(path, folder.older)
        if source.zarr_format == 2 and source.fill_value is None:
            text = "fill value is null; the output has zero instead"
            self._findings.info("fill_value.null", path, text)
        if folder.other_separator is not None:
            self._find_separator(path, source, folder.other_separator)
        self._arrays[path] = InventoryArray(
            path=path,
            role="array",
            axes=axis_names_of(node, source),
            source=source,
            stored_chunks=chunks.stored,
            stored_bytes=chunks.bytes,
            listing_sha256=chunks.listing_sha256,
            attributes_sha256=sha256_of_json(node.attributes) if node.attributes else None,
            problem=unsupported_reason(source) or _unreadable(path),
            words=node.words or None,
        )

    def _find_separator(self, path: str, source: SourceArray, how: str) -> None:
        separator = source.separator or "."
        if how == "read":
            text = f'chunk keys have the separator "{separator}", other than .zarray says; read so'
            self._findings.info("array.separator", path, text)
        else:
            text = f'chunk keys with either separator; read those with "{separator}", as declared'
            self._findings.warning("array.separator", path, text)

    def _collect_groups(self) -> None:
        """Keep the folders that are groups, or that lead to a node."""
        found = [path for path, (node, _) in self._folders.items() if node is not None]
        leading: set[str] = set()
        for path in [*found, *self._arrays]:
            leading.update(parents_of(path))
        newest: Literal[2, 3] = 3 if self._formats == {3} else 2
        for path in sorted(leading.union(found)):
            node, roles = self._folders[path]
            attributes = node.attributes if node is not None else {}
            self._attributes[path] = attributes
            self._groups.append(
                InventoryGroup(
                    path=path,
                    roles=roles,
                    ome_version=ome_version(attributes, path),
                    zarr_format=node.zarr_format if node is not None else newest,
                    attributes_sha256=sha256_of_json(attributes) if attributes else None,
                    explicit=node is not None and node.explicit,
                    words=(node.words or None) if node is not None else None,
                )
            )

    def _refuse_without_nodes(self) -> None:
        if not self._groups and not self._arrays:
            has_objects = self._files.copied or self._files.dropped or len(self._folders) > 1
            refuse_no_zarr(self._store, is_empty=not has_objects)
        if not self._arrays and not self._store.can_list:
            raise SourceError(
                f"{self._store.url}: its metadata name no array that is there, and this source "
                "cannot be listed; give the URL of one image, or of a store that can be listed"
            )

    def _is_archive(self) -> bool:
        return self._store.url.lower().endswith(ARCHIVES)

    def _predict(self, target: str) -> prediction.Prediction:
        """Migrate the metadata as a dry run, to find now what would be invalid later."""
        arrays = {path: array.source for path, array in self._arrays.items()}
        named = {path: array.axes for path, array in self._arrays.items() if array.axes}
        occupied = set[str]()
        if self._store.can_list:  # else a path was asked for in vain: nothing says what lies there
            occupied = {path for path, (node, _) in self._folders.items() if node is None}
        for file in self._files.copied:
            occupied |= {file.path, *parents_of(file.path)}
        return prediction.predict(
            self._groups, self._attributes, arrays, named, frozenset(occupied), target
        )

    def inventory(self) -> Inventory:
        """What the walk found, in path order."""
        versions = {group.ome_version for group in self._groups} - {None}
        inventory = Inventory(
            source=self._store.url,
            zarr_format=3 if 3 in self._formats else 2,
            ome_versions=tuple(sorted(str(v) for v in versions)),
            consolidated=self._reader.consolidated.used or None,
            consolidated_below=self._reader.consolidated.used_below or None,
            name=_dataset_name(self._attributes.get("")),
            groups=tuple(self._groups),
            arrays=tuple(self._arrays[path] for path in sorted(self._arrays)),
            files=tuple(sorted(self._files.copied, key=lambda file: file.path)),
            dropped=tuple(sorted(self._files.dropped, key=lambda file: file.path)),
            findings=self._findings.listed(),
        )
        refuse_conflicts(inventory)
        return inventory

    def _link_levels(self, migrated: Mapping[str, Mapping[str, Any]]) -> None:
        """Note in each level which multiscale lists it."""
        for path, attributes in sorted(migrated.items()):
            for multiscale in multiscales_of(attributes):
                for level, name in enumerate(multiscale.levels):
                    self._link(path, level, join(path, name), multiscale)

    def _link(self, group: str, level: int, path: str, multiscale: Multiscale) -> None:
        array = self._arrays.get(path)
        if array is None or array.role == "level":
            return
        axes = multiscale.axes
        usable = axes if len(axes) == len(array.source.shape) else array.axes
        self._arrays[path] = array.model_copy(
            update={"role": "level", "multiscale": group, "level": level, "axes": usable}
        )


def _dataset_name(root: dict[str, Any] | None) -> str | None:
    """Name that the root's metadata give the dataset."""
    if root is None:
        return None
    plate = ome_of(root).get("plate")
    names = [multiscale.name for multiscale in multiscales_of(as_read(root))]
    names += [plate.get("name")] if isinstance(plate, dict) else []
    return next((name for name in names if isinstance(name, str) and name.strip("/ ")), None)


def _unreadable(path: str) -> str | None:
    """Why readers would not find an array under its path."""
    if "\\" in path:
        return "its path has a backslash, which readers take for a slash; rename it"
    return None

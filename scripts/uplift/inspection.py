"""Walk a source and say what is there: groups, arrays, chunks, and every other file."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

from uplift.chunk_source import ChunkSource
from uplift.codecs.mapping import unsupported_reason
from uplift.codecs.v2 import parse_v2
from uplift.codecs.v3 import chunk_index_of_key, parse_v3
from uplift.errors import SourceError
from uplift.models.arrays import SourceArray
from uplift.models.findings import Finding
from uplift.models.inventory import (
    Inventory,
    InventoryArray,
    InventoryFile,
    InventoryGroup,
)
from uplift.ngff.detect import Context, Multiscale, multiscales_of, ome_of, ome_version, roles_of
from uplift.records import sha256_of_json
from uplift.storage.protocol import ObjectInfo, Store, join

log = logging.getLogger(__name__)

METADATA_V2 = (".zgroup", ".zattrs", ".zarray")
METADATA_V3 = "zarr.json"
DROPPED = (".zmetadata",)
"""Objects that the output does not need: consolidated metadata of Zarr v2."""

_DIGEST_MODULUS = 2**256


def inspect_source(store: Store) -> Inventory:
    """Describe everything under the root of a store.

    Raises
    ------
    SourceError
        Not a Zarr, or one that contradicts itself; the message names the place.
    StorageError
        A read or listing that failed.
    """
    walk = _Walk(store)
    walk.root()
    return walk.inventory()


class _Walk:
    """Collects what one recursive walk finds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._groups: list[InventoryGroup] = []
        self._attributes: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, InventoryArray] = {}
        self._files: list[InventoryFile] = []
        self._dropped: list[InventoryFile] = []
        self._findings: list[Finding] = []
        self._formats: set[int] = set()

    def root(self) -> None:
        if not self._visit("", Context()):
            raise SourceError(
                f"{self._store.url}: not a Zarr: no .zgroup, .zarray or zarr.json there or below; "
                "check the path"
            )
        if len(self._formats) > 1:
            raise SourceError(
                f"{self._store.url}: holds Zarr v2 and v3 nodes; keep the ones of one version"
            )
        self._link_levels()
        self._check_listed()

    def inventory(self) -> Inventory:
        versions = {ome_version(a) for a in self._attributes.values()} - {None}
        name = None
        root = self._attributes.get("")
        if root is not None:
            plate = ome_of(root).get("plate")
            names = [m.name for m in multiscales_of(root)]
            names += [plate.get("name")] if isinstance(plate, dict) else []
            name = next((n for n in names if isinstance(n, str) and n.strip("/ ")), None)
        return Inventory(
            source=self._store.url,
            zarr_format=3 if 3 in self._formats else 2,
            ome_versions=tuple(sorted(str(v) for v in versions)),
            name=name,
            groups=tuple(sorted(self._groups, key=lambda group: group.path)),
            arrays=tuple(self._arrays[path] for path in sorted(self._arrays)),
            files=tuple(sorted(self._files, key=lambda file: file.path)),
            dropped=tuple(sorted(self._dropped, key=lambda file: file.path)),
            findings=tuple(self._findings),
        )

    def _visit(self, path: str, context: Context) -> bool:
        """Walk one folder; whether a Zarr node stands there or below."""
        folders, objects = self._store.list_folder(path)
        names = {info.key.rpartition("/")[2]: info for info in objects}
        old = [name for name in (".zgroup", ".zarray") if name in names]
        if METADATA_V3 in names and old:
            raise SourceError(
                f"{self._store.url}/{path}: has both {old[0]} and zarr.json; keep one of them"
            )
        if METADATA_V3 in names:
            return self._visit_v3(path, folders, names, context)
        if ".zarray" in names:
            document = self._json(join(path, ".zarray"))
            attributes = self._attributes_v2(path, names)
            source = parse_v2(document, f"{self._store.url}/{join(path, '.zarray')}")
            self._array(path, source, attributes, METADATA_V2)
            return True
        attributes = self._attributes_v2(path, names)
        if ".zgroup" in names:
            self._json(join(path, ".zgroup"))
            self._formats.add(2)
        explicit = ".zgroup" in names or ".zattrs" in names
        rest = [i for n, i in names.items() if n not in METADATA_V2]
        return self._group(path, folders, rest, attributes, context, explicit=explicit)

    def _visit_v3(
        self, path: str, folders: list[str], names: dict[str, ObjectInfo], context: Context
    ) -> bool:
        document = self._json(join(path, METADATA_V3))
        attributes = document.get("attributes") or {}
        self._formats.add(3)
        if document.get("node_type") == "array":
            where = f"{self._store.url}/{join(path, METADATA_V3)}"
            dims = document.get("dimension_names")
            self._array(path, parse_v3(document, where), attributes, (METADATA_V3,), dims)
            return True
        rest = [info for name, info in names.items() if name != METADATA_V3]
        return self._group(path, folders, rest, attributes, context, explicit=True)

    def _group(
        self,
        path: str,
        folders: list[str],
        files: list[ObjectInfo],
        attributes: dict[str, Any],
        context: Context,
        *,
        explicit: bool,
    ) -> bool:
        roles = roles_of(path, attributes, context)
        below = context.below(path, attributes, roles)
        nodes = [self._visit(join(path, name), below) for name in folders]
        for info in files:
            entry = InventoryFile(path=info.key, bytes=info.size)
            dropped = info.key.rpartition("/")[2] in DROPPED
            (self._dropped if dropped else self._files).append(entry)
        if not (explicit or any(nodes)):
            return False
        self._attributes[path] = attributes
        self._groups.append(
            InventoryGroup(
                path=path,
                roles=roles,
                ome_version=ome_version(attributes),
                attributes_sha256=sha256_of_json(attributes) if attributes else None,
                explicit=explicit,
            )
        )
        return True

    def _array(
        self,
        path: str,
        source: SourceArray,
        attributes: dict[str, Any],
        documents: tuple[str, ...],
        dimension_names: list[str | None] | None = None,
    ) -> None:
        self._formats.add(source.zarr_format)
        skip = len(path) + 1 if path else 0
        chunks = ChunkSource(self._store, path, source)
        stored = stored_bytes = digest = 0
        for info in self._store.list_tree(path):
            key = info.key[skip:]
            if key in documents:
                continue
            index = chunk_index_of_key(source, key)
            if index is None:
                self._files.append(InventoryFile(path=info.key, bytes=info.size))
                continue
            stored += 1 if source.shards is None else chunks.cells_in(index)
            stored_bytes += info.size
            digest += entry_digest(key, info)
        names = dimension_names or attributes.get("_ARRAY_DIMENSIONS")
        usable = isinstance(names, list) and all(isinstance(n, str) for n in names)
        if usable and len(names or ()) != len(source.shape):
            usable = False
        if source.zarr_format == 2 and source.fill_value is None:
            self._find(
                "fill_value.null", "info", path, "fill value is null; the output has zero instead"
            )
        self._arrays[path] = InventoryArray(
            path=path,
            role="array",
            axes=tuple(names or ()) if usable else None,
            source=source,
            stored_chunks=stored,
            stored_bytes=stored_bytes,
            listing_sha256=f"{digest % _DIGEST_MODULUS:064x}",
            attributes_sha256=sha256_of_json(attributes) if attributes else None,
            problem=unsupported_reason(source),
        )

    def _link_levels(self) -> None:
        """Tell each level which multiscale lists it."""
        for path, attributes in sorted(self._attributes.items()):
            for multiscale in multiscales_of(attributes, path):
                for level, name in enumerate(multiscale.levels):
                    self._link(path, level, join(path, name), multiscale)

    def _link(self, group: str, level: int, path: str, multiscale: Multiscale) -> None:
        array = self._arrays.get(path)
        if array is None:
            raise SourceError(
                f"{self._store.url}/{group}: multiscales lists level {path!r}, but there is no "
                "array; restore it or correct the metadata"
            )
        if array.role == "level":
            return
        axes = multiscale.axes
        if not axes and len(array.source.shape) == 5:
            axes = ("t", "c", "z", "y", "x")
        usable = axes if len(axes) == len(array.source.shape) else array.axes
        self._arrays[path] = array.model_copy(
            update={"role": "level", "multiscale": group, "level": level, "axes": usable}
        )

    def _check_listed(self) -> None:
        """Report wells and fields that are listed but absent, and labels that are not listed."""
        paths = {group.path: group for group in self._groups}
        for path, attributes in sorted(self._attributes.items()):
            roles = paths[path].roles
            for name, role in sorted(Context().below(path, attributes, roles).listed.items()):
                if name not in paths and role != "row":
                    self._find(
                        f"{role.replace(' ', '_')}.absent",
                        "warning",
                        name,
                        f"{role} is listed by {path or 'the root'} but absent",
                    )
            if "labels" in roles:
                self._unlisted_labels(path, attributes)

    def _unlisted_labels(self, path: str, attributes: dict[str, Any]) -> None:
        listed = {join(path, str(n)) for n in ome_of(attributes).get("labels") or ()}
        for group in self._groups:
            inside = group.path.startswith(f"{path}/") and "image" in group.roles
            if inside and group.path not in listed:
                self._find(
                    "label.unlisted",
                    "info",
                    group.path,
                    f"label image is not listed by {path}; converted all the same",
                )

    def _find(self, code: str, severity: Any, path: str, message: str) -> None:
        self._findings.append(Finding(code=code, severity=severity, path=path, message=message))

    def _attributes_v2(self, path: str, names: dict[str, ObjectInfo]) -> dict[str, Any]:
        return self._json(join(path, ".zattrs")) if ".zattrs" in names else {}

    def _json(self, key: str) -> dict[str, Any]:
        data = self._store.get(key)
        where = f"{self._store.url}/{key}"
        if data is None:
            raise SourceError(f"{where}: vanished while it was read; run again")
        return read_document(data, where)


def read_document(data: bytes, where: str) -> dict[str, Any]:
    """Decode a metadata document.

    Raises
    ------
    SourceError
        Not UTF-8 JSON, not an object, or with a key that stands twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for key, _ in pairs if sum(key == k for k, _ in pairs) > 1)
            raise SourceError(f'{where}: the key "{twice}" stands twice; remove one of them')
        return found

    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{where}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}; "
            "repair it"
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{where}: not JSON: {error}; repair it") from None
    if not isinstance(document, dict):
        raise SourceError(f"{where}: holds no JSON object; repair it")
    return document


def entry_digest(key: str, info: ObjectInfo) -> int:
    """Digest of one stored object; the sum of all is a listing's digest, in whatever order."""
    text = f"{key}\0{info.size}\0{info.stamp}".encode()
    return int.from_bytes(hashlib.sha256(text).digest(), "little")

"""Account for every object: nothing of the source is lost, nothing at the output is unknown."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from uplift.arrays.output_objects import position_of_key
from uplift.errors import INSPECT_AGAIN
from uplift.grid import Shape
from uplift.models.arrays import TargetArray
from uplift.models.findings import Findings
from uplift.models.inventory import Inventory
from uplift.outputs.keys import LOCK_KEY, MANIFEST_KEY, ROOT_KEY
from uplift.running.parallel import in_order
from uplift.storage import reading
from uplift.storage.copying import files_pool
from uplift.storage.files import is_temporary
from uplift.storage.protocol import ObjectInfo, Store, join
from uplift.storage.tuning import FILES_AT_ONCE
from uplift.zarr_metadata.v3 import ChunkKeys

_V2_NAMES = (".zarray", ".zattrs", ".zgroup", ".zmetadata")


class OutputAccount:
    """Accounts for every object of the output: a known document or file, or in an array's grid.

    Gets each object of one listing of the output, and stores nothing for each object.

    Parameters
    ----------
    targets
        Array path to what is planned.
    expected
        Keys of documents and copied files.
    with_manifest
        A manifest will be published with the dataset, and one of an earlier run may be there.
    findings
        Receives what is found.
    stored
        Called with each object of an array: its path, position in the grid, and listing entry.

    Attributes
    ----------
    objects, bytes
        At the output, without what publishing adds or removes.
    unfinished
        Keys of what killed writers left.
    """

    def __init__(
        self,
        targets: Mapping[str, TargetArray],
        expected: set[str],
        findings: Findings,
        *,
        with_manifest: bool = False,
        has_old_manifest: bool = False,
        stored: Callable[[str, int, ObjectInfo], None] = lambda *_: None,
    ) -> None:
        self._stored = stored
        self._grids: dict[str, Shape] = {
            path: target.object_grid for path, target in targets.items()
        }
        self._expected = expected
        self._findings = findings
        self._is_manifest_ours = with_manifest or has_old_manifest
        self.objects = self.bytes = 0
        self.unfinished: list[str] = []
        if with_manifest and MANIFEST_KEY in expected:
            text = f"{MANIFEST_KEY}: the source has such a file; rename it, or set manifest: false"
            findings.error("manifest.taken", MANIFEST_KEY, text)

    def add(self, info: ObjectInfo) -> None:
        """Account for one object."""
        key = info.key
        if is_temporary(key):
            self.unfinished.append(key)
            return
        if key in (LOCK_KEY, ROOT_KEY):
            return
        if self._is_manifest_ours and key == MANIFEST_KEY:
            return
        self.objects += 1
        self.bytes += info.size
        if key in self._expected or self._in_grid(info):
            return
        if key == MANIFEST_KEY:
            text = f"{key}: not one of this dataset's runs; delete it, or set manifest: true"
            self._findings.error("output.stray", key, text)
        elif key.rpartition("/")[2] in _V2_NAMES:
            text = f"{key}: Zarr v2 metadata in a Zarr v3 dataset"
            self._findings.error("output.v2_metadata", key, text)
        else:
            text = f"{key}: belongs to no array, group or file of the source; move it elsewhere"
            self._findings.error("output.stray", key, text)

    def _in_grid(self, info: ObjectInfo) -> bool:
        for path, rest in _splits(info.key):
            object_grid = self._grids.get(path)
            position = None if object_grid is None else position_of_key(rest, object_grid)
            if position is not None:
                self._stored(path, position, info)
                return True
        return False


def check_root(published: bytes | None, root_document: bytes, findings: Findings) -> None:
    """Compare the root document of a published output with the one that is to be published.

    Parameters
    ----------
    published
        The output's, if it is published.
    root_document
        The one to publish.
    findings
        Receives what is found.
    """
    if published is not None and published != root_document:
        text = "the root document at the output is not the one to publish"
        findings.error("root.differs", "", text)


def check_source(source: Store, inventory: Inventory, findings: Findings) -> None:
    """List the source: every object is in the inventory, and every chunk that was seen is there.

    Parameters
    ----------
    source
        For reading.
    inventory
        As it was inspected.
    findings
        Receives what is found.
    """
    if not source.can_list:
        text = f"{source.url} cannot be listed; objects that the inventory misses stay unseen"
        findings.info("source.unlisted", "", text)
        return
    arrays = {entry.path: ChunkKeys(entry.source) for entry in inventory.arrays}
    known = _source_documents(inventory)
    known.update(file.path for file in (*inventory.files, *inventory.dropped))
    chunks: Counter[str] = Counter()
    for info in source.list_tree(""):
        if info.key in known:
            continue
        path = _array_of_chunk(info.key, arrays)
        if path is None:
            text = (
                f"{info.key}: is neither converted nor copied nor listed as dropped: it came after "
                f"the source was inspected; {INSPECT_AGAIN}"
            )
            findings.error("source.unaccounted", info.key, text)
        else:
            chunks[path] += 1
    for entry in inventory.arrays:
        found = chunks[entry.path]
        if entry.source.shards is None and found != entry.stored_chunks:
            text = f"{entry.stored_chunks} chunks were there when it was inspected, {found} now"
            findings.error("source.changed", entry.path, text)


def check_files(
    source: Store, output: Store, copies: Iterable[tuple[str, str]], findings: Findings
) -> int:
    """Compare copied files byte for byte; `copies` are (key in the source, key in the output).

    Parameters
    ----------
    source, output
        Both sides, for reading.
    copies
        Key in the source and key in the output of each file.
    findings
        Receives what is found.

    Returns
    -------
    int
        Files that were compared.
    """
    count = 0
    with files_pool(source, output) as pool:
        asked = in_order(pool, partial(_digests, source, output), copies, 2 * FILES_AT_ONCE)
        for before, after, digests in asked:
            count += 1
            _note_file(before, after, digests, findings)
    return count


def _digests(
    source: Store, output: Store, copy: tuple[str, str]
) -> tuple[str, str, tuple[str | None, str | None]]:
    before, after = copy
    return before, after, (sha256_of_object(source, before), sha256_of_object(output, after))


def _note_file(
    before: str, after: str, digests: tuple[str | None, str | None], findings: Findings
) -> None:
    if digests[1] is None:
        findings.error("file.missing", after, f"{after}: was not copied")
    elif digests[0] is None:
        findings.error("source.changed", before, f"{before}: is gone from the source")
    elif digests[0] != digests[1]:
        findings.error("file.differs", after, f"{after}: is not what the source has")


def sha256_of_object(store: Store, key: str) -> str | None:
    """Digest of an object, read in pieces; None when there is none."""
    info = store.stat(key)
    return None if info is None else reading.sha256_of(reading.pieces_of(store, info))


def _array_of_chunk(key: str, arrays: Mapping[str, ChunkKeys]) -> str | None:
    for path, rest in _splits(key):
        keys = arrays.get(path)
        if keys is not None:
            return path if keys.index_of(rest) is not None else None
    return None


def _splits(key: str) -> Iterator[tuple[str, str]]:
    """Every way to split a key into a node's path and the rest, the longest path first."""
    at = len(key)
    while (at := key.rfind("/", 0, at)) > 0:
        yield key[:at], key[at + 1 :]
    yield "", key


def _source_documents(inventory: Inventory) -> set[str]:
    """Keys that may hold metadata of a group or an array."""
    v2, v3 = (".zgroup", ".zarray"), ("zarr.json",)
    nodes = [(group.path, group.zarr_format, 0) for group in inventory.groups]
    nodes += [(array.path, array.source.zarr_format, 1) for array in inventory.arrays]
    return {
        join(path, name)
        for path, zarr_format, kind in nodes
        for name in (v3 if zarr_format == 3 else (v2[kind], ".zattrs"))
    }

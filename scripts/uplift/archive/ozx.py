"""Pack a published dataset into one file, as RFC-9 of OME-Zarr recommends (``.ozx``).

ZIP64 and stored; the root's ``zarr.json`` is the first entry, the other ones follow breadth first,
then everything else. The bytes depend on the dataset alone. Sharded arrays keep the entries few.
"""

import hashlib
import itertools
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from uplift.errors import InputError, OutputError
from uplift.models.json_text import sha256_of
from uplift.models.publication import Archived
from uplift.outputs.keys import LOCK_KEY, ROOT_KEY
from uplift.outputs.space import require_space
from uplift.outputs.unclaimed import ArchiveFile
from uplift.planning.space import Space
from uplift.storage import open_store, tuning
from uplift.storage.protocol import ObjectInfo, ObjectWriter, Readable, Store
from uplift.storage.reading import pieces_of
from uplift.storage.zip_reader import ArchiveStore
from uplift.storage.zip_writer import ZipWriter, archive_bytes

log = logging.getLogger(__name__)

EXTENSION = ".ozx"


def archive_url(output_url: str) -> str:
    """Where the archive of an output goes: next to it, ``cells.zarr`` to ``cells.ozx``."""
    return output_url.rstrip("/").removesuffix(".zarr") + EXTENSION


def archive_dataset(
    output_url: str,
    settings: Mapping[str, Any] | None,
    *,
    overwrite: bool,
    before: Archived | None,
    warn_of_space: bool = False,
) -> Archived:
    """Write the archive of a published output, and read all of it back.

    Parameters
    ----------
    overwrite
        Whether to replace an existing file, whatever it is.
    before
        Result of the last time; that archive may always be replaced.
    warn_of_space
        Whether to try an archive that will not fit all the same.

    Returns
    -------
    Archived
        Name, bytes and digest of the archive.

    Raises
    ------
    OutputError
        The output is not published, changes meanwhile, or another file has the name; or the archive
        does not fit.
    """
    output = open_store(output_url, settings)
    root = output.get(ROOT_KEY)
    if root is None:
        raise OutputError(f"{output.url}: not published, so there is nothing to pack; publish it")
    url = archive_url(output_url)
    file = ArchiveFile(url, output_url, settings)
    if not overwrite:
        _refuse_foreign(file, {sha256_of(root), before.root_sha256 if before else ""})
    entries = in_order(output.list_tree(""))
    comment = comment_of(root)
    size = archive_bytes(((info.key, info.size) for info in entries), comment)
    require_space(url, Space(size, 1), warn=warn_of_space)  # an old one stays until this is whole
    with file.writer(size) as stream:
        digest = _Digest(stream)
        writer = ZipWriter(digest)
        for info, crc, pieces in _contents(output, entries):
            try:
                writer.add(info.key, info.size, crc, pieces)
            except ValueError:
                _changed(output, info)
        writer.finish(comment)
        if output.get(ROOT_KEY) != root:
            raise OutputError(
                f"{output.url}: another run has started to write there; run again when it is done"
            )
    if removed := file.finish():
        log.info("removed %d unfinished archives of killed jobs", removed)
    packed = open_store(url, file.options)
    if not isinstance(packed, ArchiveStore) or packed.verify() != len(entries):
        raise OutputError(f"{packed.url}: is not what was written there; pack it again")
    log.info("packed %d objects, %d bytes, into %s", len(entries), writer.bytes_written, packed.url)
    return Archived(
        archive=packed.url,
        output=output.url,
        root_sha256=sha256_of(root),
        sha256=digest.hexdigest(),
        entries=len(entries),
        bytes=writer.bytes_written,
    )


def in_order(objects: Iterable[ObjectInfo]) -> list[ObjectInfo]:
    """Objects in the order of RFC-9: documents of nodes first, breadth first, from the root on."""

    def rank(info: ObjectInfo) -> tuple[bool, int, str]:
        document = info.key.rpartition("/")[2] == ROOT_KEY
        return (not document, info.key.count("/") if document else 0, info.key)

    return sorted((info for info in objects if info.key != LOCK_KEY), key=rank)


def comment_of(root: bytes) -> bytes:
    """Comment of the archive: the version that the root's OME metadata name."""
    attributes = json.loads(root).get("attributes") or {}
    version = (attributes.get("ome") or {}).get("version", "0.5")
    return json.dumps({"ome": {"version": version}}, separators=(",", ":")).encode()


def _contents(
    output: Store, entries: list[ObjectInfo]
) -> Iterator[tuple[ObjectInfo, int, Iterable[bytes]]]:
    """Each object with its CRC-32 and its bytes; large ones in pieces."""
    for small, group in itertools.groupby(entries, lambda info: info.size <= tuning.PIECE_BYTES):
        infos = list(group)
        if not small:
            yield from ((i, _crc(pieces_of(output, i)), pieces_of(output, i)) for i in infos)
            continue
        found = output.read_many(infos)
        for info, data in zip(infos, found, strict=True):
            if data is None:
                _changed(output, info)
            yield info, zlib.crc32(data), (data,)


def _crc(pieces: Iterable[bytes]) -> int:
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return crc


def _changed(output: Store, info: ObjectInfo) -> NoReturn:
    raise OutputError(
        f"{output.url}/{info.key}: changed while it was packed; run again when nobody writes there"
    )


def _refuse_foreign(file: ArchiveFile, ours: set[str]) -> None:
    """Refuse to replace a file that holds another dataset, or none."""
    store, name = file.store, file.name
    if store.stat(name) is None:
        return
    with suppress(InputError):
        there = ArchiveStore(f"{store.url}/{name}", store, name, concurrency=1).get(ROOT_KEY)
        if there is not None and sha256_of(there) in ours:
            return
    raise OutputError(
        f"{store.url}/{name}: exists and is not an archive of this dataset; remove it, or set "
        "overwrite: true"
    )


class _Digest:
    """Writes bytes to a stream, and digests them."""

    def __init__(self, stream: ObjectWriter) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._sha256.update(data)
        self._stream.write(data)

    def write_all(self, pieces: Sequence[Readable]) -> None:
        """Append pieces."""
        self.write(b"".join(pieces))

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

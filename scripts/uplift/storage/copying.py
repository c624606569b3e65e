"""Copy objects byte for byte, in pieces, with the digest of what was copied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from uplift.errors import SourceError
from uplift.models.inventory import InventoryFile
from uplift.models.migration import CopiedFile
from uplift.storage import tuning
from uplift.storage.protocol import Store, WritableStore


def copy_files(
    files: Iterable[InventoryFile], source: Store, output: WritableStore, *, keep: frozenset[str]
) -> Iterator[CopiedFile]:
    """Copy files, each under its own key; a file that is there already, byte for byte, stays.

    Parameters
    ----------
    keep
        Keys that are copied only where the output has none: a later step rewrites these.

    Raises
    ------
    SourceError
        A file is gone, or has another size than when the source was inspected.
    """
    for file in files:
        if file.path in keep and output.stat(file.path) is not None:
            digest = _digest(_pieces(file, source))
        else:
            digest = _digest_if_equal(file, source, output) or _write(file, source, output)
        yield CopiedFile(path=file.path, bytes=file.bytes, sha256=digest)


def _write(file: InventoryFile, source: Store, output: WritableStore) -> str:
    digest = hashlib.sha256()
    with output.writer(file.path) as writer:
        for piece in _pieces(file, source):
            digest.update(piece)
            writer.write(piece)
    return digest.hexdigest()


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _digest_if_equal(file: InventoryFile, source: Store, output: WritableStore) -> str | None:
    """Digest of the source file when the output holds the same bytes."""
    there = output.stat(file.path)
    if there is None or there.size != file.bytes:
        return None
    digest = hashlib.sha256()
    for mine, theirs in zip(_pieces(file, source), _ranges(file, output), strict=True):
        if mine != theirs:
            return None
        digest.update(mine)
    return digest.hexdigest()


def _pieces(file: InventoryFile, source: Store) -> Iterator[bytes]:
    """Content of a source file; as long as inspect saw it, or an error."""
    length = 0
    for piece in _ranges(file, source):
        if piece is None:
            raise SourceError(
                f"{source.url}/{file.path}: was there when the source was inspected and is absent "
                "now; inspect again (snakemake -R inspect)"
            )
        length += len(piece)
        yield piece
    found = source.stat(file.path) if file.bytes > tuning.PIECE_BYTES else None
    if length != file.bytes or (found is not None and found.size != file.bytes):
        raise SourceError(
            f"{source.url}/{file.path}: had {file.bytes} bytes when the source was inspected and "
            "has another size now; inspect again (snakemake -R inspect)"
        )


def _ranges(file: InventoryFile, store: Store) -> Iterator[bytes | None]:
    if file.bytes <= tuning.PIECE_BYTES:
        yield store.get(file.path)
        return
    for start in range(0, file.bytes, tuning.PIECE_BYTES):
        yield store.get_range(file.path, start, min(tuning.PIECE_BYTES, file.bytes - start))

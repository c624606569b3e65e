"""Copy objects byte for byte, in pieces, with the digest of what was copied."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

from uplift.errors import INSPECT_AGAIN, ChangedError, SourceError
from uplift.models.inventory import InventoryFile
from uplift.models.migration import CopiedFile
from uplift.running.parallel import in_order
from uplift.storage import tuning
from uplift.storage.protocol import ObjectInfo, Store, WritableStore, has_round_trips
from uplift.storage.reading import pieces_of, sha256_of


def copy_files(
    files: Iterable[InventoryFile], source: Store, output: WritableStore, *, keep: frozenset[str]
) -> Iterator[CopiedFile]:
    """Copy files, each under its own key; a file that is there already, byte for byte, stays.

    Parameters
    ----------
    keep
        Keys that are copied only where the output has none: a later step rewrites these.

    Returns
    -------
    Iterator[CopiedFile]
        Bytes and SHA-256 of each.

    Raises
    ------
    SourceError
        A file is gone, or has another size than when the source was inspected.
    """
    copy = partial(_copied, source, output, keep)
    with files_pool(source, output) as pool:
        yield from in_order(pool, copy, files, 2 * tuning.FILES_AT_ONCE)


@contextlib.contextmanager
def files_pool(source: Store, output: Store) -> Iterator[Executor | None]:
    """Threads that copy or compare files side by side, where a store is waited for."""
    if not has_round_trips(source, output):
        yield None
        return
    with ThreadPoolExecutor(tuning.FILES_AT_ONCE, thread_name_prefix="files") as pool:
        yield pool


def _copied(
    source: Store, output: WritableStore, keep: frozenset[str], file: InventoryFile
) -> CopiedFile:
    if file.path in keep and output.stat(file.path) is not None:
        digest = sha256_of(_pieces(file, source))
    else:
        digest = _digest_if_equal(file, source, output) or _write(file, source, output)
    return CopiedFile(path=file.path, bytes=file.bytes, sha256=digest)


def _write(file: InventoryFile, source: Store, output: WritableStore) -> str:
    digest = hashlib.sha256()
    with output.writer(file.path, file.bytes) as writer:
        for piece in _pieces(file, source):
            digest.update(piece)
            writer.write(piece)
    return digest.hexdigest()


def _digest_if_equal(file: InventoryFile, source: Store, output: WritableStore) -> str | None:
    """Digest of the source file when the output holds the same bytes."""
    there = output.stat(file.path)
    if there is None or there.size != file.bytes:
        return None
    digest = hashlib.sha256()
    for mine, theirs in zip(_pieces(file, source), pieces_of(output, there), strict=True):
        if mine != theirs:
            return None
        digest.update(mine)
    return digest.hexdigest()


def _pieces(file: InventoryFile, source: Store) -> Iterator[bytes]:
    """Content of a source file; as long as inspect saw it, or an error."""
    try:
        yield from pieces_of(source, ObjectInfo(file.path, file.bytes, ""))
    except ChangedError as error:
        raise SourceError(
            f"{source.url}/{file.path}: changed or went since the source was inspected; "
            f"{INSPECT_AGAIN}"
        ) from error

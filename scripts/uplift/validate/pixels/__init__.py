"""Checks of every chunk and every element."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from uplift.arrays.source_chunks import ChunkSource
from uplift.models.batch import BatchItem
from uplift.models.findings import Findings
from uplift.storage.protocol import Store
from uplift.validate.pixels.check import Compared, Expected, Part, PixelCheck
from uplift.validate.pixels.repacked import RepackCheck
from uplift.validate.pixels.small import is_small

_RECODED, _AT_ONCE = "uplift.validate.pixels.recoded", "uplift.validate.pixels.at_once"
"""Imported when they are needed: other people's readers take 0.5 s, and repacked chunks of a large
array none."""


def import_readers() -> None:
    """Import other people's readers, before a process forks for each job."""
    for name in (_RECODED, _AT_ONCE):
        importlib.import_module(name)


def check_portion(
    item: BatchItem,
    chunks: ChunkSource,
    output: Store,
    expected: Expected,
    findings: Findings,
    *,
    presence: bool = False,
    values: NDArray[Any] | None = None,
    part: Part | None = None,
) -> Compared:
    """Compare what the output holds of an array, or of a part of it, with what was read.

    Parameters
    ----------
    item
        Run of stored objects.
    chunks
        Encoded chunks of the source.
    output
        Store that holds the objects.
    expected
        What they must hold.
    findings
        Where to note what is wrong.
    presence
        Whether to look for objects that must not exist, too.
    values
        Of the whole array, where another reader has read them from the output and found the same
        in the source: then chunks that were kept need not be decoded once more.
    part
        Which chunks of the item's only object; None: all chunks of all objects.

    Returns
    -------
    Compared
        What was compared, and digests of it.

    Raises
    ------
    StorageError
        A read that failed.
    """
    kind = _recode_check() if item.method == "recode" else RepackCheck
    check = kind(item, chunks, output, expected, findings, part)
    check.values = values
    if presence:
        check.check_presence()
    return check.run()


def modules_for(items: Iterable[BatchItem], *, local: bool) -> list[str]:
    """Modules needed to check these, other than this one; `local`: both sides are files."""
    found = set()
    for item in items:
        found |= {_RECODED} if item.method == "recode" else set()
        found |= {_AT_ONCE} if local and is_small(item) else set()
    return sorted(found)


def values_at_once(
    items: Sequence[BatchItem], source: Store, output: Store
) -> Iterator[NDArray[Any] | None]:
    """Values of small local arrays as other readers have them of both sides.

    Parameters
    ----------
    items
        Runs of stored objects.
    source, output
        Both sides.

    Yields
    ------
    NDArray[Any] or None
        For each item the values of the output, in the array's shape, where those of the source are
        the same, bit for bit; None where that is not known. Valid until the next one is asked for.
    """
    local = source.is_local and output.is_local
    small = [item if local and is_small(item) else None for item in items]
    if not any(small):
        yield from (None for _ in items)
        return
    yield from importlib.import_module(_AT_ONCE).same_values(small, source, output)


def _recode_check() -> type[PixelCheck]:
    found: type[PixelCheck] = importlib.import_module(_RECODED).RecodeCheck
    return found

"""Checks of every chunk and every element."""

import importlib
from collections.abc import Iterable

from uplift.arrays.source_chunks import ChunkSource
from uplift.models.batch import BatchItem
from uplift.models.findings import Findings
from uplift.storage.protocol import Store
from uplift.validate.pixels.check import Compared, Expected, PixelCheck
from uplift.validate.pixels.repacked import RepackCheck

_RECODED = "uplift.validate.pixels.recoded"
"""Imported when it is needed: other people's readers take 0.5 s, and repacked chunks none."""


def check_portion(
    item: BatchItem,
    chunks: ChunkSource,
    output: Store,
    expected: Expected,
    findings: Findings,
    *,
    presence: bool = False,
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
    check = kind(item, chunks, output, expected, findings)
    if presence:
        check.check_presence()
    return check.run()


def modules_for(items: Iterable[BatchItem]) -> list[str]:
    """Modules that checking these takes, besides this one."""
    return [_RECODED] if any(item.method == "recode" for item in items) else []


def _recode_check() -> type[PixelCheck]:
    found: type[PixelCheck] = importlib.import_module(_RECODED).RecodeCheck
    return found

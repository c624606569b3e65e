"""Checks of every chunk and every element."""

from uplift.arrays.source_chunks import ChunkSource
from uplift.models.batch import BatchItem
from uplift.models.findings import Findings
from uplift.storage.protocol import Store
from uplift.validate.pixels.check import Compared, Expected
from uplift.validate.pixels.recoded import RecodeCheck
from uplift.validate.pixels.repacked import RepackCheck


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
    kind = RecodeCheck if item.method == "recode" else RepackCheck
    check = kind(item, chunks, output, expected, findings)
    if presence:
        check.check_presence()
    return check.run()

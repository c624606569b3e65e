"""Small arrays from end to end, by the job that converted them, while they are in the page cache.

Other people's readers read both sides whole. What differs or is refused is left to the check of the
whole dataset (:mod:`uplift.validate.pixels.regions`), which knows more and says what is wrong.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from uplift.arrays.readers import ReaderError, open_planned, open_reader
from uplift.models.batch import BatchItem
from uplift.storage.protocol import Store
from uplift.validate.pixels.compare import same_bits
from uplift.validate.pixels.small import is_for_zarr_python


def same_values(item: BatchItem, source: Store, output: Store) -> NDArray[Any] | None:
    """Read a small array whole, on both sides.

    The output is read by the document that is planned for it; the one that will be written is
    compared with the plan. One of sixteen arrays is read by zarr-python, which takes milliseconds
    to open one; the others by tensorstore's driver for Zarr v3.

    Parameters
    ----------
    item
        All stored objects of an array that is small.
    source, output
        Both sides.

    Returns
    -------
    NDArray[Any] or None
        Values of the output, in the array's shape, where those of the source are the same, bit for
        bit; None where that is not known.
    """
    whole = tuple(slice(0, n) for n in item.source.shape)
    by_zarr = is_for_zarr_python(item.path)
    try:
        before = open_reader(source, item.path, version=item.source.zarr_format)
        after = open_planned(output, item.path, item.target, zarr_python=by_zarr)
        pending = before.begin(whole)  # both calls are under way at once
        values = after.read(whole)
        return values if same_bits(values, pending()) else None
    except ReaderError:
        return None

"""One chunk of numbers, and the Zarr v2 array that it belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np

from uplift.models.arrays import SourceArray

SHAPE, CHUNKS = (7, 10), (4, 6)
NUMBERS = np.arange(24, dtype="<u2").reshape(CHUNKS) * 321


def v2_array(dtype: Any = "<u2", **more: Any) -> SourceArray:
    facts: dict[str, Any] = {
        "zarr_format": 2,
        "shape": SHAPE,
        "chunks": CHUNKS,
        "data_type": dtype,
        "fill_value": 9,
        "order": "C",
        "separator": ".",
    }
    return SourceArray(**{**facts, **more})

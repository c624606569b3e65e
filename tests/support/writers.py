"""Datasets as a writer of the field leaves them: ome-zarr-py, version 0.4."""

import warnings
from pathlib import Path

import numpy as np
import zarr


def write_by_ome_zarr_py(root: Path, size: int = 64) -> Path:
    """Write a tczyx pyramid with omero metadata and a label image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr.format import FormatV04
        from ome_zarr.writer import write_image, write_labels

        rng = np.random.default_rng(4)
        group = zarr.open_group(str(root), mode="w", zarr_format=2)
        channels = [
            {
                "label": f"channel {number}",
                "color": color,
                "active": True,
                "window": {"start": 0, "end": 4000, "min": 0, "max": 65535},
            }
            for number, color in enumerate(("00FF00", "FF00FF"))
        ]
        write_image(
            rng.integers(0, 4000, (2, 2, 4, size, size), dtype="u2"),
            group,
            axes="tczyx",
            fmt=FormatV04(),
            storage_options={"chunks": (1, 1, 2, 32, 32)},
            metadata={"omero": {"channels": channels}},
        )
        write_labels(
            rng.integers(0, 9, (2, 1, 4, size, size), dtype="u4"),
            group,
            "nuclei",
            axes="tczyx",
            fmt=FormatV04(),
            label_metadata={"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]},
        )
    return root

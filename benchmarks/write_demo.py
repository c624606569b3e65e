"""Write the demo's source: a microscopy picture from scikit-image's wheel, as OME-Zarr 0.4.

The picture shows colonic glands, stained for FHL2 (brown) and with hematoxylin (blue). The writer
is ome-zarr-py: image with a pyramid, omero channels, and the nuclei as labels.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import zarr
from numpy.typing import NDArray
from ome_zarr.format import FormatV04
from ome_zarr.writer import write_image, write_labels
from skimage.color import rgb2hed
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label

AXES = ["c", "y", "x"]
CHANNELS = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"))


def main() -> int:
    """Write the dataset, whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="folder to write, such as demo/ihc.zarr")
    target: Path = parser.parse_args().target
    unfinished = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of writer and zarr, about OME-Zarr 0.4 being old
        write_dataset(unfinished, skimage.data.immunohistochemistry())
    unfinished.rename(target)
    return 0


def write_dataset(folder: Path, picture: NDArray[np.uint8]) -> None:
    """Write the picture (y, x, rgb) with three pyramid levels, omero, and its nuclei as labels."""
    image = np.ascontiguousarray(np.moveaxis(picture, -1, 0))
    group = zarr.open_group(folder, mode="w", zarr_format=2)
    options: dict[str, Any] = {
        "fmt": FormatV04(),
        "scale_factors": [2, 4],
        "storage_options": {"chunks": (1, 128, 128)},
    }
    write_image(image, group, axes=AXES, name="Colonic glands", **options)
    labels = nuclei(picture)[np.newaxis]
    colors = [{"label-value": 1, "rgba": [0, 0, 255, 255]}]
    metadata = {"colors": colors, "source": {"image": "../../"}}
    write_labels(
        labels, group, "nuclei", scaler=None, axes=AXES, label_metadata=metadata, **options
    )
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [
        {"label": name, "color": color, "window": window, "active": True}
        for name, color in CHANNELS
    ]
    group.attrs["omero"] = {"channels": channels, "rdefs": {"model": "color"}}


def nuclei(picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Number the dark blue blobs."""
    hematoxylin = gaussian(rgb2hed(picture)[..., 0], sigma=2)
    numbered: NDArray[np.uint16] = label(hematoxylin > threshold_otsu(hematoxylin)).astype("u2")
    return numbered


if __name__ == "__main__":
    sys.exit(main())

"""Compare outputs with the source they were made from, pixel by pixel, by tensorstore."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore


def main() -> int:
    """End with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="OME-Zarr 0.4")
    parser.add_argument("outputs", type=Path, nargs="+", help="OME-Zarr 0.5")
    arguments = parser.parse_args()
    attributes = json.loads((arguments.source / ".zattrs").read_text())
    for level in attributes["multiscales"][0]["datasets"]:
        source = open_array("zarr", arguments.source / level["path"])
        for folder in arguments.outputs:
            output = open_array("zarr3", folder / level["path"])
            for index in np.ndindex(*source.shape[:-3]):
                if not np.array_equal(source[index].read().result(), output[index].read().result()):
                    sys.stderr.write(f"error: {folder}: {level['path']} differs at {index}\n")
                    return 1
    return 0


def open_array(driver: str, path: Path) -> Any:
    """Open one level for reading."""
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}}
    return tensorstore.open(spec, read=True).result()


if __name__ == "__main__":
    sys.exit(main())

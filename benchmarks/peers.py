"""Convert with zarr-python or tensorstore: open as Zarr v2, create as v3, copy shard after shard.

What a short script of a user does: values are decoded and encoded again (blosc, lz4, level 5, as
the source), nothing is compared, no OME metadata is written, nothing is synced.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Region = tuple[slice, ...]


def main() -> int:
    """Convert every array of the plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=("zarr-python", "tensorstore"))
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("plan", type=Path, help="plan.json of the workflow: chunks and shards")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    pair = zarr_pair if given.library == "zarr-python" else tensorstore_pair
    arrays = json.loads(given.plan.read_text())["arrays"]
    with ThreadPoolExecutor(given.threads) as pool:
        list(pool.map(lambda task: task(), _tasks(pair, given, arrays)))
    return 0


def _tasks(pair: Any, given: argparse.Namespace, arrays: list[dict[str, Any]]) -> Iterator[Any]:
    for array in arrays:
        copy = pair(given.source / array["path"], given.output / array["path"], array)
        shards = array["shards"] or array["chunks"]
        for region in regions(array["shape"], shards):
            yield lambda copy=copy, region=region: copy(region)


def regions(shape: list[int], step: list[int]) -> Iterator[Region]:
    """Regions of the shards, cut at the array's edge."""
    ranges = (range(0, n, s) for n, s in zip(shape, step, strict=True))
    for start in itertools.product(*ranges):
        yield tuple(slice(a, min(a + s, n)) for a, s, n in zip(start, step, shape, strict=True))


def zarr_pair(source: Path, output: Path, array: dict[str, Any]) -> Any:
    """Copy one region by zarr-python."""
    import zarr

    old = zarr.open_array(source, mode="r", zarr_format=2)
    new = zarr.create_array(
        output,
        shape=old.shape,
        chunks=tuple(array["chunks"]),
        shards=tuple(array["shards"]) if array["shards"] else None,
        dtype=old.dtype,
        fill_value=0,
        compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
        zarr_format=3,
    )

    def copy(region: Region) -> None:
        new[region] = old[region]

    return copy


def tensorstore_pair(source: Path, output: Path, array: dict[str, Any]) -> Any:
    """Copy one region by tensorstore."""
    import tensorstore

    def spec(driver: str, path: Path) -> dict[str, Any]:
        return {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}}

    old = tensorstore.open(spec("zarr", source), read=True).result()
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 2}
    codecs: list[dict[str, Any]] = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "blosc", "configuration": blosc},
    ]
    if array["shards"]:
        sharding = {"chunk_shape": array["chunks"], "codecs": codecs}
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    shape = array["shards"] or array["chunks"]
    metadata = {
        "shape": array["shape"],
        "data_type": old.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "codecs": codecs,
    }
    new = tensorstore.open({**spec("zarr3", output), "metadata": metadata}, create=True).result()

    def copy(region: Region) -> None:
        new[region].write(old[region]).result()

    return copy


if __name__ == "__main__":
    sys.exit(main())

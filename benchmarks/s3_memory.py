"""S3 to S3 with shards of 1 GiB: peak memory of the convert program, bytes kept and recoded.

Runs against a Ceph RGW that this program starts, the convert step as a process of its own.

    python benchmarks/s3_memory.py [--shard-mib 1024]
"""

import argparse
import json
import math
import multiprocessing
import sys
import tempfile
from pathlib import Path

from s3_place import ROOT, S3Place, s3_place  # first: it adds the folders to the path

import numpy as np  # isort: skip
from measure import Cost, run_measured  # isort: skip
from support.images import multiscales, write_array, write_json  # isort: skip
from support.steps import Conversion, words_of  # isort: skip

SIDE, CHUNK = 4096, 512
PLANE_MIB = SIDE * SIDE * 2 // 2**20


def write_source(root: Path, planes: int) -> None:
    """Write one array of noise, which no codec makes smaller: uint16, chunks of 512 KiB."""
    values = np.random.default_rng(0).integers(0, 65536, (planes, SIDE, SIDE), dtype="<u2")
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"multiscales": multiscales(1, "zyx")})
    write_array(root / "0", values, (1, CHUNK, CHUNK))


def convert(place: S3Place, planes: int, method: str, scratch: Path) -> Cost:
    """Convert into one shard; bytes are kept, or twice as large chunks made."""
    storage = {f"s3://{place.bucket}/": {"endpoint_url": place.endpoints["loopback"]}}
    chunk = (1, CHUNK, CHUNK) if method == "repack" else (1, 2 * CHUNK, CHUNK)
    plan = {"chunks": chunk, "shards": (planes, SIDE, SIDE)}
    where = f"s3://{place.bucket}/in.zarr", f"s3://{place.bucket}/{method}.zarr"
    steps = Conversion(*where, scratch / method, storage=json.dumps(storage))
    steps.inspect()
    steps.plan()
    edited = json.loads(steps.path("plan.json").read_text())
    edited["arrays"][0].update(plan)
    steps.path("plan.json").write_text(json.dumps(edited))
    for step in (steps.plan, steps.claim):
        step()
    (batch,) = steps.batches()
    words = words_of(steps.convert_options(1))
    cost = run_measured(
        [sys.executable, str(ROOT / "scripts/convert.py"), *words], scratch / "log.txt"
    )
    (item,) = json.loads(steps.path("records", f"{batch}.json").read_text())["items"]
    if item["objects_written"] != 1 or (item["method"] == "recode") != (method == "recode"):
        raise RuntimeError(f"not one shard by {method}: {item}")
    place.delete(f"{method}.zarr/")
    return cost


def main() -> int:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard-mib", type=int, default=1024)
    arguments = parser.parse_args()
    planes = math.ceil(arguments.shard_mib / PLANE_MIB)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        # In a process of its own: children inherit the peak of the one that starts them.
        writing = multiprocessing.get_context("spawn").Process(
            target=write_source, args=(scratch / "in.zarr", planes)
        )
        writing.start()
        writing.join()
        with s3_place(scratch / "in.zarr", scratch) as place:
            for method in ("repack", "recode"):
                cost = convert(place, planes, method, scratch)
                result = {"method": method, "shard MiB": planes * PLANE_MIB, **vars(cost)}
                sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

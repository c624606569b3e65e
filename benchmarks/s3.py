"""S3 to S3: the convert step against a bare obstore loop over the same objects.

Both take turns on a Ceph RGW that this program starts, directly and with 20 ms added each way (as
40 ms before each request). The loop only moves bytes: it GETs the objects that the plan puts into
each shard, with the same number of requests under way, and streams the shard.

    python benchmarks/s3.py [--rounds 3] [--channels 2]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from s3_place import S3Place, s3_place  # first: it adds the folders to the path

import obstore  # isort: skip
from dataset import Size, generate  # isort: skip
from obstore.store import S3Store  # isort: skip
from servers import rgw  # isort: skip
from support.steps import Conversion  # isort: skip
from uplift.settings.storage import StorageOptions  # isort: skip

CONCURRENCY = StorageOptions().concurrency
PART_BYTES = 16 * 2**20
Measured = tuple[float, float]
Shards = dict[str, list[str]]


def measured(work: Callable[[], object]) -> Measured:
    """Return wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def shards_of(plan: dict[str, Any]) -> Shards:
    """Keys of the objects that the plan puts into each shard (the sources are dense)."""
    found: Shards = {}
    for array in plan["arrays"]:
        shape, chunks, shards = (array[name] for name in ("shape", "chunks", "shards"))
        counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
        for index in _indices(counts):
            place = [i // (s // c) for i, s, c in zip(index, shards, chunks, strict=True)]
            shard = f"{array['path']}/c/{'/'.join(map(str, place))}"
            found.setdefault(shard, []).append(f"{array['path']}/{'/'.join(map(str, index))}")
    return found


def _indices(counts: list[int]) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    for count in counts:
        rows = [[*row, i] for row in rows for i in range(count)]
    return rows


def bare_loop(endpoint: str, bucket: str, shards: Shards) -> None:
    """Move the same bytes with obstore and nothing else."""
    store = S3Store(
        bucket,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=rgw.USER[0],
        secret_access_key=rgw.USER[1],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    with ThreadPoolExecutor(CONCURRENCY) as pool, ThreadPoolExecutor(2) as writers:

        def get(key: str) -> obstore.Bytes:
            return obstore.get(store, f"in.zarr/{key}").bytes()

        def write(shard: str) -> None:
            with obstore.open_writer(store, f"bare/{shard}", buffer_size=PART_BYTES) as stream:
                for data in pool.map(get, shards[shard]):
                    stream.write(data)

        list(writers.map(write, shards))


def compare(place: S3Place, endpoint: str, rounds: int, scratch: Path) -> dict[str, Any]:
    """Let both take turns; every measurement, medians and their ratios."""
    there = {f"s3://{place.bucket}/": {"endpoint_url": endpoint, "concurrency": CONCURRENCY}}
    turns: dict[str, list[Measured]] = {"convert": [], "bare loop": []}
    for turn in range(rounds + 1):  # the first one warms up
        where = f"s3://{place.bucket}/in.zarr", f"s3://{place.bucket}/out.zarr"
        steps = Conversion(*where, scratch / f"{time.time_ns()}", storage=json.dumps(there))
        for step in (steps.inspect, steps.plan, steps.claim):
            step()
        shards = shards_of(json.loads(steps.path("plan.json").read_text()))

        def loop(shards: Shards = shards) -> None:
            bare_loop(endpoint, place.bucket, shards)

        both = [("convert", steps.convert), ("bare loop", loop)]
        for name, work in both if turn % 2 else reversed(both):
            cost = measured(work)
            if turn:
                turns[name].append(cost)
        place.delete("out.zarr/")
        place.delete("bare/")
    median = {n: [statistics.median(v) for v in zip(*t, strict=True)] for n, t in turns.items()}
    ratio = [a / b for a, b in zip(median["convert"], median["bare loop"], strict=True)]
    return {"turns": turns, "median": median, "ratio": {"wall": ratio[0], "cpu": ratio[1]}}


def main() -> int:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--channels", type=int, default=2, help="1,700 chunks each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        generate(scratch / "in.zarr", Size(t=1, c=arguments.channels))
        with s3_place(scratch / "in.zarr", scratch) as place:
            results = {
                name: compare(place, endpoint, arguments.rounds, scratch)
                for name, endpoint in place.endpoints.items()
            }
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""S3 to S3: the convert step against a bare obstore loop over the same objects.

Both take turns on a Ceph RGW that this program starts, directly and with 20 ms added each way (as
40 ms before each request). The loop only moves bytes: it GETs the objects that
the plan puts into each shard, with the same number of requests under way, and streams the shard.

    python benchmarks/s3.py [--rounds 3] [--planes 8]
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import obstore  # noqa: E402
from obstore.store import S3Store  # noqa: E402

from servers import rgw  # noqa: E402
from servers.faulty_proxy import Faults, FaultyProxy  # noqa: E402
from support import s3  # noqa: E402
from support.images import multiscales, write_array, write_json  # noqa: E402
from support.steps import Conversion  # noqa: E402

CONCURRENCY = 32
CHUNK = 256


def write_source(root: Path, planes: int) -> None:
    """Write one array of noise."""
    values = np.random.default_rng(0).integers(0, 4000, (1, planes, 2048, 2048), dtype="<u2")
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"multiscales": multiscales(1)})
    write_array(root / "0", values, (1, 1, CHUNK, CHUNK))


def measured(work) -> tuple[float, float]:
    """Return wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def bare_loop(endpoint: str, bucket: str, planes: int, shard: tuple[int, ...]) -> None:
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
    side = range(2048 // CHUNK)
    shards: dict[tuple[int, ...], list[str]] = {}
    for index in ((0, z, y, x) for z in range(planes) for y in side for x in side):
        place = tuple(
            i // (s // c) for i, s, c in zip(index, shard, (1, 1, CHUNK, CHUNK), strict=True)
        )
        shards.setdefault(place, []).append("in.zarr/0/" + "/".join(map(str, index)))
    with ThreadPoolExecutor(CONCURRENCY) as pool, ThreadPoolExecutor(2) as writers:

        def write(place: tuple[int, ...]) -> None:
            key = "bare/" + "/".join(map(str, place))
            with obstore.open_writer(store, key, buffer_size=16 * 2**20) as stream:
                for data in pool.map(lambda k: obstore.get(store, k).bytes(), shards[place]):
                    stream.write(data)

        list(writers.map(write, shards))


def compare(endpoint: str, bucket: str, planes: int, rounds: int, scratch: Path) -> dict:
    """Let both take turns; every measurement, medians and their ratios."""
    there = {f"s3://{bucket}/": {"endpoint_url": endpoint, "concurrency": CONCURRENCY}}
    turns = {"convert": [], "bare loop": []}
    for turn in range(rounds):
        where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out{time.time_ns()}.zarr"
        steps = Conversion(*where, scratch / f"{time.time_ns()}", storage=json.dumps(there))
        for step in (steps.inspect, steps.plan, steps.split, steps.claim):
            step()
        shard = json.loads(steps.path("plan.json").read_text())["arrays"][0]["shards"]
        both = [
            ("convert", steps.convert),
            ("bare loop", lambda s=tuple(shard): bare_loop(endpoint, bucket, planes, s)),
        ]
        for name, work in both if turn % 2 else reversed(both):
            turns[name].append(measured(work))
    median = {n: [statistics.median(v) for v in zip(*t, strict=True)] for n, t in turns.items()}
    ratio = [a / b for a, b in zip(median["convert"], median["bare loop"], strict=True)]
    return {"turns": turns, "median": median, "ratio": {"wall": ratio[0], "cpu": ratio[1]}}


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planes", type=int, default=8)
    arguments = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": rgw.USER[0], "AWS_SECRET_ACCESS_KEY": rgw.USER[1]}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        scratch = Path(folder)
        server = rgw.Rgw(scratch / "rgw")
        stack.callback(server.stop)
        client = s3.client(server)
        bucket = s3.new_bucket(client)
        write_source(scratch / "in.zarr", arguments.planes)
        s3.upload(client, scratch / "in.zarr", bucket, "in.zarr")
        found = (bucket, arguments.planes, arguments.rounds, scratch)
        results = {"direct": compare(server.endpoint, *found)}
        with FaultyProxy(server.port, Faults(latency_s=0.04)) as proxy:
            results["40 ms"] = compare(proxy.endpoint, *found)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

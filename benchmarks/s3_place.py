"""A bucket with the benchmark's dataset on a Ceph RGW, reached directly and with added latency."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from servers import rgw  # noqa: E402
from servers.faulty_proxy import Faults, FaultyProxy  # noqa: E402
from support import s3  # noqa: E402

LATENCY_S = 0.04
"""Before each request: 20 ms each way."""


@dataclass(frozen=True)
class S3Place:
    """A public bucket with ``in.zarr`` in it; `endpoints` by name."""

    client: Any
    bucket: str
    endpoints: dict[str, str]

    def delete(self, prefix: str) -> None:
        """Remove everything below a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in pages:
            keys = [{"Key": entry["Key"]} for entry in page.get("Contents", ())]
            if keys:
                self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": keys})


@contextlib.contextmanager
def s3_place(source: Path, scratch: Path) -> Iterator[S3Place]:
    """Start the server and a proxy, and upload `source`."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": rgw.USER[0], "AWS_SECRET_ACCESS_KEY": rgw.USER[1]}
    with contextlib.ExitStack() as stack:
        server = rgw.Rgw(scratch / "rgw", memory="8G")
        stack.callback(server.stop)
        client = s3.client(server)
        bucket = s3.new_bucket(client)
        s3.allow(client, bucket, *s3.PUBLIC)
        _upload(client, source, bucket)
        slow = stack.enter_context(_proxy(server.port))
        yield S3Place(client, bucket, {"loopback": server.endpoint, "40 ms": slow})


def _upload(client: Any, source: Path, bucket: str) -> None:
    def put(path: Path) -> None:
        key = f"in.zarr/{path.relative_to(source).as_posix()}"
        client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, (path for path in source.rglob("*") if path.is_file())))


@contextlib.contextmanager
def _proxy(port: int) -> Iterator[str]:
    """Run the proxy as a process of its own, so that its work is in nobody's figures."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(port, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the death of the process ends the wait
    try:
        yield mine.recv()
    finally:
        mine.send("end")
        process.join()


def _serve(port: int, pipe: Connection) -> None:
    with FaultyProxy(port, Faults(latency_s=LATENCY_S)) as proxy:
        pipe.send(proxy.endpoint)
        pipe.recv()

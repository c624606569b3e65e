"""What a site suffers: requests at once and bytes per second, of a job and of all jobs of a run."""

import functools
import http.server
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from servers.loopback import LoopbackServer, Owned
from uplift.settings.storage import StorageOptions
from uplift.storage import caps, open_store
from uplift.storage.caps import Cap, Share, share_of
from uplift.workflow.caps import limits_of, needs_of, resources_of, shares_of


class _Handler(Owned, http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.owner.count(1)
        time.sleep(0.02)
        self.owner.count(-1)
        self.send_response(200)
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.send_header("Content-Length", str(self.owner.size))
        self.end_headers()
        self.wfile.write(bytes(self.owner.size))


class Crowd(LoopbackServer):
    """Knows how many requests it had at once."""

    def __init__(self, size: int = 10) -> None:
        super().__init__(functools.partial(_Handler, owner=self))
        self.size, self.most, self._now = size, 0, 0
        self._lock = threading.Lock()

    def count(self, more: int) -> None:
        with self._lock:
            self._now += more
            self.most = max(self.most, self._now)


@pytest.fixture(autouse=True)
def alone():
    yield
    caps.set_part(1.0)


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
@pytest.mark.parametrize(("part", "most"), [(1.0, 6), (1 / 3, 2), (0.01, 1)])
def test_all_stores_of_an_endpoint_pass_one_gate(engine, part, most):
    with Crowd() as server:
        caps.set_part(part)
        settings = {server.url: {"engine": engine, "concurrency": 6}}
        stores = [open_store(f"{server.url}/{name}.zarr", settings) for name in "ab"]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda n: stores[n % 2].get(str(n)), range(40)))
            list(pool.map(lambda s: list(s.read_many(map(str, range(20)))), stores))
        assert server.most == most


def test_a_job_never_takes_more_than_the_cap_of_the_run():
    options = StorageOptions(concurrency=64, max_requests=8)
    assert share_of("s3://b/x", options) == Share("s3", 8, 8, None)
    assert share_of("/data/x.zarr", options) is None


@pytest.mark.parametrize("requests", [1, 2, 3, 4, 8, 64])
def test_processes_of_a_job_never_take_more_than_its_share(requests):
    share = Share("s3", requests, requests, None)
    for cores in (1, 2, 16):
        processes = min(cores, caps.most_processes(share))
        own, each = caps.parts(processes)
        workers = processes if processes > 1 else 0  # else the job does the work itself
        taken = max(1, int(requests * own)) + workers * max(1, int(requests * each))
        assert taken <= requests
        assert taken > requests // 2


@pytest.mark.parametrize(
    ("url", "endpoint", "expected"),
    [
        ("s3://b/x", None, "s3"),
        ("s3://b/x", "https://s3.lab.org:9000", "s3.lab.org:9000"),
        ("https://me:secret@host/x.zarr?signed", None, "host"),
        ("az://container/x", None, "container"),
        ("abfs://container@lab.dfs.core.windows.net/x", None, "lab.dfs.core.windows.net"),
        ("gs://b/x", None, "gs"),
    ],
)
def test_endpoints(url, endpoint, expected):
    assert share_of(url, StorageOptions(endpoint_url=endpoint)).endpoint == expected


def test_bytes_per_second_are_shared_as_requests_are():
    options = StorageOptions(concurrency=16, max_requests=64, bytes_per_second=1000)
    assert share_of("s3://b/x", options).own_bytes_per_second == 250


def test_bytes_are_spread_over_time(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    cap = Cap(4, 1000.0)
    for _ in range(10):
        cap.moved(500)
    # a second's worth came at once
    assert clock[0] == pytest.approx(100 + 10 * 0.5 - 1, abs=0.01)
    Cap(4, None).moved(10**12)
    assert clock[0] < 105


def test_a_store_reads_no_faster_than_it_may():
    with Crowd(size=50_000) as server:
        settings = {server.url: {"concurrency": 4, "max_requests": 8, "bytes_per_second": 800_000}}
        store = open_store(f"{server.url}/a.zarr", settings)
        begin = time.monotonic()
        list(store.read_many(map(str, range(16))))
        seconds = time.monotonic() - begin
    # 800,000 bytes at 400,000 a second, the first second's at once
    assert 0.9 < seconds < 4


def test_snakemake_adds_up_what_jobs_ask_of_an_endpoint():
    lab = {"endpoint_url": "https://s3.lab.org:9000", "concurrency": 16}
    storage = {"s3://lab/": {**lab, "max_requests": 128}, "s3://slow/": {**lab, "max_requests": 8}}
    shares = shares_of(["s3://lab/in.zarr", "/data/out.zarr"], storage)
    assert needs_of(shares) == {"requests_s3_lab_org_9000": 16}
    assert needs_of(shares_of(["s3://lab/a", "s3://lab/b"], storage)) == needs_of(shares)
    both = shares_of(["s3://lab/a", "s3://slow/b", "s3://aws/c"], storage)
    assert needs_of(both) == {"requests_s3_lab_org_9000": 16 + 8, "requests_s3": 64}
    assert limits_of(both) == {"requests_s3_lab_org_9000": 8, "requests_s3": 256}
    assert needs_of(shares_of(["/data/in.zarr"], storage)) == {}
    wildcards = SimpleNamespace(dataset="both")
    limits, taken = resources_of({"both": ["s3://lab/a", "s3://slow/b"], "none": ["/x"]}, storage)
    assert limits == {"requests_s3_lab_org_9000": 8}
    # never more than there is, or the job would not start
    assert taken["requests_s3_lab_org_9000"](wildcards) == 8
    assert taken["requests_s3_lab_org_9000"](SimpleNamespace(dataset="none")) == 0

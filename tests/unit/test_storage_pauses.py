"""A server that says when to come again is left in peace until then; both engines."""

import functools
import http.server
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from servers.loopback import LoopbackServer, Owned
from uplift.errors import TransientError
from uplift.storage import open_store, tuning
from uplift.storage import s3 as storage_s3
from uplift.storage.retries import Pause, seconds_of
from uplift.storage.writable import open_writable

REST_S = 3
BEGUN_S = 1.5
"""By then all requests that were under way when the first was refused are answered."""


class _Handler(Owned, http.server.BaseHTTPRequestHandler):
    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.owner.note() < REST_S:
            self.send_response(self.owner.status)
            self.send_header("Retry-After", str(REST_S))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        body = b"" if self.command == "PUT" else b"ok"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = _answer  # noqa: N815


class BusyServer(LoopbackServer):
    """Wants to rest when it is first asked; `seen` has the seconds since then, by request."""

    def __init__(self, status: int) -> None:
        super().__init__(functools.partial(_Handler, owner=self))
        self.status = status
        self.seen: list[float] = []
        self._lock = threading.Lock()
        self._first = float("inf")

    def note(self) -> float:
        with self._lock:
            now = time.monotonic()
            self._first = min(self._first, now)
            self.seen.append(now - self._first)
            return self.seen[-1]


@pytest.fixture(params=[429, 503])
def server(request, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "known")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "known")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    storage_s3.session.cache_clear()
    with BusyServer(request.param) as running:
        yield running
    storage_s3.session.cache_clear()


def opened(server, scheme, engine, **options):
    settings = {"engine": engine, "concurrency": 16, **options}
    if scheme == "s3":
        return open_writable("s3://b/o", {"s3://": {**settings, "endpoint_url": server.url}})
    return open_store(f"{server.url}/o", {"http://": settings})


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_nobody_asks_before_the_time_is_up(server, scheme, engine):
    store = opened(server, scheme, engine)
    keys = [str(number) for number in range(64)]
    assert list(store.read_many(keys)) == [b"ok"] * len(keys)
    early = [moment for moment in server.seen if BEGUN_S < moment < REST_S]
    # one asks for how long, on a busy machine later than the rest
    assert len(early) <= 1
    # those under way when the first was refused, and that one
    assert sum(moment < REST_S for moment in server.seen) <= 16 + 1


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_writes_wait_too(server, engine):
    opened(server, "s3", engine).put("k", b"1")
    # the one that was refused, and one that asked for how long
    assert sum(moment < REST_S for moment in server.seen) <= 2


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_without_retries_it_is_an_error_at_once(server, engine):
    with pytest.raises(TransientError, match="run again later"):
        opened(server, "s3", engine, retries=0).get("k")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (" 7 ", 7), ("0", 0), (None, None), ("", None), ("soon", None), ("-1", None)],
)
def test_the_header_is_a_number(header, seconds):
    assert seconds_of(header) == seconds


@pytest.mark.parametrize("ahead", [-60, 60])
def test_or_a_date(ahead):
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    assert seconds_of(format_datetime(moment, usegmt=True)) == pytest.approx(max(0, ahead), abs=2)


def test_one_thread_asks_for_all_and_no_pause_is_endless(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    pause, asked = Pause("s3://b"), []

    def ask():
        asked.append(1)
        return 1e9

    for _ in range(3):
        pause.begin(None, ask)
    pause.begin(5.0, ask)  # shorter than the one that lasts
    pause.wait()
    assert len(asked) == 1
    assert slept == [pytest.approx(tuning.LONGEST_PAUSE_S, abs=1)]

"""Who repeats what: no request goes out more often than the settings say."""

import pytest

from servers.canned import CannedServer, xml_answer
from uplift.errors import TransientError
from uplift.storage import open_store, tuning
from uplift.storage import s3 as storage_s3
from uplift.storage.retries import written_again
from uplift.storage.writable import open_writable

RETRIES = 2
BROKEN = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf'
BUSY = xml_answer("503 Slow Down", "<Error><Code>SlowDown</Code><Message>m</Message></Error>")
FAILED = xml_answer("500 Oh", "<Error><Code>InternalError</Code><Message>m</Message></Error>")
CALLS = {
    "get": lambda store: store.get("k"),
    "get_range": lambda store: store.get_range("k", 1, 2),
    "stat": lambda store: store.stat("k"),
    "list_folder": lambda store: store.list_folder(""),
    "list_tree": lambda store: list(store.list_tree("")),
    "put": lambda store: store.put("k", b"1"),
    "put_new": lambda store: store.put_new("k", b"1"),
    "delete": lambda store: store.delete("k"),
    "writer": lambda store: write(store),
}


def write(store):
    with store.writer("k") as writer:
        writer.write(b"1")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "known")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "known")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(tuning, "FIRST_WAIT_S", 0.001)
    storage_s3.session.cache_clear()
    yield
    storage_s3.session.cache_clear()


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("answer", [BUSY, FAILED], ids=["busy", "failed"])
def test_requests_are_counted(engine, name, answer):
    with CannedServer(answer) as server:
        options = {"engine": engine, "endpoint_url": server.url, "retries": RETRIES}
        store = open_writable("s3://b/o", {"s3://": options})
        with pytest.raises(TransientError) as caught:
            # as convert does: a read that was given up is not started again with its shard
            written_again(lambda: CALLS[name](store))
        asked = len(server.seen)
    if name == "writer":
        assert asked <= tuning.LOST_UPLOADS * (RETRIES + 2)
        return
    assert caught.value.given_up
    # one more asks a busy server for how long, where the engine's error does not tell
    assert RETRIES + 1 <= asked <= RETRIES + 2


def test_an_answer_that_breaks_off_is_asked_for_again_and_no_part_of_it_is_taken():
    for engine in ("obstore", "fsspec"):
        with CannedServer(BROKEN) as server:
            options = {"engine": engine, "endpoint_url": server.url, "retries": RETRIES}
            with pytest.raises(TransientError):
                open_store("s3://b/o", {"s3://": options}).get("k")
            assert len(server.seen) == RETRIES + 1


def test_an_upload_that_is_lost_is_made_again(monkeypatch):
    calls = []

    def write():
        calls.append(1)
        raise TransientError("lost")

    with pytest.raises(TransientError):
        written_again(write)
    assert len(calls) == tuning.LOST_UPLOADS

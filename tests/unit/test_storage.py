"""Storage without a server: what every engine promises, URLs, settings, archives, plain HTTP."""

import http.server
import itertools
import sys
import threading
import time
import uuid
import zipfile
from functools import partial

import fsspec
import pytest

from support.images import write_image
from support.store_contract import PROMISES
from uplift.errors import ChangedError, InputError, StorageError, UpliftError
from uplift.inspect_source.walk import inspect_source
from uplift.storage import display_url, engines, is_local, open_store
from uplift.storage.protocol import ObjectInfo, join
from uplift.storage.reading import ReadAhead, pieces_of
from uplift.storage.settings import options_for
from uplift.storage.writable import open_writable


@pytest.fixture(params=["local", "memory"])
def url(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "s p" / "out.zarr")
        return
    root = f"/{uuid.uuid4().hex}"
    yield f"memory:/{root}/out.zarr"
    filesystem = fsspec.filesystem("memory")
    if filesystem.exists(root):
        filesystem.rm(root, recursive=True)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda f: f.__name__)
def test_promises(url, promise):
    promise(open_writable(url))


def test_sources_are_read_only(url):
    open_writable(url).put("x", b"1")
    source = open_store(url)
    assert source.get("x") == b"1"
    for attempt in (
        lambda: source.put("x", b""),
        lambda: source.put_new("y", b""),
        lambda: source.writer("y").__enter__(),
        lambda: source.delete("x"),
        lambda: source.delete_tree(""),
    ):
        with pytest.raises(StorageError, match="reading only"):
            attempt()
    assert source.get("x") == b"1"


@pytest.mark.parametrize(
    ("url", "shown", "local"),
    [
        ("/a/b c.zarr", "/a/b c.zarr", True),
        ("file:///a/b%20c.zarr", "/a/b c.zarr", True),
        ("file:/a/b%20c.zarr", "/a/b c.zarr", True),  # as Java writes it
        ("FILE://localhost/a/b.zarr", "/a/b.zarr", True),
        ("C:odd/but local", "C:odd/but local", True),
        ("s3://bucket/key.zarr", "s3://bucket/key.zarr", False),
        ("https://me:secret@host/x.zarr?X-Amz-Signature=1", "https://host/x.zarr", False),
    ],
)
def test_display_url(url, shown, local):
    assert display_url(url) == shown
    assert is_local(url) is local


def test_join():
    assert (join("", "a"), join("a", ""), join("a", "b/c")) == ("a", "a", "a/b/c")


def test_unknown_kind_of_url():
    with pytest.raises(InputError, match="nonsense://x"):
        open_store("nonsense://x/y.zarr")


def test_the_longest_prefix_wins():
    settings = {
        "s3://idr/zarr/": {"anon": True, "region": "eu"},
        "s3://idr/": {"endpoint_url": "https://idr", "region": "us"},
        "s3://id": {"retries": 99},
    }
    options = options_for("s3://idr/zarr/x.zarr", settings)
    assert (options.anon, options.region, options.endpoint_url) == (True, "eu", "https://idr")
    assert options.retries != 99
    assert options_for("s3://idr/other", settings).region == "us"


def test_settings_are_checked():
    with pytest.raises(InputError, match="endpoint_url") as caught:
        options_for("s3://b/x", {"s3://b/": {"endpoint": "http://x"}})
    for name in ("concurrency", "timeout"):
        with pytest.raises(InputError, match=rf"s3://b/x: {name}: 0 is not a "):
            options_for("s3://b/x", {"s3://b/": {name: 0}})
    assert "\n" not in str(caught.value)


def test_engines_are_the_modules_of_their_folder(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"engine: 'curl' is not one of auto, .*obstore, fsspec"):
        options_for("s3://b/x", {"s3://b/": {"engine": "curl"}})
    with pytest.raises(InputError, match=r"foo://h/x: .* not known: .*foo; correct the URL"):
        open_store("foo://h/x")
    with pytest.raises(InputError, match=r"ftp://h/x: .*not known to obstore"):
        open_store("ftp://h/x", {"ftp://h": {"engine": "obstore"}})
    (tmp_path / "curl.py").write_text(
        "def open_url(url, options, *, writable): return url, writable"
    )
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(tmp_path)])
    engines.names.cache_clear()
    try:
        *first, last = engines.names()
        assert {"curl", "obstore"} <= set(first)
        assert last == "fsspec"
        opened = open_store("s3://b/x", {"s3://b/": {"engine": "curl"}})
        assert opened == ("s3://b/x", False)
    finally:
        engines.names.cache_clear()
        sys.modules.pop("uplift.storage.engines.curl", None)


def test_archive(tmp_path):
    image = write_image(tmp_path / "in.zarr", size=32)
    archive = tmp_path / "in.zarr.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(image.rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
    found = inspect_source(open_store(str(archive)))
    plain = inspect_source(open_store(str(image)))
    assert [a.stored_chunks for a in found.arrays] == [a.stored_chunks for a in plain.arrays]
    assert found.groups == plain.groups
    assert found.files == plain.files


@pytest.mark.parametrize(
    ("folder", "root"),
    [
        ("home/ann/img.zarr/", "home/ann/img.zarr/"),
        ("./img.zarr/", "./img.zarr/"),
        ("img.ZARR/0/b.zarr/", "img.ZARR/"),
        ("a/b/", "a/"),
        (".zgroup/a.zarr/", ""),
    ],
)
def test_the_one_folder_of_an_archive(tmp_path, folder, root):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
        packed.writestr(f"{folder}x", b"1")
        for name in ("__MACOSX/x", ".DS_Store", "Thumbs.db", "@eaDir/in.zip/x", "home/ann/._img"):
            packed.writestr(name, b"1")
    store = open_store(str(tmp_path / "in.zip"))
    assert store.get(f"{folder.removeprefix(root)}x") == b"1"


@pytest.mark.parametrize("content", [None, b"no zip"])
def test_unusable_archive(tmp_path, content):
    archive = tmp_path / "in.zip"
    if content is not None:
        archive.write_bytes(content)
    with pytest.raises(InputError, match=r"in\.zip"):
        open_store(str(archive))


def test_read_ahead_is_bounded():
    running, most, lock = 0, 0, threading.Lock()

    def read(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        return b"x"

    taken = itertools.count()
    keys = (str(next(taken)) for _ in range(10**9))
    found = ReadAhead(8).map(read, keys)
    assert list(itertools.islice(found, 100)) == [b"x"] * 100
    found.close()
    assert most <= 8
    assert next(taken) < 130


def test_read_ahead_hands_on_failures():
    def read(key):
        if key == "3":
            raise StorageError("no")
        return key.encode()

    found = ReadAhead(4).map(read, map(str, range(9)))
    assert [next(found) for _ in range(3)] == [b"0", b"1", b"2"]
    with pytest.raises(StorageError):
        next(found)


# -- plain HTTP: no listing


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def list_directory(self, path):
        self.send_error(404)


class Page(Quiet):
    """Answers everything with the same page, as some web applications do."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"<html></html>")


@pytest.fixture
def serve():
    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_http_source(tmp_path, serve, engine):
    image = write_image(tmp_path / "in.zarr", size=32)
    (image / "notes.txt").unlink()
    url = serve(partial(Quiet, directory=str(tmp_path))) + "/in.zarr"
    found = inspect_source(open_store(url, {url: {"engine": engine}}))
    plain = inspect_source(open_store(str(image)))
    stored = [(a.path, a.stored_chunks, a.stored_bytes) for a in plain.arrays]
    assert [(a.path, a.stored_chunks, a.stored_bytes) for a in found.arrays] == stored
    assert found.groups == plain.groups


def test_http_that_answers_a_page(serve):
    url = serve(Page) + "/in.zarr"
    with pytest.raises(UpliftError, match="not JSON") as caught:
        inspect_source(open_store(url))
    assert url in str(caught.value)


def test_http_absent(tmp_path, serve):
    url = serve(partial(Quiet, directory=str(tmp_path))) + "/absent.zarr"
    with pytest.raises(UpliftError, match="no such dataset"):
        inspect_source(open_store(url))


@pytest.mark.parametrize("listed", [20 * 2**20, 9 * 2**20 + 1, 1, 0])
def test_an_object_of_another_size_than_was_listed_is_not_taken_for_it(url, listed):
    open_writable(url).put("big", bytes(9 * 2**20))
    source = open_store(url)
    assert len(b"".join(pieces_of(source, ObjectInfo("big", 9 * 2**20, "")))) == 9 * 2**20
    with pytest.raises(ChangedError, match="since it was listed"):
        list(pieces_of(source, ObjectInfo("big", listed, "")))

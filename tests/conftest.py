"""Fixtures that several tests share."""

import io
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from servers import rgw
from support import browser, s3
from uplift.storage import s3 as storage_s3
from uplift.workflow import console

# The same examples in every run; UPLIFT_RANDOM=1 draws new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("random" if os.environ.get("UPLIFT_RANDOM") else "same")


ROOT = Path(__file__).resolve().parents[1]
LONGEST_TEST_S = 600
"""No test may hold up all others: one that waits for what never comes fails in the end."""


@pytest.fixture(autouse=True)
def _end_of_patience() -> Iterator[None]:
    def give_up(*_arguments) -> None:
        raise TimeoutError(f"a test took longer than {LONGEST_TEST_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST_TEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def snakemake_logger() -> Iterator[logging.Logger]:
    """Snakemake's logger as it is when the Snakefile is read."""
    logger, root = logging.getLogger("snakemake.logging"), logging.getLogger()
    # a program that ran in this process left one that writes to what pytest has closed since
    root.handlers[:] = [one for one in root.handlers if not _is_closed(one)]
    before, level = list(logger.handlers), logger.level
    handler = logging.StreamHandler(io.StringIO())
    handler.name = "DefaultStreamHandler"
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)
    os.environ.pop(console.VARIABLE, None)


def _is_closed(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    return stream is not None and stream.closed


@pytest.fixture(scope="module")
def window() -> Iterator[browser.Browser]:
    """A browser without a window, for the pages of a module of tests."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = browser.Browser(Path(folder))
        yield page
        page.close()


@pytest.fixture
def no_network(monkeypatch) -> None:
    """What uses the network fails; nothing is taken from SOURCE_DATE_EPOCH."""

    def refuse(*_arguments, **_options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def corpus() -> Path:
    """Real datasets of other projects, in a folder next to this checkout."""
    folder = ROOT.parent / "shared" / "data" / "corpus"
    if not folder.is_dir():
        pytest.skip("no corpus: lay the folder `shared` next to this checkout")
    return folder


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator[rgw.Rgw]:
    """A real S3 server, one for all tests."""
    reason = rgw.why_not()
    if reason:
        pytest.skip(f"no S3 server: {reason}")
    running = rgw.Rgw(tmp_path_factory.mktemp("rgw") / "s3")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def s3_client(s3_server):
    return s3.client(s3_server)


@pytest.fixture
def bucket(s3_client):
    """An empty bucket of the S3 server."""
    return s3.new_bucket(s3_client)


@pytest.fixture
def s3_environment(s3_server, monkeypatch) -> Iterator[None]:
    """The standard environment variables, for the owner of all buckets."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rgw.USER[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rgw.USER[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    storage_s3.session.cache_clear()
    yield
    storage_s3.session.cache_clear()

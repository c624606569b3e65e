"""What an S3 server, or a web server, refuses is one line that says what to do."""

import pytest

from servers.web import WebServer
from support import s3
from support.images import write_image
from support.steps import Conversion
from uplift.storage import s3 as storage_s3

ENGINES = ("obstore", "fsspec")


@pytest.fixture(autouse=True)
def environment(s3_environment):
    """The owner's credentials."""


@pytest.fixture
def source(tmp_path):
    write_image(tmp_path / "image.zarr", size=32)
    return tmp_path / "image.zarr"


def denied(s3_client, bucket, *actions):
    s3.allow(s3_client, bucket, *actions, effect="Deny")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bucket", ("s3://absent-bucket", "bucket does not exist")),
        ("list", ("in.zarr", "no permission")),
        ("read", ("in.zarr", "no permission")),
        ("secret", ("in.zarr", "AWS_SECRET_ACCESS_KEY")),
        ("key", ("in.zarr", "AWS_ACCESS_KEY_ID")),
        ("anonymous", ("in.zarr", "no permission")),
    ],
)
def test_sources_that_refuse(
    source, s3_client, bucket, tmp_path, monkeypatch, capfd, engine, fault, words
):
    s3.upload(s3_client, source, bucket, "in.zarr")
    place = "absent-bucket" if fault == "bucket" else bucket
    if fault in ("list", "read"):
        denied(s3_client, bucket, {"list": "s3:ListBucket", "read": "s3:GetObject"}[fault])
    if fault in ("secret", "key"):
        name = {"secret": "AWS_SECRET_ACCESS_KEY", "key": "AWS_ACCESS_KEY_ID"}[fault]
        monkeypatch.setenv(name, "someother")
        storage_s3.session.cache_clear()
    options = {"engine": engine, "retries": 1, "anon": fault == "anonymous"}
    steps = Conversion(
        f"s3://{place}/in.zarr",
        str(tmp_path / "out.zarr"),
        tmp_path / "w",
        storage=s3.storage(place, **options),
    )
    s3.refused(capfd, steps.inspect, *words)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_output_that_may_not_be_written(source, s3_client, bucket, tmp_path, capfd, engine):
    denied(s3_client, bucket, "s3:PutObject")
    steps = Conversion(
        str(source),
        f"s3://{bucket}/out.zarr",
        tmp_path / "w",
        storage=s3.storage(bucket, engine=engine),
    )
    s3.refused(capfd, steps.before_validation, f"s3://{bucket}/out.zarr", "no permission")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_endpoint_that_is_down(tmp_path, capfd, engine):
    there = s3.storage("b", engine=engine, endpoint_url="http://127.0.0.1:9", timeout=1, retries=0)
    where = "s3://b/in.zarr", str(tmp_path / "out.zarr")
    steps = Conversion(*where, tmp_path / "w", storage=there)
    s3.refused(capfd, steps.inspect, "s3://b/in.zarr", "endpoint_url", code=75)


def test_a_web_page_is_no_dataset(tmp_path, capfd):
    with WebServer(tmp_path, page=True) as server:
        url = f"{server.url}/in.zarr"
        steps = Conversion(url, str(tmp_path / "out.zarr"), tmp_path / "w")
        s3.refused(capfd, steps.inspect, url, "web page")

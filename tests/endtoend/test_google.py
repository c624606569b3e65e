"""Public data in Google's storage: its XML protocol is S3's, so that Ceph answers."""

import json

import pytest

from support import s3
from support.images import write_image
from support.steps import Conversion
from support.workflow import contents
from uplift.errors import StorageError
from uplift.storage import open_store


@pytest.fixture
def public(s3_server, s3_environment, monkeypatch):
    """Give a public bucket, a client that writes to it, and the settings for reading it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    s3.allow(client, bucket, *s3.PUBLIC)
    settings = {"endpoint_url": s3_server.endpoint, "anon": True, "retries": 1, "timeout": 10}
    return bucket, client, {"gs://": settings}


def test_converted_from_there(public, tmp_path):
    bucket, client, settings = public
    source = write_image(tmp_path / "in.zarr", size=64, depth=2)
    s3.upload(client, source, bucket, "a b/ü.zarr")
    trees = []
    for place in (str(source), f"gs://{bucket}/a b/ü.zarr"):
        output = tmp_path / f"{len(trees)}.zarr"
        work = tmp_path / f"work{len(trees)}"
        steps = Conversion(place, str(output), work, storage=json.dumps(settings))
        assert steps.all()["verdict"] == "valid"
        found = contents(output)
        trees.append({key: data for key, data in found.items() if "ro-crate" not in key})
    assert trees[0] == trees[1]


def test_an_absent_object_is_none_and_an_absent_bucket_an_error(public):
    bucket, client, settings = public
    client.put_object(Bucket=bucket, Key="x", Body=b"123")
    store = open_store(f"gs://{bucket}", settings)
    assert store.get("absent") is None
    assert store.get_range("x", -2, 2) == b"23"
    assert list(store.list_tree("")) == [store.stat("x")]
    with pytest.raises(StorageError, match=r"gs://absent-\w+/x: .*the bucket does not exist"):
        open_store(f"gs://absent-{bucket}", settings).get("x")


def test_private_data_are_an_error_without_a_key(public):
    _, client, settings = public
    private = s3.new_bucket(client)
    client.put_object(Bucket=private, Key="x", Body=b"123")
    with pytest.raises(StorageError, match=f"gs://{private}/x: .*no permission"):
        open_store(f"gs://{private}", settings).get("x")

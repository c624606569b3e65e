"""Chunks kept as they are, one object each, on one S3 server: the server copies them itself."""

import json
from collections import Counter

import pytest

from support import s3
from support.images import write_image
from support.steps import Conversion
from uplift.errors import StorageError
from uplift.storage import open_store
from uplift.storage.engines.obstore import ObstoreStore
from uplift.storage.fsspec_store import FsspecStore
from uplift.storage.writable import open_writable

UNSHARDED = json.dumps({"shards": "none", "chunks": [1, 1, 16, 16]})


@pytest.fixture
def bucket(s3_server, s3_environment):
    return s3.new_bucket(s3.client(s3_server))


def settings(engine):
    return {"s3://": {"engine": engine}}


@pytest.mark.parametrize(("engine", "store"), [("obstore", ObstoreStore), ("fsspec", FsspecStore)])
def test_conversion_copies(tmp_path, monkeypatch, s3_server, bucket, engine, store):
    client = s3.client(s3_server)
    source = write_image(tmp_path / "in.zarr", size=32)
    plain = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "plain")
    plain.plan_settings = UNSHARDED
    plain.all()
    s3.upload(client, source, bucket, "in.zarr")
    done, original = Counter(), store.copy_from

    def counting(self, *arguments):
        copied = original(self, *arguments)
        done[copied] += 1
        return copied

    monkeypatch.setattr(store, "copy_from", counting)
    run = Conversion(f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr", tmp_path / "work")
    run.plan_settings, run.storage = UNSHARDED, json.dumps(settings(engine))
    assert run.all()["verdict"] == "valid"
    copies = s3.objects(client, bucket, "out.zarr")
    local = {
        str(path.relative_to(tmp_path / "out.zarr")): path.read_bytes()
        for path in (tmp_path / "out.zarr").rglob("*")
        if path.is_file()
    }
    copies.pop("ro-crate-metadata.json")
    local.pop("ro-crate-metadata.json")
    assert copies == local
    assert done == {True: sum("/c/" in key for key in copies)}


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_refused_copies_are_sent(s3_server, bucket, engine):
    client = s3.client(s3_server)
    other = s3.new_bucket(client)
    client.put_object(Bucket=bucket, Key="in/a", Body=b"x")
    source = open_store(f"s3://{bucket}/in", settings(engine))
    output = open_writable(f"s3://{bucket}/out", settings(engine))
    assert output.copy_from(source, "a", "b")
    assert output.get("b") == b"x"
    assert not output.copy_from(source, "absent", "c")
    assert output.get("c") is None
    elsewhere = open_writable(f"s3://{other}/out", settings(engine))
    if elsewhere.copy_from(source, "a", "b"):
        assert elsewhere.get("b") == b"x"
    with pytest.raises(StorageError, match="reading only"):
        source.copy_from(output, "b", "a")


def test_not_between_engines_or_places(tmp_path, bucket):
    (tmp_path / "a").write_bytes(b"x")
    local = open_writable(str(tmp_path))
    one = open_writable(f"s3://{bucket}/o", settings("obstore"))
    other = open_writable(f"s3://{bucket}/o", settings("fsspec"))
    for source, output in ((local, one), (one, local), (one, other), (other, one)):
        assert not output.copy_from(source, "a", "b")

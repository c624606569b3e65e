"""Remote storage on a real S3 server: both engines keep their promises and tell failures apart."""

import json
import uuid

import botocore.session
import pytest

from servers import rgw
from support.images import write_image
from support.store_contract import PROMISES
from uplift.errors import InputError, StorageError, TransientError, UpliftError
from uplift.inspect_source.walk import inspect_source
from uplift.storage import open_store, tuning
from uplift.storage import s3 as storage_s3
from uplift.storage.writable import open_writable
from uplift.work.traffic import TRAFFIC

ENGINES = ("obstore", "fsspec")


@pytest.fixture(autouse=True)
def environment(s3_environment):
    """The owner's credentials, unless a test changes them."""


def forget_credentials():
    """The process keeps the credentials that it found first."""
    storage_s3.session.cache_clear()


@pytest.fixture
def client(s3_server):
    return botocore.session.Session().create_client(
        "s3", endpoint_url=s3_server.endpoint, region_name="us-east-1"
    )


@pytest.fixture
def bucket(client):
    name = f"b{uuid.uuid4().hex[:20]}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def opened(bucket, engine, key="x y/out.zarr", *, writable=False, **options):
    url = f"s3://{bucket}/{key}"
    options = {"engine": engine, "retries": 1, "timeout": 20, **options}
    settings = {f"s3://{bucket}": options}
    return open_writable(url, settings) if writable else open_store(url, settings)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda f: f.__name__)
def test_promises(bucket, engine, promise, client):
    promise(opened(bucket, engine, writable=True))
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_more_objects_than_one_page_holds(bucket, engine):
    fast = opened(bucket, "obstore", writable=True)
    names = sorted(f"d/{number % 7}/{number}" for number in range(2300))
    for name in names:
        fast.put(name, b"1")
    store = opened(bucket, engine, writable=True)
    assert sorted(info.key for info in store.list_tree("d")) == names
    assert len(store.list_folder("d")[0]) == 7
    store.delete_tree("d")
    assert list(store.list_tree("")) == []


def test_what_goes_over_storage_is_counted(bucket, engine):
    store = opened(bucket, engine, writable=True)
    before = TRAFFIC.copy()
    store.put("a", b"12345")
    with store.writer("b") as stream:
        stream.write(b"1")
        stream.write_all([b"2", memoryview(b"3")])
    assert store.get("a") == b"12345"
    assert store.get_range("b", 1, 2) == b"23"
    assert store.get("absent") is None
    moved = TRAFFIC.since(before)
    assert (moved.objects_written, moved.bytes_written) == (2, 8)
    assert (moved.objects_read, moved.bytes_read) == (2, 7)
    assert moved.requests == 5


def test_parts_of_an_upload_grow_with_what_is_expected(bucket, client, monkeypatch):
    monkeypatch.setattr(tuning, "PARTS", 2)
    store = opened(bucket, "obstore", writable=True)
    data = bytes(20 * 2**20)
    for key, expected in (("small parts", 0), ("large parts", len(data))):
        with store.writer(key, expected) as stream:
            stream.write(data)
    heads = [
        client.head_object(Bucket=bucket, Key=store.path_of(key))
        for key in ("small parts", "large parts")
    ]
    assert [head["ETag"].strip('"').rpartition("-")[2] for head in heads] == ["3", "2"]


def test_only_unfinished_uploads_below_the_root_are_aborted(bucket, engine, client):
    for key in ("x y/out.zarr/0/c/0", "x y/out.zarr.other/0"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
    store = opened(bucket, engine, writable=True)
    assert [
        store.remove_unfinished(store.find_unfinished()),
        store.remove_unfinished(store.find_unfinished()),
    ] == [1, 0]
    left = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["x y/out.zarr.other/0"]


def test_unfinished_uploads_of_one_object(bucket, engine, client):
    for key in ("d/cells.ozx", "d/cells.ozx.old", "d/more.ozx"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
    store = opened(bucket, engine, "d", writable=True)
    assert [
        store.remove_unfinished(store.find_unfinished("cells.ozx")),
        store.remove_unfinished(store.find_unfinished()),
    ] == [1, 2]


def test_who_may_not_list_uploads_is_warned(engine, caplog):
    store = opened("no-such-bucket", engine, writable=True)
    assert store.remove_unfinished(store.find_unfinished()) == 0
    assert "no-such-bucket" in caplog.text


def test_engines_read_what_the_other_wrote(bucket, engine):
    other = next(name for name in ENGINES if name != engine)
    opened(bucket, engine, writable=True).put("k +%/é", b"data")
    assert opened(bucket, other).get("k +%/é") == b"data"


def test_inspect(bucket, engine, tmp_path):
    image = write_image(tmp_path / "in.zarr", size=32)
    upload(image, opened(bucket, "obstore", writable=True))
    found = inspect_source(opened(bucket, engine))
    plain = inspect_source(open_store(str(image)))
    assert found.groups == plain.groups
    assert found.files == plain.files
    for mine, theirs in zip(found.arrays, plain.arrays, strict=True):
        same = {"listing_sha256": theirs.listing_sha256}
        assert mine.model_copy(update=same) == theirs


def test_engines_agree_on_the_listing(bucket, tmp_path):
    image = write_image(tmp_path / "in.zarr", size=32)
    upload(image, opened(bucket, "obstore", writable=True))
    one, other = (inspect_source(opened(bucket, engine)) for engine in ENGINES)
    assert one == other


def test_absent_dataset(bucket, engine):
    with pytest.raises(UpliftError, match="no such dataset"):
        inspect_source(opened(bucket, engine, "absent.zarr"))


def test_public_bucket_without_credentials(bucket, engine, client, monkeypatch):
    opened(bucket, engine, writable=True).put("x", b"1")
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"]}
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": resources}]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = opened(bucket, engine, anon=True, writable=True)
    assert store.get("x") == b"1"
    assert [info.key for info in store.list_tree("")] == ["x"]
    refuse(lambda: store.put("x", b"2"), StorageError, bucket)


def refuse(attempt, kind, *words):
    """Check that a failure is one line that names the place, and holds no secret."""
    with pytest.raises(kind) as caught:
        attempt()
    message = str(caught.value)
    assert "\n" not in message
    assert rgw.USER[1] not in message
    for word in words:
        assert word in message


READS = {
    "get": lambda store: store.get("x"),
    "get_range": lambda store: store.get_range("x", 0, 1),
    "stat": lambda store: store.stat("x"),
    "list_folder": lambda store: store.list_folder(""),
    "list_tree": lambda store: list(store.list_tree("")),
    "read_many": lambda store: list(store.read_many(["x"])),
}
WRITES = {
    "put": lambda store: store.put("x", b"1"),
    "put_new": lambda store: store.put_new("x", b"1"),
    "writer": lambda store: write(store),
}


def write(store):
    with store.writer("x") as writer:
        writer.write(b"1")


@pytest.mark.parametrize("name", READS)
def test_private_bucket_without_credentials(bucket, engine, name):
    opened(bucket, engine, writable=True).put("x", b"1")
    refuse(lambda: READS[name](opened(bucket, engine, anon=True)), StorageError, bucket)


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_wrong_secret_is_never_absence(bucket, engine, name, monkeypatch):
    opened(bucket, engine, writable=True).put("x", b"1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    forget_credentials()
    store = opened(bucket, engine, writable=True)
    refuse(lambda: {**READS, **WRITES}[name](store), StorageError, bucket)


@pytest.mark.parametrize("name", ["get", "list_tree", "put", "writer"])
def test_absent_bucket_is_no_empty_one(engine, name):
    store = opened("no-such-bucket", engine, writable=True)
    refuse(lambda: {**READS, **WRITES}[name](store), StorageError, "no-such-bucket")


def test_no_credentials(bucket, engine, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    forget_credentials()
    refuse(lambda: opened(bucket, engine).get("x"), (InputError, StorageError), bucket)


def test_server_that_is_down(bucket, engine):
    options = {"endpoint_url": "http://127.0.0.1:9", "timeout": 1, "retries": 0}
    refuse(lambda: opened(bucket, engine, **options).get("x"), TransientError, bucket)


def upload(folder, store):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.put(str(path.relative_to(folder)), path.read_bytes())


def test_empty_objects_that_stand_for_folders_are_none(bucket, engine, client):
    """As consoles and mounts of buckets make them."""
    output = open_writable(f"s3://{bucket}/x", {"s3://": {"engine": engine}})
    for key in ("0/c/1", "empty"):
        output.put(key, b"")
    output.put("0/c/0", b"data")
    for marker in ("x/", "x/0/", "x/0/c/", "x/labels/"):
        client.put_object(Bucket=bucket, Key=marker, Body=b"")
    assert sorted(info.key for info in output.list_tree("")) == ["0/c/0", "0/c/1", "empty"]
    assert sorted(info.key for info in output.list_tree("0")) == ["0/c/0", "0/c/1"]
    assert [info.key for info in output.list_folder("0")[1]] == []


def test_keys_with_an_empty_segment_are_not_passed_over(bucket, engine, client):
    client.put_object(Bucket=bucket, Key="x/labels/y", Body=b"")
    client.put_object(Bucket=bucket, Key="x/labels//precious", Body=b"1")
    source = open_store(f"s3://{bucket}/x", {"s3://": {"engine": engine}})
    assert source.list_folder("")[0] == ["labels"]
    with pytest.raises(StorageError, match=r"has an empty segment \(//\)"):
        source.list_folder("labels")

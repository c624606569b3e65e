"""Where S3 data may lie, and where settings may come from: both engines alike, on a real server."""

import uuid

import pytest

from servers import rgw
from servers.canned import CannedServer
from support import s3
from uplift.errors import InputError, StorageError
from uplift.storage import open_store
from uplift.storage import s3 as storage_s3
from uplift.storage.writable import open_writable

KEYS = ("a%20b", "a+b", "a#b", "a?b", "a b", "ü/é", "a&b=c", "[x]*", "a@b:c", "~'(!)", "100%")
HIDDEN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def environment(s3_environment):
    """The owner's credentials, unless a test takes them away."""


@pytest.fixture
def client(s3_server):
    return s3.client(s3_server)


@pytest.fixture(params=["obstore", "fsspec"])
def engine(request):
    return request.param


@pytest.mark.parametrize("root", ["a//x.zarr", "/a/x.zarr", "a/./x.zarr"])
def test_keys_with_odd_segments(client, root):
    bucket = s3.new_bucket(client)
    client.put_object(Bucket=bucket, Key="a/x.zarr/k", Body=b"other")
    url = f"s3://{bucket}/{root}"
    store = open_writable(url, {})
    assert store.get("k") is None
    store.put("k", b"own")
    assert [info.key for info in store.list_tree("")] == ["k"]
    assert client.get_object(Bucket=bucket, Key=f"{root}/k")["Body"].read() == b"own"
    with pytest.raises(InputError, match=f"{url}: has an empty segment.*engine: fsspec"):
        open_store(url, {"s3://": {"engine": "obstore"}})


def test_an_odd_segment_inside_is_told(client):
    bucket = s3.new_bucket(client)
    client.put_object(Bucket=bucket, Key="x.zarr//k", Body=b"1")
    with pytest.raises(StorageError, match=r"x\.zarr: cannot list it: .*engine: fsspec"):
        list(open_store(f"s3://{bucket}/x.zarr", {}).list_tree(""))


@pytest.mark.parametrize("root", ["in.zarr", "a b/100%/#1?.zarr", ""])
def test_keys_with_odd_letters(client, engine, root):
    bucket = s3.new_bucket(client)
    url = f"s3://{bucket}/{root}"
    store = open_writable(url, {"s3://": {"engine": engine}})
    for key in KEYS:
        store.put(key, key.encode())
    listed = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert {one["Key"] for one in listed} == {f"{root}/{key}".lstrip("/") for key in KEYS}
    assert sorted(info.key for info in store.list_tree("")) == sorted(KEYS)
    for key in KEYS:
        assert store.get(key) == key.encode()
        assert store.get_range(key, 1, 1) == key.encode()[1:2]
        assert store.stat(key).key == key
    store.delete("[x]*")
    store.delete_tree("")
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("name", ["with.dots.in-it", "plain"])
def test_buckets_and_slashes_at_the_end(client, engine, name):
    bucket = s3.new_bucket(client, f"{name}.{uuid.uuid4().hex[:12]}".replace("plain.", "plain"))
    for url in (f"s3://{bucket}", f"s3://{bucket}/", f"s3://{bucket}/d/", f"s3://{bucket}/d"):
        store = open_writable(url, {"s3://": {"engine": engine}})
        store.put("x/y", b"1")
        assert store.get("x/y") == b"1"
        assert store.list_folder("x")[1][0].key == "x/y"
        assert not store.url.endswith("/")
    keys = {one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {"x/y", "d/x/y"}


PROFILE = "[profile lab]\nregion = us-east-1\nendpoint_url = {url}\n"
CREDENTIALS = "[lab]\naws_access_key_id = {0}\naws_secret_access_key = {1}\n"


def by_profile(server, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(PROFILE.format(url=server.endpoint))
    (tmp_path / "credentials").write_text(CREDENTIALS.format(*rgw.USER))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def by_aws_profile(server, monkeypatch, tmp_path):
    by_profile(server, monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "lab")
    return {}


def by_profile_setting(server, monkeypatch, tmp_path):
    by_profile(server, monkeypatch, tmp_path)
    return {"profile": "lab"}


def by_variables(server, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rgw.USER[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rgw.USER[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    return {}


def by_s3_variable(server, monkeypatch, tmp_path):
    by_variables(server, monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return {}


def by_setting(server, monkeypatch, tmp_path):
    by_variables(server, monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return {"endpoint_url": f"{server.endpoint}/"}


WAYS = (by_aws_profile, by_profile_setting, by_variables, by_s3_variable, by_setting)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_settings_come_from_where_the_aws_tools_take_them(
    client, s3_server, engine, way, monkeypatch, tmp_path
):
    bucket = s3.new_bucket(client)
    for name in HIDDEN:
        monkeypatch.delenv(name)
    options = way(s3_server, monkeypatch, tmp_path)
    storage_s3.session.cache_clear()
    url = f"s3://{bucket}/out.zarr"
    store = open_writable(url, {"s3://": {"engine": engine, **options}})
    store.put("x", b"1")
    with store.writer("y") as writer:
        writer.write(b"2")
    assert [store.get("x"), store.get("y")] == [b"1", b"2"]
    assert store.remove_unfinished(store.find_unfinished()) == 0


def test_a_session_token_is_sent(engine, monkeypatch):
    """To a server that notes it: Ceph overlooks tokens that it has not made."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    storage_s3.session.cache_clear()
    with CannedServer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
        options = {"engine": engine, "endpoint_url": server.url}
        assert open_store("s3://b/x", {"s3://": options}).get("k") is None
    assert {headers["x-amz-security-token"] for headers in server.seen} == {"a-token"}

"""What servers answer that cannot serve, byte for byte: one line says what to check."""

import pytest

from servers.canned import CannedServer, xml_answer
from uplift.errors import ChangedError, StorageError, TransientError
from uplift.storage import open_store
from uplift.storage import s3 as storage_s3
from uplift.storage.protocol import ObjectInfo
from uplift.storage.writable import open_writable

SECRETS = ("hush-secret", "hush-token")
IDS = "<RequestId>4442587FB7D0A2F9</RequestId><HostId>aGk=</HostId>"
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
REDIRECT = xml_answer(
    "301 Moved Permanently",
    "<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be "
    "addressed using the specified endpoint. Please send all future requests to this endpoint."
    f"</Message><Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint><Bucket>b</Bucket>{IDS}</Error>",
    "x-amz-bucket-region: eu-west-3",
)
MALFORMED = xml_answer(
    "400 Bad Request",
    "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is "
    "malformed; the region 'us-east-1' is wrong; expecting 'eu-west-3'</Message>"
    f"<Region>eu-west-3</Region>{IDS}</Error>",
)
EXPIRED = xml_answer(
    "400 Bad Request",
    "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message>"
    f"<Token-0>hush-token</Token-0>{IDS}</Error>",
)
SKEWED = xml_answer(
    "403 Forbidden",
    "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and "
    f"the current time is too large.</Message>{IDS}</Error>",
)
PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n"
    b"<!DOCTYPE html><html></html>"
)
ANY_LENGTH = [
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{"zarr_format":2}\r\n0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"zarr_format":2}',
]
CALLS = {
    "get": lambda store: store.get("k"),
    "range": lambda store: store.get_range("k", 1, 2),
    "stat": lambda store: store.stat("k"),
    "list": lambda store: store.list_folder(""),
    "tree": lambda store: list(store.list_tree("")),
    "put": lambda store: store.put("k", b"1"),
    "delete": lambda store: store.delete("k"),
}
READS = ("get", "range", "stat")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "known")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[0])
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRETS[1])
    storage_s3.session.cache_clear()
    yield
    storage_s3.session.cache_clear()


@pytest.fixture(params=["obstore", "fsspec"])
def engine(request):
    return request.param


def refused(engine, url, name, *words, kind=StorageError, **options):
    """Check that a call is refused with one line that has `words` and no secret."""
    options = {"engine": engine, "retries": 0, "timeout": 5, **options}
    store = open_writable(url, {url: options})
    with pytest.raises(StorageError) as caught:
        CALLS[name](store)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith(url)
    assert "\n" not in message
    for word in words:
        assert word in message
    for secret in SECRETS:
        assert secret not in message


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (REDIRECT, ("PermanentRedirect", "region: eu-west-3")),
        (MALFORMED, ("AuthorizationHeaderMalformed", "region: eu-west-3")),
        (EXPIRED, ("ExpiredToken", "renew")),
        (SKEWED, ("RequestTimeTooSkewed", "clock")),
    ],
    ids=["redirect", "malformed", "expired", "skewed"],
)
def test_refusals_of_aws(engine, name, answer, words):
    with CannedServer(answer) as server:
        refused(engine, "s3://b/in.zarr", name, *words, endpoint_url=server.url)


def test_a_web_page_in_place_of_an_object_store():
    with CannedServer(PAGE) as server:
        refused("obstore", "s3://b/o", "put", "not an object store", endpoint_url=server.url)


@pytest.mark.parametrize("name", READS)
def test_a_certificate_that_nobody_signed(engine, name, tmp_path):
    with CannedServer(PAGE, tmp_path) as server:
        refused(engine, "s3://b/in.zarr", name, "certificate", endpoint_url=server.url)
        refused(engine, f"{server.url}/in.zarr", name, "certificate")


def test_http_in_place_of_https(engine, tmp_path):
    with CannedServer(PAGE, tmp_path) as server:
        plain = server.url.replace("https:", "http:")
        words = ("endpoint_url (http or https?)",)
        refused(engine, "s3://b/o", "get", *words, kind=TransientError, endpoint_url=plain)


@pytest.mark.parametrize("name", READS)
def test_https_in_place_of_http(engine, name):
    with CannedServer(PAGE) as server:
        secured = server.url.replace("http:", "https:")
        refused(engine, "s3://b/o", name, "http://", endpoint_url=secured)
        refused(engine, f"{secured}/in.zarr", name, "http://")


@pytest.mark.parametrize("name", READS)
def test_a_host_that_does_not_exist(engine, name):
    refused(engine, "s3://b/o", name, "no host has that name", endpoint_url="http://no.invalid")
    refused(engine, "http://no.invalid/in.zarr", name, "no host has that name")


@pytest.mark.parametrize("answer", ANY_LENGTH)
def test_answers_of_untold_length(answer):
    with CannedServer(answer) as server:
        url = f"{server.url}/in.zarr"
        for name in ("get", "stat"):
            refused("obstore", url, name, "engine: fsspec")
        for engine in ("obstore", "fsspec"):
            refused(engine, url, "range", "ranges of bytes")
        store = open_store(url, {url: {"engine": "fsspec"}})
        assert store.get("k") == b'{"zarr_format":2}'
        assert store.stat("k").size == 17


LISTED = ObjectInfo("k", 3, "e1")
READ_LISTED = {
    "get": lambda store: store.get(LISTED),
    "range": lambda store: store.get_range(LISTED, 1, 2),
    "into": lambda store: store.read_into(LISTED, bytearray()),
}


def object_of(etag, body):
    head = f'HTTP/1.1 200 OK\r\nETag: "{etag}"\r\nContent-Length: {len(body)}\r\n'
    modified = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n"
    return head.encode() + modified.encode() + body


@pytest.mark.parametrize("name", READ_LISTED)
def test_an_object_that_was_listed_is_asked_for_by_its_tag(engine, name):
    refusal = xml_answer(
        "412 Precondition Failed", f"<Error><Code>PreconditionFailed</Code>{IDS}</Error>"
    )
    with CannedServer(refusal) as server:
        store = open_store("s3://b/x", {"s3://": {"engine": engine, "endpoint_url": server.url}})
        with pytest.raises(ChangedError, match="s3://b/x/k: changed since it was listed"):
            READ_LISTED[name](store)
    asked, *looked = server.seen
    assert asked["if-match"] == '"e1"'
    assert len(looked) == 1, "once more, whether there is an object at all"


@pytest.mark.parametrize(("etag", "body"), [("e2", b"abc"), ("e1", b"abcd"), ("e1", b"")])
def test_a_server_that_overlooks_the_tag_is_found_out(engine, etag, body):
    with CannedServer(object_of(etag, body)) as server:
        store = open_store("s3://b/x", {"s3://": {"engine": engine, "endpoint_url": server.url}})
        with pytest.raises(ChangedError, match="changed since it was listed"):
            store.get(LISTED)


@pytest.mark.parametrize("call", ["delete", "delete_tree"])
def test_a_delete_that_is_refused_within_an_answer_of_success_is_no_delete(
    engine, call, monkeypatch
):
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html: 200, and an Error each
    answer = xml_answer(
        "200 OK",
        '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Error><Key>x/k</Key>'
        "<Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>",
    )
    with CannedServer(answer) as server:
        settings = {"s3://": {"engine": engine, "endpoint_url": server.url}}
        store = open_writable("s3://b/x", settings)
        monkeypatch.setattr(store, "list_tree", lambda _: [ObjectInfo("k", 1, "e")])
        with pytest.raises(StorageError, match="cannot delete it: AccessDenied: no permission"):
            getattr(store, call)("k" if call == "delete" else "")
    assert server.seen

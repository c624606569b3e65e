"""What object stores answer becomes one line that says what to check."""

import pytest
from botocore.exceptions import ClientError

from uplift.errors import StorageError, TransientError
from uplift.storage.failures import failure

URL = "s3://b/in.zarr/0/.zarray"


def by_s3fs(code):
    answer = {"Error": {"Code": code, "Message": "secret"}}
    error = OSError("secret")
    error.__cause__ = ClientError(answer, "GetObject")
    return error


def by_obstore(code):
    return OSError(f"Generic S3 error:\nServer returned 4xx: <Error><Code>{code}</Code></Error>")


@pytest.mark.parametrize("raised", [by_s3fs, by_obstore])
@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("ExpiredToken", "expired"),
        ("AuthorizationHeaderMalformed", "region"),
        ("PermanentRedirect", "region"),
        ("RequestTimeTooSkewed", "clock"),
        ("NoSuchBucket", "bucket does not exist"),
        ("QuotaExceeded", "quota"),
    ],
)
def test_refusals(raised, code, word):
    error = failure(raised(code), URL, "read")
    assert type(error) is StorageError
    assert str(error).startswith(f"{URL}: cannot read it: {code}: ")
    assert word in str(error)
    assert "secret" not in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("raised", [by_s3fs, by_obstore])
@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "NoSuchUpload"])
def test_what_may_pass_by_itself(raised, code):
    assert isinstance(failure(raised(code), URL, "write"), TransientError)


@pytest.mark.parametrize("code", ["ThrottledInWordsOfItsOwn", "OperationTimedOut"])
def test_an_unknown_code_with_a_status_of_the_server_may_pass_by_itself(code):
    error = OSError(f"Server returned non-2xx status code: 503 <Code>{code}</Code>")
    assert isinstance(failure(error, URL, "read"), TransientError)


def test_an_unknown_refusal_is_named_and_not_repeated():
    # "connect" stands in the message, but the server did answer
    error = OSError("connected; status code: 400 Bad Request: <Code>InvalidArgument</Code>")
    found = failure(error, URL, "write")
    assert type(found) is StorageError
    assert str(found) == f"{URL}: cannot write it: the server answers InvalidArgument"


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), OSError("broken pipe")])
def test_broken_connections_may_pass_by_themselves(error):
    assert "endpoint_url" in str(failure(error, URL, "read"))
    assert isinstance(failure(error, URL, "read"), TransientError)

"""Turn what storage libraries raise into one line: which URL, what happened, what to check."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from uplift.errors import ChangedError, StorageError, TransientError

_CODE = re.compile(r"<Code>(\w+)</Code>|\(code: (\w+)\)")
_STATUS = re.compile(r"status code: (\d{3})")
_REGION = re.compile(r"<Region>([\w-]+)</Region>|expecting '([\w-]+)'")
_QUERY = re.compile(r"\?\S*|//\S*@")

_WRONG_REGION = "wrong region or endpoint; set region and endpoint_url in the storage settings"
_REMEDIES = {
    "NoSuchBucket": "the bucket does not exist; check its name and the endpoint_url",
    "ContainerNotFound": "the container does not exist; check its name and the account",
    "AuthenticationFailed": "the credentials are wrong; check AZURE_STORAGE_ACCOUNT_NAME and _KEY",
    "AuthorizationFailure": "no permission; check the credentials and what they may do",
    "AccessDenied": "no permission; check the credentials and the bucket's policy, or set anon",
    "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID or profile",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY or the profile",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidToken": "the session token is wrong; renew the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "PermanentRedirect": _WRONG_REGION,
    "TemporaryRedirect": _WRONG_REGION,
    "IllegalLocationConstraintException": _WRONG_REGION,
    "InvalidBucketName": "not a legal bucket name; check the URL",
    "QuotaExceeded": "the quota is used up; free some space or ask for more",
    "NotImplemented": "the server does not know this operation; try engine: fsspec",
}
_BY_STATUS = {
    "301": _WRONG_REGION,
    "307": _WRONG_REGION,
    "400": "the server calls it a bad request; check region, endpoint_url and credentials",
    "401": "the credentials are wrong or missing",
    "403": _REMEDIES["AccessDenied"],
    "404": _REMEDIES["NoSuchBucket"],
}
_ABSENT_BUCKET = ("NoSuchBucket", "bucket does not exist", "ContainerNotFound")
_OF_SIGNED_URLS = ("403", "AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId")
_BY_WORDS = (
    (
        ("received redirect without location",),
        f"the server sends the request elsewhere: {_WRONG_REGION}",
    ),
    (
        ("invalidcertificate", "certificate_verify_failed"),
        "the server's TLS certificate is not trusted; check endpoint_url and the clock, or name "
        "the authority that signed it in SSL_CERT_FILE (and AWS_CA_BUNDLE)",
    ),
    (
        ("invalidcontenttype", "wrong_version_number"),
        "the server does not speak TLS there; write http:// in place of https://",
    ),
    (
        ("name or service not known", "no address associated", "nodename nor servname"),
        "no host has that name; check how the URL and endpoint_url are spelled, and the network",
    ),
    (
        ("content-length header missing",),
        "the server does not say how long the object is; set engine: fsspec in the storage "
        "settings",
    ),
    (
        ("etag header missing",),
        "what answers there is not an object store; check endpoint_url",
    ),
    (
        ("contained empty path segment", "object with invalid path"),
        "a key there has an empty segment (//), or . or ..; set engine: fsspec in the storage "
        "settings",
    ),
    (
        ("range request not supported",),
        "the server cannot send ranges of bytes; fetch the data by other means",
    ),
)
_BUSY = {
    *("SlowDown", "SlowDownRead", "SlowDownWrite", "ServerBusy", "Throttling", "429", "503"),
    *("TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded", "ServiceUnavailable"),
}
_TRANSIENT_CODES = {
    *_BUSY,
    *("InternalError", "RequestTimeout", "OperationTimedOut", "OperationAborted", "408"),
    # answers to a request that was cut short on its way
    *("IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "Md5Mismatch"),
}
_CHANGED = ("PreconditionFailed", "ConditionNotMet", "412")
"""Answers to ``If-Match``."""
_UNREACHABLE = (
    "error sending request",
    "connect",
    "timed out",
    "timeout",
    "connection",
    "dns",
    "error decoding response body",
    "incomplete",
    "payload is not completed",
    "reset by peer",
    "broken pipe",
    "eof",
)


class Refusal(NamedTuple):
    """What a server said: its code (else the HTTP status), and the region that would be right."""

    code: str | None
    region: str | None = None
    status: str | None = None
    retry_after: str | None = None

    @property
    def is_vague(self) -> bool:
        """Whether only the status is known: the answer to a HEAD request has no body."""
        return self.code in _BY_STATUS

    @property
    def is_busy(self) -> bool:
        """Whether the server asks for fewer requests."""
        return self.code in _BUSY or self.status in _BUSY


def refusal_of(error: BaseException) -> Refusal:
    """Read the code and the region in an exception, its response or its causes."""
    codes, regions, statuses, pauses = [], [], [], []
    for one in _causes(error):
        text = str(one)
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            answer = response.get("Error", {})
            headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            codes.append(answer.get("Code"))
            statuses.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
            regions += [answer.get("Region"), headers.get("x-amz-bucket-region")]
            pauses.append(headers.get("retry-after"))
        if "Received redirect without LOCATION" in text:
            codes.append("301")
        codes += [match[1] or match[2] for match in (_CODE.search(text),) if match]
        statuses += [match[1] for match in (_STATUS.search(text),) if match]
        status = getattr(one, "status", None)
        statuses.append(status if isinstance(status, int) else None)
        pauses.append((getattr(one, "headers", None) or {}).get("Retry-After"))
        regions += [match[1] or match[2] for match in (_REGION.search(text),) if match]
    status = next((str(one) for one in statuses if one and int(one) >= 300), None)
    code = next(filter(None, codes), status)
    region, pause = next(filter(None, regions), None), next(filter(None, pauses), None)
    return Refusal(code, region, status, pause)


def error_code(error: BaseException) -> str | None:
    """S3 error code in the message or the response of an exception, else its HTTP status."""
    return refusal_of(error).code


def failure(
    error: BaseException, url: str, action: str, refusal: Refusal | None = None
) -> StorageError:
    """Build the one-line error for a failed `action` (read, write, list, delete) on `url`.

    `refusal` is what the server said, where more is known of it than `error` tells.

    Parameters
    ----------
    error
        As the engine raised it.
    url
        Of the object.
    action
        What failed: read, write, list, delete.
    refusal
        What the server said, where more is known of it than `error` tells.

    Returns
    -------
    StorageError
        To raise; a :class:`TransientError` where it may pass by itself.
    """
    code, region, status, _ = refusal or refusal_of(error)
    what = f"{url}: cannot {action} it"
    if action == "read" and (code in _CHANGED or status in _CHANGED):
        return ChangedError(
            f"{url}: changed since it was listed; let nothing write there, then run again"
        )
    known = _REMEDIES.get(code or "") or _BY_STATUS.get(code or "")
    if known is not None:
        if url.startswith("http") and code in _OF_SIGNED_URLS:
            known = "no permission; where the URL is signed, get a new one (they expire)"
        name = f"HTTP {code}" if code in _BY_STATUS else code
        if region is not None and known is _WRONG_REGION:
            known = f"wrong region; set region: {region} in the storage settings"
        return StorageError(f"{what}: {name}: {known}")
    if code == "NoSuchUpload":
        return TransientError(
            f"{what}: the server lost the upload, or its answer was lost; run again"
        )
    if code in _TRANSIENT_CODES or (status or "").startswith("5"):
        return TransientError(
            f"{what}: the server answers {code} again and again; run again later, or lower "
            "concurrency in the storage settings"
        )
    if isinstance(error, PermissionError):
        return StorageError(f"{what}: {_REMEDIES['AccessDenied']}")
    if code is not None:
        return StorageError(f"{what}: the server answers {code}")
    return _without_answer(error, what)


def _without_answer(error: BaseException, what: str) -> StorageError:
    text = " ".join(f"{type(one).__name__} {one}" for one in _causes(error)).lower()
    for words, remedy in _BY_WORDS:
        if any(word in text for word in words):
            return StorageError(f"{what}: {remedy}")
    if isinstance(error, (ConnectionError, TimeoutError)) or any(w in text for w in _UNREACHABLE):
        return TransientError(
            f"{what}: the server does not answer or breaks off; check endpoint_url (http or "
            "https?) and the network, then run again"
        )
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StorageError(f"{what}: {type(error).__name__}: {_QUERY.sub('', first)[:200]}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what led to it, the last one first."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def is_absent_bucket(error: BaseException) -> bool:
    """Whether it is the bucket that is absent, which is not the absence of an object."""
    text = f"{error} {error.__cause__}"
    return any(word in text for word in _ABSENT_BUCKET)

"""Turn what storage libraries raise into one line: which URL, what happened, what to check."""

from __future__ import annotations

import re

from uplift.errors import StorageError, TransientError

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")

_REMEDIES = {
    "NoSuchBucket": "the bucket does not exist; check its name and the endpoint_url",
    "AccessDenied": "no permission; check the credentials and the bucket's policy, or set anon",
    "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID or profile",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY or the profile",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidToken": "the session token is wrong; renew the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "AuthorizationHeaderMalformed": "wrong region; set region in the storage settings",
    "PermanentRedirect": "wrong region or endpoint; set region and endpoint_url",
    "TemporaryRedirect": "wrong region or endpoint; set region and endpoint_url",
    "IllegalLocationConstraintException": "wrong region; set region in the storage settings",
    "InvalidBucketName": "not a legal bucket name; check the URL",
    "QuotaExceeded": "the quota is used up; free some space or ask for more",
    "NotImplemented": "the server does not know this operation; try engine: fsspec",
}
_BY_STATUS = {
    "301": _REMEDIES["PermanentRedirect"],
    "307": _REMEDIES["TemporaryRedirect"],
    "400": "the server calls it a bad request; check region, endpoint_url and credentials",
    "401": "the credentials are wrong or missing",
    "403": _REMEDIES["AccessDenied"],
    "404": _REMEDIES["NoSuchBucket"],
}
_TRANSIENT_CODES = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "503"}
_UNREACHABLE = (
    "error sending request",
    "connect",
    "timed out",
    "timeout",
    "connection",
    "dns",
    "error decoding response body",
    "incomplete",
    "reset by peer",
    "broken pipe",
    "eof",
)


def error_code(error: BaseException) -> str | None:
    """S3 error code in the message or the response of an exception, else its HTTP status."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = response.get("Error", {}).get("Code")
        if code:
            return str(code)
    cause = error.__cause__
    if cause is not None and (code := error_code(cause)) is not None:
        return code
    text = str(error)
    match = _CODE.search(text) or _STATUS.search(text)
    if match:
        return match.group(1)
    status = getattr(error, "status", None)
    return str(status) if isinstance(status, int) else None


def failure(error: BaseException, url: str, action: str) -> StorageError:
    """Build the one-line error for a failed `action` (read, write, list, delete) on `url`."""
    code = error_code(error)
    if code in _REMEDIES:
        return StorageError(f"{url}: cannot {action} it: {code}: {_REMEDIES[code]}")
    if code in _BY_STATUS:
        return StorageError(f"{url}: cannot {action} it: HTTP {code}: {_BY_STATUS[code]}")
    if code == "NoSuchUpload":
        return TransientError(
            f"{url}: cannot {action} it: the server lost the upload, or its answer was lost; run "
            "again"
        )
    if code in _TRANSIENT_CODES or (code or "").startswith("5"):
        return TransientError(
            f"{url}: cannot {action} it: the server answers {code} again and again; run again "
            "later, or lower concurrency in the storage settings"
        )
    if isinstance(error, PermissionError):
        return StorageError(f"{url}: cannot {action} it: {_REMEDIES['AccessDenied']}")
    text = f"{type(error).__name__} {error}".lower()
    if isinstance(error, (ConnectionError, TimeoutError)) or any(w in text for w in _UNREACHABLE):
        return TransientError(
            f"{url}: cannot {action} it: the server does not answer or breaks off; check "
            "endpoint_url and the network, then run again"
        )
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StorageError(f"{url}: cannot {action} it: {type(error).__name__}: {first[:200]}")


def is_absent_bucket(error: BaseException) -> bool:
    """Whether it is the bucket that is absent, which is no absence of an object."""
    text = f"{error} {error.__cause__}"
    return "NoSuchBucket" in text or "bucket does not exist" in text

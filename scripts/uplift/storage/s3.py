"""What only S3 needs: access, credentials, and a client of botocore for what engines cannot do."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from uplift.errors import InputError
from uplift.models.base import Model
from uplift.settings.storage import StorageOptions
from uplift.storage import tuning
from uplift.storage.failures import Refusal, failure
from uplift.storage.protocol import Unfinished, join
from uplift.storage.retries import seconds_of
from uplift.storage.urls import split_url

log = logging.getLogger(__name__)

SCHEMES = ("s3", "s3a")
_BUSY = (429, 503)


class AwsAccess(Model):
    """Where S3 is, and whether without credentials; from options, environment and profile."""

    endpoint_url: str | None
    region: str | None
    anon: bool


def aws_access(options: StorageOptions) -> AwsAccess:
    """Resolve endpoint and region as the AWS tools do, the same for both engines.

    Raises
    ------
    InputError
        A profile that is not configured.
    """
    scoped: Mapping[str, Any] = {}
    profile = options.profile or os.environ.get("AWS_PROFILE")
    region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if profile is not None:
        scoped = _profile(profile)
        region = region or scoped.get("region")
    endpoint = (
        options.endpoint_url
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or scoped.get("endpoint_url")
    )
    return AwsAccess(
        endpoint_url=endpoint.rstrip("/") if endpoint else None,
        region=region,
        anon=bool(options.anon),
    )


def aws_credentials(options: StorageOptions, url: str) -> dict[str, Any]:
    """Current credentials from environment, profile or role, as obstore takes them.

    Raises
    ------
    InputError
        There are none.
    """
    found = session(options.profile).get_credentials()
    if found is None:
        raise InputError(
            f"{url}: no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
            "AWS_PROFILE, or say anon: true for public data"
        )
    frozen = found.get_frozen_credentials()
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        "expires_at": getattr(found, "_expiry_time", None),
    }


@cache
def session(profile: str | None) -> Any:
    """Botocore's view of environment, profile and role."""
    import botocore.session

    return botocore.session.Session(profile=profile)


def _profile(profile: str) -> Mapping[str, Any]:
    from botocore.exceptions import ProfileNotFound

    try:
        scoped: Mapping[str, Any] = session(profile).get_scoped_config()
    except ProfileNotFound:
        raise InputError(
            f"AWS profile {profile!r} is not configured; see `aws configure list-profiles`"
        ) from None
    return scoped


def s3_client(options: StorageOptions) -> Any:
    """Client with the endpoint, region and credentials that the engines have."""
    from botocore import UNSIGNED
    from botocore.config import Config

    access = aws_access(options)
    config = Config(
        connect_timeout=min(options.timeout, tuning.CONNECT_S),
        read_timeout=options.timeout,
        retries={"total_max_attempts": options.retries + 1, "mode": "standard"},
        s3={"addressing_style": "path"},
        signature_version=UNSIGNED if access.anon else None,
    )
    client = session(options.profile).create_client(
        "s3",
        region_name=access.region or "us-east-1",
        endpoint_url=access.endpoint_url,
        config=config,
    )
    pause_when_asked(client, options)
    return client


def pause_when_asked(client: Any, options: StorageOptions) -> None:
    """Make a client of botocore wait as long as ``Retry-After`` says, which it overlooks."""

    def pause(response: Any, attempts: int, **_: Any) -> float | None:
        said = response[1].get("ResponseMetadata", {}) if response is not None else {}
        if said.get("HTTPStatusCode") not in _BUSY or attempts > options.retries:
            return None
        seconds = seconds_of(said.get("HTTPHeaders", {}).get("retry-after"))
        return None if seconds is None else min(seconds, tuning.LONGEST_PAUSE_S)

    client.meta.events.register_first("needs-retry.s3", pause)


def reason_of(url: str, options: StorageOptions) -> Refusal | None:
    """Ask why the server refuses a bucket, by a request whose answer has a body."""
    from botocore.exceptions import BotoCoreError, ClientError

    said: list[Refusal] = []

    def note_answer(response: Any, **_: Any) -> None:
        answer = response[1] if response is not None else {}
        error = answer.get("Error", {})
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = error.get("Region") or headers.get("x-amz-bucket-region")
        said.append(Refusal(error.get("Code"), region, retry_after=headers.get("retry-after")))

    # botocore follows redirects by itself: the first answer is what counts
    quick = options.model_copy(
        update={"retries": 0, "timeout": min(options.timeout, tuning.CONNECT_S)}
    )
    try:
        client = s3_client(quick)
        client.meta.events.register_first("needs-retry.s3", note_answer)
        client.list_objects_v2(Bucket=split_url(url).authority, MaxKeys=1)
    except (BotoCoreError, ClientError):
        pass  # noted above
    return next((one for one in said if one.code is not None), None)


def unfinished_uploads(url: str, options: StorageOptions, key: str | None = None) -> Unfinished:
    """Unfinished uploads below an S3 URL, or of one object there.

    One stays behind when the answer that names it is lost, or when its writer is killed. Neither
    engine can list them. Who may not list them gets a warning: the objects are complete.

    Parameters
    ----------
    url
        Below which to look.
    options
        Of the config's ``storage`` section, for this URL.
    key
        Of one object, below the URL; None: of all.

    Returns
    -------
    Unfinished
        Whole keys in the bucket, and numbers of uploads.
    """
    _, bucket, root = split_url(url)
    prefix = join(root, key or "")
    found: list[tuple[str, str]] = []
    with _only_warned(url):
        pages = (
            s3_client(options)
            .get_paginator("list_multipart_uploads")
            .paginate(Bucket=bucket, Prefix=f"{prefix}/" if prefix and key is None else prefix)
        )
        for page in pages:
            found += [(one["Key"], one["UploadId"]) for one in page.get("Uploads", ())]
    return [one for one in found if key is None or one[0] == prefix]


def abort_uploads(url: str, options: StorageOptions, found: Unfinished) -> int:
    """Abort unfinished uploads; who may not gets a warning.

    Parameters
    ----------
    url
        Below which they are.
    options
        Of the config's ``storage`` section, for this URL.
    found
        By :func:`unfinished_uploads`.

    Returns
    -------
    int
        How many were aborted.
    """
    aborted = 0
    with _only_warned(url):
        client = s3_client(options)
        for key, upload in found:
            client.abort_multipart_upload(Bucket=split_url(url).authority, Key=key, UploadId=upload)
            aborted += 1
    return aborted


@contextlib.contextmanager
def _only_warned(url: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        log.warning("%s", failure(error, url, "look for unfinished uploads below"))

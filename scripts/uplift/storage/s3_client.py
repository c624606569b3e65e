"""What neither engine can ask of an S3 server: a client of botocore."""

from __future__ import annotations

from typing import Any

from uplift.storage import tuning
from uplift.storage.failures import Refusal
from uplift.storage.retries import seconds_of
from uplift.storage.settings import StorageOptions, aws_access, session
from uplift.storage.urls import split_url

_BUSY = (429, 503)


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
    """Ask once more, in a way that is answered with words: why the server refuses a bucket."""
    from botocore.exceptions import BotoCoreError, ClientError

    said: list[Refusal] = []

    def note(response: Any, **_: Any) -> None:
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
        client.meta.events.register_first("needs-retry.s3", note)
        client.list_objects_v2(Bucket=split_url(url).place, MaxKeys=1)
    except (BotoCoreError, ClientError):
        pass  # noted above
    return next((one for one in said if one.code is not None), None)

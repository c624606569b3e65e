"""The storage settings in force for a place: by URL prefix, the environment, and AWS profiles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from uplift.errors import InputError
from uplift.models.base import Model
from uplift.settings.storage import StorageOptions

__all__ = ["AwsAccess", "StorageOptions", "aws_access", "aws_credentials", "options_for", "session"]


def options_for(url: str, settings: Mapping[str, Any] | None) -> StorageOptions:
    """Options of the longest prefix that `url` begins with; a shorter one fills what it leaves out.

    Raises
    ------
    InputError
        An unknown setting or a value of the wrong type.
    """
    merged: dict[str, Any] = {}
    for prefix in sorted(settings or {}, key=len):
        if url == prefix or url.startswith(prefix.rstrip("/") + "/"):
            merged.update((settings or {})[prefix] or {})
    return StorageOptions.parse(merged, f"storage settings of {url}")


class AwsAccess(Model):
    """Where and as whom to speak S3; made from options, environment and profile."""

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

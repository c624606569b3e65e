"""Open stores of fsspec: S3 through s3fs on request, and any other URL that fsspec knows."""

from __future__ import annotations

from typing import Any

import fsspec

from uplift.errors import InputError
from uplift.settings.storage import StorageOptions
from uplift.storage import tuning
from uplift.storage.fsspec_store import FsspecStore
from uplift.storage.protocol import join
from uplift.storage.s3 import SCHEMES as OF_S3
from uplift.storage.s3 import aws_access, pause_when_asked
from uplift.storage.urls import display_url, split_url

_CACHE_OFF = {"use_listings_cache": False, "skip_instance_cache": True}


def open_url(url: str, options: StorageOptions, *, writable: bool) -> FsspecStore:
    """Open any URL that an installed fsspec file system knows.

    Parameters
    ----------
    url
        Of the folder.
    options
        The config's ``storage`` section.
    writable
        Whether objects may be written.

    Returns
    -------
    FsspecStore
        Open; nothing was asked of it yet.

    Raises
    ------
    InputError
        None does, or a setting asks for what only another engine can do there.
    """
    if split_url(url).scheme in OF_S3:
        return _open_s3(url, options, writable=writable)
    if options.endpoint_url or options.anon:
        raise InputError(
            f"{display_url(url)}: endpoint_url and anon are for S3 with engine: fsspec; leave the "
            "engine out, or set them as the file system does (FSSPEC_ environment variables)"
        )
    try:
        filesystem, root = fsspec.url_to_fs(url)
    except (ValueError, ImportError) as error:
        where = display_url(url)
        raise InputError(
            f"{where}: this kind of URL is not known: {error}; correct the URL (docs/STORAGE.md "
            "lists which there are)"
        ) from None
    return FsspecStore(url, filesystem, root, options, writable=writable)


def _open_s3(url: str, options: StorageOptions, *, writable: bool) -> FsspecStore:
    access = aws_access(options)
    client: dict[str, Any] = {}
    if access.region:
        client["region_name"] = access.region
    settings: dict[str, Any] = {
        "anon": access.anon,
        "endpoint_url": access.endpoint_url,
        "client_kwargs": client,
        "config_kwargs": {
            "max_pool_connections": options.concurrency,
            "connect_timeout": min(options.timeout, tuning.CONNECT_S),
            "read_timeout": options.timeout,
            "s3": {"addressing_style": "path"},
        },
        "version_aware": False,
        **_CACHE_OFF,
    }
    if options.profile:
        settings["profile"] = options.profile
    parts = split_url(url)
    root = join(parts.authority, parts.key)
    uploads = _filesystem_of_s3(settings, options, options.retries + 1) if writable else None
    filesystem = _filesystem_of_s3(settings, options, 1)
    return FsspecStore(url, filesystem, root, options, writable=writable, uploads=uploads)


def _filesystem_of_s3(settings: dict[str, Any], options: StorageOptions, attempts: int) -> Any:
    """Botocore repeats requests as often as it is set to; s3fs would do so again around it."""
    config = settings["config_kwargs"]
    config = {**config, "retries": {"total_max_attempts": attempts, "mode": "standard"}}
    filesystem = fsspec.filesystem("s3", **{**settings, "config_kwargs": config})
    filesystem.retries = 1
    pause_when_asked(filesystem.s3, options)
    return filesystem

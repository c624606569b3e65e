"""Multipart uploads that nobody will finish: a store keeps, and charges for, their parts."""

from __future__ import annotations

import logging

from uplift.storage.failures import failure
from uplift.storage.protocol import join
from uplift.storage.s3_client import s3_client
from uplift.storage.settings import StorageOptions
from uplift.storage.urls import split_url

log = logging.getLogger(__name__)


def abort_uploads(url: str, options: StorageOptions, key: str | None = None) -> int:
    """Abort every unfinished upload below an S3 URL, or of one object there; return their number.

    One stays behind when the answer that names it is lost, or when its writer is killed. Neither
    engine can list them. Who may not list or abort them gets a warning: the objects are complete.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    _, bucket, root = split_url(url)
    prefix = join(root, key or "")
    aborted = 0
    try:
        client = s3_client(options)
        pages = client.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, Prefix=f"{prefix}/" if prefix and key is None else prefix
        )
        for page in pages:
            for upload in page.get("Uploads", ()):
                if key is not None and upload["Key"] != prefix:
                    continue
                client.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                aborted += 1
    except (BotoCoreError, ClientError) as error:
        log.warning("%s", failure(error, url, "look for unfinished uploads below"))
    return aborted

"""Buckets of the tests' S3 server: filling them, reading them, opening them to the public."""

import json
import uuid
from pathlib import Path

import botocore.session
import pytest

from servers.rgw import USER, Rgw
from support.steps import StepError

PUBLIC = ("s3:GetObject", "s3:ListBucket")


def client(server: Rgw):
    """Return a client that speaks with the server, past any proxy."""
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=USER[0],
        aws_secret_access_key=USER[1],
    )


def variables(server: Rgw) -> dict[str, str]:
    """Environment of a process that is to use the server as the owner of all buckets."""
    return {
        "AWS_ACCESS_KEY_ID": USER[0],
        "AWS_SECRET_ACCESS_KEY": USER[1],
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def new_bucket(s3, name: str | None = None) -> str:
    name = name or f"b{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name


def allow(s3, bucket: str, *actions: str, effect: str = "Allow") -> None:
    """Let everybody do (or nobody do) `actions` in a bucket."""
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def upload(s3, folder: Path, bucket: str, prefix: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def objects(s3, bucket: str, prefix: str) -> dict[str, bytes]:
    """Every object below a prefix, by its key after it."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return {
        key[len(prefix) + 1 :]: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys
    }


def dangling(s3, bucket: str) -> list[str]:
    """Keys of uploads that were neither finished nor aborted."""
    return [one["Key"] for one in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def storage(bucket: str, **options) -> str:
    """Storage settings of a bucket, as programs take them; what fails is soon tried again."""
    return json.dumps({f"s3://{bucket}/": {"retries": 2, "timeout": 20, **options}})


def without_crate(files: dict[str, bytes]) -> dict[str, bytes]:
    """Everything but the crate, which says where the source was and when it was converted."""
    return {key: data for key, data in files.items() if "ro-crate" not in key}


def refused(capfd, step, *words, code=1):
    """Check that a step is refused with one line that names `words` and holds no secret."""
    capfd.readouterr()
    with pytest.raises(StepError) as caught:
        step()
    text = capfd.readouterr().err
    assert caught.value.code == code, text
    assert "Traceback" not in text
    assert USER[1] not in text
    (line,) = [one for one in text.splitlines() if one.startswith("error: ")]
    for word in words:
        assert word in line

"""Web addresses of outputs in object stores, where a bucket is public."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from uplift.storage import s3
from uplift.storage.settings import options_for
from uplift.storage.urls import display_url, is_local, split_url


def web_url(
    output: str, settings: Mapping[str, Any] | None, *, as_reached: bool = False
) -> str | None:
    """Address of an output for a browser, where its bucket is public; None for a local folder.

    Parameters
    ----------
    output
        A folder, or a URL without secrets.
    settings
        The config's ``storage`` section.
    as_reached
        Environment and AWS profiles say where S3 is, too, as they do for jobs.

    Returns
    -------
    str | None
        Its address, without secrets.
    """
    if not output or is_local(output):
        return None
    parts = split_url(output)
    if parts.scheme in ("http", "https"):
        return display_url(output).rstrip("/")
    options, key = options_for(output, settings), quote(parts.key)
    if parts.scheme in ("gs", "gcs"):
        return f"https://storage.googleapis.com/{parts.authority}/{key}"
    if parts.scheme not in s3.SCHEMES:
        return None
    where = s3.aws_access(options) if as_reached else options
    if where.endpoint_url:
        return f"{display_url(where.endpoint_url).rstrip('/')}/{parts.authority}/{key}"
    region = f".{where.region}" if where.region else ""
    return f"https://{parts.authority}.s3{region}.amazonaws.com/{key}"


def names_the_service(url: str, settings: Mapping[str, Any] | None) -> bool:
    """Whether the settings say of whom a bucket is, and do not leave it to what is the default."""
    options = options_for(display_url(url), settings)
    return bool(options.endpoint_url or options.region)

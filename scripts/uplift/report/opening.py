"""Where a published dataset can be looked at: addresses of viewers, and commands."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from uplift.storage import display_url, is_local, local_path
from uplift.storage.settings import options_for
from uplift.storage.urls import split_url

LOCAL_SERVER = "http://localhost:8000"
"""Where ``ome_zarr view`` serves the folder above a dataset, to pages of other hosts too."""


class Viewers(NamedTuple):
    """How to look at a dataset.

    Attributes
    ----------
    serve
        Command to run first, when the dataset has no address in the web.
    links
        Name and address of each viewer.
    napari
        Command.
    """

    serve: str | None
    links: dict[str, str]
    napari: str


def viewers_of(output: str, settings: Mapping[str, Any] | None) -> Viewers:
    """Say how to open the output (a folder or a URL without secrets)."""
    url = web_url(output, settings)
    serve = None
    if url is None:
        local = is_local(output)
        path = Path(local_path(output)).absolute() if local else None
        name = path.name if path else output.rstrip("/").rpartition("/")[2]
        place = shlex.quote(str(path)) if path else f"LOCAL_COPY/{shlex.quote(name)}"
        serve, url = f"ome_zarr view {place}", f"{LOCAL_SERVER}/{quote(name)}"
    state = {"layers": [{"name": url.rpartition("/")[2], "source": f"zarr://{url}/"}]}
    links = {
        "ome-ngff-validator": f"https://ome.github.io/ome-ngff-validator/?source={quote(url)}",
        "Neuroglancer": f"https://neuroglancer-demo.appspot.com/#!{quote(json.dumps(state))}",
        "vizarr": f"https://hms-dbmi.github.io/vizarr/?source={quote(url)}",
    }
    opened = str(Path(local_path(output)).absolute()) if is_local(output) else url
    return Viewers(serve, links, shlex.join(["napari", "--plugin", "napari-ome-zarr", opened]))


def web_url(output: str, settings: Mapping[str, Any] | None) -> str | None:
    """Address of an output for a browser, where its bucket is public; None for a local folder."""
    if not output or is_local(output):
        return None
    parts = split_url(output)
    if parts.scheme in ("http", "https"):
        return display_url(output).rstrip("/")
    options, key = options_for(output, settings), quote(parts.key)
    if parts.scheme in ("gs", "gcs"):
        return f"https://storage.googleapis.com/{parts.place}/{key}"
    if parts.scheme not in ("s3", "s3a"):
        return None
    if options.endpoint_url:
        return f"{options.endpoint_url.rstrip('/')}/{parts.place}/{key}"
    region = f".{options.region}" if options.region else ""
    return f"https://{parts.place}.s3{region}.amazonaws.com/{key}"

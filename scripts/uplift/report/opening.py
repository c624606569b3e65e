"""Where a published dataset can be looked at: addresses of viewers, and commands."""

import json
import shlex
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from uplift.storage import is_local, local_path

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


def viewers_of(output: str, url: str | None) -> Viewers:
    """Say how to open the output.

    Parameters
    ----------
    output
        A folder, or a URL without secrets.
    url
        Its address in the web; None where it has none.
    """
    serve = None
    if url is None:
        local = is_local(output)
        path = Path(local_path(output)).absolute() if local else None
        name = path.name if path else output.rstrip("/").rpartition("/")[2]
        target = shlex.quote(str(path)) if path else f"LOCAL_COPY/{shlex.quote(name)}"
        serve, url = f"ome_zarr view {target}", f"{LOCAL_SERVER}/{quote(name)}"
    state = {"layers": [{"name": url.rpartition("/")[2], "source": f"zarr://{url}/"}]}
    links = {
        "ome-ngff-validator": f"https://ome.github.io/ome-ngff-validator/?source={quote(url)}",
        "Neuroglancer": f"https://neuroglancer-demo.appspot.com/#!{quote(json.dumps(state))}",
        "vizarr": f"https://hms-dbmi.github.io/vizarr/?source={quote(url)}",
    }
    opened = str(Path(local_path(output)).absolute()) if is_local(output) else url
    return Viewers(serve, links, shlex.join(["napari", "--plugin", "napari-ome-zarr", opened]))

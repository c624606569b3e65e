"""What previews of images and plates share: ``preview.json``, the level to read, the size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from uplift.ngff.detect import multiscales_of
from uplift.report.blending import Channel, Picture
from uplift.report.documents import Documents
from uplift.report.planes import Level, choose_level
from uplift.storage.protocol import join

SIZE = 384
"""Pixels of the longer side of a preview."""


@dataclass(frozen=True)
class Described:
    """What a preview shows: ``preview.json``.

    Attributes
    ----------
    kind
        ``image``, ``images`` or ``plate``; None when nothing can be drawn.
    position, part
        As in :class:`~uplift.report.planes.Plane`; of a single image.
    labels
        Name of the label image in ``preview.labels.webp``.
    axes
        Of the first image at full resolution: name, size, pixel size (None when there is none) and
        unit of each.
    """

    kind: str | None = None
    level: str | None = None
    position: Mapping[str, int] | None = None
    part: tuple[float, float, float, float] | None = None
    channels: Sequence[Channel] = ()
    labels: str | None = None
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    axes: Sequence[Mapping[str, Any]] = ()


def level_of(documents: Documents, path: str, size: int) -> tuple[Level | None, Mapping[str, Any]]:
    """Level of an image to draw, None where there is none, and the image's OME metadata.

    Parameters
    ----------
    documents
        Of the dataset.
    path
        Of the image.
    size
        Wanted pixels of the longer side.

    Returns
    -------
    Level or None, Mapping
        The level, and the metadata.
    """
    ome = documents.ome(path)
    for multiscale in (multiscales_of({"ome": ome}) if ome else ())[:1]:
        axes = [axis.lower() for axis in multiscale.axes]
        if {"y", "x"} <= set(axes) and len(set(axes)) == len(axes):
            return choose_level(documents, path, multiscale.levels, axes, size), ome
    return None, ome


def first_field(documents: Documents, well: Mapping[str, Any]) -> str:
    """Path of the first field of a well."""
    path = str(well["path"])
    return join(path, str(documents.ome(path)["well"]["images"][0]["path"]))


def channel_entries(ome: Mapping[str, Any]) -> Sequence[Any]:
    """Channels of the ``omero`` metadata; empty where there are none."""
    omero = ome.get("omero")
    entries = omero.get("channels") if isinstance(omero, Mapping) else None
    return entries if isinstance(entries, list) else []


def reduced(picture: Picture, size: int, how: Image.Resampling = Image.Resampling.BOX) -> Any:
    """Shrink a picture to `size` pixels, or enlarge a small one so that its pixels are visible.

    Parameters
    ----------
    picture
        Colors, shape (y, x, 3).
    size
        Pixels of the longer side.
    how
        How to shrink.

    Returns
    -------
    PIL.Image.Image
        The picture.
    """
    image = Image.fromarray(picture)
    longer = max(image.size)
    if longer > size:
        image.thumbnail((size, size), how, reducing_gap=None)
    elif longer * 2 <= size:
        grown = [max(1, n * size // longer) for n in image.size]
        image = image.resize(grown, Image.Resampling.NEAREST)
    return image

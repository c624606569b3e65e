"""Pictures of published datasets, read back from the output.

``preview.webp`` is an image, images side by side, or the map of a plate; ``preview.labels.webp``
its labels, to be laid over; ``thumbnail.webp`` is small. ``preview.json`` says what is shown.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from PIL import Image

from uplift.arrays.readers.protocol import ReaderError
from uplift.errors import UpliftError
from uplift.report.blending import blend, channels_of, paint_labels
from uplift.report.documents import Documents
from uplift.report.facts import Facts
from uplift.report.pictures import SIZE, Described, channel_entries, first_field, level_of, reduced
from uplift.report.planes import Plane, read_plane
from uplift.report.plate_map import draw_plate
from uplift.storage import open_store
from uplift.storage.protocol import Store, join
from uplift.work import json_files
from uplift.work.folder import WorkFolder

log = logging.getLogger(__name__)

THUMBNAIL = 96
"""Pixels of the longer side in the list of all datasets."""
MOST_IMAGES = 24
"""Of a collection: each is read."""
_EFFORT = 0
"""Of WebP's encoder (0 to 6). With 4 a picture takes six times as long, and is a tenth smaller."""


def update_preview(facts: Facts, settings: Mapping[str, Any] | None) -> bool:
    """Draw a dataset that was published since its last preview; whether its files changed."""
    work = WorkFolder(facts.folder)
    published, file = work.published, work.preview
    if not facts.is_published:
        stale = file.exists()
        _remove(facts.folder)
        return stale
    if file.exists() and file.stat().st_mtime >= published.stat().st_mtime:
        return False
    if not facts.files["inventory"]:  # which names the images: a look at the source failed
        return False
    try:
        write_preview(open_store(facts.output, settings), _spread(facts.images), facts.folder)
    except Exception as error:
        # Metadata that were odd at the source are odd at the output, in unforeseen ways:
        # the report of all datasets does not end for the picture of one.
        log.warning("no preview of %s: %s: %s", facts.dataset, type(error).__name__, error)
    return True


def _spread(images: Sequence[str]) -> list[str]:
    """At most `MOST_IMAGES`, evenly spread."""
    step = max(1.0, len(images) / MOST_IMAGES)
    return [images[int(n * step)] for n in range(min(len(images), MOST_IMAGES))]


def write_preview(store: Store, images: Sequence[str], folder: Path) -> Described:
    """Draw a dataset.

    Parameters
    ----------
    images
        Paths of the groups of its images; the wells of a plate are found by themselves.
    folder
        Where the pictures and ``preview.json`` go.

    Returns
    -------
    Described
        What each picture shows.
    """
    _remove(folder)
    documents = Documents(store)
    if store.reads_ahead and len(images) == 1:  # what a single image needs first
        documents.ask(["", images[0], join(images[0], "labels")])
    plate = documents.ome("").get("plate")
    if isinstance(plate, Mapping):
        described, picture = draw_plate(documents, plate)
        labels = None
    elif len(images) == 1:
        described, picture, labels = _image(documents, images[0])
    else:
        described, picture = _images(documents, images)
        labels = None
    if picture is not None:
        picture.save(folder / "preview.webp", quality=80, method=_EFFORT)
        small = picture.copy()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(folder / "thumbnail.webp", quality=70, method=_EFFORT)
    if labels is not None:
        labels.save(folder / "preview.labels.webp", lossless=True, method=_EFFORT)
    described = replace(described, axes=_axes(documents, plate, images))
    json_files.write_json(WorkFolder(folder).preview, asdict(described))
    return described


def _remove(folder: Path) -> None:
    WorkFolder(folder).preview.unlink(missing_ok=True)
    for name in ("preview.webp", "preview.labels.webp", "thumbnail.webp"):
        (folder / name).unlink(missing_ok=True)


def _axes(documents: Documents, plate: Any, images: Sequence[str]) -> list[dict[str, Any]]:
    """Size, pixel size and unit along each axis of the first image."""
    try:
        path = first_field(documents, plate["wells"][0]) if plate else images[0]
        multiscale = documents.ome(path)["multiscales"][0]
        level = multiscale["datasets"][0]
        text = documents.text(join(path, level["path"]))
        shape = json.loads(text or b"")["shape"]
        steps = [
            *level["coordinateTransformations"],
            *multiscale.get("coordinateTransformations", []),
        ]
        scales = [step["scale"] for step in steps if step.get("type") == "scale"]
        return [
            {
                "name": str(axis["name"]),
                "size": int(shape[at]),
                "scale": math.prod(float(scale[at]) for scale in scales) if scales else None,
                "unit": str(axis["unit"]) if "unit" in axis else None,
            }
            for at, axis in enumerate(multiscale["axes"])
        ]
    except (UpliftError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return []  # what is odd about it is a finding of the validation


def _read(documents: Documents, path: str, size: int) -> tuple[Plane, Mapping[str, Any]] | None:
    """Read the plane of an image, or say in the log why not."""
    try:
        level, ome = level_of(documents, path, size)
        return None if level is None else (read_plane(documents, level, size), ome)
    except (UpliftError, ReaderError, ValueError, KeyError, TypeError) as error:
        log.warning("no preview of %s/%s: %s", documents.store.url, path, error)
        return None


def _image(documents: Documents, path: str) -> tuple[Described, Any, Any]:
    found = _read(documents, path, SIZE)
    if found is None:
        return Described(), None, None
    plane, ome = found
    channels = channels_of(plane.values, channel_entries(ome))
    picture = reduced(blend(plane.values, channels), SIZE)
    name, labels = _labels(documents, path, plane, picture.size)
    described = Described(
        "image", plane.level.path, plane.position, plane.part, channels, labels=name
    )
    return described, picture, labels


def _labels(
    documents: Documents, path: str, plane: Plane, size: tuple[int, int]
) -> tuple[str | None, Any]:
    """Draw the first label image over the same part of the same plane."""
    names = documents.ome(join(path, "labels")).get("labels")
    for name in names if isinstance(names, list) else ():
        found = _read(documents, join(path, f"labels/{name}"), SIZE)
        if found is None or found[0].values.dtype.kind not in "bui":
            continue
        labels, ome = found
        if max(abs(a - b) for a, b in zip(labels.part, plane.part, strict=True)) > 0.01:
            continue  # too large to be read whole, and cut elsewhere than the image
        painted = Image.fromarray(paint_labels(labels.values[0], _label_colors(ome)))
        return str(name), painted.resize(size, Image.Resampling.NEAREST)
    return None, None


def _label_colors(ome: Mapping[str, Any]) -> dict[int, Sequence[int]]:
    entry = ome.get("image-label")
    colors = entry.get("colors") if isinstance(entry, Mapping) else None
    return {
        color["label-value"]: [part % 256 for part in color["rgba"][:3]]
        for color in (colors if isinstance(colors, list) else ())
        if isinstance(color, Mapping)
        and isinstance(color.get("label-value"), int)
        and isinstance(color.get("rgba"), list)
        and len(color["rgba"]) >= 3
        and all(isinstance(part, int) for part in color["rgba"][:3])
    }


def _images(documents: Documents, images: Sequence[str]) -> tuple[Described, Any]:
    """Draw images side by side."""
    columns = math.ceil(math.sqrt(len(images)))
    tile = SIZE // max(1, columns)
    drawn = []
    for path in images:
        if found := _read(documents, path, tile):
            plane, ome = found
            channels = channels_of(plane.values, channel_entries(ome))
            drawn.append(reduced(blend(plane.values, channels), tile))
    if not drawn:
        return Described(), None
    sheet = Image.new("RGB", (columns * tile, math.ceil(len(drawn) / columns) * tile))
    for at, picture in enumerate(drawn):
        sheet.paste(picture, (at % columns * tile, at // columns * tile))
    return Described("images"), sheet

"""Pictures of published datasets, read back from the output.

``preview.webp`` is an image, images side by side, or the map of a plate; ``preview.labels.webp``
its labels, to be laid over; ``thumbnail.webp`` is small. ``preview.json`` says what is shown.
"""

import contextlib
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from uplift.arrays.readers.protocol import ReaderError
from uplift.errors import UpliftError
from uplift.ngff.detect import multiscales_of
from uplift.report.blending import Channel, Picture, blend, channels_of, paint_labels
from uplift.report.documents import Documents
from uplift.report.facts import Facts
from uplift.report.planes import (
    LARGEST_CHUNK,
    READS_AT_ONCE,
    Level,
    Plane,
    choose_level,
    read_plane,
)
from uplift.running.parallel import in_order
from uplift.storage import open_store
from uplift.storage.protocol import Store, join
from uplift.work import json_files
from uplift.work.folder import WorkFolder

log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")

SIZE = 384
"""Pixels of the longer side of a preview."""
THUMBNAIL = 96
"""Pixels of the longer side in the list of all datasets."""
MOST_WELLS = 1536
"""Of a plate map: the largest plates in use."""
MOST_IMAGES = 24
"""Of a collection: each is read."""
_NAMES = 24
"""Pixels that the names of rows and columns of a plate take."""
_EFFORT = 0
"""Of WebP's encoder (0 to 6). With 4 a picture takes six times as long, and is a tenth smaller."""


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
        # Metadata that were odd at the source are odd at the output, in ways that nobody foresaw:
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
        described, picture = _plate(documents, plate)
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
        path = _first_field(documents, plate["wells"][0]) if plate else images[0]
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
    except (UpliftError, ValueError, KeyError, TypeError, IndexError):
        return []  # what is odd about it is a finding of the validation


def _first_field(documents: Documents, well: Mapping[str, Any]) -> str:
    path = str(well["path"])
    return join(path, str(documents.ome(path)["well"]["images"][0]["path"]))


def _level_of(documents: Documents, path: str, size: int) -> tuple[Level | None, Mapping[str, Any]]:
    ome = documents.ome(path)
    multiscales = multiscales_of({"ome": ome}) if ome else ()
    if not multiscales or not {"y", "x"} <= set(multiscales[0].axes):
        return None, ome
    return choose_level(documents, path, multiscales[0].levels, multiscales[0].axes, size), ome


def _read(documents: Documents, path: str, size: int) -> tuple[Plane, Mapping[str, Any]] | None:
    """Read the plane of an image, or say in the log why not."""
    try:
        level, ome = _level_of(documents, path, size)
        return None if level is None else (read_plane(documents, level, size), ome)
    except (UpliftError, ReaderError, ValueError, KeyError, TypeError) as error:
        log.warning("no preview of %s/%s: %s", documents.store.url, path, error)
        return None


def _channel_entries(ome: Mapping[str, Any]) -> Sequence[Any]:
    omero = ome.get("omero")
    entries = omero.get("channels") if isinstance(omero, Mapping) else None
    return entries if isinstance(entries, list) else []


def _reduced(picture: Picture, size: int, how: Image.Resampling = Image.Resampling.BOX) -> Any:
    """Shrink to `size` pixels; a small picture grows, its pixels seen."""
    image = Image.fromarray(picture)
    longer = max(image.size)
    if longer > size:
        image.thumbnail((size, size), how, reducing_gap=None)
    elif longer * 2 <= size:
        grown = [max(1, n * size // longer) for n in image.size]
        image = image.resize(grown, Image.Resampling.NEAREST)
    return image


def _image(documents: Documents, path: str) -> tuple[Described, Any, Any]:
    found = _read(documents, path, SIZE)
    if found is None:
        return Described(), None, None
    plane, ome = found
    channels = channels_of(plane.values, _channel_entries(ome))
    picture = _reduced(blend(plane.values, channels), SIZE)
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
            channels = channels_of(plane.values, _channel_entries(ome))
            drawn.append(_reduced(blend(plane.values, channels), tile))
    if not drawn:
        return Described(), None
    sheet = Image.new("RGB", (columns * tile, math.ceil(len(drawn) / columns) * tile))
    for at, picture in enumerate(drawn):
        sheet.paste(picture, (at % columns * tile, at // columns * tile))
    return Described("images"), sheet


def _plate(documents: Documents, plate: Mapping[str, Any]) -> tuple[Described, Any]:
    """Draw the first field of every well at its position, all in one window a channel."""
    rows, columns = (
        [
            str(entry.get("name", at) if isinstance(entry, Mapping) else entry)
            for at, entry in enumerate(plate.get(key, []))
        ]
        for key in ("rows", "columns")
    )
    tile = max(16, SIZE // max(1, len(columns)))
    wells = [well for well in plate.get("wells", []) if _has_position(well)][:MOST_WELLS]
    store = documents.store
    found = _each(lambda well: _field(documents, well, tile), wells, store, READS_AT_ONCE)
    levels = [level for level, _ in found if level is not None]
    if not levels:
        return Described(), None
    largest = max(level.chunk_bytes for level in levels)
    # together they hold no more than one chunk of the largest size would
    most = min(READS_AT_ONCE, max(1, LARGEST_CHUNK // largest))
    planes = _each(lambda one: _well(documents, one[0], tile), found, store, most)
    shown = [plane for plane in planes if plane is not None]
    if not shown:
        return Described(), None
    count = min(len(plane) for plane in shown)
    joined = [np.concatenate([plane[c].ravel() for plane in shown]) for c in range(count)]
    channels = channels_of(joined, _common([_channel_entries(ome) for _, ome in found]))
    sheet = Image.new(
        "RGB", (_NAMES + len(columns) * tile, _NAMES + len(rows) * tile), (24, 26, 30)
    )
    for well, plane in zip(wells, planes, strict=True):
        if plane is not None:
            picture = _reduced(blend(plane[:count], channels), tile - 1)
            corner = (well["columnIndex"] * tile, well["rowIndex"] * tile)
            sheet.paste(picture, (_NAMES + corner[0], _NAMES + corner[1]))
    _name_axes(sheet, rows, columns, tile)
    return Described("plate", channels=channels, rows=rows, columns=columns), sheet


def _has_position(well: Any) -> bool:
    return isinstance(well, Mapping) and all(
        isinstance(well.get(key), int) for key in ("columnIndex", "rowIndex")
    )


def _each(function: Callable[[A], B], wells: Iterable[A], store: Store, at_once: int) -> list[B]:
    """What a function makes of each well, in threads where each read is a round trip."""
    with ThreadPoolExecutor(at_once) if store.reads_ahead else contextlib.nullcontext() as pool:
        return list(in_order(pool, function, wells, 2 * at_once))


def _field(
    documents: Documents, well: Mapping[str, Any], tile: int
) -> tuple[Level | None, Mapping[str, Any]]:
    try:
        return _level_of(documents, _first_field(documents, well), tile)
    except (UpliftError, ValueError, KeyError, TypeError, IndexError) as error:
        log.info("no preview of well %s/%s: %s", documents.store.url, well.get("path"), error)
        return None, {}


def _well(documents: Documents, level: Level | None, tile: int) -> Any:
    if level is None:
        return None
    try:
        return read_plane(documents, level, tile).values
    except (UpliftError, ReaderError) as error:
        log.info("no preview of %s/%s: %s", documents.store.url, level.path, error)
        return None


def _common(entries: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """What all wells say about a channel; windows that differ are left out."""
    first: list[Any] = [dict(c) if isinstance(c, Mapping) else {} for c in entries[0]]
    for at, channel in enumerate(first):
        windows = [other[at].get("window") if at < len(other) else None for other in entries]
        if any(window != windows[0] for window in windows):
            channel.pop("window", None)
    return first


def _name_axes(sheet: Any, rows: Sequence[str], columns: Sequence[str], tile: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    each = math.ceil(16 / tile)  # names need some 16 pixels
    for at, name in enumerate(columns):
        if at % each == 0:
            middle = _NAMES + at * tile + tile // 2
            draw.text((middle, _NAMES // 2), name[:6], (200, 204, 210), font, "mm")
    for at, name in enumerate(rows):
        if at % each == 0:
            middle = _NAMES + at * tile + tile // 2
            draw.text((_NAMES // 2, middle), name[:3], (200, 204, 210), font, "mm")

"""Previews: channels in their own colors and windows, plates as maps, labels to lay over."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from PIL import Image

from uplift.report import planes, preview
from uplift.report.blending import blend, channels_of
from uplift.report.preview import write_preview
from uplift.storage.local import LocalStore
from uplift.storage.reading import ReadAhead

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
WHITE = {"color": "FFFFFF", "window": {"start": 0, "end": 1000}}


def image(folder, data, axes, chunks="auto", **attributes):
    """Write an OME-Zarr 0.5 image of one level."""
    root = zarr.create_group(folder, zarr_format=3)
    root.create_array("0", data=data, chunks=chunks)
    multiscale = {
        "axes": [{"name": name} for name in axes],
        "datasets": [{"path": "0", "coordinateTransformations": []}],
    }
    root.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale], **attributes}
    return LocalStore(str(folder))


def drawn(store, folder, images=("",)):
    """Draw; the description, and the pixels of the preview or None."""
    described = write_preview(store, images, folder)
    assert (folder / "preview.json").is_file()
    if described.kind is None:
        assert not (folder / "preview.webp").exists()
        return described, None
    with Image.open(folder / "thumbnail.webp") as small:
        assert max(small.size) <= 96
    with Image.open(folder / "preview.webp") as picture:
        return described, np.asarray(picture.convert("RGB"))


def test_channels_are_added_in_their_colors_and_windows():
    values = np.array([[[0.0, 50.0, 100.0]], [[100.0, 0.0, 300.0]], [[9.0, 9.0, 9.0]]])
    channels = [
        {"color": "FF0000", "window": {"start": 0, "end": 100}},
        {"color": "0000FF", "window": {"start": 0, "end": 200}},
        {"color": "00FF00", "active": False},
    ]
    shown = channels_of(values, channels)
    assert blend(values, shown).tolist() == [[[0, 0, 127], [127, 0, 0], [255, 0, 255]]]
    assert [channel.described for channel in shown] == [True, True, False]


@pytest.mark.parametrize("count", range(1, 7))
def test_channels_without_metadata_have_colors(count):
    values = np.tile(np.arange(100.0).reshape(1, 10, 10), (count, 1, 1))
    odd = [None, {"color": "no color", "window": {"start": 5}, "label": 7}][:count]
    picture = blend(values, channels_of(values, odd))
    assert picture.shape == (10, 10, 3)
    assert picture[-1, -1].max() == 255
    assert picture[0, 0].max() == 0


@pytest.mark.parametrize("value", [7.0, np.nan, np.inf])
def test_a_constant_plane_is_drawn(value):
    values = np.full((1, 2, 2), value)
    assert blend(values, channels_of(values, [])).shape == (2, 2, 3)


def test_the_middle_plane_is_drawn_whatever_the_order_of_axes(tmp_path):
    data = np.zeros((3, 2, 400, 500), "u2")
    data[1, :, 200:, :] = 1000
    omero = {"channels": [WHITE] * 2}
    described, picture = drawn(image(tmp_path / "i", data, "zcyx", omero=omero), tmp_path)
    assert described.position == {"z": 1}
    assert picture.shape[:2] == (307, 384)
    assert picture[:140].max() < 10
    assert picture[170:].min() > 245
    _, turned = drawn(image(tmp_path / "j", data.T, "xycz", omero=omero), tmp_path)
    assert np.array_equal(turned, picture)


def test_a_small_image_shows_its_pixels(tmp_path):
    data = np.zeros((4, 5), "u1")
    data[0, 0] = 200
    _, picture = drawn(image(tmp_path / "i", data, "yx"), tmp_path)
    assert picture.shape == (307, 384, 3)
    assert picture[:60, :60].min() > 200
    assert picture[90:, 90:].max() < 20


@pytest.mark.parametrize(
    "data", [np.zeros((2, 2), "c8"), np.zeros((0, 2), "u1"), np.zeros((3, 2, 2), "u1")]
)
def test_what_cannot_be_drawn_has_no_preview(tmp_path, data):
    assert drawn(image(tmp_path / "i", data, "yx"), tmp_path)[1] is None


@pytest.mark.parametrize(
    ("axes", "kind"), [("CYX", "image"), (["", "y", "x"], "image"), ("yyx", None)]
)
def test_names_of_axes_that_are_odd(tmp_path, axes, kind):
    """Capitals as TIFF writers leave them, no name, and two names alike, which cannot be drawn."""
    store = image(tmp_path / "a", np.arange(3 * 16 * 8, dtype="u2").reshape(3, 16, 8), axes)
    described, picture = drawn(store, tmp_path)
    assert described.kind == kind
    assert (picture is None) == (kind is None)


def test_a_transformation_that_is_none_takes_no_picture_away(tmp_path):
    store = image(tmp_path / "a", np.zeros((16, 8), "u2"), "yx")
    root = zarr.open_group(tmp_path / "a")
    (entry,) = root.attrs["ome"]["multiscales"]
    entry["datasets"][0]["coordinateTransformations"] = [None]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    described, picture = drawn(store, tmp_path)
    assert picture is not None
    assert described.axes == []


def test_a_collection_is_drawn_side_by_side(tmp_path):
    for n in range(5):
        image(tmp_path / "c" / str(n), np.full((40, 80), n, "u1"), "yx")
    store = LocalStore(str(tmp_path / "c"))
    described, picture = drawn(store, tmp_path, [str(n) for n in range(5)])
    assert described.kind == "images"
    assert picture.shape[:2] == (256, 384)


def test_a_plate_is_a_map_in_one_window(tmp_path):
    wells = [("B", 1, 1, 0, 1000), ("A", 2, 0, 1, 500)]
    for row, column, _, _, value in wells:
        data = np.full((1, 64, 64), value, "u2")
        data[:, :2] = 0
        well = tmp_path / "p" / row / str(column)
        image(well / "0", data, "cyx", omero={"channels": [{"color": "FFFFFF"}]})
        group = zarr.open_group(well, zarr_format=3, mode="a")
        group.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    listed = [
        {"path": f"{row}/{column}", "rowIndex": r, "columnIndex": c}
        for row, column, r, c, _ in wells
    ]
    listed.append({"path": "A/1", "rowIndex": 0, "columnIndex": 0})  # not there
    names = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "2"}]}
    plate = zarr.open_group(tmp_path / "p", zarr_format=3, mode="a")
    plate.attrs["ome"] = {"version": "0.5", "plate": {**names, "wells": listed}}
    described, picture = drawn(LocalStore(str(tmp_path / "p")), tmp_path)
    assert (described.kind, described.rows, described.columns) == ("plate", ["A", "B"], ["1", "2"])
    tile = 192
    middle = {
        (r, c): picture[24 + r * tile + 100, 24 + c * tile + 100].max()
        for r in (0, 1)
        for c in (0, 1)
    }
    assert middle[1, 0] > 240
    assert 110 < middle[0, 1] < 145  # half as bright: the window is that of all wells
    assert middle[0, 0] < 40
    assert middle[1, 1] < 40


def test_labels_are_laid_over_the_same_pixels(tmp_path):
    image(tmp_path / "i", np.zeros((400, 400), "u2"), "yx")
    values = np.zeros((400, 400), "u4")
    values[:200, :200], values[200:, 200:] = 1, 2
    nuclei = {"image-label": {"colors": [{"label-value": 2, "rgba": [1, 2, 3, 4]}]}}
    image(tmp_path / "i" / "labels" / "nuclei", values, "yx", **nuclei)
    labels = zarr.open_group(tmp_path / "i" / "labels", zarr_format=3, mode="a")
    labels.attrs["ome"] = {"version": "0.5", "labels": ["nuclei"]}
    described, picture = drawn(LocalStore(str(tmp_path / "i")), tmp_path)
    assert described.labels == "nuclei"
    with Image.open(tmp_path / "preview.labels.webp") as overlay:
        painted = np.asarray(overlay)
    assert painted.shape[:2] == picture.shape[:2]
    assert painted[10, 10, 3] == 255
    assert painted[10, 10, :3].any()
    assert painted[300, 300].tolist() == [1, 2, 3, 255]
    assert painted[10, 300, 3] == 0


class Bucket(LocalStore):
    """Files that are read as a bucket is; counts reads that wait for one another."""

    is_local = False

    def __init__(self, root):
        super().__init__(root)
        self._ahead = ReadAhead(16)
        self.spans = []

    def _read(self, wanted, start, length):
        began = time.monotonic()
        time.sleep(0.05)
        found = super()._read(wanted, start, length)
        self.spans.append((began, time.monotonic()))
        return found

    def longest_wait(self):
        count, last = 0, 0.0
        for began, ended in sorted(self.spans, key=lambda span: span[1]):
            if began >= last:
                count, last = count + 1, ended
        return count


def test_what_a_picture_needs_of_a_bucket_is_asked_for_side_by_side(tmp_path):
    """The chunks of a plane, and the documents of all levels."""
    group = zarr.create_group(tmp_path / "many", zarr_format=3)
    rng = np.random.default_rng(0)
    for level in range(6):
        data = rng.integers(0, 999, (2, 512 >> level, 512 >> level), "u2")
        group.create_array(str(level), data=data, chunks=(1, 128, 128), shards=(2, 512, 512))
    paths = [{"path": str(level), "coordinateTransformations": []} for level in range(6)]
    entry = {"axes": [{"name": name} for name in "cyx"], "datasets": paths}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
    _, expected = drawn(LocalStore(str(tmp_path / "many")), tmp_path / "near")
    store = Bucket(str(tmp_path / "many"))
    _, found = drawn(store, tmp_path / "far")
    assert np.array_equal(found, expected)
    assert len(store.spans) > 20, "32 chunks are drawn; newer zarr-python joins reads"
    assert store.longest_wait() <= 14


def test_of_a_plane_that_is_too_large_the_centre_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(planes, "DECODED", 4 * 64 * 64)
    data = np.zeros((1024, 1024), "u1")
    data[448:576, 448:576] = 9
    store = image(tmp_path / "i", data, "yx", (64, 64))
    described, picture = drawn(store, tmp_path)
    assert described.part == (0.4375, 0.5625, 0.4375, 0.5625)
    assert picture.shape[:2] == (384, 384)
    assert json.loads((tmp_path / "preview.json").read_text())["part"] == [0.4375, 0.5625] * 2


def test_chunks_that_are_too_large_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(planes, "LARGEST_CHUNK", 1000)
    assert drawn(image(tmp_path / "i", np.ones((40, 40), "u1"), "yx"), tmp_path)[1] is None


def test_a_preview_of_a_large_image_takes_little_memory(tmp_path):
    """128 MiB of pixels in 8 MiB chunks; the whole process stays below 200 MB."""
    pixels = np.random.default_rng(0).integers(0, 999, (2048, 2048)).astype("u2")
    image(tmp_path / "i", np.tile(pixels, (4, 4)), "yx", (2048, 2048))
    program = (
        "import re, sys; from pathlib import Path\n"
        "from uplift.report.preview import write_preview\n"
        "from uplift.storage.local import LocalStore\n"
        "assert write_preview(LocalStore(sys.argv[1]), [''], Path(sys.argv[2])).kind\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "i"), str(tmp_path)]
    environment = {"PYTHONPATH": str(SCRIPTS), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000  # kB


def test_an_image_of_bits_is_drawn(tmp_path):
    data = np.arange(64 * 64).reshape(64, 64) % 2 == 1
    described, picture = drawn(image(tmp_path / "x.zarr", data, "yx"), tmp_path)
    assert described.kind == "image"
    assert picture.min() < 10
    assert picture.max() > 240


ODD_PLATES = {
    "a well without a place": {"wells": [{"path": "A/1", "rowIndex": 0}]},
    "a row that is a text": {"rows": ["A"]},
    "an index that is a text": {
        "wells": [{"path": "A/1", "rowIndex": "0", "columnIndex": 0}],
    },
}


@pytest.mark.parametrize("odd", ODD_PLATES.values(), ids=list(ODD_PLATES))
def test_words_of_a_plate_that_are_kept_as_they_were(tmp_path, odd):
    plate = zarr.create_group(tmp_path / "p.zarr", zarr_format=3)
    about = {
        "rows": [{"name": "A"}],
        "columns": [{"name": "1"}],
        "wells": [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}],
    }
    plate.attrs["ome"] = {"version": "0.5", "plate": {**about, **odd}}
    well = plate.create_group("A/1")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    image(tmp_path / "p.zarr/A/1/0", np.ones((8, 8), "uint8"), "yx")
    described, _ = drawn(LocalStore(str(tmp_path / "p.zarr")), tmp_path, ())
    assert described.kind == (None if "wells" in odd else "plate")


def test_a_color_that_is_none(tmp_path):
    store = image(tmp_path / "x.zarr", np.ones((8, 8), "uint8"), "yx")
    labels = zarr.create_group(tmp_path / "x.zarr/labels", zarr_format=3)
    labels.attrs["ome"] = {"version": "0.5", "labels": ["c"]}
    colors = [{"label-value": 1, "rgba": [None, 0, 0, 255]}]
    data = np.ones((8, 8), "uint8")
    image(tmp_path / "x.zarr/labels/c", data, "yx", **{"image-label": {"colors": colors}})
    assert drawn(store, tmp_path)[0].labels == "c"


def test_one_odd_dataset_does_not_end_the_report_of_all(tmp_path, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(preview, "write_preview", fail)
    (tmp_path / "published.json").write_text("{}")
    files = {"inventory": {"groups": []}}
    facts = SimpleNamespace(
        folder=tmp_path, is_published=True, output=str(tmp_path), images=[""], dataset="d",
        files=files,
    )  # fmt: skip
    assert preview.update_preview(facts, None)
    assert "no preview of d: RuntimeError: nobody foresaw this" in caplog.text

"""Inspect with several processes: what one process finds, whatever lies in an array's folder."""

import shutil
from concurrent.futures import CancelledError
from functools import partial

import pytest

from support.images import write_image
from uplift.errors import SourceError, StorageError
from uplift.inspect_source import listers
from uplift.inspect_source.array_keys import sorted_keys
from uplift.inspect_source.listers import Listers
from uplift.inspect_source.recent import Newest
from uplift.inspect_source.walk import inspect_source
from uplift.running.processes import Workers
from uplift.running.progress import Progress
from uplift.storage import local_reading, open_store
from uplift.storage.local import LocalStore


def nested(image):
    """As it was written."""


def with_files(image):
    (image / "0" / "1" / "notes.txt").write_text("beside chunks")
    (image / "0" / "1" / ".DS_Store").write_bytes(b"x")
    (image / "0" / "readme").write_text("above chunks")
    (image / "1" / "empty" / "folders").mkdir(parents=True)


def flat(image):
    for level in ("0", "1"):
        for chunk in sorted(p for p in (image / level).rglob("[0-9]*") if p.is_file()):
            chunk.rename(image / level / ".".join(chunk.relative_to(image / level).parts))
        for folder in [p for p in (image / level).iterdir() if p.is_dir()]:
            shutil.rmtree(folder)


def with_both_separators(image):
    chunk = next(p for p in sorted((image / "0").rglob("[0-9]*")) if p.is_file())
    shutil.copyfile(chunk, image / "0" / ".".join(chunk.relative_to(image / "0").parts))


def without_chunks(image):
    for folder in [p for p in (image / "1").iterdir() if p.is_dir()]:
        shutil.rmtree(folder)


def linked(image):
    (image / "0" / "1").rename(image / "0" / "elsewhere")
    (image / "0" / "1").symlink_to("elsewhere")


class Listed(LocalStore):
    """Remembers which folders were listed with all that is below them."""

    def __init__(self, root):
        super().__init__(root)
        self.trees = []

    def list_tree(self, prefix):
        self.trees.append(prefix)
        return super().list_tree(prefix)


@pytest.fixture
def eager(monkeypatch):
    """Every array is worth several processes."""
    monkeypatch.setattr(listers, "ALONE_OBJECTS", 0)
    monkeypatch.setattr(listers, "has_one_thread", lambda: True)


@pytest.mark.parametrize(
    "change", [nested, with_files, flat, with_both_separators, without_chunks, linked]
)
def test_several_processes_find_what_one_finds(tmp_path, eager, change):
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    change(image)
    alone = inspect_source(open_store(str(image)))
    store = Listed(str(image))
    together = inspect_source(store, listers=Listers(partial(open_store, str(image)), 3))
    assert together == alone
    if change is nested:
        assert store.trees == [], "other processes list them"


def test_a_flat_folder_is_streamed_by_one(tmp_path, eager, monkeypatch):
    monkeypatch.setattr(local_reading, "_MOST_BESIDE", 3)
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    flat(image)
    store = Listed(str(image))
    found = inspect_source(store, listers=Listers(partial(open_store, str(image)), 3))
    assert found == inspect_source(open_store(str(image)))
    assert {"0", "1"} <= set(store.trees)


def test_what_changed_last_is_known(tmp_path, eager):
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    chunks = sorted(p for p in (image / "0").rglob("[0-9]*") if p.is_file())
    others = max(path.stat().st_ctime_ns for path in image.rglob("*"))
    while chunks[7].stat().st_ctime_ns <= others:  # the system's clock for files has steps
        chunks[7].touch()
    reopen = partial(open_store, str(image))
    with pytest.raises(SourceError, match=f"{chunks[7]}: changed"):
        inspect_source(reopen(), on_recent="fail", listers=Listers(reopen, 3))


def test_a_link_out_of_the_source_is_refused(tmp_path, eager):
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    shutil.move(image / "0" / "1" / "0", tmp_path / "outside")
    (image / "0" / "1" / "0").symlink_to(tmp_path / "outside")
    said = []
    for cores in (1, 3):
        with pytest.raises(StorageError) as error:
            inspect_source(
                LocalStore(str(image)), listers=Listers(partial(open_store, str(image)), cores)
            )
        said.append(str(error.value))
    assert said[0] == said[1]


def test_after_an_error_others_are_not_waited_for(tmp_path, eager, monkeypatch):
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    ended, end = [], Workers.__exit__

    def noted(workers, kind, *rest):
        ended.append(kind)
        end(workers, kind, *rest)

    monkeypatch.setattr(Workers, "__exit__", noted)
    folder = next(p.parent for p in sorted((image / "0").rglob("[0-9]*")) if p.is_file())
    (folder / "gone").symlink_to("nowhere")
    with pytest.raises(SourceError):
        inspect_source(open_store(str(image)), listers=Listers(partial(open_store, str(image)), 3))
    assert ended == [SourceError]


def test_answers_about_an_array_that_failed_are_not_those_of_the_next(tmp_path, eager):
    """On a network file system threads read several arrays: others go on until the walk ends."""
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    arrays = {one.path: one.source for one in inspect_source(open_store(str(image))).arrays}
    first = next(p.parent for p in sorted((image / "0").rglob("[0-9]*")) if p.is_file())
    (first / "gone").symlink_to("nowhere")
    processes, reopen = Listers(partial(open_store, str(image)), 3), partial(open_store, str(image))

    def sorted_of(path):
        about = (arrays[path], None, Newest(), Progress("%d"))
        return processes.sorted(reopen(), path, *about)

    try:
        for _ in range(3):
            with pytest.raises(SourceError, match="leads nowhere"):
                sorted_of("0")
            alone = sorted_keys(reopen().list_tree("1"), "1", arrays["1"], None, Newest())
            assert sorted_of("1").stored == alone.stored
    finally:
        processes.close()
    with pytest.raises(CancelledError):
        sorted_of("1")


def test_a_split_tree_is_the_whole_tree(tmp_path):
    image = write_image(tmp_path / "in.zarr", size=64, chunk=16)
    with_files(image)
    store = open_store(str(image))
    for wanted in (1, 2, 5, 1000):
        folders, beside = store.split_tree("0", wanted)
        found = [*beside, *(info for folder in folders for info in store.list_tree(folder))]
        assert sorted(found) == sorted(store.list_tree("0"))
    assert store.split_tree("0", 1000)[0] == [], "the tree ended before"

"""Local storage: whole objects or none, absence is not failure, sources are read-only."""

import ctypes
import errno
import os
import threading

import pytest

from uplift.errors import SourceError, StorageError
from uplift.storage import files, parallel_listing, tuning
from uplift.storage.local import LocalStore
from uplift.storage.reading import ReadAhead
from uplift.work.traffic import TRAFFIC


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "out.zarr"), writable=True)


def test_put_and_get(store):
    store.put("a/b c/ü", b"x" * 10)
    assert store.get("a/b c/ü") == b"x" * 10
    assert store.get_range("a/b c/ü", 2, 3) == b"xxx"
    assert store.get_range("a/b c/ü", -4, 4) == b"xxxx"
    store.flush()


@pytest.mark.parametrize("key", ["absent", "a/absent", "a/file/below", "a"])
def test_absence_is_none(store, key):
    store.put("a/file", b"")
    assert store.get(key) is None
    assert store.get_range(key, 0, 1) is None
    assert store.stat(key) is None


def test_read_only_store_refuses_to_write(tmp_path):
    source = LocalStore(str(tmp_path))
    for attempt in (
        lambda: source.put("x", b""),
        lambda: source.put_new("x", b""),
        lambda: source.delete("x"),
        lambda: source.delete_tree(""),
    ):
        with pytest.raises(StorageError, match="reading only"):
            attempt()


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x"])
def test_keys_cannot_leave_the_root(store, key):
    with pytest.raises(StorageError, match="refusing"):
        store.put(key, b"x")


def test_writer_leaves_nothing_after_an_exception(store):
    store.put("a/x", b"old")
    with pytest.raises(RuntimeError), store.writer("a/x") as writer:
        writer.write(b"new")
        raise RuntimeError
    assert store.get("a/x") == b"old"
    assert [info.key for info in store.list_tree("")] == ["a/x"]


def test_writer_joins_many_pieces(store):
    pieces = [bytes([n % 251]) * (n % 7919) for n in range(3000)]
    with store.writer("big") as writer:
        for piece in pieces:
            writer.write(piece)
    assert store.get("big") == b"".join(pieces)


def test_put_new_is_conditional(store):
    assert store.put_new("lock", b"mine")
    assert not store.put_new("lock", b"yours")
    assert store.get("lock") == b"mine"


def test_listing(store):
    for key in ("b/2", "b/1", "a", "c/d/e"):
        store.put(key, b"1")
    folders, files = store.list_folder("")
    assert folders == ["b", "c"]
    assert [info.key for info in files] == ["a"]
    assert sorted(info.key for info in store.list_tree("b")) == ["b/1", "b/2"]
    assert list(store.list_tree("absent")) == []


def test_delete_prunes_empty_folders_only(store):
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert store.list_folder("a")[0] == []
    assert store.get("a/d") == b"1"
    store.put("a/b/c", b"2")
    assert store.get("a/b/c") == b"2"


def test_delete_tree_does_not_follow_links(store, tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "data").write_text("keep")
    store.put("a/x", b"1")
    (tmp_path / "out.zarr" / "a" / "link").symlink_to(outside)
    store.delete_tree("a")
    assert (outside / "data").read_text() == "keep"
    assert not (tmp_path / "out.zarr" / "a").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("link", "leads to itself"),
        ("../..", "leads out of"),
        ("/etc", "leads out of"),
        (".", "above"),
    ],
)
def test_bad_links_of_a_source_are_named(store, tmp_path, target, message):
    store.put("a/x", b"1")
    (tmp_path / "out.zarr" / "a" / "link").symlink_to(target)
    with pytest.raises(StorageError, match=message):
        list(LocalStore(str(tmp_path / "out.zarr")).list_tree(""))


def test_a_link_that_leads_nowhere_is_listed_as_one(store, tmp_path):
    store.put("a/x", b"1")
    (tmp_path / "out.zarr" / "a" / "link").symlink_to("nowhere")
    source = LocalStore(str(tmp_path / "out.zarr"))
    for found in (source.list_tree(""), source.list_folder("a")[1]):
        assert [(info.key, info.size, info.leads_nowhere) for info in sorted(found)] == [
            ("a/link", 0, True),
            ("a/x", 1, False),
        ]
    assert source.get("a/link") is None


def test_links_inside_a_source_are_followed(store, tmp_path):
    store.put("a/x", b"1")
    (tmp_path / "out.zarr" / "b").symlink_to("a")
    source = LocalStore(str(tmp_path / "out.zarr"))
    assert sorted(info.key for info in source.list_tree("")) == ["a/x", "b/x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere: run as another user")
def test_permission_denied_names_the_path(tmp_path):
    (tmp_path / "out.zarr").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission"):
        LocalStore(str(tmp_path / "out.zarr"), writable=True).put("x", b"")


def test_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    store = LocalStore(str(tmp_path / "out"), writable=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StorageError, match=r"No space left on device; free some space"):
        store.put("x", b"data")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["cells.ozx", "n" * 190])
def test_leftovers_of_one_object_are_told_from_those_of_others(store, name):
    left = [f".uplift-tmp.0123456789ab.3.{name}"[:200], f".uplift-tmp.0123456789ab.4.{name[:-1]}"]
    for key in left:
        store.put(f"a/{key}", b"half")
    assert store.remove_unfinished(store.find_unfinished(f"a/{name}")) == 1
    assert [info.key for info in store.list_tree("")] == [f"a/{left[1]}"]
    assert store.remove_unfinished(store.find_unfinished()) == 1


def test_what_goes_over_storage_is_counted(tmp_path):
    store = LocalStore(str(tmp_path), writable=True)
    before = TRAFFIC.copy()
    store.put("a/b", b"12345")
    with store.writer("c") as stream:
        stream.write(b"123")
    assert store.get("a/b") == b"12345"
    assert store.get_range("c", 1, 2) == b"23"
    assert store.get("absent") is None
    moved = TRAFFIC.since(before)
    assert (moved.objects_written, moved.bytes_written) == (2, 8)
    assert (moved.objects_read, moved.bytes_read, moved.requests) == (2, 7, 0)


@pytest.mark.parametrize(
    ("kind", "far"),
    [
        ("nfs4", True),
        ("lustre", True),
        ("fuse.sshfs", True),
        ("fuse", True),
        ("autofs", True),
        ("ext4", False),
        ("fuseblk", False),
    ],
)
def test_small_files_of_network_file_systems_are_read_ahead(tmp_path, monkeypatch, kind, far):
    mounts = tmp_path / "mountinfo"
    share = str(tmp_path / "a share").replace(" ", "\\040")
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"36 22 0:32 / {share} rw,relatime shared:2 - {kind} server:/data rw\n"
    )
    monkeypatch.setattr(files, "_MOUNTS", mounts)
    assert not files.is_network(str(tmp_path))
    store = LocalStore(str(tmp_path / "a share" / "in.zarr"), writable=True)
    threads = set()

    def noting(wanted):
        threads.add(threading.current_thread())
        return LocalStore.get(store, wanted)

    for number in range(9):
        store.put(str(number), b"%d" % number)
    monkeypatch.setattr(store, "get", noting)
    keys = [str(number) for number in range(10)]
    assert list(store.read_many(keys)) == [*(key.encode() for key in keys[:9]), None]
    assert (threading.current_thread() not in threads) is far


@pytest.mark.parametrize(
    ("durability", "expected"), [("fsync", [(0, 4), (4, 4), (8, 5)]), ("none", [])]
)
def test_the_disk_begins_while_more_of_a_file_is_made(tmp_path, monkeypatch, durability, expected):
    ranges = []
    monkeypatch.setattr(files.tuning, "BEGIN_BYTES", 4)
    monkeypatch.setattr(files, "begin_writing", lambda _, *found: ranges.append(found))
    store = LocalStore(str(tmp_path), writable=True, durability=durability)
    with store.writer("a") as writer:
        for size in (3, 1, 2, 2, 5, 1):
            writer.write_all([bytes(size)])
    assert ranges == expected
    assert (tmp_path / "a").stat().st_size == 14


@pytest.mark.parametrize("writable", [True, False])
def test_what_vanishes_from_an_output_while_it_is_listed_is_not_there(tmp_path, writable):
    store = LocalStore(str(tmp_path), writable=writable)
    for name in "abc":
        (tmp_path / name).write_bytes(b"x")
    listing = store.list_tree("")
    found = [next(listing).key]  # the system has named all of them now
    for name in {*"abc"} - {*found}:
        (tmp_path / name).unlink()
    if writable:
        assert list(listing) == []
    else:
        with pytest.raises(StorageError, match="cannot look at it"):
            next(listing)


@pytest.mark.parametrize("name", ["é" * 120, "x" * 250, "a" * 150 + "é" * 50])
def test_a_name_of_any_length_that_the_file_system_takes(store, name):
    store.put(name, b"x")
    assert store.get(name) == b"x"
    with pytest.raises(RuntimeError), store.writer(name) as writer:
        writer.write(b"new")
        found = files.temporary_name(name, "0" * 12, 1)
        assert len(found.encode()) <= 255
        assert files.is_temporary(found, name)
        assert not files.is_temporary(found, "other")
        raise RuntimeError


@pytest.mark.parametrize(("number", "is_refused"), [(errno.EIO, True), (errno.ENOSYS, False)])
def test_a_sync_that_fails_is_an_error(store, monkeypatch, number, is_refused):
    class System:
        def syncfs(self, _):
            ctypes.set_errno(number)
            return -1

    monkeypatch.setattr(files, "_libc", System)
    store.put("a", b"x")
    if is_refused:
        for _ in range(2):  # what was not written then is still not written
            with pytest.raises(StorageError, match="the disk or the network file system fails"):
                store.flush()
    else:
        store.flush()


@pytest.mark.parametrize("is_full", [False, True])
def test_an_object_is_new_once_also_without_hard_links(store, monkeypatch, is_full):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "link", refuse)
    if is_full:
        synced = iter((None, OSError(errno.ENOSPC, "No space left on device")))

        def sync(_):
            if error := next(synced):
                raise error

        monkeypatch.setattr(os, "fsync", sync)
        with pytest.raises(StorageError, match="free some space"):
            store.put_new("lock", b"1")
        assert store.get("lock") is None
        monkeypatch.undo()
        return
    assert store.put_new("lock", b"1")
    assert not store.put_new("lock", b"2")
    assert store.get("lock") == b"1"


@pytest.mark.parametrize(("size", "syncs"), [(10, 0), (tuning.SYNC_ALONE_BYTES, 1)])
def test_a_large_file_whose_blocks_are_shared_is_on_disk_at_once(
    tmp_path, store, monkeypatch, size, syncs
):
    def clone(target, _, source):
        os.sendfile(target, source, 0, size)

    (tmp_path / "big").write_bytes(bytes(size))
    done = []
    monkeypatch.setattr("fcntl.ioctl", clone)
    monkeypatch.setattr(os, "fsync", done.append)
    assert store.copy_from(LocalStore(str(tmp_path)), "big", "c/0")
    assert store.get("c/0") == bytes(size)
    assert len(done) == syncs


class OverNetwork(LocalStore):
    """Files whose folders are listed in parallel."""

    def __init__(self, root):
        super().__init__(root)
        self._ahead = ReadAhead(4)


@pytest.fixture
def pages(monkeypatch):
    """Folders come in pages of three entries, and two files are looked at by a thread at a time."""
    monkeypatch.setattr(parallel_listing, "_PAGE", 3)
    monkeypatch.setattr(parallel_listing, "_GROUP", 2)


def write_tree(root):
    for folder in ("", "a", "a/b", "a/b/c", "d", "e/f", "e/g"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in range(7):
            (root / folder / f"{name}.bin").write_bytes(b"x" * name)
    (root / "empty").mkdir()


def test_a_tree_is_walked_parallel_listing(tmp_path, pages):
    write_tree(tmp_path)
    for prefix in ("", "a", "e/f", "empty", "absent"):
        alone = sorted(LocalStore(str(tmp_path)).list_tree(prefix))
        assert sorted(OverNetwork(str(tmp_path)).list_tree(prefix)) == alone
    assert len(alone) == 0
    assert len(list(OverNetwork(str(tmp_path)).list_tree(""))) == 49


def test_what_is_wrong_in_a_tree_is_said_by_any_thread(tmp_path, pages):
    write_tree(tmp_path)
    (tmp_path / "e" / "g" / "link").symlink_to("/")
    with pytest.raises(StorageError, match="link"):
        list(OverNetwork(str(tmp_path)).list_tree(""))
    (tmp_path / "e" / "g" / "link").unlink()
    os.mkfifo(tmp_path / "a" / "pipe")
    with pytest.raises(SourceError, match="pipe"):
        list(OverNetwork(str(tmp_path)).list_tree(""))


def test_a_walk_may_end_early(tmp_path, pages):
    write_tree(tmp_path)
    store = OverNetwork(str(tmp_path))
    assert next(store.list_tree("a")).key.startswith("a/")
    assert len(list(store.list_tree("a"))) == 21, "its threads are free again"

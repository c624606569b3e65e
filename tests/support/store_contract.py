"""What every engine of `uplift.storage` promises, as functions of a writable store."""

import pytest

from uplift.errors import ChangedError
from uplift.storage.protocol import Store

KEY = "a b/ü%20+&=~'é/x"


def objects_come_back(store: Store) -> None:
    data = bytes(range(256)) * 40
    store.put(KEY, data)
    assert store.get(KEY) == data
    info = store.stat(KEY)
    assert info is not None
    assert (info.key, info.size) == (KEY, len(data))
    assert info.stamp not in ("", "None")


def ranges(store: Store) -> None:
    store.put("r", bytes(range(100)))
    assert store.get_range("r", 10, 5) == bytes(range(10, 15))
    assert store.get_range("r", -4, 4) == bytes(range(96, 100))
    assert store.get_range("r", 90, 50) == bytes(range(90, 100))
    assert store.get_range("r", -500, 500) == bytes(range(100))


def buffers_are_reused(store: Store) -> None:
    store.put("a", bytes(range(100)))
    store.put("b", b"short")
    buffer = bytearray()
    assert store.read_into("a", buffer) == 100
    assert buffer == bytes(range(100))
    assert store.read_into("b", buffer) == 5
    assert buffer[:6] == b"short\x05"
    assert store.read_into("b", buffer, 98) == 5
    assert (len(buffer), buffer[97:]) == (103, b"ashort")
    assert store.read_into("a", buffer, 1, start=10, length=5) == 5
    assert buffer[:7] == b"s" + bytes(range(10, 15)) + b"\x06"
    assert store.read_into("a", buffer, start=-3) == 3
    assert store.read_into("a", buffer, start=98, length=50) == 2
    assert buffer[:3] == bytes([98, 99, 99])
    assert store.read_into("absent", buffer) is None
    with memoryview(bytearray(5)) as view:
        assert store.read_into("b", view) == 5
        assert view == b"short"
        with pytest.raises(ValueError, match="5 bytes"):
            store.read_into("a", view)


def listed_objects_are_those_listed(store: Store) -> None:
    store.put("l/1", b"one")
    store.put("l/2", b"two")
    listed = sorted(store.list_tree("l"))
    assert list(store.read_many(listed)) == [b"one", b"two"]
    assert list(store.read_ranges((info, 1, 2) for info in listed)) == [b"ne", b"wo"]
    assert store.read_into(listed[1], buffer := bytearray()) == 3
    assert buffer == b"two"
    store.put("l/1", b"longer")
    store.put("l/2", b"2--")
    by_stamp = not store.url.startswith("memory")  # whose answers have a size alone
    for info in listed[: 1 + by_stamp]:
        with pytest.raises(ChangedError, match=f"{info.key}: changed since it was listed"):
            store.get(info)
        with pytest.raises(ChangedError, match="changed since it was listed"):
            store.read_into(info, bytearray())
    if by_stamp:
        with pytest.raises(ChangedError, match="changed since it was listed"):
            store.get_range(listed[1], 0, 1)
    store.delete("l/1")
    assert store.get(listed[0]) is None


def absence_is_none(store: Store) -> None:
    store.put("folder/x", b"1")
    for key in ("absent", "folder", "folder/absent", "folder/x/below"):
        assert store.get(key) is None, key
        assert store.get_range(key, 0, 1) is None, key
        assert store.stat(key) is None, key
        store.delete(f"absent/{key}")
    assert store.list_folder("nowhere") == ([], [])
    assert list(store.list_tree("nowhere")) == []


def empty_objects(store: Store) -> None:
    store.put("empty", b"")
    assert store.get("empty") == b""
    with store.writer("empty too"):
        pass
    assert store.get("empty too") == b""


def listings(store: Store) -> None:
    for key in ("b/2", "b/1", "a", "c d/ü/e", "bb/3"):
        store.put(key, b"1")
    folders, files = store.list_folder("")
    assert folders == ["b", "bb", "c d"]
    assert [info.key for info in files] == ["a"]
    assert [info.key for info in store.list_folder("b")[1]] == ["b/1", "b/2"]
    assert sorted(info.key for info in store.list_tree("b")) == ["b/1", "b/2"]
    assert sorted(i.key for i in store.list_tree("")) == ["a", "b/1", "b/2", "bb/3", "c d/ü/e"]
    assert {info.size for info in store.list_tree("")} == {1}


def stamps_change_with_content(store: Store) -> None:
    store.put("s", b"one")
    before = store.stat("s")
    store.put("s", b"three")
    assert before != store.stat("s")
    listed = store.list_folder("")[1]
    assert [info for info in listed if info.key == "s"] == [store.stat("s")]


def reads_keep_their_order(store: Store) -> None:
    for number in range(60):
        store.put(f"n/{number}", str(number).encode() * (number + 1))
    keys = [f"n/{number}" for number in (*range(59, -1, -1), 77)]
    found = list(store.read_many(iter(keys)))
    assert found == [*(str(n).encode() * (n + 1) for n in range(59, -1, -1)), None]


def writers_commit_everything(store: Store, pieces: int = 40) -> None:
    parts = [bytes([number]) * 2**20 for number in range(pieces)]
    with store.writer("big") as writer:
        for part in parts:
            writer.write(part)
    assert store.get("big") == b"".join(parts)


def writers_commit_nothing_after_an_exception(store: Store) -> None:
    store.put("w", b"old")
    for key in ("w", "new"):
        try:
            with store.writer(key) as writer:
                for _ in range(40):
                    writer.write(bytes(2**20))
                raise LookupError
        except LookupError:
            pass
    assert store.get("w") == b"old"
    assert store.get("new") is None
    assert [info.key for info in store.list_tree("")] == ["w"]


def conditional_writes(store: Store) -> None:
    assert store.put_new("lock", b"mine")
    assert not store.put_new("lock", b"yours")
    assert store.get("lock") == b"mine"


def deletions(store: Store) -> None:
    for key in ("d/1", "d/e/2", "dd/3"):
        store.put(key, b"1")
    store.delete("d/1")
    assert store.get("d/1") is None
    store.delete_tree("d")
    assert [info.key for info in store.list_tree("")] == ["dd/3"]


PROMISES = [
    objects_come_back,
    ranges,
    buffers_are_reused,
    listed_objects_are_those_listed,
    absence_is_none,
    empty_objects,
    listings,
    stamps_change_with_content,
    reads_keep_their_order,
    writers_commit_everything,
    writers_commit_nothing_after_an_exception,
    conditional_writes,
    deletions,
]

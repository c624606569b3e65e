"""Zip archives as sources: in place, from disk, from a web server, damaged, and hostile."""

import json
import random
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers.web import WebServer
from support import s3
from support.images import write_image
from support.steps import Conversion
from uplift.errors import InputError, SourceError, UpliftError
from uplift.inspect_source.walk import inspect_source
from uplift.storage import open_store


def pack(archive: Path, root: Path, *, prefix: str = "", method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive, "w", method) as packed:
        for path in sorted(root.rglob("*")):
            packed.write(path, f"{prefix}{path.relative_to(root)}")
    return archive


def tree(root: Path) -> dict[str, bytes]:
    names = ("ro-crate-metadata.json",)  # it names the source
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in names
    }


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "in.zarr", size=64)


@pytest.fixture
def expected(tmp_path, image):
    plain = Conversion(str(image), str(tmp_path / "plain.zarr"), tmp_path / "plain")
    assert plain.all()["verdict"] == "valid"
    return tree(tmp_path / "plain.zarr")


@pytest.mark.parametrize(
    ("name", "prefix", "method"),
    [
        ("in.zip", "", zipfile.ZIP_STORED),
        ("in.zarr.zip", "in.zarr/", zipfile.ZIP_DEFLATED),
        ("in.ozx", "", zipfile.ZIP_STORED),
        ("in.ZIP", "", zipfile.ZIP_BZIP2),
    ],
)
def test_local_archive_becomes_what_the_folder_becomes(
    tmp_path, image, expected, name, prefix, method
):
    archive = pack(tmp_path / name, image, prefix=prefix, method=method)
    run = Conversion(str(archive), str(tmp_path / "out.zarr"), tmp_path / "work")
    assert run.all()["verdict"] == "valid"
    assert tree(tmp_path / "out.zarr") == expected


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_archive_on_a_web_server(tmp_path, image, expected, engine):
    (tmp_path / "web").mkdir()
    pack(tmp_path / "web" / "in put.zarr.zip", image, prefix="in.zarr/")
    with WebServer(tmp_path / "web") as web:
        run = Conversion(
            f"{web.url}/in%20put.zarr.zip", str(tmp_path / "out.zarr"), tmp_path / "work"
        )
        run.storage = json.dumps({web.url: {"engine": engine}})
        assert run.all()["verdict"] == "valid"
    assert tree(tmp_path / "out.zarr") == expected


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_server_without_ranges(tmp_path, image, engine):
    (tmp_path / "web").mkdir()
    pack(tmp_path / "web" / "in.zip", image)
    with WebServer(tmp_path / "web", ranges=False) as web, pytest.raises(UpliftError) as caught:
        inspect_source(open_store(f"{web.url}/in.zip", {web.url: {"engine": engine}}))
    assert f"{web.url}/in.zip" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_archive_of_macos(tmp_path, image):
    archive = pack(tmp_path / "in.zip", image, prefix="in.zarr/")
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("__MACOSX/in.zarr/._.zattrs", b"fork")
    assert open_store(str(archive)).get(".zgroup") is not None


def test_streamed_archive(tmp_path, image):
    """Sizes behind the data, and 64-bit sizes: what packers write who cannot seek."""
    archive = tmp_path / "in.zip"
    with archive.open("wb") as stream:

        class Pipe:
            write, flush = stream.write, stream.flush

        with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as packed:
            for key, data in tree(image).items():
                with packed.open(key, "w", force_zip64=True) as entry:
                    entry.write(data)
    store = open_store(str(archive))
    assert {info.key: store.get(info.key) for info in store.list_tree("")} == tree(image)


def test_many_threads_read_at_once(tmp_path, image):
    store = open_store(str(pack(tmp_path / "in.zip", image, method=zipfile.ZIP_DEFLATED)))
    wanted = tree(image)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(store.get, wanted)) == list(wanted.values())
            ranges = list(pool.map(lambda key: store.get_range(key, 3, 20), wanted))
            assert ranges == [data[3:23] for data in wanted.values()]


def test_last_entry_of_a_name_counts(tmp_path):
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(".zgroup", b"old")
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr(".zgroup", b"new")
    store = open_store(str(archive))
    assert store.get(".zgroup") == b"new"
    assert [info.size for info in store.list_tree("")] == [3]


def test_folders_of_an_archive(tmp_path):
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in (".zgroup", "a/b/c", "a/b/d", "a/e", "empty/"):
            packed.writestr(name, b"1")
    store = open_store(str(archive))
    assert store.list_folder("")[0] == ["a"]
    folders, files = store.list_folder("a")
    assert (folders, [info.key for info in files]) == (["b"], ["a/e"])
    assert sorted(info.key for info in store.list_tree("a")) == ["a/b/c", "a/b/d", "a/e"]
    assert store.list_folder("absent") == ([], [])
    for key in ("a", "a/b", "absent", "a/b/c/below"):
        assert store.get(key) is None
        assert store.stat(key) is None
    assert not any(hasattr(store, write) for write in ("put", "delete", "writer"))


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/passwd", "a//b", "a/./b", "C:/evil", "a\\..\\evil"]
)
def test_unsafe_names_are_refused(tmp_path, name):
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(".zgroup", b'{"zarr_format": 2}')
        packed.writestr(name, b"x")
    with pytest.raises(InputError, match=r"in\.zip: the name .*; pack it again") as caught:
        open_store(str(archive))
    assert "\n" not in str(caught.value)


def refused(archive: Path) -> str:
    with pytest.raises(InputError) as caught:
        inspect_source(open_store(str(archive)))
    message = str(caught.value)
    assert str(archive) in message
    assert "\n" not in message
    return message


def test_damaged_archives(tmp_path, image):
    whole = pack(tmp_path / "whole.zip", image).read_bytes()
    archive = tmp_path / "in.zip"
    assert "no such archive" in refused(archive)
    for content in (b"", b"PK", b"<html>no</html>", whole[: len(whole) // 2], whole[:-1]):
        archive.write_bytes(content)
        assert "not a zip archive" in refused(archive)
    archive.write_bytes(whole[5000:])  # its head is gone
    assert refused(archive)


def test_flipped_bits_never_pass(tmp_path, image):
    archive = pack(tmp_path / "in.zip", image)
    with zipfile.ZipFile(archive) as packed:
        entry = packed.getinfo("0/0/0/0/0")
    content = bytearray(archive.read_bytes())
    content[entry.header_offset + 200] ^= 1
    archive.write_bytes(content)
    with pytest.raises(SourceError, match="0/0/0/0/0: damaged in the archive") as caught:
        open_store(str(archive)).get("0/0/0/0/0")
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="damaged"):
        open_store(str(archive)).verify()


def test_bomb(tmp_path):
    """An entry that expands to more than the archive's directory says is not expanded further."""
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(".zgroup", bytes(10**6))
    content = archive.read_bytes()
    archive.write_bytes(content.replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(SourceError, match="check sum"):
        open_store(str(archive)).get(".zgroup")


def test_encrypted_entry(tmp_path):
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(".zgroup", b"{}")
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"PK\1\2") + 8] |= 1
    archive.write_bytes(content)
    assert "encrypted" in refused(archive)


def test_ten_thousand_entries(tmp_path):
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(".zgroup", b'{"zarr_format": 2}')
        for number in range(10_000):
            packed.writestr(f"files/{number // 100}/{number % 100}", b"x" * 10)
    began = time.process_time()
    store = open_store(str(archive))
    keys = [info.key for info in store.list_tree("")]
    assert len(keys) == 10_001
    assert all(data is not None for data in store.read_many(keys))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_archive_in_a_bucket(tmp_path, s3_server, s3_environment, image, expected, engine):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    archive = pack(tmp_path / "in.zip", image, prefix="in.zarr/")
    client.put_object(Bucket=bucket, Key="a b/in.ome.zarr.zip", Body=archive.read_bytes())
    run = Conversion(
        f"s3://{bucket}/a b/in.ome.zarr.zip", str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    run.storage = json.dumps({"s3://": {"engine": engine}})
    assert run.all()["verdict"] == "valid"
    assert tree(tmp_path / "out.zarr") == expected


def test_absent_archive_in_a_bucket(s3_server, s3_environment):
    bucket = s3.new_bucket(s3.client(s3_server))
    with pytest.raises(InputError, match="no such archive"):
        open_store(f"s3://{bucket}/absent.zip")


@pytest.mark.parametrize("name", ["ü/日本", "a b", "é"])
def test_names_in_other_scripts(tmp_path, name):
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(".zgroup", b"{}")
        packed.writestr(name, b"123")
    store = open_store(str(archive))
    assert (store.get(name), store.get_range(name, 1, 1)) == (b"123", b"2")


def test_any_damage_is_noticed(tmp_path):
    """Bytes changed anywhere: one line, or the content that was packed."""
    archive = tmp_path / "in.zip"
    rng = random.Random(5)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(".zgroup", b'{"zarr_format": 2}')
        for number in range(10):
            packed.writestr(f"0/{number}", rng.randbytes(40) + b"y" * 60)
    good = archive.read_bytes()
    store = open_store(str(archive))
    packed_data = {info.key: store.get(info.key) for info in store.list_tree("")}
    for _ in range(1500):
        content = bytearray(good)
        for _ in range(rng.choice((1, 3))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        archive.write_bytes(
            content[: rng.randrange(len(content))] if rng.random() < 0.1 else content
        )
        try:
            damaged = open_store(str(archive))
            for info in damaged.list_tree(""):
                data, part = damaged.get(info.key), damaged.get_range(info.key, 3, 10)
                assert info.key not in packed_data or data == packed_data[info.key]
                assert part == data[3:13]
        except UpliftError as error:
            assert "\n" not in str(error)

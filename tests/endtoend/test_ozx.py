"""The optional single-file output: RFC-9 of OME-Zarr, read back by others."""

import hashlib
import json
import shutil
import subprocess
import zipfile
import zlib

import numpy as np
import pytest
import tensorstore
import zarr

from support import s3
from support.images import write_image
from support.steps import Conversion, StepError
from support.workflow import snakemake
from uplift.archive.ozx import archive_url, in_order
from uplift.inspect_source.walk import inspect_source
from uplift.storage import open_store
from uplift.storage.protocol import ObjectInfo
from uplift.storage.zip_writer import ZipWriter


@pytest.fixture
def published(tmp_path):
    source = write_image(tmp_path / "in.zarr", size=64)
    run = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    run.all()
    return run


def test_what_a_killed_job_left_is_removed_and_no_other_file(tmp_path, published):
    left = [f".uplift-tmp.0123456789ab.0.{name}.ozx" for name in ("out", "other")]
    for name in left:
        (tmp_path / name).write_bytes(b"half")
    published.archive()
    assert [(tmp_path / name).exists() for name in left] == [False, True]


def test_holds_what_the_folder_holds(tmp_path, published):
    published.archive()
    path, folder = tmp_path / "out.ozx", tmp_path / "out.zarr"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.comment) == {"ome": {"version": "0.5"}}
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        documents = [name for name in names if name.endswith("zarr.json")]
        assert names[: len(documents)] == documents
        assert documents == sorted(documents, key=lambda name: (name.count("/"), name))
        assert names[0] == "zarr.json"
        assert [entry.header_offset for entry in entries] == sorted(
            entry.header_offset for entry in entries
        )
        for entry in entries:
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.extract_version == 45
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert archive.read(entry) == (folder / entry.filename).read_bytes()
    assert sorted(names) == sorted(
        str(found.relative_to(folder)) for found in folder.rglob("*") if found.is_file()
    )
    record = json.loads((tmp_path / "work" / "archive.json").read_text())
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["bytes"] == path.stat().st_size
    assert record["entries"] == len(names)


def test_zarr_python_reads_it(tmp_path, published):
    published.archive()
    store = zarr.storage.ZipStore(tmp_path / "out.ozx", read_only=True)
    packed = zarr.open_group(store, mode="r")
    plain = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")
    assert dict(packed.attrs) == dict(plain.attrs)
    for level in ("0", "1", "labels/nuclei/0"):
        assert np.array_equal(packed[level][...], plain[level][...])
    store.close()


def test_another_unpacker(tmp_path, published):
    program = shutil.which("unzip")
    if program is None:
        pytest.skip("no unzip")
    published.archive()
    done = subprocess.run(
        [program, "-t", str(tmp_path / "out.ozx")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_is_a_source_itself(tmp_path, published):
    published.archive()
    packed = inspect_source(open_store(str(tmp_path / "out.ozx")))
    plain = inspect_source(open_store(str(tmp_path / "out.zarr")))
    assert packed.groups == plain.groups
    assert [a.path for a in packed.arrays] == [a.path for a in plain.arrays]


def test_same_bytes_again(tmp_path, published):
    published.archive()
    first = (tmp_path / "out.ozx").read_bytes()
    published.archive()
    assert (tmp_path / "out.ozx").read_bytes() == first


def test_large_objects_in_pieces(tmp_path, published, monkeypatch):
    published.archive()
    first = (tmp_path / "out.ozx").read_bytes()
    monkeypatch.setattr("uplift.storage.tuning.PIECE_BYTES", 1000)
    published.archive()
    assert (tmp_path / "out.ozx").read_bytes() == first


@pytest.mark.parametrize("content", [b"precious", None])
def test_replaces_nothing_foreign(tmp_path, published, content, caplog):
    path = tmp_path / "out.ozx"
    if content is None:
        with zipfile.ZipFile(path, "w") as other:
            other.writestr("zarr.json", "{}")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(StepError):
        published.archive()
    assert path.read_bytes() == before
    published.overwrite = "true"
    published.archive()
    assert zipfile.is_zipfile(path)
    assert path.read_bytes() != before


def test_unpublished_is_not_packed(tmp_path, published):
    (tmp_path / "out.zarr" / "zarr.json").unlink()
    with pytest.raises(StepError):
        published.archive()
    assert not (tmp_path / "out.ozx").exists()


def test_many_and_large_entries():
    """Over 65,535 entries, and offsets over 4 GiB, without writing them."""
    count, skipped = 70_000, 5 * 2**30
    collected = bytearray()

    class Stream:
        def write(self, data):
            collected.extend(data)

    writer = ZipWriter(Stream())
    for number in range(count):
        writer.add(f"c/{number}", 1, zlib.crc32(b"x"), [b"x"])
    start = len(collected)
    writer.bytes_written += skipped
    writer.finish(b"{}")
    assert bytes(collected[start : start + 4]) == b"PK\1\2"

    class Sparse:
        """The stream with a hole of 5 GiB before the directory."""

        def __init__(self):
            self.at, self.size = 0, len(collected) + skipped

        def seekable(self):
            return True

        def tell(self):
            return self.at

        def seek(self, offset, whence=0):
            self.at = (0, self.at, self.size)[whence] + offset
            return self.at

        def read(self, length=-1):
            length = self.size - self.at if length < 0 else length
            assert self.at >= start + skipped
            found = bytes(collected[self.at - skipped : self.at - skipped + length])
            self.at += len(found)
            return found

    with zipfile.ZipFile(Sparse()) as archive:
        assert len(archive.infolist()) == count
        assert archive.comment == b"{}"
        assert archive.infolist()[-1].filename == f"c/{count - 1}"


def test_entries_that_lie_are_refused():
    class Nowhere:
        def write(self, data):
            pass

    with pytest.raises(ValueError, match="c/0"):
        ZipWriter(Nowhere()).add("c/0", 2, zlib.crc32(b"x"), [b"x"])


def test_order():
    keys = [
        "b/zarr.json",
        "a/0/zarr.json",
        "a/0/c/0",
        "zarr.json",
        "notes",
        ".ngff-uplift.lock",
    ]
    ordered = in_order(ObjectInfo(key, 1, "") for key in keys)
    assert [info.key for info in ordered] == [
        *("zarr.json", "b/zarr.json", "a/0/zarr.json", "a/0/c/0", "notes"),
    ]


def test_place():
    assert archive_url("out/cells.zarr/") == "out/cells.ozx"
    assert archive_url("s3://bucket/cells") == "s3://bucket/cells.ozx"


def test_in_the_workflow(tmp_path):
    write_image(tmp_path / "in.zarr", size=32)
    given = ("--config", "input=in.zarr", "output=out.zarr", "license=CC0-1.0", "ozx=true")
    first = snakemake(tmp_path, *given)
    assert first.code == 0, first.text
    assert zipfile.is_zipfile(tmp_path / "out.ozx")
    again = snakemake(tmp_path, *given)
    assert "Nothing to be done" in again.text


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_in_a_bucket(tmp_path, monkeypatch, s3_server, s3_environment, published, engine):
    published.archive()
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    s3.upload(client, tmp_path / "out.zarr", bucket, "out.zarr")
    published.output = f"s3://{bucket}/out.zarr"
    # As `output_endpoint` and its like are handed on: for the output alone.
    published.storage = json.dumps(
        {published.output: {"engine": engine, "endpoint_url": s3_server.endpoint}}
    )
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    published.archive()
    packed = client.get_object(Bucket=bucket, Key="out.ozx")["Body"].read()
    assert packed == (tmp_path / "out.ozx").read_bytes()
    assert not s3.dangling(client, bucket)


def test_tensorstore_reads_it(tmp_path, published):
    published.archive()
    base = {"driver": "zip", "base": f"file://{tmp_path}/out.ozx"}
    for level in ("0", "1", "labels/nuclei/0"):
        spec = {"driver": "zarr3", "kvstore": {**base, "path": f"{level}/"}}
        packed = tensorstore.open(spec, read=True).result().read().result()
        plain = zarr.open_array(str(tmp_path / "out.zarr" / level), mode="r")
        assert np.array_equal(packed, plain[...])

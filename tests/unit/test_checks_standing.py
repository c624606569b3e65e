"""What was compared is read again when either side, the plan or a result changed."""

import json
import os
import shutil

import pytest

from support import s3
from support.images import write_image
from support.steps import Conversion
from uplift.storage.local import LocalStore
from uplift.validate.pixels import items, standing


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A validated dataset in batches: array 0 in three, all others in one."""
    folder = tmp_path_factory.mktemp("compared")
    write_image(folder / "in.zarr", size=512, chunk=128, depth=3)
    made = conversion(folder)
    made.before_validation()
    assert made.validate()["verdict"] == "valid"
    return folder


def conversion(folder):
    return Conversion(
        str(folder / "in.zarr"),
        str(folder / "out.zarr"),
        folder / "work",
        plan_settings='{"shards": {"z": 1, "y": 512, "x": 512}}',
        batch_settings='{"batch_mib": 1}',
        standing=True,
    )


@pytest.fixture
def case(compared, tmp_path):
    """A copy in which nothing is read again, times and all."""
    for name in ("in.zarr", "out.zarr", "work"):
        shutil.copytree(compared / name, tmp_path / name)
    for file in (tmp_path / "work").rglob("*.json"):
        file.write_text(file.read_text().replace(str(compared), str(tmp_path)))
    made = conversion(tmp_path)
    made.validate()
    return made


@pytest.fixture
def read_again(monkeypatch):
    """Arrays that were compared since this was asked for."""
    seen = set()
    check = items._check_item

    def noted(item, *others):
        seen.add((item.path, item.start))
        return check(item, *others)

    monkeypatch.setattr(items, "_check_item", noted)
    return seen


def stored(root, array):
    return min(p for p in (root / array).rglob("*") if p.is_file() and "zarr" not in p.name)


def touch(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def test_nothing_changed_nothing_is_read(case, read_again):
    assert len(case.batches()) > 4
    verdict = case.path("validation.json").read_bytes()
    written = [p for p in case.path("validation").iterdir() if p.suffix in (".json", ".digests")]
    old = {path: path.stat().st_mtime_ns for path in written}
    assert case.validate()["verdict"] == "valid"
    assert read_again == set()
    assert case.path("validation.json").read_bytes() == verdict
    assert {path: path.stat().st_mtime_ns for path in written} == old


def shard_written_again(case):
    touch(stored(case.work.parent / "out.zarr", "0/c/0/0"))


def shard_damaged(case):
    path = stored(case.work.parent / "out.zarr", "0/c/0/0")
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)


def shard_gone(case):
    stored(case.work.parent / "out.zarr", "0/c/0/0").unlink()


def document_written_again(case):
    touch(case.work.parent / "out.zarr" / "1" / "zarr.json")


def source_changed(case):
    touch(stored(case.work.parent / "in.zarr", "0/0/0"))


def result_damaged(case):
    batch = next(name for name in case.batches() if name.startswith("0."))
    os.truncate(case.path("validation", f"{batch}.digests"), 3)


def chunk_recoded(case):
    batch = next(name for name in case.batches() if name.startswith("0."))
    path = case.path("records", f"{batch}.json")
    record = json.loads(path.read_text())
    bad = {"chunk": [0, 0, 0, 0], "key": "0/0/0/0/0", "reason": "odd", "action": "recoded"}
    record["items"][0]["bad_chunks"] = [bad]
    path.write_text(json.dumps(record))


def note_gone(case):
    batch = next(name for name in case.batches() if name.startswith("0."))
    case.path("validation", f"{batch}.standing").unlink()


@pytest.mark.parametrize(
    ("change", "array", "verdict"),
    [
        (shard_written_again, "0", "valid"),
        (shard_damaged, "0", "invalid"),
        (shard_gone, "0", "invalid"),
        (document_written_again, "1", "valid"),
        (source_changed, "0", "valid"),
        (result_damaged, "0", "valid"),
        (chunk_recoded, "0", "valid"),
        (note_gone, "0", "valid"),
    ],
)
def test_a_change_is_noticed_in_its_batch_alone(case, read_again, change, array, verdict):
    change(case)
    assert case.validate()["verdict"] == verdict
    assert (array, 0) in read_again
    assert {path for path, _ in read_again} == {array}


class NeverListed(LocalStore):
    def list_tree(self, prefix):
        raise AssertionError(f"{prefix} was listed")


def test_a_late_batch_of_flat_keys_does_not_list_the_whole_array(compared):
    work = conversion(compared)
    batches = work.in_force().batches
    late = next(item for batch in batches for item in batch.items if item.start)
    late = late.model_copy(update={"stop": late.start + 1})
    store = NeverListed(str(compared / "in.zarr"))
    with pytest.raises(AssertionError, match=r"0/[0-9/]+ was listed"):
        standing.source_listing(store, late)
    flat = late.source.model_copy(update={"separator": "."})
    late = late.model_copy(update={"source": flat})
    assert standing.source_listing(store, late) == late.listing_sha256
    with pytest.raises(AssertionError, match="0 was listed"):
        standing.source_listing(store, late.model_copy(update={"start": 0}))


def test_converted_again_without_writing(case, read_again):
    case.threads = 1
    case.convert()
    assert case.validate()["verdict"] == "valid"
    assert read_again == set()


def test_errors_are_compared_each_time(case, read_again):
    shard_gone(case)
    for _ in range(2):
        read_again.clear()
        assert case.validate()["verdict"] == "invalid"
        assert ("0", 0) in read_again


def test_objects_of_a_bucket(tmp_path, s3_server, s3_environment, read_again):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    s3.upload(client, write_image(tmp_path / "in.zarr", size=32, chunk=16), bucket, "in.zarr")
    made = Conversion(
        f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr", tmp_path / "work", standing=True
    )
    made.before_validation()
    for again in (True, False):
        read_again.clear()
        assert made.validate()["verdict"] == "valid"
        assert bool(read_again) == again
    key = next(key for key in s3.objects(client, bucket, "out.zarr") if key.startswith("0/c/"))
    client.put_object(Bucket=bucket, Key=f"out.zarr/{key}", Body=b"x" * 700)
    assert made.validate()["verdict"] == "invalid"

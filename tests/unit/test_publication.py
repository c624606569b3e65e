"""When readers see a dataset at an output."""

import contextlib
import json
import shutil

import pytest

from support.publications import NOT_OURS, OURS, ROOT, claim, finding, hold, publish_now, release
from uplift.errors import InputError, OutputError, StorageError
from uplift.models.record import ItemRecord, Record
from uplift.outputs import LOCK_KEY
from uplift.publish import total_cost
from uplift.storage.local import LocalStore


@pytest.fixture
def output(tmp_path):
    return LocalStore(str(tmp_path / "out.zarr"), writable=True, durability="none")


def test_leftovers_are_removed_and_nobody_elses_files(output):
    claimed = claim(output, "run-1")
    for key in (*OURS, *NOT_OURS):
        output.put(key, b"data")
    publish_now(output, claimed)
    release(output, "run-1")
    assert {info.key for info in output.list_tree("")} == {*NOT_OURS, "zarr.json"}


def test_publishing_and_taking_up_again(output):
    claimed = claim(output, "run-1")
    output.put("0/c/0", b"data")
    output.put("0/c/.uplift-tmp.0123456789ab.2.1", b"left by a killed job")
    published = publish_now(output, claimed)
    assert output.get("zarr.json") == ROOT
    assert output.get("0/c/.uplift-tmp.0123456789ab.2.1") is None
    assert output.get(LOCK_KEY) is not None, "until published.json is written"
    release(output, "run-1")
    assert output.get(LOCK_KEY) is None
    assert (published.objects, published.bytes, published.verdict) == (3, 4, "valid")

    again = claim(output, "run-1", known=published)
    assert again.generation == claimed.generation, (
        "nothing was emptied: converted shards stay valid"
    )
    assert output.get("zarr.json") is None
    assert output.get("0/c/0") == b"data"


def test_a_new_beginning_has_another_mark(output):
    claimed = claim(output, "run-1")
    published = publish_now(output, claimed)
    release(output, "run-1")
    output.put("zarr.json", b"another's")
    with pytest.raises(OutputError, match="not started by this run"):
        claim(output, "run-1", known=published)
    assert claim(output, "run-1", known=published, overwrite=True).generation != claimed.generation


WRITES = {
    "put": lambda held: held.put("k", b"1"),
    "put_new": lambda held: held.put_new("k", b"1"),
    "writer": lambda held: held.writer("k"),
    "copy_from": lambda held: held.copy_from(LocalStore("/"), "x", "k"),
    "delete": lambda held: held.delete("k"),
    "delete_tree": lambda held: held.delete_tree("k"),
}


class Watched(LocalStore):
    """Notes what readers see, and whose the place is, whenever the object k is written."""

    def _path_to_write(self, key):
        if key == "k":
            self.seen = self.get("zarr.json"), json.loads(self.get(LOCK_KEY))["run_id"]
        return super()._path_to_write(key)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writing_to_a_published_dataset_hides_it_first(tmp_path, write):
    output = Watched(str(tmp_path / "out.zarr"), writable=True, durability="none")
    claimed = claim(output, "run-1")
    publish_now(output, claimed)
    release(output, "run-1")
    one = hold(output, claimed)
    assert output.get("zarr.json") == ROOT, "nothing is hidden before the first write"
    with contextlib.ExitStack() as stack:
        done = write(one)
        if hasattr(done, "__enter__"):
            stack.enter_context(done)
    assert output.seen == (None, "run-1")
    assert json.loads(output.get(LOCK_KEY))["generation"] == claimed.generation


def test_nothing_invalid_is_published(output):
    claimed = claim(output, "run-1")
    with pytest.raises(InputError) as caught:
        publish_now(output, claimed, finding("pixels.differ"), finding("shard.index"))
    message = str(caught.value)
    assert "pixels.differ at 0: not so (and 1 more in validation.json)" in message
    assert message.endswith("validate again: snakemake -R validate")
    assert output.get("zarr.json") is None
    publish_now(output, claimed, finding("labels.unlisted", "warning"))
    assert output.get("zarr.json") == ROOT


def test_what_is_invalid_by_now_is_hidden_again(output):
    claimed = claim(output, "run-1")
    publish_now(output, claimed)
    release(output, "run-1")
    with pytest.raises(InputError, match=r"d: no longer published, it is invalid: pixels\.differ"):
        publish_now(output, claimed, finding("pixels.differ"))
    assert output.get("zarr.json") is None
    assert claim(output, "run-1") == claimed, "the place is still this run's"
    with pytest.raises(InputError, match="d: not published, it is invalid"):
        publish_now(output, claimed, finding("pixels.differ"))
    with pytest.raises(InputError, match="d: no longer published, it is invalid"):
        publish_now(output, claimed, finding("pixels.differ"), was_published=True)
    publish_now(output, claimed)
    assert output.get("zarr.json") == ROOT


def test_a_dataset_of_others_is_not_hidden(output):
    claimed = claim(output, "run-1")
    publish_now(output, claimed)
    release(output, "run-1")
    output.put("zarr.json", b'{"zarr_format": 3, "attributes": {}}')
    with pytest.raises(InputError, match="d: not published"):
        publish_now(output, claimed, finding("pixels.differ"))
    assert output.get("zarr.json") is not None
    assert output.get(LOCK_KEY) is None


def test_what_cannot_be_hidden_is_said_to_be_there(output, monkeypatch):
    claimed = claim(output, "run-1")
    publish_now(output, claimed)
    release(output, "run-1")

    def refused(*_):
        raise StorageError("read-only")

    monkeypatch.setattr(output, "put_new", refused)
    with pytest.raises(InputError, match=r"d: still published, since its root .* it is invalid"):
        publish_now(output, claimed, finding("pixels.differ"))
    assert output.get("zarr.json") == ROOT


def test_a_published_dataset_without_its_root_document_is_taken_up_again(output):
    claimed = claim(output, "run-1")
    output.put("0/c/0", b"data")
    known = publish_now(output, claimed)
    release(output, "run-1")
    output.delete("zarr.json")
    with pytest.raises(OutputError, match="was not started by this run"):
        claim(output, "run-1", known=known.model_copy(update={"output": "elsewhere"}))
    again = claim(output, "run-1", known=known)
    assert again.generation != claimed.generation, "whether the rest is there is looked at again"
    assert output.get("0/c/0") == b"data"


def test_a_root_document_that_was_not_validated(output):
    claimed = claim(output, "run-1")
    with pytest.raises(InputError, match="root document changed after it was validated"):
        publish_now(output, claimed, root=b"{}")
    assert output.get("zarr.json") is None


def test_publishing_twice_is_publishing_once(output):
    claimed = claim(output, "run-1")
    publish_now(output, claimed)
    publish_now(output, claimed)
    release(output, "run-1")
    publish_now(output, claimed)
    release(output, "run-1")
    assert [info.key for info in output.list_tree("")] == ["zarr.json"]


def test_nothing_is_published_over_another_run(output):
    claimed = claim(output, "run-1")
    release(output, "run-1")
    claim(output, "run-2")
    with pytest.raises(OutputError, match="another run"):
        publish_now(output, claimed)
    release(output, "run-1")
    assert json.loads(output.get(LOCK_KEY))["run_id"] == "run-2"


def test_costs_add_up():
    item = ItemRecord(
        path="0",
        start=0,
        stop=1,
        method="repack",
        fingerprint="f",
        chunks_read=2,
        bytes_read=30,
        objects_written=1,
        bytes_written=40,
        wall_seconds=1.0,
        cpu_seconds=1.0,
    )
    record = Record(
        batch="b",
        items=(item, item),
        wall_seconds=2.5,
        cpu_seconds=2.0,
        peak_memory_bytes=100,
        threads=1,
        started="2026-01-01T00:00:00+00:00",
        versions={},
    )
    total = total_cost([record, record.model_copy(update={"peak_memory_bytes": 300})])
    assert (total.jobs, total.chunks_read, total.bytes_written) == (2, 8, 160)
    assert (total.wall_seconds, total.peak_memory_bytes) == (5.0, 300)


@pytest.mark.parametrize(
    ("first", "is_named_as_then", "is_taken"),
    [("stays", False, False), ("moved", False, True), ("copied", True, True)],
)
def test_another_dataset_with_the_same_metadata_is_not_taken_over(
    output, tmp_path, first, is_named_as_then, is_taken
):
    """Images whose metadata are the same have the same root document."""
    other = LocalStore(str(tmp_path / "other.zarr"), writable=True, durability="none")
    known = publish_now(other, claim(other, "run-1"))
    release(other, "run-1")
    if first == "moved":
        (tmp_path / "other.zarr").rename(output.root)
    elif first == "copied":
        shutil.copytree(tmp_path / "other.zarr", output.root)
    else:
        publish_now(output, claim(output, "run-2"))
        release(output, "run-2")
    if is_taken:
        claim(output, "run-1", known=known, is_named_as_then=is_named_as_then)
        assert output.get("zarr.json") is None
    else:
        with pytest.raises(OutputError, match="exists and was not started by this run"):
            claim(output, "run-1", known=known, is_named_as_then=is_named_as_then)
        assert output.get("zarr.json") == ROOT
        assert other.get("zarr.json") == ROOT

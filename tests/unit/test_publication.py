"""Who may write to an output, and when readers see a dataset there."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from uplift.claim import claim_output
from uplift.errors import InputError, OutputError, StorageError
from uplift.models.findings import Finding
from uplift.models.publication import Claim, Cost, Lock
from uplift.models.record import ItemRecord, Record
from uplift.models.validation import Validation
from uplift.outputs import LOCK_KEY, HeldOutput, held
from uplift.outputs.lock import renew_lock
from uplift.publish import publish_dataset, total_cost
from uplift.storage.local import LocalStore

ROOT = b'{"zarr_format": 3}\n'
COST = Cost(
    jobs=1,
    chunks_read=1,
    bytes_read=2,
    objects_written=1,
    bytes_written=2,
    wall_seconds=0.1,
    cpu_seconds=0.1,
    peak_memory_bytes=3,
)


@pytest.fixture
def output(tmp_path):
    return LocalStore(str(tmp_path / "out.zarr"), writable=True, durability="none")


def claim(output, run_id, *, folder=None, **options):
    if folder is None:
        folder = Path(output.root).parent / f"work of {run_id}"
        folder.mkdir(exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"run_id": run_id}))
    return claim_output(output.url, {}, run_id, folder, **options)


def hold(output, claimed):
    """The output as a job of the run gets it; not opened again, so that a test can watch it."""
    return HeldOutput(output, claimed, Path(output.root).parent / f"work of {claimed.run_id}")


def release(output, run_id):
    hold(output, Claim(run_id=run_id, output=output.url, generation="g")).release()


def verdict(*findings, root=ROOT):
    errors = [f for f in findings if f.severity == "error"]
    return Validation(
        dataset="d",
        verdict="invalid" if errors else "valid",
        findings=findings,
        arrays=(),
        groups=1,
        files=0,
        objects=3,
        bytes=4,
        root_sha256=hashlib.sha256(root).hexdigest(),
    )


def finding(code, severity="error"):
    return Finding(code=code, severity=severity, path="0", message="not so")


def publish_now(output, claimed, *findings, root=ROOT):
    return publish_dataset(
        hold(output, claimed),
        root,
        verdict(*findings),
        COST,
        validate_command="snakemake -R validate",
    )


def test_an_empty_place_is_taken_and_stays_ours(output):
    first = claim(output, "run-1")
    assert json.loads(output.get(LOCK_KEY))["run_id"] == "run-1"
    output.put("0/c/0", b"data")
    assert claim(output, "run-1") == first
    assert output.get("0/c/0") == b"data"


def test_another_runs_place_is_refused_whatever_the_config_says(output):
    claim(output, "run-1")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"another run of .+@.+ has held it since .+ delete"):
            claim(output, "run-2", overwrite=overwrite)
    foreign = Claim(run_id="run-2", output=output.url, generation="g")
    with pytest.raises(OutputError, match="another run"):
        hold(output, foreign).put("0/c/0", b"data")
    assert [info.key for info in output.list_tree("")] == [LOCK_KEY]


def test_an_output_that_this_run_did_not_begin(output):
    output.put("zarr.json", b"{}")
    output.put("0/c/0", b"data")
    with pytest.raises(
        OutputError, match=r"exists and was not started by this run; .*overwrite: true"
    ):
        claim(output, "run-1")
    assert output.get("zarr.json") == b"{}"
    assert output.get(LOCK_KEY) is None
    claim(output, "run-1", overwrite=True)
    assert [info.key for info in output.list_tree("")] == [LOCK_KEY]


def test_overwrite_empties_nothing_that_is_no_zarr(output):
    output.put("thesis.tex", b"years of work")
    with pytest.raises(OutputError, match=r"holds thesis\.tex but no Zarr"):
        claim(output, "run-1", overwrite=True)
    assert output.get("thesis.tex") == b"years of work"


@pytest.mark.parametrize("place", ["in.zarr", "in.zarr/0", "."])
def test_an_output_that_overlaps_the_source(tmp_path, place):
    (tmp_path / "in.zarr" / "0").mkdir(parents=True)
    output = LocalStore(str(tmp_path / place), writable=True, durability="none")
    with pytest.raises(OutputError, match="overlaps the source"):
        claim(output, "run-1", source_url=f"file://{tmp_path}/in.zarr", overwrite=True)
    assert list(output.list_tree("")) == []


def test_a_link_to_the_source_is_an_overlap(tmp_path):
    (tmp_path / "in.zarr").mkdir()
    (tmp_path / "out.zarr").symlink_to(tmp_path / "in.zarr")
    output = LocalStore(str(tmp_path / "out.zarr"), writable=True, durability="none")
    with pytest.raises(OutputError, match="overlaps the source"):
        claim(output, "run-1", source_url=str(tmp_path / "in.zarr"))


OURS = (".uplift-tmp.0123456789ab.7.zarr.json", "0/c/.uplift-tmp.fedcba987654.12.1")
NOT_OURS = (
    ".uplift-tmp.txt",
    "0/.uplift-tmp.1.2.notes",
    "0/c/.uplift-tmp.0123456789ab.x.1",
    "0/c/.uplift-tmp.0123456789AB.1.1",
    "0/c/.uplift-tmp.0123456789ab.1",
    "0/c/my.uplift-tmp.0123456789ab.1.1",
    ".uplift-tmp.0123456789ab.1.folder/x",
)


def test_leftovers_are_removed_and_nobody_elses_files(output):
    claimed = claim(output, "run-1")
    for key in (*OURS, *NOT_OURS):
        output.put(key, b"data")
    publish_now(output, claimed)
    release(output, "run-1")
    assert {info.key for info in output.list_tree("")} == {*NOT_OURS, "zarr.json"}


def test_a_run_killed_while_it_took_the_lock_is_in_nobodys_way(output):
    output.put(OURS[0], b"data")
    claim(output, "run-1")


def test_a_file_with_a_similar_name_is_somebodys(output):
    output.put(NOT_OURS[0], b"data")
    with pytest.raises(OutputError, match="exists and was not started by this run"):
        claim(output, "run-1")
    assert output.get(NOT_OURS[0]) == b"data"


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
    output.put("zarr.json", b"somebody else's")
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
    assert json.loads(output.get(LOCK_KEY))["begun"] == claimed.generation


def test_root_document_and_lock_are_not_written_as_other_objects_are(output):
    one = hold(output, claim(output, "run-1"))
    for key in ("zarr.json", LOCK_KEY, ""):
        with pytest.raises(ValueError, match="not for steps to write"):
            one.put(key, b"{}")
        with pytest.raises(ValueError, match="not for steps to write"):
            one.delete_tree(key)


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
    publish_now(output, claimed)
    assert output.get("zarr.json") == ROOT


def test_somebody_elses_dataset_is_not_hidden(output):
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


def changed_lock(output, **changes):
    output.put(LOCK_KEY, json.dumps(json.loads(output.get(LOCK_KEY)) | changes).encode())


def work_folder(tmp_path, run_id):
    folder = tmp_path / "results" / "d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"run_id": run_id}))
    return folder


def test_a_refusal_names_owner_age_last_sign_of_life_and_work_files(output, tmp_path):
    folder = work_folder(tmp_path, "run-1")
    claim(output, "run-1", folder=folder)
    changed_lock(output, owner="ann@node7", seen="2026-01-01T00:00:00+00:00")
    with pytest.raises(OutputError) as caught:
        claim(output, "run-2", overwrite=True)
    message = str(caught.value)
    assert "another run of ann@node7 has held it since 2" in message
    assert "last seen" in message
    assert "days ago" in message
    assert str(folder) in message
    assert message.endswith(f"delete {output.url}/{LOCK_KEY}")


def test_a_lock_whose_work_files_are_gone_is_taken_over(output, tmp_path, caplog):
    folder = work_folder(tmp_path, "run-1")
    claim(output, "run-1", folder=folder)
    with pytest.raises(OutputError, match="another run"):
        claim(output, "run-2")
    shutil.rmtree(folder)
    claim(output, "run-2", folder=work_folder(tmp_path, "run-2"))
    assert "the work files of the run that held it are gone; taking over" in caplog.text
    assert json.loads(output.get(LOCK_KEY))["run_id"] == "run-2"


def test_what_an_abandoned_run_left_is_emptied_only_when_asked(output, tmp_path):
    claim(output, "run-1", folder=work_folder(tmp_path, "run-1"))
    output.put("0/c/0", b"unfinished")
    folder = work_folder(tmp_path, "run-2")
    with pytest.raises(OutputError, match="not started by this run"):
        claim(output, "run-2", folder=folder)
    assert output.get("0/c/0") == b"unfinished"
    assert json.loads(output.get(LOCK_KEY))["run_id"] == "run-1"
    claim(output, "run-2", folder=folder, overwrite=True)
    assert [info.key for info in output.list_tree("")] == [LOCK_KEY]


@pytest.mark.parametrize("changes", [{"owner": "ann@elsewhere"}, {"view": "x"}, {"folder": ""}])
def test_work_files_that_cannot_be_seen_from_here_are_not_gone(output, tmp_path, changes):
    folder = work_folder(tmp_path, "run-1")
    claim(output, "run-1", folder=folder)
    changed_lock(output, **changes)
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match="another run"):
        claim(output, "run-2", overwrite=True)


def test_a_damaged_run_file_is_no_proof(output, tmp_path):
    folder = work_folder(tmp_path, "run-1")
    claim(output, "run-1", folder=folder)
    (folder / "run.json").write_text("{")
    with pytest.raises(OutputError, match="another run"):
        claim(output, "run-2")


def test_jobs_give_signs_of_life(output, monkeypatch):
    claimed = claim(output, "run-1")
    long_ago = "2026-01-01T00:00:00+00:00"
    changed_lock(output, seen=long_ago)
    one = hold(output, claimed)
    one.put("0/c/0", b"data")
    first = json.loads(output.get(LOCK_KEY))
    assert first["seen"] > long_ago
    renew_lock(output, Lock.parse(first, "lock"))
    assert json.loads(output.get(LOCK_KEY)) == first, "not more often than once a minute"
    changed_lock(output, seen=long_ago)
    one.put("0/c/0", b"data")
    assert json.loads(output.get(LOCK_KEY))["seen"] == long_ago
    monkeypatch.setattr(held, "SEEN_EVERY_S", -1.0)
    one.put("0/c/0", b"data")
    assert json.loads(output.get(LOCK_KEY))["seen"] > long_ago


def test_a_job_ends_when_its_lock_was_given_to_another_run(output, monkeypatch):
    one = hold(output, claim(output, "run-1"))
    one.put("0/c/0", b"data")
    changed_lock(output, run_id="run-2")
    monkeypatch.setattr(held, "SEEN_EVERY_S", -1.0)
    with pytest.raises(OutputError, match="another run"):
        one.put("0/c/1", b"data")
    assert output.get("0/c/1") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id": 3}'])
def test_a_lock_that_is_none(output, content):
    output.put(LOCK_KEY, content)
    with pytest.raises(OutputError, match=r"cannot be read as a lock; .* or delete it"):
        claim(output, "run-1")


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

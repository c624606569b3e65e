"""Who may write to an output."""

import json
import shutil

import pytest

from support.publications import NOT_OURS, OURS, changed_lock, claim, hold, publish_now
from uplift.errors import OutputError
from uplift.models.publication import Claim, Lock
from uplift.outputs import LOCK_KEY, held
from uplift.outputs.lock import renew_lock
from uplift.storage.local import LocalStore


@pytest.fixture
def output(tmp_path):
    return LocalStore(str(tmp_path / "out.zarr"), writable=True, durability="none")


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


def test_a_run_killed_while_it_took_the_lock_is_in_nobodys_way(output):
    output.put(OURS[0], b"data")
    claim(output, "run-1")


def test_a_file_with_a_similar_name_is_not_ours(output):
    output.put(NOT_OURS[0], b"data")
    with pytest.raises(OutputError, match="exists and was not started by this run"):
        claim(output, "run-1")
    assert output.get(NOT_OURS[0]) == b"data"


def test_root_document_and_lock_are_not_written_as_other_objects_are(output):
    one = hold(output, claim(output, "run-1"))
    for key in ("zarr.json", LOCK_KEY, ""):
        with pytest.raises(ValueError, match="not for steps to write"):
            one.put(key, b"{}")
        with pytest.raises(ValueError, match="not for steps to write"):
            one.delete_tree(key)


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


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_damaged_run_file_is_no_proof(output, tmp_path, text):
    folder = work_folder(tmp_path, "run-1")
    claim(output, "run-1", folder=folder)
    (folder / "run.json").write_text(text)
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


def test_a_lock_of_an_earlier_version_is_read(output):
    first = claim(output, "run-1")
    lock = json.loads(output.get(LOCK_KEY))
    lock["begun"] = lock.pop("generation")
    output.put(LOCK_KEY, json.dumps(lock).encode())
    assert claim(output, "run-1") == first


def test_records_of_another_output_are_left_with_a_warning(output, tmp_path, caplog):
    other = LocalStore(str(tmp_path / "other.zarr"), writable=True, durability="none")
    before = publish_now(other, claim(other, "run-1"))
    claim(output, "run-2", known=before)
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.endswith("other.zarr, which stays as it is")


class Bucket(LocalStore):
    """Files that count as an object store; notes what is asked of the lock and the root."""

    is_local = False

    def __init__(self, root):
        super().__init__(str(root), writable=True, durability="none")
        self.asked = []

    def _noted(self, what, key):
        if key in (LOCK_KEY, "zarr.json"):
            self.asked.append((what, key))

    def get(self, wanted):
        self._noted("get", wanted)
        return super().get(wanted)

    def stat(self, key):
        self._noted("stat", key)
        return super().stat(key)

    def put(self, key, data):
        self._noted("put", key)
        super().put(key, data)

    def delete(self, key):
        self._noted("delete", key)
        super().delete(key)


@pytest.fixture
def bucket(tmp_path):
    return Bucket(tmp_path / "out.zarr")


def opened(store, claimed):
    one = hold(store, claimed)
    one.begin_check()
    return one


def test_a_bucket_of_another_run_is_read_while_the_lock_is_asked_for_but_never_written(bucket):
    claim(bucket, "run-1")
    bucket.put("0/zarr.json", b"theirs")
    job = opened(bucket, Claim(run_id="run-2", output=bucket.url, generation="g"))
    assert job.get("0/zarr.json") == b"theirs"
    for write in (
        lambda: job.put("0/zarr.json", b"mine"),
        lambda: job.delete("0/zarr.json"),
        lambda: job.delete_tree("0"),
        lambda: job.remove_unfinished([("0/zarr.json", "")]),
        lambda: job.show(b"{}"),
        job.hide,
        job.flush,
    ):
        with pytest.raises(OutputError, match="another run"):
            write()
    job.release()
    assert sorted(info.key for info in bucket.list_tree("")) == [LOCK_KEY, "0/zarr.json"]
    assert bucket.get("0/zarr.json") == b"theirs"


def test_a_root_document_that_came_after_claim_looked_is_gone_before_the_first_write(bucket):
    claimed = claim(bucket, "run-1")
    bucket.put("zarr.json", b"{}")
    opened(bucket, claimed).put("0/c/0", b"data")
    assert bucket.get("zarr.json") is None


def test_publishing_to_a_bucket_looks_once(bucket):
    claimed = claim(bucket, "run-1")
    job = opened(bucket, claimed)
    job.show(b"{}")
    job.release()
    looks, writes = bucket.asked[:2], bucket.asked[2:]
    assert sorted(looks) == [("get", LOCK_KEY), ("stat", "zarr.json")]
    assert writes == [("put", "zarr.json"), ("delete", LOCK_KEY)]


def test_a_lock_that_went_to_another_run_since_it_was_looked_at_stops_publishing(
    bucket, monkeypatch
):
    job = opened(bucket, claim(bucket, "run-1"))
    job.put("0/c/0", b"data")
    changed_lock(bucket, run_id="run-2")
    monkeypatch.setattr(held, "SEEN_JUST_NOW_S", -1.0)
    with pytest.raises(OutputError, match="another run"):
        job.show(b"{}")
    job.release()
    assert bucket.get("zarr.json") is None
    assert json.loads(bucket.get(LOCK_KEY))["run_id"] == "run-2"

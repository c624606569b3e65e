"""What killed jobs left at a local output: noted by validate, removed by publish."""

import json
from unittest.mock import Mock

import pytest

from support.images import write_image, write_json
from support.steps import Conversion, StepError
from uplift.outputs import HeldOutput, hold
from uplift.outputs.keys import LOCK_KEY
from uplift.storage.local import LocalStore


@pytest.fixture
def conversion(tmp_path):
    source = write_image(tmp_path / "in.zarr", size=32, chunk=16)
    made = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    made.before_validation()
    return made


@pytest.fixture
def searched(monkeypatch):
    """Objects whose leftovers were searched for; None: the whole output was listed."""
    found, find = [], LocalStore.find_unfinished

    def noted(store, key=None):
        found.append(key)
        return find(store, key)

    monkeypatch.setattr(LocalStore, "find_unfinished", noted)
    return found


@pytest.mark.parametrize("noted", ["now", "by another validation", "by an earlier version"])
def test_what_killed_jobs_left_is_removed_by_publish(noted, conversion, tmp_path, searched):
    of_jobs = tmp_path / "out.zarr" / "0/c/0/.uplift-tmp.0123456789ab.7.0"
    of_jobs.write_bytes(b"half")
    conversion.validate()
    note = conversion.path("unfinished.json")
    assert json.loads(note.read_text())["keys"] == ["0/c/0/.uplift-tmp.0123456789ab.7.0"]
    if noted == "by another validation":
        write_json(note, {**json.loads(note.read_text()), "validation_sha256": "0", "keys": []})
    if noted == "by an earlier version":
        note.unlink()
    conversion.publish()
    assert not of_jobs.exists()
    assert not note.exists(), "a dataset that is published again is listed again"
    assert searched == ([] if noted == "now" else [None])


@pytest.mark.parametrize("step", ["a job of convert", "publish"])
def test_a_note_of_leftovers_counts_until_something_writes_to_the_output(
    step, conversion, tmp_path, monkeypatch, searched
):
    conversion.validate()
    if step == "publish":
        with monkeypatch.context() as patch, pytest.raises(StepError):
            patch.setattr(HeldOutput, "show", Mock(side_effect=KeyboardInterrupt))
            conversion.publish()
    else:
        hold(conversion.output, conversion.path("claim.json")).put("0/c/0/0/0/0", b"once more")
    leftovers = [
        tmp_path / "out.zarr" / f"{folder}.uplift-tmp.0123456789ab.0.{name}"
        for folder, name in (("0/c/0/", "0"), ("", "zarr.json"), ("", LOCK_KEY))
    ]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    conversion.publish()
    assert [leftover for leftover in leftovers if leftover.exists()] == []
    assert searched == [None]
